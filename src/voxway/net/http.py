"""Backends over plain HTTP, by httpx: to a wire they are a socket like any other (see `wire/http`).

Requests are made one after the other, on a connection that stays open between them.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from functools import cache

import httpx

from ..errors import UpstreamError
from ..wire.base import Endpoint, Frame, dump
from ..wire.http import END, MARK, Failure
from .base import HANDSHAKE_TIMEOUT, Receiver

READ_TIMEOUT = 60.0  # seconds of silence in an answer, its start included
KEPT_OPEN = 30.0  # seconds that a connection outlives its last request
HIGH_WATER = 1024 * 1024  # bytes of requests that wait before the user is told to rest
MAX_WAITING = 64  # requests
CHUNK = 64 * 1024  # bytes of an answer in one frame
MAX_REASON = 2000  # characters of an answer that is no 2xx


class Link:
    """`Socket` to its user, one task to the backend."""

    def __init__(self, endpoint: Endpoint, receiver: Receiver) -> None:
        self._endpoint = endpoint
        self._receiver = receiver
        self._outbox: deque[Frame] = deque()
        self._queued = 0
        self._is_full = self._is_closing = False
        self._wake = asyncio.Event()
        self._reading = asyncio.Event()
        self._reading.set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._task.add_done_callback(self._ended)
        self._receiver.opened(self)

    # Socket

    def send(self, frame: Frame) -> None:
        if not self._is_closing:
            self._outbox.append(frame)
            self._queued += len(frame)
            self._tell_if_full()
            self._wake.set()

    def close(self, code: int = 1000, reason: str = "") -> None:
        if not self._is_closing:
            self._is_closing = True
            if self._task is not None:
                self._task.cancel()
            # Whoever closes may be in the middle of a callback: it must return first.
            asyncio.get_running_loop().call_soon(self._receiver.closed, 1000, "")

    def pause(self) -> None:
        self._reading.clear()

    def resume(self) -> None:
        self._reading.set()

    def _tell_if_full(self) -> None:
        is_full = self._queued > HIGH_WATER or len(self._outbox) > MAX_WAITING
        if is_full != self._is_full and not self._is_closing:
            self._is_full = is_full
            self._receiver.writable(not is_full)

    # The task

    async def _run(self) -> None:
        timeout = httpx.Timeout(READ_TIMEOUT, connect=HANDSHAKE_TIMEOUT)
        limits = httpx.Limits(max_connections=1, keepalive_expiry=KEPT_OPEN)
        # No proxy and no .netrc: sockets know none either, and the key is in our headers.
        async with httpx.AsyncClient(
            timeout=timeout, limits=limits, verify=_tls(), trust_env=False
        ) as client:
            while not self._is_closing:
                while self._outbox:
                    frame = self._outbox[0]
                    await (self._post(client, frame) if frame else self._tell(MARK))
                    self._outbox.popleft()
                    self._queued -= len(frame)
                    self._tell_if_full()
                self._wake.clear()
                await self._wake.wait()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """It runs until it is cancelled: whatever else ended it, its user must hear of."""
        if not self._is_closing:
            self._is_closing = True
            self._receiver.closed(1006, "")

    async def _post(self, client: httpx.AsyncClient, frame: Frame) -> None:
        body = frame.encode() if isinstance(frame, str) else frame
        endpoint = self._endpoint
        try:
            async with client.stream(
                "POST", endpoint.url, headers=dict(endpoint.headers), content=body
            ) as answer:
                last = await self._hear(answer)
        except httpx.HTTPError as error:
            last = dump(Failure(0, f"{type(error).__name__}: {error}".rstrip(": ")))
        await self._tell(last)

    async def _hear(self, answer: httpx.Response) -> Frame:
        """Hand the answer on, and give the frame that ends it."""
        if not answer.is_success:
            return dump(await _failure(answer))
        async for piece in answer.aiter_bytes():
            for at in range(0, len(piece), CHUNK):
                await self._tell(piece[at : at + CHUNK])
        return END

    async def _tell(self, frame: Frame) -> None:
        await self._reading.wait()
        if not self._is_closing:
            self._receiver.frame(frame)


async def _failure(answer: httpx.Response) -> Failure:
    body = ""
    async for piece in answer.aiter_text():
        body += piece
        if len(body) >= MAX_REASON:
            break
    wait = answer.headers.get("retry-after", "")
    retry_after = float(wait) if wait.isdecimal() else None
    return Failure(answer.status_code, body[:MAX_REASON], retry_after)


@cache
def _tls() -> ssl.SSLContext:
    """The authorities of this machine, read once: it takes a while."""
    return ssl.create_default_context()


async def dial(endpoint: Endpoint, receiver: Receiver) -> None:
    """Hand a socket to `receiver.opened`. The first request finds out whether anybody is there;
    raises UpstreamError for an address that cannot be one."""
    try:
        url = httpx.URL(endpoint.url)
    except httpx.InvalidURL as error:
        raise UpstreamError(f"no address: {error}", code="backend_connection_failed") from error
    if url.scheme not in ("http", "https") or not url.host:
        message = "no address: it is not like https://host/path"
        raise UpstreamError(message, code="backend_connection_failed")
    Link(endpoint, receiver).start()
