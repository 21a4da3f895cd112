"""The upstream end of a session: as many sockets as its contexts need, each paced for its provider.

A line is one socket at a time: dialled when the configuration is known, opened again when the pacer
wants it. What comes back is stamped with the epoch that the pacer says it was made under.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol, assert_never

from msgspec import Struct, structs

from .audio.formats import AudioFormat
from .audio.slicing import Framer
from .catalog import Model
from .converting import Heard, Spoken, Stamped, plan
from .errors import GatewayError
from .events import (
    Audio,
    Clear,
    Configure,
    Event,
    Finish,
    Flush,
    Malformed,
    Options,
    Start,
    Text,
)
from .guard import Guarded
from .net.base import Receiver, Socket
from .session.pace import Dial, HangUp, Lose, Pacer, Say, Step, Tell
from .session.pace_hearing import HearingPacer
from .session.pace_speech import SpeechPacer
from .session.tts import OF_AN_UTTERANCE
from .stage import Stage
from .wire.base import Codec, Endpoint, Frame, Task, decode
from .wire.policies import Policy

# What may wait for the upstream to open: half a minute of 16 kHz audio.
MAX_WAITING = 1024 * 1024  # bytes


# What is told of the backend that is dialled: it gives the receiver of its socket.
Meet = Callable[[Codec, Policy], Receiver]


class Way(Struct, frozen=True):
    """How the work of one visit gets done. `connect` tries the backends in their order: it makes
    the codec of the one that it dials, and dials it with the receiver that it is given for it.
    `endpoint` tells which lines lead to the same place."""

    task: Task
    model: Model
    policy: Policy
    endpoint: Callable[[Options], Endpoint]
    connect: Callable[[Options, Meet], Awaitable[None]]


class Side(Protocol):
    """What the lines need of their relay."""

    def from_upstream(self, event: Event, epoch: int) -> None: ...

    def upstream_lost(self, message: str, context: str) -> None: ...

    def upstream_failed(self, error: GatewayError, context: str) -> None: ...

    def upstream_writable(self, writable: bool) -> None: ...


class Line:
    """One socket to an upstream, with the contexts that it carries."""

    def __init__(
        self, way: Way, options: Options, context: str, side: Side, clock: Callable[[], float]
    ) -> None:
        self.contexts = {context}
        self.plan = plan(options, way.model)
        self.endpoint = way.endpoint(self.plan.asked)
        self._way = way
        # A wire without contexts is not told of any: there the whole line is one.
        self._context = "" if way.policy.contexts > 1 else context
        self._side = side
        self._clock = clock
        self._pacer = _pacer(way, self.plan.backend)
        self._ear: _Ear | None = None
        self._dialling: asyncio.Task[None] | None = None
        self._is_full = False
        self._is_paused = False
        self._up: Stage[Event] | None = None
        self._down: Stage[Stamped] | None = None
        self._spoken: dict[str, Spoken] = {}
        self._heard: Heard | None = None
        self._framers: dict[str, Framer] = {}
        if way.task == "stt":
            self._set_up_hearing()
        self._is_straight = not isinstance(self._up, Stage) and self._heard is None

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
        elif isinstance(command, Configure):
            self.plan = plan(command.options, self._way.model)
            command = structs.replace(command, options=self.plan.asked)
        if self._up is not None:
            self._up.put(command)
        else:
            self._hand(command)

    def tick(self) -> None:
        self._perform(self._pacer.tick(self._clock()))

    def pause(self) -> None:
        self._is_paused = True
        if self._ear is not None:
            self._ear.pause()

    def resume(self) -> None:
        self._is_paused = False
        if self._ear is not None:
            self._ear.resume()

    def close(self) -> None:
        """Let go of the upstream; nothing of it is heard any more."""
        for stage in (self._up, self._down):
            if stage is not None:
                stage.close()
        self._leave()

    def _start(self, command: Start) -> Start:
        """How the upstream is asked: in its own format."""
        assert command.options is not None
        made = plan(command.options, self._way.model)
        self._framers[command.context] = Framer(made.backend)
        if self._way.task == "tts":
            spoken = Spoken(made)
            if spoken.is_needed:
                self._spoken[command.context] = spoken
                self._set_up_speech(in_thread=spoken.is_work or self._way.policy.contexts > 1)
        return structs.replace(command, options=made.asked)

    def _set_up_speech(self, *, in_thread: bool) -> None:
        def work(stamped: Stamped) -> Iterable[Stamped]:
            spoken = self._spoken.get(stamped[0].context)
            return (stamped,) if spoken is None else spoken(stamped)

        if self._down is None:
            self._down = Stage(work, self._told, self._rest, in_thread=in_thread)

    def _set_up_hearing(self) -> None:
        heard = Heard(self.plan)
        if heard.converts:
            self._up = Stage(heard.up, self._hand, self._full, in_thread=heard.is_work)
        if heard.is_aligned:
            self._heard = heard
            self._down = Stage(heard.down, self._told, self._rest, in_thread=True)

    def _hand(self, command: Event) -> None:
        if self._heard is not None:
            self._heard.heard(command)
        if isinstance(command, Clear) and (framer := self._framers.get(command.context)):
            framer.clear()
        elif isinstance(command, Finish):
            self._framers.pop(command.context, None)
        if spoken := self._spoken.get(command.context):
            if isinstance(command, Text | Flush):
                spoken.said(command)
            elif isinstance(command, Clear):
                spoken.restart()
        if self._down is not None and isinstance(command, Clear):
            context = command.context
            self._down.drop(lambda s: isinstance(s[0], OF_AN_UTTERANCE) and s[0].context == context)
        self._perform(self._pacer.command(command, self._clock()))
        self._full(self._pacer.waiting >= MAX_WAITING)

    def _perform(self, steps: Iterable[Step]) -> None:
        for step in steps:
            match step:
                case Say(event=event):
                    if self._ear is not None:
                        self._ear.say(event)
                case Tell(event=event, epoch=epoch):
                    if self._down is not None:
                        self._down.put((event, epoch))
                    else:
                        self._told((event, epoch))
                case Dial():
                    self._dialling = asyncio.get_running_loop().create_task(self._connect())
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

    async def _connect(self) -> None:
        try:
            await self._way.connect(self.plan.asked, self._receiver)
        except GatewayError as error:
            self._side.upstream_failed(error, self._context)

    def _receiver(self, codec: Codec, policy: Policy) -> Receiver:
        self._pacer.adopt(policy)
        self._ear = _Ear(self, codec)
        return Guarded(self._ear, "upstream")

    def _leave(self) -> None:
        if self._dialling is not None:
            self._dialling.cancel()
            self._dialling = None
        ear, self._ear = self._ear, None
        if ear is not None:
            ear.leave()

    def _rest(self, is_wanted: bool) -> None:
        """Our own work on what the upstream says falls behind: it is not read meanwhile."""
        if self._ear is not None:
            if is_wanted:
                self._ear.pause()
            elif not self._is_paused:
                self._ear.resume()

    def _full(self, is_full: bool) -> None:
        if is_full != self._is_full:
            self._is_full = is_full
            self._side.upstream_writable(not is_full)

    # What the socket tells

    def opened(self) -> None:
        self._perform(self._pacer.opened(self._clock()))
        if self._is_paused:
            self.pause()
        self._full(self._pacer.waiting >= MAX_WAITING)

    def event(self, event: Event) -> None:
        if isinstance(event, Audio):
            self._spoke(event)
        elif isinstance(event, Malformed):
            self._leave()
            self._side.upstream_lost(f"the backend broke its protocol: {event.message}", "")
        else:
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

    def closed(self, code: int) -> None:
        self._ear = None
        for framer in self._framers.values():
            framer.clear()
        self._perform(self._pacer.closed(code, self._clock()))

    def writable(self, writable: bool) -> None:
        self._side.upstream_writable(writable)


class _Ear:
    """Receiver of one socket of a line, for as long as the line wants it."""

    def __init__(self, line: Line, codec: Codec) -> None:
        self._line: Line | None = line
        self._codec = codec
        self._socket: Socket | None = None

    def say(self, event: Event) -> None:
        if self._socket is not None:
            for frame in self._codec.encode(event):
                self._socket.send(frame)

    def pause(self) -> None:
        if self._socket is not None:
            self._socket.pause()

    def resume(self) -> None:
        if self._socket is not None:
            self._socket.resume()

    def leave(self) -> None:
        """Part politely: sessions that linger count against the provider's limits."""
        self._line = None
        if self._socket is not None:
            self.say(Finish(abort=True))
            self._socket.close()

    def opened(self, socket: Socket) -> None:
        self._socket = socket
        if self._line is None:
            socket.close()
        else:
            self._line.opened()

    def frame(self, frame: Frame) -> None:
        for event in decode(self._codec, frame):
            if self._line is None:
                return
            self._line.event(event)

    def writable(self, writable: bool) -> None:
        if self._line is not None:
            self._line.writable(writable)

    def closed(self, code: int, reason: str) -> None:
        self._socket = None
        line, self._line = self._line, None
        if line is not None:
            line.closed(code)


def _pacer(way: Way, format: AudioFormat) -> Pacer:
    return SpeechPacer(way.policy) if way.task == "tts" else HearingPacer(way.policy, format)
