"""The upgrade of a connection to a WebSocket by picows, on a port that is another server's.

uvicorn hands an upgrade request to `Door`, which asks `accept` and gives the transport to picows.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, cast

from picows import WSUpgradeResponse, WSUpgradeResponseWithListener

from .base import HANDSHAKE_TIMEOUT, MAX_HEAD, Accept, Acceptance, Refusal, Request, parse_head
from .pico import Ear, Link, protocol
from .unix import feel_slowness, tcp_like

# What picows has to know of a request.
PASSED_ON = ("upgrade", "sec-websocket-version", "sec-websocket-key")


class Door(asyncio.Protocol):
    """One connection before its upgrade: reads the request, asks `accept`, hands over to picows."""

    def __init__(self, accept: Accept) -> None:
        self._accept = accept
        self._head = b""
        self._asked: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(HANDSHAKE_TIMEOUT, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        self._head += data
        if self._asked is None and b"\r\n\r\n" in self._head:
            # uvicorn makes this object the transport's protocol right after this call, so the
            # hand-over has to wait for the next turn of the loop in any case.
            self._asked = asyncio.get_running_loop().create_task(self._ask())
        elif len(self._head) > MAX_HEAD:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._asked is not None:
            self._asked.cancel()

    def eof_received(self) -> None:
        return None

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...

    async def _ask(self) -> None:
        peer = self._transport.get_extra_info("peername")
        secure = self._transport.get_extra_info("ssl_object") is not None
        head = self._head.partition(b"\r\n\r\n")[0]
        try:
            request = parse_head(head, str(peer[0]) if peer else "", secure)
        except ValueError:
            self._transport.abort()
            return
        verdict = await self._accept(request)
        if self._timer is not None:
            self._timer.cancel()
        if self._transport.is_closing():
            if isinstance(verdict, Acceptance):
                verdict.receiver.closed(1006, "gone before the upgrade")
            return
        if isinstance(verdict, Refusal):
            self._transport.write(_refusal(verdict))
            self._transport.close()
        else:
            self._hand_over(verdict, request)

    def _hand_over(self, verdict: Acceptance, request: Request) -> None:
        link = Link(verdict.receiver, verdict.max_message, verdict.oversized)
        upgraded = protocol(
            lambda _: _answer(verdict, link),
            verdict.max_message,
            verdict.heartbeat,
            logger=Ear(link),
        )
        transport = tcp_like(self._transport)
        feel_slowness(transport)
        upgraded.connection_made(transport)
        self._transport.set_protocol(upgraded)
        self._asked = None
        data = _plainly(request) + self._head.partition(b"\r\n\r\n")[2]
        while data:
            buffer = upgraded.get_buffer(-1)
            size = min(len(buffer), len(data))
            buffer[:size] = data[:size]
            del buffer
            upgraded.buffer_updated(size)
            data = data[size:]
        link.close_unless_opened()


def _plainly(request: Request) -> bytes:
    """An upgrade request as picows 2.3.1 takes it: it wants `Connection: Upgrade` to the letter,
    and Firefox says `keep-alive, Upgrade` (2026-11-21, tests/net)."""
    headers = request.headers
    wishes = [word.strip().lower() for word in headers.get("connection", "").split(",")]
    lines = ["GET / HTTP/1.1", f"Connection: {'Upgrade' if 'upgrade' in wishes else ''}"]
    lines += [f"{name}: {headers.get(name, '')}" for name in PASSED_ON]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _refusal(refusal: Refusal) -> bytes:
    """The whole answer. picows would make a connection of it first, for twice the time."""
    lines = [f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in refusal.headers.items()]
    lines += [f"Content-Length: {len(refusal.body)}", "Connection: close", "\r\n"]
    return "\r\n".join(lines).encode() + refusal.body


def _answer(verdict: Acceptance, link: Link) -> WSUpgradeResponseWithListener:
    headers = dict(verdict.headers)
    if verdict.subprotocol is not None:
        headers["Sec-WebSocket-Protocol"] = verdict.subprotocol
    accepted = WSUpgradeResponse.create_101_response(headers)
    return WSUpgradeResponseWithListener(accepted, link)


async def listen(
    accept: Accept, *, unix: str | None = None, host: str = "", port: int = 0
) -> asyncio.Server:
    """Serve WebSockets without HTTP beside them, as an engine worker does."""
    loop = asyncio.get_running_loop()
    if unix is not None:
        return await loop.create_unix_server(lambda: Door(accept), unix)
    return await loop.create_server(lambda: Door(accept), host, port)


def uvicorn_door(accept: Accept) -> Any:
    """uvicorn's `ws` setting: what it makes, like a class, for each upgrade request."""

    def make(**_: Any) -> Door:
        return Door(accept)

    return make
