"""Turns of a recognizer that knows only pauses, for a client that wants to know of turns.

A final is a pause, which foretells the end. Where the recognizer tells of longer silence, that is
the end; elsewhere there is nothing to wait for, and the pause is.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import structs

from ..catalog import Model
from ..events import Event, ListenOptions, SpeechStarted, Transcript, Turn, UtteranceEnd
from ..text.turns import Follower, changed


class Turning:
    """What comes from the recognizer, as the client asked for it. `asked` is what the recognizer
    is asked for: where turns are found here, it must tell of pauses and of speech as it comes."""

    def __init__(self, options: ListenOptions, model: Model) -> None:
        self.options = self.asked = options
        self._has_vad = "vad" in model.capabilities
        self._follower: Follower | None = None
        if options.turns is not None and "turns" not in model.capabilities:
            self._follower = Follower(options.turns)
            self.asked = structs.replace(
                options,
                turns=None,
                partials=options.partials or "partials" in model.capabilities,
                vad_events=options.vad_events or self._has_vad,
            )

    def adjust(self, wanted: ListenOptions) -> ListenOptions | None:
        """Change what is given; what the recognizer is to be told of it, if anything."""
        assert self.options.turns is not None
        turns = changed(self.options.turns, wanted.turns)
        extra = self.options.extra | wanted.extra
        self.options = structs.replace(self.options, turns=turns, extra=extra)
        if self._follower is not None:
            self._follower.adjust(turns)
        self.asked = structs.replace(self.asked, extra=extra)
        if self._follower is None:
            self.asked = structs.replace(self.asked, turns=turns)
        return self.asked if self._follower is None or wanted.extra else None

    def heard(self, event: Event) -> Iterator[Event]:
        """What the client is told of it."""
        if self._follower is None:
            if not isinstance(event, Turn) or self.options.turns is not None:
                yield event
            return
        match event:
            case Transcript():
                yield from filter(self._is_wanted, self._follower.hear(event))
                if event.final and event.is_endpoint:
                    yield from self._pause(self._follower)
            case UtteranceEnd(last_word_end=end):
                if self._is_wanted(event):
                    yield event
                yield from self._follower.end("timeout", at=end)
            case Turn():
                return  # of a recognizer that tells them unasked
            case _ if self._is_wanted(event):
                yield event

    def _pause(self, follower: Follower) -> Iterator[Event]:
        if self._has_vad:
            yield from follower.foretell()
        else:
            yield from follower.end("timeout")

    def _is_wanted(self, event: Event) -> bool:
        match event:
            case Transcript(final=False):
                return self.options.partials
            case SpeechStarted() | UtteranceEnd():
                return self.options.vad_events
            case _:
                return True
