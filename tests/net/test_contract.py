"""What every transport owes: the same checks for each library on each side."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from voxway.errors import UpstreamError
from voxway.net import pico, pico_door, websockets
from voxway.net.base import CLOSE_TIMEOUT, Accept, Acceptance, Refusal, Request, Socket, parse_head
from voxway.wire.base import Endpoint, Frame

from .ear import BOUND, Ear, run

LIBRARIES = {"picows": pico, "websockets": websockets}
SERVERS = {"picows": pico_door, "websockets": websockets}
PAIRS = [(s, c) for s in LIBRARIES for c in LIBRARIES]


def port_of(server: Any) -> int:
    return int(next(iter(server.sockets)).getsockname()[1])


@asynccontextmanager
async def connected(
    library: tuple[str, str], **options: Any
) -> AsyncIterator[tuple[Ear, Ear, Socket, Socket]]:
    """(server's ear, client's ear, server's socket, client's socket)."""
    there, here = Ear(), Ear()
    server_library, client_library = SERVERS[library[0]], LIBRARIES[library[1]]

    async def accept(request: Request) -> Acceptance:
        return Acceptance(there, **options)

    server = await server_library.listen(accept, host="127.0.0.1")
    try:
        await client_library.dial(Endpoint(f"ws://127.0.0.1:{port_of(server)}/x"), here)
        yield there, here, await there.socket(), await here.socket()
        (await here.socket()).close()
        await asyncio.gather(there.end(), here.end())
    finally:
        server.close()


@pytest.mark.parametrize("library", PAIRS, ids="-".join)
class TestEveryPair:
    def test_frames_arrive_as_sent_in_order(self, library: tuple[str, str]) -> None:
        async def test() -> None:
            async with connected(library) as (there, here, server, client):
                sent: list[Frame] = ["text", b"bytes", "", b"", "ünï", b"x" * 300_000, "y" * 70_000]
                for frame in sent:
                    client.send(frame)
                    server.send(frame)
                assert [await there.heard() for _ in sent] == sent
                assert [await here.heard() for _ in sent] == sent

        run(test)

    def test_large_frames_to_a_slow_reader_stay_whole(self, library: tuple[str, str]) -> None:
        async def test() -> None:
            async with connected(library) as (there, here, server, client):
                sizes = [8191, 8192, 8193, *[19_200] * 40, 4000, 65_000, 5, 65_537] * 8
                sent: list[Frame] = [bytes([i % 256]) * size for i, size in enumerate(sizes)]
                sent += ["ü" * size for size in (2730, 2731, 4096, 8193, 33_000)]
                client.pause()
                server.pause()
                for frame in sent:
                    client.send(frame)
                    server.send(frame)
                client.resume()
                server.resume()
                assert [await there.heard() for _ in sent] == sent
                assert [await here.heard() for _ in sent] == sent

        run(test)

    def test_a_close_is_told_to_the_other_side(self, library: tuple[str, str]) -> None:
        async def test() -> None:
            async with connected(library) as (there, here, server, _):
                server.send("last words")
                server.close(4001, "over the limit")
                server.send("ignored")
                assert await here.heard() == "last words"
                assert await here.end() == (4001, "over the limit")
                assert (await there.end())[0] == 4001
                assert here.frames.empty()

        run(test)

    def test_a_client_that_closes_is_heard(self, library: tuple[str, str]) -> None:
        async def test() -> None:
            async with connected(library) as (there, here, _, client):
                client.close(1000, "done")
                assert await there.end() == (1000, "done")
                await here.end()

        run(test)

    def test_a_message_over_the_bound_ends_the_connection(self, library: tuple[str, str]) -> None:
        async def test() -> None:
            async with connected(library, max_message=1000) as (there, here, _, client):
                client.send(b"x" * 1000)
                assert await there.heard() == b"x" * 1000
                client.send(b"x" * 100_000)
                await there.end()
                assert (await here.end())[0] == 1009
                assert there.frames.empty()

        run(test)

    def test_a_paused_socket_reads_nothing_until_resumed(self, library: tuple[str, str]) -> None:
        async def test() -> None:
            async with connected(library) as (there, here, server, client):
                client.send("before")
                assert await there.heard() == "before"
                server.pause()
                for _ in range(300):
                    client.send(b"x" * 65_536)
                client.send("after")
                await here.told_writable(False)
                assert here.writables == [False]
                server.resume()
                while await there.heard() != "after":
                    pass
                await here.told_writable(True)

        run(test)

    def test_a_pause_is_felt_at_once_however_fast_the_other_side_talks(
        self, library: tuple[str, str]
    ) -> None:
        async def test() -> None:
            async with connected(library) as (there, here, server, client):
                for ear, reader, writer in ((there, server, client), (here, client, server)):
                    for _ in range(8):
                        reader.pause()
                        for _ in range(2000):
                            writer.send(bytes(1000))
                        await asyncio.sleep(0.02)
                        ear.then = reader.pause
                        reader.resume()
                        await ear.heard()
                        await asyncio.sleep(0.02)
                        assert ear.frames.qsize() <= 200
                        while not ear.frames.empty():
                            ear.frames.get_nowait()
                    reader.resume()

        run(test)

    def test_a_server_over_a_unix_socket(self, library: tuple[str, str], tmp_path: Path) -> None:
        async def test() -> None:
            there, here = Ear(), Ear()

            async def accept(request: Request) -> Acceptance:
                assert request.path == "/a b/c"
                assert request.parameter("q") == "1&2"
                return Acceptance(there)

            path = str(tmp_path / "s.sock")
            server = await SERVERS[library[0]].listen(accept, unix=path)
            endpoint = Endpoint("ws://engine/a%20b%2Fc?q=1%262", unix=path)
            await LIBRARIES[library[1]].dial(endpoint, here)
            (await here.socket()).send(b"hello")
            assert await there.heard() == b"hello"
            (await here.socket()).close()
            await asyncio.gather(there.end(), here.end())
            server.close()

        run(test)

    def test_a_refusal_before_the_upgrade(self, library: tuple[str, str]) -> None:
        async def test() -> None:
            async def accept(request: Request) -> Refusal:
                return Refusal(429, b'{"error":"rate_limit"}', {"Retry-After": "3"})

            server = await SERVERS[library[0]].listen(accept, host="127.0.0.1")
            with pytest.raises(UpstreamError, match="429") as caught:
                await LIBRARIES[library[1]].dial(
                    Endpoint(f"ws://127.0.0.1:{port_of(server)}/"), Ear()
                )
            assert caught.value.error == "backpressure"
            server.close()

        run(test)

    def test_headers_and_a_subprotocol_go_both_ways(self, library: tuple[str, str]) -> None:
        async def test() -> None:
            there, here = Ear(), Ear()

            async def accept(request: Request) -> Acceptance:
                assert request.headers["x-api-key"] == "K"
                assert request.subprotocols == ("token", "abc")
                return Acceptance(there, "token", {"x-request-id": "r1"})

            server = await SERVERS[library[0]].listen(accept, host="127.0.0.1")
            endpoint = Endpoint(
                f"ws://127.0.0.1:{port_of(server)}/", {"X-API-Key": "K"}, ("token", "abc")
            )
            await LIBRARIES[library[1]].dial(endpoint, here)
            (await here.socket()).close()
            await asyncio.gather(there.end(), here.end())
            server.close()

        run(test)


@pytest.mark.parametrize("library", LIBRARIES.values(), ids=LIBRARIES)
def test_nobody_there(library: ModuleType) -> None:
    async def test() -> None:
        with pytest.raises(UpstreamError, match="cannot connect") as caught:
            await library.dial(Endpoint("ws://127.0.0.1:1/"), Ear())
        assert caught.value.error == "backend_connection_failed"
        with pytest.raises(UpstreamError, match="cannot connect"):
            await library.dial(Endpoint("ws://engine/", unix="/no/such.sock"), Ear())

    run(test)


@pytest.mark.parametrize("library", LIBRARIES.values(), ids=LIBRARIES)
def test_whoever_hangs_up_during_the_handshake_is_an_error(
    library: ModuleType, tmp_path: Path
) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async def test() -> None:
        tcp = await asyncio.start_server(hang_up, "127.0.0.1")
        unix = await asyncio.start_unix_server(hang_up, tmp_path / "s")
        url = f"ws://127.0.0.1:{port_of(tcp)}/"
        with closing(tcp), closing(unix):
            for endpoint in (Endpoint(url), Endpoint("ws://engine/", unix=str(tmp_path / "s"))):
                with pytest.raises(UpstreamError) as caught:
                    await library.dial(endpoint, Ear())
                assert caught.value.error == "backend_connection_failed"

    run(test)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_server_that_says_too_much_is_left_and_nothing_is_complained_of(library: str) -> None:
    complaints: list[dict[str, Any]] = []

    async def test() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, complaint: complaints.append(complaint))
        async with connected(("websockets", library)) as (_, here, server, _):
            server.send(bytes(pico.UPSTREAM_FRAME_BYTES + 1))
            await here.end()
        gc.collect()

    run(test)
    assert complaints == []


KEY = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13"
UPGRADE = f"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{KEY}\r\n\r\n"


def masked(first: int, payload: bytes) -> bytes:
    """A client's frame with an all-zero mask: what is read is what is written."""
    assert len(payload) < 126
    return bytes([first, 0x80 | len(payload), 0, 0, 0, 0]) + payload


@asynccontextmanager
async def raw(accept: Accept) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    server = await pico_door.listen(accept, host="127.0.0.1")
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
    try:
        yield reader, writer
    finally:
        writer.close()
        server.close()


@pytest.mark.parametrize(
    ("bytes_sent", "frames", "code"),
    [
        (masked(0x01, b"he") + masked(0x00, b"l") + masked(0x80, b"lo"), ["hello"], None),
        (masked(0x02, b"a") + masked(0x89, b"ping") + masked(0x80, b"b"), [b"ab"], None),
        (masked(0x81, b"\xff\xfe"), [], 1007),
        (masked(0x80, b"no start"), [], 1002),
        (masked(0x01, b"a") + masked(0x81, b"b"), [], 1002),
        (masked(0x01, b"a" * 99) * 1 + masked(0x00, b"b" * 99) * 20, [], 1009),
        (masked(0x01, b"") + masked(0x00, b"") * 98 + masked(0x80, b"end"), ["end"], None),
        (masked(0x01, b"") + masked(0x00, b"") * 2000, [], 1009),
    ],
)
def test_fragments_and_broken_text(
    bytes_sent: bytes, frames: list[Frame], code: int | None
) -> None:
    async def test() -> None:
        there = Ear()

        async def accept(request: Request) -> Acceptance:
            return Acceptance(there, max_message=1000)

        async with raw(accept) as (reader, writer):
            writer.write(UPGRADE.encode() + bytes_sent)
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), BOUND)
            assert b" 101 " in head
            assert [await there.heard() for _ in frames] == frames
            if code is not None:
                while (opcode := (await reader.readexactly(2))[0]) == 0x8A:
                    await reader.readexactly(4)
                assert opcode == 0x88
                assert int.from_bytes(await reader.readexactly(2)) == code

    run(test)


@pytest.mark.parametrize("connection", ["keep-alive, Upgrade", "upgrade", "close"])
def test_whoever_asks_for_an_upgrade_among_other_things_has_one(connection: str) -> None:
    async def test() -> None:
        there = Ear()

        async def accept(request: Request) -> Acceptance:
            assert request.headers["connection"] == connection
            return Acceptance(there)

        async with raw(accept) as (reader, writer):
            head = UPGRADE.replace("Connection: Upgrade", f"Connection: {connection}")
            writer.write(head.encode() + masked(0x81, b"hello"))
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), BOUND)
            if connection == "close":
                assert b" 400 " in answer
                assert (await there.end())[0] == 1006
            else:
                assert b" 101 " in answer
                assert await there.heard() == "hello"

    run(test)


def test_whoever_reads_slowly_gets_all_that_was_said_before_the_close() -> None:
    size, step = 12_000_000, 2_000_000

    async def test() -> None:
        there = Ear()

        async def accept(request: Request) -> Acceptance:
            return Acceptance(there)

        async with raw(accept) as (reader, writer):
            writer.write(UPGRADE.encode())
            server = await there.socket()
            for _ in range(100):
                server.send(bytes(size // 100))
            server.close(1000, "done")
            read = len(await reader.readuntil(b"\r\n\r\n"))
            while read < size:
                await asyncio.sleep(CLOSE_TIMEOUT / 2)
                read += len(await reader.readexactly(step))
            assert (await asyncio.wait_for(reader.read(), BOUND)).endswith(b"\x88\x06\x03\xe8done")
            assert (await there.end())[0] == 1006

    run(test)


BEAT = 0.4  # seconds


def test_silence_is_no_loss_of_one_whom_we_do_not_read() -> None:
    async def test() -> None:
        there, here = Ear(), Ear()

        async def accept(request: Request) -> Acceptance:
            return Acceptance(there, heartbeat=BEAT)

        server = await pico_door.listen(accept, host="127.0.0.1")
        url = f"ws://127.0.0.1:{port_of(server)}/"
        await pico.dial(Endpoint(url), here, heartbeat=BEAT)
        with closing(server):
            for socket in (await there.socket(), await here.socket()):
                socket.pause()
            await asyncio.sleep(5 * BEAT)
            for socket in (await there.socket(), await here.socket()):
                socket.resume()
                socket.send("still there")
            assert await here.heard() == await there.heard() == "still there"
            (await here.socket()).close()
            await asyncio.gather(there.end(), here.end())

    run(test)


def test_silence_is_no_loss_of_one_who_still_takes_what_was_said() -> None:
    """No ping is answered here: pings come after all that."""
    steps = 20

    async def test() -> None:
        there = Ear()

        async def accept(request: Request) -> Acceptance:
            return Acceptance(there, heartbeat=BEAT)

        async with raw(accept) as (reader, writer):
            writer.write(UPGRADE.encode())
            server = await there.socket()
            await reader.readuntil(b"\r\n\r\n")
            for _ in range(steps):
                there.writables.clear()
                while False not in there.writables:
                    server.send(bytes(60_000))
                    await asyncio.sleep(0)
                while True not in there.writables:
                    await asyncio.sleep(BEAT / 4)
                    assert await asyncio.wait_for(reader.read(500_000), BOUND)
            # From here on it takes nothing any more.
            assert (await there.end())[0] == 1006

    run(test)


def test_whoever_closes_and_does_not_read_is_cut() -> None:
    async def test() -> None:
        there = Ear()

        async def accept(request: Request) -> Acceptance:
            return Acceptance(there)

        async with raw(accept) as (_, writer):
            writer.write(UPGRADE.encode())
            server = await there.socket()
            for _ in range(100):
                server.send(b"x" * 100_000)
            await there.told_writable(False)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(masked(0x88, b"\x03\xe8"))
            began = asyncio.get_running_loop().time()
            assert await there.end() == (1000, "")
            assert asyncio.get_running_loop().time() - began < CLOSE_TIMEOUT, "it is told at once"
            async with asyncio.timeout(BOUND):
                while not writer.is_closing():  # a cut is only felt in writing
                    writer.write(masked(0x89, b""))
                    await asyncio.sleep(0.02)

    run(test)


@pytest.mark.parametrize(
    "head",
    [
        b"nonsense\r\n\r\n",
        b"POST / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"x" * 20_000,
    ],
)
def test_what_is_no_upgrade_request_is_cut(head: bytes) -> None:
    async def test() -> None:
        async def accept(request: Request) -> Acceptance:
            raise AssertionError("nobody should ask")

        async with raw(accept) as (reader, writer):
            writer.write(head)
            with suppress(ConnectionError):  # a reset is as good an end as a plain one
                assert await asyncio.wait_for(reader.read(), BOUND) == b""

    run(test)


def test_whoever_was_accepted_is_told_even_if_the_upgrade_fails() -> None:
    async def test() -> None:
        there = Ear()

        async def accept(request: Request) -> Acceptance:
            return Acceptance(there)

        async with raw(accept) as (_, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await there.end())[0] == 1006

    run(test)


def test_whoever_was_accepted_is_told_if_the_peer_went_meanwhile() -> None:
    async def test() -> None:
        there, gone = Ear(), asyncio.Event()

        async def accept(request: Request) -> Acceptance:
            gone.set()
            return Acceptance(there)

        async with raw(accept) as (_, writer):
            writer.write(UPGRADE.encode())
            linger = bytes([1, 0, 0, 0, 0, 0, 0, 0])
            raw_socket = writer.get_extra_info("socket")
            raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            await asyncio.wait_for(gone.wait(), BOUND)
            writer.transport.abort()
            assert (await there.end())[0] == 1006

    run(test)


def test_a_request_head() -> None:
    request = parse_head(b"GET /a%2Fb?x=1&x=2 HTTP/1.1\r\nHost: h\r\nA: 1\r\na: 2", "peer", True)
    assert request.path == "/a/b"
    assert request.query == [("x", "1"), ("x", "2")]
    assert request.headers == {"host": "h", "a": "1, 2"}
    assert (request.peer, request.secure) == ("peer", True)
