"""At the door: how one is refused in each dialect, and who may show the key only once inside."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from msgspec import json

from .asking import stamped
from .errors import AuthError, GatewayError, TooLargeError
from .guard import contained
from .limits import KIB
from .net.base import Acceptance, Receiver, Refusal, Socket
from .session.actions import failed
from .wire.base import Dialect, Frame, Opening, Wire, refuse_plainly
from .wire.unified import Server, Style

KEY_TIMEOUT = 10.0  # seconds for the first message, where the key may be in it
# Of such a message, and of those after it, at most: whose they are, and so the tier, is not known
# when a socket is opened.
FIRST_BYTES = 128 * KIB


def refusal(error: GatewayError, request_id: str, native: Wire | None) -> Refusal:
    """The HTTP answer for an error, in the shape of the dialect that was asked for."""
    refused = (native.refusal if native is not None else refuse_plainly)(error, request_id)
    headers = {**refused.headers, "Content-Type": "application/json", **stamped(request_id)}
    return Refusal(refused.status, json.encode(refused.body), headers)


def say_farewell(socket: Socket, codec: Dialect, error: GatewayError) -> None:
    """Tell in the open socket why it is closed, and close it."""
    for frame in codec.encode(failed(error, fatal=True)):
        socket.send(frame)
    socket.close(*codec.closing(error.rule.close_code or 1008, error.error))


class Farewell:
    """Receiver that tells why one may not come in, and closes: for browsers, which cannot read a
    refusal, and for dialects that know no other. `leave` is called when the socket is gone."""

    def __init__(
        self,
        error: GatewayError,
        native: Wire | None,
        leave: Callable[[], None],
        subprotocol: str = "",
    ) -> None:
        self._error = error
        self._leave = leave
        opening = Opening(subprotocol=subprotocol)
        self._codec: Dialect = native.server(opening) if native else Server(Style("tts"))

    def opened(self, socket: Socket) -> None:
        say_farewell(socket, self._codec, self._error)

    def frame(self, frame: Frame) -> None: ...

    def writable(self, writable: bool) -> None: ...

    def closed(self, code: int, reason: str) -> None:
        self._leave()


class Doorstep:
    """Receiver that waits for the first message, since the key may be in it. `admit` lets in
    whoever has that key, or raises GatewayError; `leave` is called once, before that or when the
    socket is gone."""

    def __init__(
        self, admit: Callable[[str], Awaitable[Acceptance]], wire: Wire, leave: Callable[[], None]
    ) -> None:
        self._admit = admit
        self._wire = wire
        self._leave: Callable[[], None] | None = leave
        self._oversized: Callable[[], None] | None = None
        self._socket: Socket | None = None
        self._inside: Receiver | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._admitting: asyncio.Task[None] | None = None
        self._waiting: list[Frame] = []
        self._is_writable = True

    def opened(self, socket: Socket) -> None:
        self._socket = socket
        self._timer = asyncio.get_running_loop().call_later(KEY_TIMEOUT, self._too_late)

    def frame(self, frame: Frame) -> None:
        if self._inside is not None:
            self._inside.frame(frame)
        elif self._admitting is not None:
            self._waiting.append(frame)  # it was read already when we asked for a rest
        elif self._timer is not None and self._socket is not None:
            self._rest()
            self._socket.pause()
            self._waiting.append(frame)
            self._admitting = asyncio.get_running_loop().create_task(self._let_in(frame))

    async def _let_in(self, frame: Frame) -> None:
        with contained("doorstep", self._give_up):
            assert self._wire.key_in is not None
            self._go()
            try:
                accepted = await self._admit(self._wire.key_in(frame))
            except GatewayError as error:
                self._refuse(error)
                return
            assert self._socket is not None  # else we had been cancelled
            self._inside, self._oversized = accepted.receiver, accepted.oversized
            inside = self._inside
            self._socket.resume()
            inside.opened(self._socket)
            if not self._is_writable:
                inside.writable(False)
            for waiting in self._waiting:
                inside.frame(waiting)
            self._waiting.clear()

    def writable(self, writable: bool) -> None:
        self._is_writable = writable
        if self._inside is not None:
            self._inside.writable(writable)

    def oversized(self) -> None:
        """A message over `FIRST_BYTES` was begun."""
        if self._oversized is not None:
            self._oversized()
        else:
            self._refuse(TooLargeError(f"a message is over {FIRST_BYTES} bytes"))

    def closed(self, code: int, reason: str) -> None:
        self._rest()
        self._go()
        if self._inside is not None:
            self._inside.closed(code, reason)
        elif self._admitting is not None:
            self._admitting.cancel()
        self._socket = None

    def _too_late(self) -> None:
        self._timer = None
        self._refuse(AuthError("no API key in the headers, the query or the first message"))

    def _go(self) -> None:
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, error: GatewayError) -> None:
        if self._socket is not None:
            self._socket.resume()  # the answer to our close must be read
            say_farewell(self._socket, self._wire.server(Opening()), error)

    def _give_up(self) -> None:
        if self._socket is not None:
            self._socket.close(1011, "internal error")
