"""A provider that says only in the open socket that it has no room: the socket counts as open once
the first thing said on it is something else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .errors import UpstreamError
from .net.base import HANDSHAKE_TIMEOUT, Receiver, Socket, UpgradeRefused
from .wire.base import Frame

FULL = 503  # the status that a refusal in time would have had


class Vestibule:
    """Receiver before that of the session, which hears of a socket that is granted only."""

    def __init__(self, receiver: Receiver, turned_away: Callable[[Frame], bool]) -> None:
        self._receiver = receiver
        self._turned_away = turned_away
        self._socket: Socket | None = None
        self._is_in = False
        self._decided: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def admitted(self) -> None:
        """Wait for the first frame. Raises UpgradeRefused if it turns us away, and UpstreamError if
        none comes."""
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT):
                await self._decided
        except TimeoutError:
            message = "cannot connect: nothing was said on the open socket"
            raise UpstreamError(message, code="backend_connection_failed") from None
        finally:
            if not self._is_in and self._socket is not None:
                self._socket.close()

    def opened(self, socket: Socket) -> None:
        self._socket = socket

    def frame(self, frame: Frame) -> None:
        if self._is_in:
            self._receiver.frame(frame)
        elif self._decided.done() or self._socket is None:
            return
        elif self._turned_away(frame):
            body = frame if isinstance(frame, bytes) else frame.encode()
            self._decided.set_exception(UpgradeRefused(FULL, body, None))
        else:
            self._is_in = True
            self._decided.set_result(None)
            self._receiver.opened(self._socket)
            self._receiver.frame(frame)

    def writable(self, writable: bool) -> None:
        if self._is_in:
            self._receiver.writable(writable)

    def closed(self, code: int, reason: str) -> None:
        self._socket = None
        if self._is_in:
            self._receiver.closed(code, reason)
        elif not self._decided.done():
            message = f"cannot connect: closed before anything was said ({code})"
            error = UpstreamError(message, code="backend_connection_failed")
            self._decided.set_exception(error)
