"""One WebSocket to a gateway: say commands, read events.

A reader that falls behind pauses the socket, so no more than MAX_WAITING events ever wait here; a
gateway that falls behind holds `send`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ssl import SSLContext

from ..errors import UpstreamError
from ..events import Event
from ..net import pico
from ..net.base import Socket, UpgradeRefused
from ..wire.base import Codec, Endpoint, Frame, decode
from .failures import UnreachableError, refused

CONNECT_TIMEOUT = 10.0  # seconds
MAX_WAITING, RESUME_AT = 256, 64  # events: half a minute of speech in chunks of 100 ms


@asynccontextmanager
async def connect(
    endpoint: Endpoint, codec: Codec, tls: SSLContext | None = None
) -> AsyncIterator[Connection]:
    """An open connection, closed at the end of the block. Raises UnreachableError, or what the
    gateway's refusal says: AuthError, LimitError, ConfigError, UpstreamError."""
    connection = Connection(codec)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await pico.dial(endpoint, connection, tls)
    except TimeoutError:
        raise UnreachableError(f"no answer within {CONNECT_TIMEOUT:g} s") from None
    except UpgradeRefused as error:
        raise refused(error.status, error.body, error.retry_after) from error
    except UpstreamError as error:
        refusal = isinstance(error.__cause__, ConnectionRefusedError)
        raise UnreachableError("connection refused" if refusal else error.message) from error
    try:
        yield connection
    finally:
        await connection.close()


class Connection:
    """Receiver of the socket, and an iterator over its events that ends when it is closed;
    `close_code` and `close_reason` then say why."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._socket: Socket | None = None
        self._events: deque[Event] = deque()
        self._is_paused = False
        self._news = asyncio.Event()
        self._may_send = asyncio.Event()
        self._is_gone = asyncio.Event()
        self._broken: BaseException | None = None
        self.close_code: int | None = None
        self.close_reason = ""

    async def send(self, event: Event) -> None:
        """Say it as soon as the socket has room. Once the connection is closed this does nothing:
        whoever reads learns of it."""
        await self._may_send.wait()
        if self._socket is not None:
            for frame in self._codec.encode(event):
                self._socket.send(frame)

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if self._broken is not None:
                raise self._broken
            if self.close_code is not None:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        event = self._events.popleft()
        if self._is_paused and len(self._events) <= RESUME_AT:
            self._read(True)
        return event

    def break_off(self, error: BaseException) -> None:
        """Let the reader fail with this."""
        self._broken = error
        self._news.set()

    async def close(self) -> None:
        """End it, and wait until it is gone."""
        self._events.clear()
        if self._socket is not None:
            self._read(True)  # the answer to our close frame must be seen
            self._socket.close()
        await self._is_gone.wait()

    # Receiver

    def opened(self, socket: Socket) -> None:
        self._socket = socket
        self._may_send.set()

    def frame(self, frame: Frame) -> None:
        self._events.extend(decode(self._codec, frame))
        self._news.set()
        if len(self._events) >= MAX_WAITING and not self._is_paused:
            self._read(False)

    def writable(self, writable: bool) -> None:
        if writable:
            self._may_send.set()
        else:
            self._may_send.clear()

    def closed(self, code: int, reason: str) -> None:
        self._socket = None
        self.close_code, self.close_reason = code, reason
        for waited_for in (self._may_send, self._news, self._is_gone):
            waited_for.set()

    def _read(self, on: bool) -> None:
        self._is_paused = not on
        if self._socket is not None:
            if on:
                self._socket.resume()
            else:
                self._socket.pause()
