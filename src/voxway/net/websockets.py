"""WebSockets by the `websockets` library: the second transport, which keeps the seam honest.

It is slower (a task and a queue per direction), and pure Python: what the contract tests demand of
picows they demand of it too, so that whoever must replace a transport knows what it owes.
"""

from __future__ import annotations

import asyncio
import http
from collections import deque
from contextlib import suppress
from typing import Any

import websockets.asyncio.client as ws_client
import websockets.asyncio.server as ws_server
from websockets.asyncio.connection import Connection
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response
from websockets.typing import Subprotocol

from ..errors import UpstreamError
from ..wire.base import Endpoint, Frame
from .base import (
    CLOSE_TIMEOUT,
    HANDSHAKE_TIMEOUT,
    PING_INTERVAL,
    Accept,
    Acceptance,
    Receiver,
    parse_head,
)

HIGH_WATER = 64 * 1024  # bytes queued to be sent before the user is told to rest


class Link:
    """One open connection: `Socket` to its user, two pumps to the library."""

    def __init__(self, connection: Connection, receiver: Receiver) -> None:
        self._connection = connection
        self._receiver = receiver
        self._outbox: deque[Frame] = deque()
        self._queued = 0
        self._wake = asyncio.Event()
        self._reading = asyncio.Event()
        self._reading.set()
        self._close: tuple[int, str] | None = None

    def send(self, frame: Frame) -> None:
        if self._close is None:
            self._outbox.append(frame)
            before, self._queued = self._queued, self._queued + len(frame)
            if before <= HIGH_WATER < self._queued:
                self._receiver.writable(False)
            self._wake.set()

    def close(self, code: int = 1000, reason: str = "") -> None:
        if self._close is None:
            self._close = (code, reason.encode()[:123].decode("utf-8", "ignore"))
            self._wake.set()

    def pause(self) -> None:
        self._reading.clear()

    def resume(self) -> None:
        self._reading.set()

    async def run(self) -> None:
        """Carry frames until the connection is gone."""
        self._receiver.opened(self)
        writer = asyncio.get_running_loop().create_task(self._write())
        try:
            await self._read()
        finally:
            writer.cancel()
            received = self._connection.protocol.close_rcvd
            code, reason = (received.code, received.reason) if received else (1006, "")
            self._receiver.closed(code, reason)

    async def _read(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                await self._reading.wait()
                frame = await self._connection.recv()
                if self._close is None:
                    self._receiver.frame(frame)

    async def _write(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                while self._outbox:
                    frame = self._outbox.popleft()
                    await self._connection.send(frame)
                    before, self._queued = self._queued, self._queued - len(frame)
                    if self._queued <= HIGH_WATER < before:
                        self._receiver.writable(True)
                if self._close is not None:
                    await self._connection.close(*self._close)
                    return
                self._wake.clear()
                await self._wake.wait()


async def listen(
    accept: Accept, *, unix: str | None = None, host: str = "", port: int = 0
) -> ws_server.Server:
    """Serve WebSockets without HTTP beside them."""
    verdicts: dict[int, Acceptance] = {}

    async def decide(connection: ws_server.ServerConnection, http_request: HttpRequest) -> Any:
        head = "\r\n".join(
            [f"GET {http_request.path} HTTP/1.1"]
            + [f"{name}: {value}" for name, value in http_request.headers.raw_items()]
        )
        peer = connection.remote_address
        verdict = await accept(parse_head(head.encode(), str(peer[0]) if peer else ""))
        if isinstance(verdict, Acceptance):
            verdicts[id(connection)] = verdict
            return None
        status = http.HTTPStatus(verdict.status)
        headers = Headers(verdict.headers)
        headers["Content-Length"] = str(len(verdict.body))
        headers["Connection"] = "close"
        return Response(status.value, status.phrase, headers, verdict.body)

    async def announce(
        connection: ws_server.ServerConnection, _: HttpRequest, response: Response
    ) -> None:
        if verdict := verdicts.get(id(connection)):
            connection.protocol.max_message_size = verdict.max_message
            response.headers.update(verdict.headers)
            if verdict.subprotocol is not None:
                response.headers["Sec-WebSocket-Protocol"] = verdict.subprotocol

    async def handle(connection: ws_server.ServerConnection) -> None:
        await Link(connection, verdicts.pop(id(connection)).receiver).run()

    options: dict[str, Any] = {
        "process_request": decide,
        "process_response": announce,
        "compression": None,
        "open_timeout": HANDSHAKE_TIMEOUT,
        "close_timeout": CLOSE_TIMEOUT,
        "ping_interval": PING_INTERVAL,
        "ping_timeout": PING_INTERVAL,
    }
    if unix is not None:
        return await ws_server.unix_serve(handle, unix, **options)
    return await ws_server.serve(handle, host, port, **options)


_running: set[asyncio.Task[None]] = set()


async def dial(endpoint: Endpoint, receiver: Receiver, ssl: Any = None) -> None:
    """Connect and hand the socket to `receiver.opened`. Raises UpstreamError if that fails."""
    options: dict[str, Any] = {
        "additional_headers": dict(endpoint.headers),
        "subprotocols": [Subprotocol(name) for name in endpoint.subprotocols] or None,
        "compression": None,
        "open_timeout": HANDSHAKE_TIMEOUT,
        "close_timeout": CLOSE_TIMEOUT,
    }
    if endpoint.url.startswith("wss:"):
        options["ssl"] = ssl
    try:
        if endpoint.unix is not None:
            connection = await ws_client.unix_connect(endpoint.unix, endpoint.url, **options)
        else:
            connection = await ws_client.connect(endpoint.url, **options)
    except InvalidStatus as error:
        status = error.response.status_code
        code = "backpressure" if status in (429, 503) else "backend_connection_failed"
        raise UpstreamError(f"upgrade refused: status {status}", code=code) from error
    except (InvalidHandshake, OSError, TimeoutError) as error:
        message = f"cannot connect: {type(error).__name__}"
        raise UpstreamError(message, code="backend_connection_failed") from error
    task = asyncio.get_running_loop().create_task(Link(connection, receiver).run())
    _running.add(task)
    task.add_done_callback(_running.discard)
