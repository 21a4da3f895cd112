"""uvicorn's side of the port, with bounds that it has not: on the time and the size of a request's
head, and on the connections of one address."""

from __future__ import annotations

import asyncio
import ssl
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ..errors import ConfigError
from .base import CLOSE_TIMEOUT, HANDSHAKE_TIMEOUT, MAX_HEAD


class Turnstile(Protocol):
    """Who counts the connections of each peer that has not asked for anything yet."""

    def connected(self, peer: str) -> bool:
        """Whether there may be one more; if so, `disconnected` is called later."""
        ...

    def disconnected(self, peer: str) -> None: ...


class Front(HttpToolsProtocol):
    """One connection. A WebSocket counts as its own from its upgrade on."""

    def __init__(self, turnstile: Turnstile, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._turnstile = turnstile
        self._peer: str | None = None  # while it is counted
        self._head: asyncio.TimerHandle | None = None  # while a head is being read
        self._size = 0
        self._is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        peer = self.client[0] if self.client else ""
        if self._turnstile.connected(peer):
            self._peer = peer
            self._begin()
        else:
            self._refuse(HTTPStatus.TOO_MANY_REQUESTS, "too many connections from this address")

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        self._leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        if self._head is not None:
            self._size += len(data)
        super().data_received(data)
        if self._head is not None and self._size > MAX_HEAD:
            self._refuse_head()

    def handle_websocket_upgrade(self) -> None:
        if not self._is_refused:
            self._leave()
            super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._head is None:
            self._begin()

    def on_headers_complete(self) -> None:
        self._end()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD:
            self._refuse_head()
        if not self._is_refused:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._is_refused:
            super().on_message_complete()

    def _begin(self) -> None:
        self._size = 0
        self._head = self.loop.call_later(HANDSHAKE_TIMEOUT, self._too_slow)

    def _end(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _too_slow(self) -> None:
        self._head = None
        self.transport.abort()

    def _refuse_head(self) -> None:
        status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        self._refuse(status, f"the head of the request is over {MAX_HEAD} bytes")

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        self._end()
        self._is_refused = True
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: text/plain\r\n"
        head += f"Content-Length: {len(message)}\r\nConnection: close\r\n"
        head += "Retry-After: 1\r\n\r\n" if status is HTTPStatus.TOO_MANY_REQUESTS else "\r\n"
        self.transport.write((head + message).encode())
        # Closed with something unread, TCP would take back the answer: the rest is read, and lost.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._head = self.loop.call_later(CLOSE_TIMEOUT, self._too_slow)

    def _leave(self) -> None:
        peer, self._peer = self._peer, None
        if peer is not None:
            self._turnstile.disconnected(peer)


def uvicorn_front(turnstile: Turnstile) -> Any:
    """uvicorn's `http` setting: what it makes, like a class, for each connection."""

    def make(*args: Any, **options: Any) -> Front:
        return Front(turnstile, *args, **options)

    return make


def tls(chain: str, key: str) -> ssl.SSLContext:
    """TLS with this certificate chain and its key, two PEM files, of which nothing arrives unasked.
    Raises ConfigError that names the file.

    Tickets come right after the handshake of TLS 1.3. A client that reads a socket in one thread
    and writes in another, as the SDKs upon `websockets.sync` do, takes them while it sends its
    request, for which OpenSSL is not made: one upgrade in a thousand then never gets its answer
    (decision 027).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for file in (chain, key):
        try:
            Path(file).read_bytes()
        except OSError as error:
            raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    try:
        context.load_cert_chain(chain, key)
    except ssl.SSLError as error:
        reason = "are no PEM certificate and its key, in this order"
        if error.reason == "KEY_VALUES_MISMATCH":
            reason = "do not belong together: the key is that of another certificate"
        raise ConfigError(f"{chain} and {key} {reason}") from error
    context.num_tickets = 0
    return context


class Loop(uvloop.Loop):
    """The event loop of a server: a TLS handshake may not take a minute, either."""

    async def create_server(self, *args: Any, **options: Any) -> Any:
        if options.get("ssl") is not None:
            options.setdefault("ssl_handshake_timeout", HANDSHAKE_TIMEOUT)
        return await super().create_server(*args, **options)
