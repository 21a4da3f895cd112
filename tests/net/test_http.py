"""HTTP as a socket: requests in order, answers as they come, and what goes wrong on the way."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import msgspec
import pytest

from voxway.errors import UpstreamError
from voxway.net.base import Socket
from voxway.net.http import CHUNK, HIGH_WATER, MAX_WAITING, dial
from voxway.wire.base import Endpoint, Frame
from voxway.wire.http import Failure, read_failure

from .ear import BOUND, Ear, run

Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class Backend:
    """A server on loopback that keeps what it was asked; `answer` gets each body."""

    def __init__(self, answer: Answer) -> None:
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self.gone = asyncio.Event()
        self._answer = answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                size = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
                self.heads.append(head)
                self.bodies.append(await reader.readexactly(size))
                await self._answer(self.bodies[-1], writer)
                await writer.drain()
        writer.close()
        self.gone.set()


def whole(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(head).encode() + body


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def echo(body: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(whole(body.upper()))


@asynccontextmanager
async def connected(answer: Answer) -> AsyncIterator[tuple[Backend, Ear, Socket]]:
    backend, ear = Backend(answer), Ear()
    server = await asyncio.start_server(backend.serve, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    headers = {"Content-Type": "text/plain", "Authorization": "Bearer K"}
    await dial(Endpoint(f"http://127.0.0.1:{port}/v1/x?y=1", headers), ear)
    socket = await ear.socket()
    try:
        yield backend, ear, socket
    finally:
        socket.close()
        await ear.end()
        server.close()


async def heard(ear: Ear, count: int) -> list[Frame]:
    return [await ear.heard() for _ in range(count)]


async def failure(ear: Ear) -> Failure:
    frame = await ear.heard()
    found: Failure = read_failure(frame)
    return found


def test_requests_are_made_in_order_on_one_connection() -> None:
    async def test() -> None:
        async with connected(echo) as (backend, ear, socket):
            for frame in ("one", "", b"two", "", "", "dreiß"):
                socket.send(frame)
            assert await heard(ear, 9) == [
                *(b"ONE", "end", "mark"),
                *(b"TWO", "end", "mark", "mark"),
                *("DREIß".encode(), "end"),
            ]
            assert backend.bodies == [b"one", b"two", "dreiß".encode()]
            assert backend.connections == 1
            for head in backend.heads:
                assert head.startswith("POST /v1/x?y=1 HTTP/1.1\r\n")
                assert "content-type: text/plain\r\n" in head.lower()
                assert "Authorization: Bearer K\r\n" in head

    run(test)


def test_a_mark_with_nothing_before_it_comes_at_once() -> None:
    async def test() -> None:
        async with connected(echo) as (backend, ear, socket):
            socket.send("")
            assert await ear.heard() == "mark"
            assert backend.connections == 0

    run(test)


def test_an_answer_is_handed_on_while_it_is_made() -> None:
    async def test() -> None:
        was_heard = asyncio.Event()

        async def slowly(body: bytes, writer: asyncio.StreamWriter) -> None:
            writer.write(CHUNKED + chunk(b"first"))
            await asyncio.wait_for(was_heard.wait(), BOUND)
            writer.write(chunk(b"second") + LAST)

        async with connected(slowly) as (_, ear, socket):
            socket.send("go")
            assert await ear.heard() == b"first"
            was_heard.set()
            assert await heard(ear, 2) == [b"second", "end"]

    run(test)


def test_an_answer_that_unpacks_to_much_comes_in_pieces() -> None:
    async def test() -> None:
        async def packed(body: bytes, writer: asyncio.StreamWriter) -> None:
            writer.write(whole(gzip.compress(b"x" * 300_000), "200 OK", "Content-Encoding: gzip"))

        async with connected(packed) as (_, ear, socket):
            socket.send("go")
            pieces = []
            while (piece := await ear.heard()) != "end":
                assert isinstance(piece, bytes)
                assert len(piece) <= CHUNK
                pieces.append(piece)
            assert b"".join(pieces) == b"x" * 300_000

    run(test)


@pytest.mark.parametrize(
    ("answer", "failure_heard"),
    [
        (
            whole(b'{"error":1}', "429 Too Many Requests", "Retry-After: 7"),
            Failure(429, '{"error":1}', 7.0),
        ),
        (whole(b"no", "503 Gone", "Retry-After: Sat, 21 Nov 2026 00:00:00"), Failure(503, "no")),
        (whole("ü".encode() * 5000, "500 Oops"), Failure(500, "ü" * 2000)),
        (whole(b"", "302 Found", "Location: /elsewhere"), Failure(302, "")),
    ],
)
def test_an_answer_that_is_no_2xx(answer: bytes, failure_heard: Failure) -> None:
    async def test() -> None:
        async def refuse(body: bytes, writer: asyncio.StreamWriter) -> None:
            writer.write(answer if body == b"bad" else whole(b"fine"))

        async with connected(refuse) as (_, ear, socket):
            socket.send("bad")
            socket.send("good")
            assert await failure(ear) == failure_heard
            assert await heard(ear, 2) == [b"fine", "end"]

    run(test)


def test_an_answer_that_breaks_off() -> None:
    async def test() -> None:
        async def break_off(body: bytes, writer: asyncio.StreamWriter) -> None:
            writer.write(CHUNKED + chunk(b"half"))
            await writer.drain()
            writer.close()

        async with connected(break_off) as (_, ear, socket):
            socket.send("go")
            socket.send("")
            assert await ear.heard() == b"half"
            assert (await failure(ear)).status == 0
            assert await ear.heard() == "mark"

    run(test)


def test_nobody_there() -> None:
    async def test() -> None:
        ear = Ear()
        await dial(Endpoint("http://127.0.0.1:1/"), ear)
        (await ear.socket()).send("go")
        found = await failure(ear)
        assert found.status == 0
        assert "Connect" in found.body
        (await ear.socket()).close()
        assert await ear.end() == (1000, "")

    run(test)


@pytest.mark.parametrize(
    "url", ["ws://host/", "http://", "http://[::1", "host:80", "http://h\x00st/"]
)
def test_what_is_no_address(url: str) -> None:
    async def test() -> None:
        with pytest.raises(UpstreamError, match="no address") as caught:
            await dial(Endpoint(url), Ear())
        assert caught.value.error == "backend_connection_failed"

    run(test)


def test_a_paused_socket_reads_nothing_until_resumed() -> None:
    async def test() -> None:
        size, written = 64 * 1024, 0

        async def pour(body: bytes, writer: asyncio.StreamWriter) -> None:
            nonlocal written
            writer.write(CHUNKED)
            for _ in range(300):
                writer.write(chunk(b"x" * size))
                await writer.drain()
                written += 1
            writer.write(LAST)

        async with connected(pour) as (_, ear, socket):
            socket.pause()
            socket.send("go")
            before = -1
            async with asyncio.timeout(BOUND):
                while not written or written != before:  # until the pipe is full
                    before = written
                    await asyncio.sleep(0.1)
            assert written < 300
            assert ear.frames.empty()
            socket.resume()
            total = 0
            while (piece := await ear.heard()) != "end":
                total += len(piece)
            assert total == 300 * size
            socket.pause()
            socket.send("")
            await asyncio.sleep(0.05)
            assert ear.frames.empty()
            socket.resume()
            assert await ear.heard() == "mark"

    run(test)


def test_who_sends_too_much_is_told_to_rest() -> None:
    async def test() -> None:
        may_answer = asyncio.Event()

        async def wait(body: bytes, writer: asyncio.StreamWriter) -> None:
            await may_answer.wait()
            writer.write(whole(b""))

        async with connected(wait) as (_, ear, socket):
            socket.send(b"x" * HIGH_WATER)
            assert ear.writables == []
            socket.send("y")
            assert ear.writables == [False]
            may_answer.set()
            await ear.told_writable(True)
            for _ in range(MAX_WAITING + 1):
                socket.send("")
            assert ear.writables == [False, True, False]

    run(test)


def test_a_close_drops_the_request_and_is_told_once() -> None:
    async def test() -> None:
        async def hang(body: bytes, writer: asyncio.StreamWriter) -> None:
            writer.write(CHUNKED + chunk(b"first"))

        async with connected(hang) as (backend, ear, socket):
            socket.send("go")
            socket.send("never")
            assert await ear.heard() == b"first"
            socket.close(4000, "whatever")
            socket.close()
            assert not ear.is_closed.done()
            socket.send("late")
            assert await ear.end() == (1000, "")
            await asyncio.wait_for(backend.gone.wait(), BOUND)
            assert backend.bodies == [b"go"]
            assert ear.frames.empty()
            assert ear.writables == []

    run(test)


def test_a_close_within_a_callback_is_the_last_of_it() -> None:
    class Leaver(Ear):
        def frame(self, frame: Frame) -> None:
            super().frame(frame)
            self.is_open.result().close()

    async def test() -> None:
        async def many(body: bytes, writer: asyncio.StreamWriter) -> None:
            writer.write(CHUNKED + b"".join(chunk(b"x" * CHUNK) for _ in range(8)) + LAST)

        backend, ear = Backend(many), Leaver()
        server = await asyncio.start_server(backend.serve, "127.0.0.1")
        port = server.sockets[0].getsockname()[1]
        await dial(Endpoint(f"http://127.0.0.1:{port}/"), ear)
        (await ear.socket()).send("go")
        assert await ear.end() == (1000, "")
        await asyncio.wait_for(backend.gone.wait(), BOUND)
        assert ear.frames.qsize() == 1
        server.close()

    run(test)


def test_a_key_that_no_header_can_hold_ends_the_socket() -> None:
    async def test() -> None:
        ear = Ear()
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # it would be logged
        await dial(Endpoint("http://127.0.0.1:1/", {"Authorization": "Bearer ключ"}), ear)
        (await ear.socket()).send("go")
        assert await ear.end() == (1006, "")
        (await ear.socket()).close()

    run(test)


def test_what_is_said_of_a_failure_can_be_read_again() -> None:
    failed = Failure(429, "slow down", 2.5)
    assert read_failure(msgspec.json.encode(failed)) == failed
