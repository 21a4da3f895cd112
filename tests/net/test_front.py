"""What may be begun on the port, how long it may take, and how often one address may do it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from voxway.net import front
from voxway.net.base import MAX_HEAD

BOUND = 20.0  # seconds: a bound against hangs
GET = b"GET / HTTP/1.1\r\nHost: here\r\n"


class Gate:
    """Two connections of an address at a time."""

    def __init__(self) -> None:
        self.open: Counter[str] = Counter()

    def connected(self, peer: str) -> bool:
        self.open[peer] += 1
        if self.open[peer] > 2:
            self.open[peer] -= 1
            return False
        return True

    def disconnected(self, peer: str) -> None:
        self.open[peer] -= 1


async def hello(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            break
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]}
    await send(start)
    await send({"type": "http.response.body", "body": f"{len(body):5}".encode()})


@asynccontextmanager
async def serving(gate: Gate) -> AsyncIterator[int]:
    config = uvicorn.Config(
        hello, port=0, http=front.uvicorn_front(gate), lifespan="off", log_config=None
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        await server.shutdown()


def run(work: Callable[[int, Gate], Awaitable[None]]) -> None:
    async def main() -> None:
        gate = Gate()
        async with asyncio.timeout(BOUND), serving(gate) as port:
            await work(port, gate)

    asyncio.run(main())


async def answered(port: int, *pieces: bytes) -> bytes:
    """All that comes back, up to the end, for what is sent piece by piece."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


CLOSE = b"Connection: close\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        (GET + b"X: " + b"a" * MAX_HEAD + b"\r\n\r\n",),
        (GET, *[b"X: " + b"a" * 4096] * 5),
        (GET, *[b"X-%d: a\r\n" % n for n in range(10)], *[b"Y: " + b"b" * 4000 + b"\r\n"] * 5),
        (b"GET /" + b"a" * MAX_HEAD + b" HTTP/1.1\r\n\r\n",),
        (b"GET /", b"a" * MAX_HEAD, b"b"),
        (GET, b"X: " + b"a" * MAX_HEAD, b"\r\n\r\n" + GET + CLOSE + b"\r\n"),
    ],
)
def test_a_head_over_its_bound_is_refused(pieces: tuple[bytes, ...]) -> None:
    async def work(port: int, gate: Gate) -> None:
        said = await answered(port, *pieces)
        assert said.startswith(b"HTTP/1.1 431 "), said
        assert b"200 OK" not in said

    run(work)


def test_a_body_is_no_head_and_each_request_has_its_own() -> None:
    async def work(port: int, gate: Gate) -> None:
        post = b"POST / HTTP/1.1\r\nHost: here\r\nX: " + b"a" * 12_000 + b"\r\n"
        body = b"Content-Length: 50000\r\n\r\n" + b"b" * 50_000
        said = await answered(port, post + body, post + body, post + CLOSE + body)
        assert said.count(b"50000") == 3
        assert said.count(b"200 OK") == 3

    run(work)


@pytest.mark.parametrize("begun", [b"", b"GET / HT", GET + b"X: a\r\n"])
def test_a_head_that_does_not_come_is_not_waited_for(
    begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front, "HANDSHAKE_TIMEOUT", 0.1)

    async def work(port: int, gate: Gate) -> None:
        assert await answered(port, begun) == b""
        await until_empty(gate)

    run(work)


def test_a_slow_body_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "HANDSHAKE_TIMEOUT", 0.1)

    async def work(port: int, gate: Gate) -> None:
        head = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 40\r\n" + CLOSE + b"\r\n"
        assert b"   40" in await answered(port, head, *[b"a"] * 40)

    run(work)


def test_an_address_has_so_many_connections() -> None:
    async def work(port: int, gate: Gate) -> None:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        refused = await answered(port)
        assert refused.startswith(b"HTTP/1.1 429 ")
        assert b"\r\nRetry-After: 1\r\n" in refused
        assert (await answered(port, GET + CLOSE + b"\r\n")).startswith(b"HTTP/1.1 429 ")
        for _, writer in held:
            writer.transport.abort()
        await until_empty(gate)
        assert b"200 OK" in await answered(port, GET + CLOSE + b"\r\n")
        await until_empty(gate)

    run(work)


async def until_empty(gate: Gate) -> None:
    while gate.open.total():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.01)
