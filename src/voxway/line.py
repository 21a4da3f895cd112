"""One connection to an upstream, with all that lies between it and a session.

A line is one socket at a time: dialled when the configuration is known, opened again when the pacer
wants it. What comes back is stamped with the epoch that the pacer says it was made under.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import assert_never

from msgspec import structs

from .audio.formats import AudioFormat
from .audio.slicing import MAX_PIECE, Framer
from .converting import Heard, Spoken, Stamped, plan
from .ear import Ear
from .errors import GatewayError
from .events import (
    Adjust,
    Audio,
    Clear,
    Cleared,
    Configure,
    Event,
    Failed,
    Finish,
    Flush,
    Flushed,
    Malformed,
    Options,
    Start,
    Text,
)
from .guard import Guarded, contained
from .net.base import Receiver
from .peers import Draw, Side, Way
from .purse import Purse
from .session.pace import Dial, HangUp, Lose, Pacer, Say, Step, Tell
from .session.pace_hearing import HearingPacer
from .session.pace_speech import SpeechPacer
from .session.tts import OF_AN_UTTERANCE
from .stage import Stage
from .wire.base import Codec
from .wire.policies import Policy

# What may wait for the upstream to open: half a minute of 16 kHz audio.
MAX_WAITING = 1024 * 1024  # bytes


class Line:
    """One socket to an upstream, with the contexts that it carries."""

    def __init__(
        self, way: Way, options: Options, context: str, side: Side, clock: Callable[[], float]
    ) -> None:
        self.contexts = {context}
        self.plan = plan(options, way.model)
        self.endpoint = way.endpoint(self.plan.asked)
        self._full: set[str] = set()  # what takes no more
        self._steps: deque[Step] = deque()
        self._is_performing = False
        self._way = way
        # A wire without contexts is not told of any: there the whole line is one.
        self._context = "" if way.policy.contexts > 1 else context
        self._side = side
        self._clock = clock
        self._pacer = _pacer(way, self.plan.backend)
        self._ear: Ear | None = None
        self._purse: Purse | None = None
        self._dialling: asyncio.Task[None] | None = None
        self._was_open = False
        self._is_paused = self._is_behind = False  # by the client, by our own work
        self._up: Stage[Event] | None = None
        self._down: Stage[Stamped] | None = None
        self._spoken: dict[str, Spoken] = {}
        self._heard: Heard | None = None
        self._is_straight = True  # the way of audio up
        self._framers: dict[str, Framer] = {}
        if way.task == "stt":
            self._set_up_hearing()

    @property
    def is_full(self) -> bool:
        """Whether no more should be said for now."""
        return bool(self._full)

    @property
    def is_there(self) -> bool:
        """Whether there is a socket, or will be."""
        return self._ear is not None or bool(self.contexts)

    def has_room(self) -> bool:
        """Whether it can carry one context more."""
        is_free = len(self.contexts) < self._way.policy.contexts
        return is_free and self._pacer.has_room(self._clock())

    def say(self, command: Event) -> None:
        """Give the upstream a command."""
        if (
            isinstance(command, Audio)
            and self._is_straight
            and self._ear is not None
            and self._pacer.passes(command, self._clock())
        ):
            self._ear.say(command)  # the hot way up: no step is made for it
            return
        if self._context:
            command = structs.replace(command, context="")
        if isinstance(command, Start):
            command = self._start(command)
        elif isinstance(command, Configure | Adjust):
            asked = plan(command.options, self._way.model).asked
            command = structs.replace(command, options=asked)
        if self._up is not None:
            self._up.put(command)
        else:
            self._hand(command)

    def tick(self) -> None:
        self._perform(self._pacer.tick(self._clock()))

    def pause(self) -> None:
        self._is_paused = True
        self._read_or_rest()

    def resume(self) -> None:
        self._is_paused = False
        self._read_or_rest()

    def close(self) -> None:
        """Let go of the upstream; nothing of it is heard any more."""
        for each in (self._up, self._down, self._purse):
            if each is not None:
                each.close()
        self._leave()

    def _start(self, command: Start) -> Start:
        """How the upstream is asked: in its own format."""
        assert command.options is not None
        made = plan(command.options, self._way.model)
        self._framers[command.context] = Framer(made.backend)
        if self._way.task == "tts" and not made.is_plain:
            spoken = self._spoken[command.context] = Spoken(made)
            self._set_up_speech(in_thread=spoken.is_work or self._way.policy.contexts > 1)
        return structs.replace(command, options=made.asked)

    def _set_up_speech(self, *, in_thread: bool) -> None:
        def work(stamped: Stamped) -> Iterable[Stamped]:
            spoken = self._spoken.get(stamped[0].context)
            return (stamped,) if spoken is None else spoken(stamped)

        if self._down is None:
            self._down = Stage(work, self._sliced, self._rest, self._broke, in_thread=in_thread)

    def _set_up_hearing(self) -> None:
        heard = Heard(self.plan)
        self._is_straight = not (heard.converts or heard.is_aligned)
        if heard.converts:
            self._up = Stage(
                heard.up,
                self._hand,
                lambda is_full: self._fill("conversion", is_full),
                self._broke,
                in_thread=heard.is_work,
            )
        if heard.is_aligned:
            self._heard = heard
            self._down = Stage(heard.down, self._told, self._rest, self._broke, in_thread=True)

    def _hand(self, command: Event) -> None:
        if isinstance(command, Failed):  # of our own work on what the client said
            self._told((command, 0))
            return
        if self._heard is not None:
            self._heard.heard(command)
        if self._way.task == "tts":
            self._follow(command)
        self._perform(self._pacer.command(command, self._clock()))
        self._fill("backlog", self._pacer.waiting >= MAX_WAITING)

    def _follow(self, command: Event) -> None:
        """Keep in mind what will be spoken, and what will not."""
        context = command.context
        framer, spoken = self._framers.get(context), self._spoken.get(context)
        match command:
            case Text() | Flush():
                if spoken is not None:
                    spoken.said(command)
            case Clear():
                if framer is not None:
                    framer.clear()
                if spoken is not None:
                    spoken.abort()
                self._drop(lambda s: isinstance(s[0], OF_AN_UTTERANCE) and s[0].context == context)
            case Finish():
                self._framers.pop(context, None)
                self._spoken.pop(context, None)
                self._drop(lambda s: s[0].context == context)

    def _drop(self, is_unwanted: Callable[[Stamped], bool]) -> None:
        if self._down is not None:
            self._down.drop(is_unwanted)

    def _perform(self, steps: Iterable[Step]) -> None:
        """Take the steps in their order, whatever is commanded or comes meanwhile."""
        self._steps.extend(steps)
        if self._is_performing:
            return
        self._is_performing = True
        try:
            while self._steps:
                self._take(self._steps.popleft())
        finally:
            self._is_performing = False

    def _take(self, step: Step) -> None:
        match step:
            case Say(event=event):
                if self._ear is not None:
                    self._ear.say(event)
            case Tell(event=event, epoch=epoch):
                if self._down is not None:
                    self._down.put((event, epoch))
                else:
                    self._told((event, epoch))
            case Dial(options=options):
                self._dialling = asyncio.get_running_loop().create_task(self._connect(options))
            case HangUp():
                self._leave()
            case Lose(message=message):
                self._side.upstream_lost(message, self._context)
            case unmatched:
                assert_never(unmatched)

    def _told(self, stamped: Stamped) -> None:
        event, epoch = stamped
        if self._context:
            event = structs.replace(event, context=self._context)
        self._side.from_upstream(event, epoch)

    def _sliced(self, stamped: Stamped) -> None:
        """Told in pieces, where our own work made much of little."""
        event, epoch = stamped
        if not isinstance(event, Audio) or len(event.data) <= MAX_PIECE:
            self._told(stamped)
            return
        for at in range(0, len(event.data), MAX_PIECE):
            self._told((structs.replace(event, data=event.data[at : at + MAX_PIECE]), epoch))

    async def _connect(self, options: Options) -> None:
        with contained("upstream", self._broke):
            try:
                await self._way.connect(options, self._receiver, self._was_open)
            except GatewayError as error:
                self._give_up(error)

    def _receiver(self, codec: Codec, policy: Policy, draw: Draw | None) -> Receiver:
        if self._purse is not None:
            self._purse.close()
        self._purse = Purse(draw, self.tick) if draw is not None else None
        self._pacer.adopt(policy, self._purse)
        self._ear = Ear(self, codec)
        return Guarded(self._ear, "upstream")

    def _broke(self) -> None:
        """There is a bug in our own work."""
        self._give_up(GatewayError("internal error", code="internal_error"))

    def _give_up(self, error: GatewayError) -> None:
        """It cannot be had: say why, and no more than that."""
        self._ear = None
        deque(self._pacer.lose(error.message), maxlen=0)
        self._side.upstream_failed(error, self._context)

    def _leave(self) -> None:
        if self._dialling is not None:
            self._dialling.cancel()
            self._dialling = None
        ear, self._ear = self._ear, None
        self._fill("socket", False)
        if ear is not None:
            ear.leave()

    def _rest(self, is_wanted: bool) -> None:
        """Our own work on what the upstream says falls behind: it is not read meanwhile."""
        self._is_behind = is_wanted
        self._read_or_rest()

    def _read_or_rest(self) -> None:
        if self._ear is not None:
            if self._is_paused or self._is_behind:
                self._ear.pause()
            else:
                self._ear.resume()

    def _fill(self, what: str, is_full: bool) -> None:
        if is_full != (what in self._full):
            (self._full.add if is_full else self._full.discard)(what)
            self._side.upstream_fills()

    # What the socket tells

    def opened(self) -> None:
        self._was_open = True
        self._perform(self._pacer.opened(self._clock()))
        self._fill("backlog", self._pacer.waiting >= MAX_WAITING)
        if self._is_paused or self._is_behind:
            self._read_or_rest()

    def event(self, event: Event) -> None:
        if isinstance(event, Audio):
            self._spoke(event)
            return
        if isinstance(event, Malformed):
            message = f"the backend broke its protocol: {event.message}"
            self._perform(self._pacer.lose(message))
            return
        if isinstance(event, Flushed | Cleared) and (framer := self._framers.get(event.context)):
            framer.clear()  # half a sample at the end is none
        self._perform(self._pacer.event(event, self._clock()))

    def _spoke(self, event: Audio) -> None:
        """The hot way down: no step of the pacer is made for a frame that goes on as it is."""
        framer, epoch = self._framers.get(event.context), self._pacer.epoch_heard(event.context)
        if framer is None or epoch is None:
            return
        for piece in framer.feed(event.data):
            whole = event if piece is event.data else structs.replace(event, data=piece)
            if self._down is not None:
                self._down.put((whole, epoch))
            elif self._context:
                self._told((whole, epoch))
            else:
                self._side.from_upstream(whole, epoch)

    def closed(self, code: int, reason: str) -> None:
        self._ear = None
        self._fill("socket", False)
        for framer in self._framers.values():
            framer.clear()
        self._perform(self._pacer.closed(code, self._clock()))

    def writable(self, writable: bool) -> None:
        self._fill("socket", not writable)


def _pacer(way: Way, format: AudioFormat) -> Pacer:
    return SpeechPacer(way.policy) if way.task == "tts" else HearingPacer(way.policy, format)
