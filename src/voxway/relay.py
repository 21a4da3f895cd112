"""Drive one session: frames of both sockets in, what the session decides out, in one callback.

Per frame there is no task, no queue and no await: decode, ask the session, encode, write. When one
side cannot take more, reading from the other one rests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol, assert_never

from .errors import GatewayError, TooLargeError
from .events import Aside, Audio, Event, KeepAlive, Pronunciation
from .guard import contained
from .lines import Lines
from .net.base import Socket
from .peers import Way
from .session.actions import Action, Close, LookUp, Rest, State, ToClient, ToUpstream, failed
from .text.pronunciation import Rewriter
from .usage import Outcome
from .wire.base import Dialect, Frame, decode

Clock = Callable[[], float]
Find = Callable[[Pronunciation], Awaitable[Rewriter]]


class Session(Protocol):
    """What a relay needs of a session; `session/` has one for speech and one for recognition."""

    @property
    def state(self) -> State: ...

    @property
    def tag(self) -> str: ...

    @property
    def outcome(self) -> Outcome: ...

    def from_client(
        self, command: Event, now: float, *, is_more: bool = False
    ) -> Iterable[Action]: ...

    def from_upstream(self, event: Event, epoch: int, now: float) -> Iterable[Action]: ...

    def upstream_lost(self, message: str, context: str, now: float) -> Iterable[Action]: ...

    def found(
        self, reference: Pronunciation, found: Rewriter | GatewayError, now: float
    ) -> Iterable[Action]: ...

    def fail(self, error: GatewayError, now: float) -> Iterable[Action]: ...

    def tick(self, now: float) -> Iterable[Action]: ...

    def end(self, reason: str, now: float) -> Iterable[Action]: ...


async def find_nothing(reference: Pronunciation) -> Rewriter:
    """What a relay without a store of dictionaries finds."""
    raise GatewayError("no dictionaries are kept here", code="pronunciation_unavailable")


class Relay:
    """Receiver of the client's socket. `way` leads to the upstream; `ended` is called once, when
    the client's socket is gone; `find` looks up a dictionary of the client's account."""

    def __init__(
        self,
        session: Session,
        codec: Dialect,
        way: Way,
        clock: Clock,
        max_message: int,
        ended: Callable[[int, str], None],
        find: Find = find_nothing,
    ) -> None:
        self._session = session
        self._codec = codec
        self._clock = clock
        self._max_message = max_message
        self._ended = ended
        self._find = find
        self._client: Socket | None = None
        self._is_slow = False  # it takes less than is said to it
        self._upstream = Lines(way, self, clock)
        self._looking_up: asyncio.Task[None] | None = None
        self._resting: asyncio.TimerHandle | None = None

    # The client's side

    def opened(self, socket: Socket) -> None:
        self._client = socket
        self._hear(self._codec.opening(), is_more=True)  # the URL is no message

    def frame(self, frame: Frame) -> None:
        if self._is_oversized(frame):
            return
        self._hear(decode(self._codec, frame))

    def _hear(self, commands: Iterable[Event], *, is_more: bool = False) -> None:
        """What one message says; `is_more`: of one that is counted already."""
        now = self._clock()
        for command in commands:
            if isinstance(command, Aside):
                self._tell(command)
            else:
                self._perform(self._session.from_client(command, now, is_more=is_more))
                is_more |= not isinstance(command, Audio)

    def oversized(self) -> None:
        """A message over the tier's bound was begun, and is not taken."""
        self.fail(TooLargeError(f"a message is over {self._max_message} bytes"))

    def _is_oversized(self, frame: Frame) -> bool:
        """Whether a frame is over the tier's bound; the client is told."""
        if not isinstance(frame, str | bytes):
            return False  # a command as it is, from a client in this process
        size, bound = len(frame), self._max_message
        # A character is up to four bytes: only a frame near the bound is worth encoding.
        if isinstance(frame, str) and size * 4 > bound:
            size = len(frame.encode("utf-8", "replace"))
        if size > bound:
            self.fail(TooLargeError(f"message of {size} bytes is over {bound}"))
        return size > bound

    def writable(self, writable: bool) -> None:
        self._is_slow = not writable
        if writable:
            self._upstream.resume()
        else:
            self._upstream.pause()

    def closed(self, code: int, reason: str) -> None:
        self._client = None
        self._let_go()
        self._ended(code, reason)

    # The upstream's side

    def from_upstream(self, event: Event, epoch: int) -> None:
        self._perform(self._session.from_upstream(event, epoch, self._clock()))

    def upstream_lost(self, message: str, context: str) -> None:
        self._perform(self._session.upstream_lost(message, context, self._clock()))

    def upstream_failed(self, error: GatewayError, context: str) -> None:
        if context:
            self.from_upstream(failed(error, fatal=True, context=context), 0)
        else:
            self.fail(error)
            self.end(error.error)  # without an upstream there is nothing to go on with

    def upstream_fills(self) -> None:
        self._read_or_rest()

    # From outside

    def tick(self) -> None:
        """Let time pass; called about once a second."""
        self._upstream.tick()
        if self._is_slow:  # what it has yet to take is work under way
            self.from_upstream(KeepAlive(), 0)
        self._perform(self._session.tick(self._clock()))

    def fail(self, error: GatewayError) -> None:
        """Tell the client of an error that is not the session's own."""
        self._perform(self._session.fail(error, self._clock()))

    def end(self, reason: str) -> None:
        """End the session from our side."""
        self._perform(self._session.end(reason, self._clock()))

    def _perform(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case ToClient(event=event):
                    self._tell(event)
                case ToUpstream(event=event):
                    self._upstream.send(event)
                case Rest(seconds=seconds):
                    self._rest(seconds)
                case LookUp(reference=reference):
                    self._looking_up = asyncio.get_running_loop().create_task(
                        self._look_up(reference)
                    )
                case Close(code=code, reason=reason):
                    self._let_go()
                    if self._client is not None:
                        self._client.close(*self._codec.closing(code, reason))
                case unmatched:
                    assert_never(unmatched)

    def _tell(self, event: Event) -> None:
        if self._client is not None:
            for frame in self._codec.encode(event):
                self._client.send(frame)

    async def _look_up(self, reference: Pronunciation) -> None:
        bug = GatewayError("internal error", code="internal_error")
        with contained("dictionary", lambda: self.fail(bug)):
            found: Rewriter | GatewayError
            try:
                found = await self._find(reference)
            except GatewayError as error:
                found = error
            self._perform(self._session.found(reference, found, self._clock()))

    def _let_go(self) -> None:
        if self._looking_up is not None:
            self._looking_up.cancel()
        if self._resting is not None:
            self._resting.cancel()
        self._upstream.close()

    def _rest(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        if self._resting is not None:
            if self._resting.when() - loop.time() > seconds * 0.9:
                return  # about as long as we rest already: frames read meanwhile ask again
            self._resting.cancel()
        self._resting = loop.call_later(seconds, self._rested)
        self._read_or_rest()

    def _rested(self) -> None:
        self._resting = None
        self._read_or_rest()

    def _read_or_rest(self) -> None:
        if self._client is None:
            return
        if self._upstream.is_full or self._resting is not None:
            self._client.pause()
        else:
            self._client.resume()
