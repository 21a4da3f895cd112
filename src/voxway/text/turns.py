"""Where a speaker's turn ends, for recognizers that tell no more than what was said and when.

How it was said is not listened to: what tells an end from a breath is how long the silence lasts,
and whether what was written ends as a sentence does. So the confidence grows with the silence, and
comes near to one slowly: `docs/decisions/025-turns.md` says why no model is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import exp2, inf, log2

from msgspec import structs

from ..events import Transcript, Trigger, Turn, Turns

# Seconds of silence after which it is as likely as not that more is coming.
HALF = 0.6
HALF_OF_A_SENTENCE = 1.2
ENDS = (".", "?", "!", "…", "\u3002", "\uff1f", "\uff01", "\u0964", "\u061f")
DEFAULT = Turns(threshold=0.7, timeout=5.0)


def confidence(silence: float, text: str) -> float:
    """That nothing more comes after so many seconds of silence."""
    return round(1.0 - exp2(-max(0.0, silence) / _half(text)), 3)


def patience(threshold: float, text: str) -> float:
    """How many seconds of silence it takes to be so sure."""
    return _half(text) * log2(1.0 / (1.0 - threshold)) if threshold < 1.0 else inf


def _half(text: str) -> float:
    return HALF if text.endswith(ENDS) else HALF_OF_A_SENTENCE


def changed(now: Turns, wanted: Turns | None) -> Turns:
    """`now` with what is given in `wanted`."""
    given = structs.asdict(wanted) if wanted is not None else {}
    return structs.replace(now, **{name: v for name, v in given.items() if v is not None})


class Follower:
    """The turns in one stream of transcripts. Times are seconds from its start."""

    def __init__(self, asked: Turns) -> None:
        self._asked = changed(DEFAULT, asked)
        self._texts: list[str] = []  # the finals of the turn
        self._is_open = self._is_foretold = False
        self._is_speaking = False  # a partial awaits its final
        self._until = 0.0  # where the last final ends

    @property
    def text(self) -> str:
        return " ".join(self._texts)

    def adjust(self, asked: Turns) -> None:
        self._asked = changed(self._asked, asked)

    def hear(self, heard: Transcript) -> Iterator[Transcript | Turn]:
        """A transcript, with what it says of the turn before and after it."""
        if heard.text and heard.start is not None:
            yield from self.silent(heard.start)
        if heard.text and not self._is_open:
            self._is_open = True
            yield Turn("start", at=heard.start)
        elif heard.text and self._is_foretold:
            self._is_foretold = False
            yield Turn("resumed", self.text, at=heard.start)
        yield heard
        self._is_speaking = bool(heard.text) and not heard.final
        if heard.final:
            if heard.text:
                self._texts.append(heard.text)
            if heard.start is not None:
                self._until = heard.start + (heard.duration or 0.0)
        if heard.from_finalize:
            yield from self.end("manual")

    def silent(self, until: float) -> Iterator[Turn]:
        """Since the last final nothing was heard up to then."""
        if not self._is_open or self._is_speaking:
            return
        silence = until - self._until
        sure, asked = confidence(silence, self.text), self._asked
        if silence >= (asked.timeout or inf):
            yield from self.end("timeout", sure, until)
        elif sure >= (asked.threshold or inf):
            yield from self.end("model", sure, until)
        elif sure >= (asked.eager_threshold or inf):
            yield from self.foretell(sure, until)

    def foretell(self, sure: float | None = None, at: float | None = None) -> Iterator[Turn]:
        """There is a pause."""
        if self._is_open and not self._is_foretold and self._asked.eager_threshold is not None:
            self._is_foretold = True
            yield Turn("eager_end", self.text, sure, at)

    def end(
        self,
        trigger: Trigger,
        sure: float | None = None,
        at: float | None = None,
    ) -> Iterator[Turn]:
        """The turn is over, if there is one."""
        if self._is_open:
            yield Turn("end", self.text, sure, at, trigger)
            self._is_open = self._is_foretold = self._is_speaking = False
            self._texts.clear()
