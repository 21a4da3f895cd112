"""Wyoming clients: requests that follow each other on a connection, each a session of its own.

Wyoming has no keys, so an account stands for the whole port. A request counts as an HTTP request
does. After an error the connection is closed: Home Assistant passes over the event, and would wait
for an answer that never comes.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import structlog
from msgspec import Struct

from .auth import Account
from .catalog import Public
from .errors import GatewayError, ProtocolError
from .events import Failed
from .guard import contained
from .limits import Standing
from .net.base import Receiver, Request, Socket
from .offer import choose, info, offered
from .routes import Target
from .visit import Visit
from .wire.base import Frame, decode
from .wire.unified import Style
from .wire.wyoming import Conversation, conversation, refusal
from .wire.wyoming_frames import Packet, packed
from .wire.wyoming_requests import Describe, Requests, Wanted, pong

log = structlog.get_logger("voxway")

IDLE = 300.0  # seconds from one request to the next


class Visiting(Protocol):
    def __call__(
        self, request: Request, request_id: str, account: Account, wanted: Target | None = None
    ) -> Visit: ...


class House(Struct, frozen=True):
    """The gateway as a connection sees it. All but the catalog raise GatewayError."""

    account: Callable[[], Awaitable[Account]]
    admit: Callable[[Account], Awaitable[Standing]]
    catalog: Callable[[], Sequence[Public]]
    visit: Visiting
    attend: Callable[[Visit], Awaitable[Receiver]]


class Guest:
    """Receiver of one connection. While a request is let in, and from its last word to the last of
    its answer, what the client says further waits, and its connection is not read on."""

    def __init__(self, house: House, peer: str) -> None:
        self._house = house
        self._peer = peer
        self._requests = Requests()
        self._waiting: deque[Packet] = deque()
        self._socket: Socket | None = None
        self._beginning: asyncio.Task[None] | None = None
        self._turn: Turn | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._is_writable = True
        self._rests = False  # the turn takes no more for now

    # Receiver

    def opened(self, socket: Socket) -> None:
        self._socket = socket
        self._go_on()

    def frame(self, frame: Frame) -> None:
        packet: Any = frame
        self._waiting.append(packet)
        self._go_on()

    def writable(self, writable: bool) -> None:
        self._is_writable = writable
        if self._turn is not None:
            self._turn.writable(writable)

    def closed(self, code: int, reason: str) -> None:
        self._socket = None
        self._not_idle()
        self._waiting.clear()
        if self._beginning is not None:
            self._beginning.cancel()
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.leave()

    # What a turn does

    def send(self, data: bytes) -> None:
        if self._socket is not None:
            self._socket.send(data)

    def rest(self, rests: bool) -> None:
        """Whether the turn takes no more for now."""
        self._rests = rests
        self._read_or_rest()

    def turn_over(self, turn: Turn, *, is_well: bool) -> None:
        """The answer is out, or will not come."""
        if self._turn is not turn:
            return  # the client has gone meanwhile
        self._turn, self._rests = None, False
        with contained("wyoming", self._give_up):
            turn.leave()
            if is_well:
                self._go_on()
            elif self._socket is not None:
                self._socket.close()

    def refuse(self, error: GatewayError) -> None:
        """Tell why not, and close."""
        self.send(refusal(error))
        if self._socket is not None:
            self._socket.close()

    @property
    def _is_busy(self) -> bool:
        return self._beginning is not None or (self._turn is not None and self._turn.is_complete)

    def _go_on(self) -> None:
        """Take what waits, as far as it can be taken."""
        try:
            while self._waiting and not (self._is_busy and pong(self._waiting[0]) is None):
                self._take(self._waiting.popleft())
        except ProtocolError as error:
            self.refuse(error)
        self._read_or_rest()
        self._not_idle()
        if self._socket is not None and not self._turn and not self._beginning:
            self._idle = asyncio.get_running_loop().call_later(IDLE, self._too_idle)

    def _take(self, packet: Packet) -> None:
        if (answer := pong(packet)) is not None:
            self.send(answer)
        elif self._turn is not None:
            self._turn.hear(packet)
        elif (asked := self._requests.take(packet)) is not None:
            self._beginning = asyncio.get_running_loop().create_task(self._begin(asked))

    async def _begin(self, asked: Describe | Wanted) -> None:
        with contained("wyoming", self._give_up):
            try:
                account = await self._house.account()
                await self._house.admit(account)
                models = offered(self._house.catalog(), account)
                if isinstance(asked, Describe):
                    self.send(packed("info", info(models)))
                else:
                    await self._open(asked, models, account)
            except GatewayError as error:
                log.info("refused", code=error.error, peer=self._peer)
                self.refuse(error)
            self._beginning = None
            self._go_on()

    async def _open(self, wanted: Wanted, models: Sequence[Public], account: Account) -> None:
        choice = choose(models, wanted)
        target = Target(wanted.task, choice.model, Style(wanted.task))
        request = Request("", (), {}, self._peer)
        visit = self._house.visit(request, f"req_{secrets.token_hex(12)}", account, target)
        receiver = await self._house.attend(visit)
        codec = conversation(wanted, choice.voice, account.tier.http_audio)
        self._turn = Turn(codec, receiver, self)
        self._turn.open()
        if not self._is_writable:
            self._turn.writable(False)

    def _read_or_rest(self) -> None:
        if self._socket is None:
            return
        if self._waiting or self._rests:
            self._socket.pause()
        else:
            self._socket.resume()

    def _not_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _too_idle(self) -> None:
        self._idle = None
        message = f"no request came for {IDLE:g} s"
        self.refuse(GatewayError(message, code="idle_timeout_exceeded"))

    def _give_up(self) -> None:
        self.refuse(GatewayError("internal error"))


class Turn:
    """The client of one session: it translates, and says when the session is over."""

    def __init__(self, codec: Conversation, receiver: Receiver, guest: Guest) -> None:
        self._codec = codec
        self._receiver = receiver
        self._guest = guest
        self._is_over = False

    @property
    def is_complete(self) -> bool:
        """Whether there is only an answer to wait for."""
        return self._codec.is_complete or self._is_over

    def open(self) -> None:
        self._receiver.opened(self)
        for command in self._codec.opening():
            self._say(command)

    def hear(self, packet: Any) -> None:
        """More of the request."""
        for command in decode(self._codec, packet):
            self._say(command)

    def writable(self, writable: bool) -> None:
        self._receiver.writable(writable)

    def leave(self) -> None:
        """Be gone: what is not answered yet is not wanted."""
        self._is_over = True
        self._receiver.closed(1000, "")

    def _say(self, command: Any) -> None:
        if not self._is_over:
            self._receiver.frame(command)

    # Socket, as the relay sees it

    def send(self, frame: Frame) -> None:
        event: Any = frame
        if self._is_over:
            return
        for told in self._codec.encode(event):
            self._guest.send(told)
        if isinstance(event, Failed):
            self._end(is_well=False)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self._end(is_well=reason == "client_closed")

    def pause(self) -> None:
        self._guest.rest(True)

    def resume(self) -> None:
        self._guest.rest(False)

    def _end(self, *, is_well: bool) -> None:
        if not self._is_over:
            self._is_over = True
            # It may be the relay's own call that we are in: it must return first.
            over = lambda: self._guest.turn_over(self, is_well=is_well)  # noqa: E731
            asyncio.get_running_loop().call_soon(over)
