"""A port for Wyoming: the events of a connection in turn, within bounds, nothing left over."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from msgspec import Struct

from net.test_front import Gate
from voxway import events as e
from voxway import wyoming
from voxway.auth import Account
from voxway.catalog import Public
from voxway.errors import LimitError
from voxway.limits import TIERS, Standing
from voxway.net import wyoming as port_of
from voxway.net.base import Receiver, Request, Socket
from voxway.routes import Target
from voxway.wire.wyoming_frames import MAX_PAYLOAD, Frames, Packet, packed
from voxway.wire.wyoming_messages import FormatMsg, SelectMsg, SynthesizeMsg, TextMsg

BOUND = 20.0  # seconds: a bound against hangs
SAY = packed("synthesize", SynthesizeMsg("Hello."))
DESCRIBE = packed("describe")
READY = e.Ready(encoding="linear16", sample_rate=16_000)


class Voice:
    """A session that says what it was asked to say, in bytes, once it is let."""

    def __init__(self, booth: Booth) -> None:
        self._booth = booth
        self.said: list[e.Event] = []
        self.is_open = True
        self.is_writable = True

    def opened(self, socket: Socket) -> None:
        self.socket = socket

    def frame(self, frame: Any) -> None:
        self.said.append(frame)
        if isinstance(frame, e.Malformed):
            self._tell(e.Failed("invalid_request", frame.message))
        if isinstance(frame, e.Finish):
            asyncio.get_running_loop().create_task(self._answer())

    async def _answer(self) -> None:
        await self._booth.may_speak.wait()
        texts = [each.text for each in self.said if isinstance(each, e.Text)]
        for event in (READY, e.Audio("".join(texts).encode()), e.Ended("client_closed")):
            self._tell(event)
        self.socket.close(1000, "client_closed")

    def _tell(self, event: Any) -> None:
        self.socket.send(event)

    def writable(self, writable: bool) -> None:
        self.is_writable = writable

    def closed(self, code: int, reason: str) -> None:
        assert self.is_open, "closed twice"
        self.is_open = False


class Booth:
    """What stands for the gateway behind the port."""

    def __init__(self) -> None:
        self.voices: list[Voice] = []
        self.may_speak = asyncio.Event()
        self.may_speak.set()
        self.allowed = 100
        self.gate = Gate()
        self.connections: set[port_of.Connection] = set()

    async def account(self) -> Account:
        await asyncio.sleep(0)
        return Account("a", "pro", TIERS["pro"])

    async def admit(self, account: Account) -> Standing:
        self.allowed -= 1
        if self.allowed < 0:
            raise LimitError("too many requests")
        return Standing(1, 1, 0.0)

    def catalog(self) -> list[Public]:
        common: dict[str, Any] = {"provider": "x", "encodings": ("linear16",)}
        common |= {"languages": ("en",), "default_rate": 16_000}
        return [Public(id="x/v", kind="tts", **common), Public(id="x/e", kind="stt", **common)]

    def visit(
        self, request: Request, request_id: str, account: Account, wanted: Target | None = None
    ) -> Any:
        return wanted

    async def attend(self, visit: Any) -> Receiver:
        self.voices.append(Voice(self))
        return self.voices[-1]

    async def until(self, claim: Callable[[], bool]) -> None:
        while not claim():  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    @property
    def house(self) -> wyoming.House:
        return wyoming.House(self.account, self.admit, self.catalog, self.visit, self.attend)


class Caller(Struct):
    """A client that says bytes and hears events."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    frames: Frames
    heard: list[Packet]

    def say(self, *pieces: bytes) -> None:
        self.writer.write(b"".join(pieces))

    async def until(self, type: str) -> list[str]:
        """The types of all events up to one of this type; up to the end for `closed`."""
        types: list[str] = []
        while type not in types:
            data = await self.reader.read(65_536)
            new = list(self.frames.feed(data))
            self.heard += new
            types += [packet.type for packet in new] if data else ["closed"]
        return types


@asynccontextmanager
async def calling(port: int) -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Caller(reader, writer, Frames(), [])
    finally:
        writer.transport.abort()


def run(work: Callable[[int, Booth], Awaitable[None]]) -> None:
    async def main() -> None:
        booth = Booth()
        guest = partial(wyoming.Guest, booth.house)
        make = partial(port_of.Connection, guest, booth.gate, booth.connections)
        async with asyncio.timeout(BOUND):
            server = await asyncio.get_running_loop().create_server(make, "127.0.0.1")
            await work(server.sockets[0].getsockname()[1], booth)
            server.close()
            await booth.until(lambda: not booth.connections)
        assert not any(voice.is_open for voice in booth.voices)
        assert set(booth.gate.open.values()) <= {0}

    asyncio.run(main())


SPEECH = ["audio-start", "audio-chunk", "audio-stop"]


def test_requests_in_a_row_are_answered_in_a_row() -> None:
    async def work(port: int, booth: Booth) -> None:
        async with calling(port) as caller:
            caller.say(DESCRIBE, SAY, packed("ping"), SAY, DESCRIBE)
            types = await until_infos(caller, 2)
            types.remove("pong")
            assert types == ["info", *SPEECH, *SPEECH, "info"]

    run(work)


async def until_infos(caller: Caller, count: int) -> list[str]:
    types: list[str] = []
    while types.count("info") < count:
        types += await caller.until("info")
    return types


def test_what_comes_during_an_answer_waits_for_it_and_a_ping_does_not() -> None:
    async def work(port: int, booth: Booth) -> None:
        async with calling(port) as caller:
            booth.may_speak.clear()
            caller.say(SAY, packed("ping"))
            assert await caller.until("pong") == ["pong"]
            caller.say(DESCRIBE)
            booth.may_speak.set()
            assert await caller.until("info") == [*SPEECH, "info"]

    run(work)


def test_a_text_in_pieces_is_one_request() -> None:
    async def work(port: int, booth: Booth) -> None:
        async with calling(port) as caller:
            pieces = [packed("synthesize-chunk", TextMsg(word)) for word in ("One ", "two.")]
            caller.say(packed("synthesize-start"), *pieces, SAY, packed("synthesize-stop"))
            types = await caller.until("synthesize-stopped")
            assert types == [*SPEECH, "synthesize-stopped"]
            assert [p.payload for p in caller.heard if p.payload] == [b"One two."]

    run(work)


def test_who_goes_away_is_not_spoken_to() -> None:
    async def work(port: int, booth: Booth) -> None:
        booth.may_speak.clear()
        async with calling(port) as caller:
            caller.say(SAY, packed("ping"))
            await caller.until("pong")
            await booth.until(lambda: bool(booth.voices))
        await booth.until(lambda: not booth.voices[0].is_open)

    run(work)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "invalid_request"),
        (b"x" * 70_000, "payload_too_large"),
        (f'{{"type": "x", "payload_length": {MAX_PAYLOAD + 1}}}\n'.encode(), "payload_too_large"),
        (packed("synthesize"), "invalid_request"),
        (packed("ping") + b"[]\n", "invalid_request"),
        (packed("synthesize", SynthesizeMsg(" ")), "invalid_request"),
        (packed("select-program", SelectMsg("x")) + packed("audio-start"), "invalid_request"),
        (SAY + SAY + b"\0\n", "invalid_request"),
        (packed("synthesize-start") + packed("synthesize-start"), "invalid_request"),
        (packed("synthesize-start") + packed("synthesize-chunk"), "invalid_request"),
    ],
)
def test_what_is_wrong_is_told_and_ends_the_connection(said: bytes, code: str) -> None:
    async def work(port: int, booth: Booth) -> None:
        async with calling(port) as caller:
            caller.say(said, packed("more") * 4_000)  # which must not take back the answer
            assert (await caller.until("closed"))[-2:] == ["error", "closed"]
            assert caller.heard[-1].data["code"] == code

    run(work)


def test_who_says_nothing_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port_of, "HANDSHAKE_TIMEOUT", 0.05)

    async def work(port: int, booth: Booth) -> None:
        for said in (b"", b'{"type', DESCRIBE + b'{"type":"x","payload_length":9}\n12345678'):
            async with calling(port) as caller:
                caller.say(said)
                assert (await caller.until("closed"))[-2:] == ["error", "closed"]
                assert caller.heard[-1].data["code"] == "idle_timeout_exceeded"

    run(work)


def test_who_asks_for_nothing_more_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wyoming, "IDLE", 0.2)

    async def work(port: int, booth: Booth) -> None:
        async with calling(port) as caller:
            booth.may_speak.clear()
            caller.say(SAY)
            await asyncio.sleep(0.4)  # an answer may take longer than that
            booth.may_speak.set()
            assert await caller.until("closed") == [*SPEECH, "error", "closed"]

    run(work)


def test_an_address_has_so_many_connections_and_a_key_so_many_requests() -> None:
    async def work(port: int, booth: Booth) -> None:
        async with calling(port) as one, calling(port) as two, calling(port) as three:
            assert await three.until("closed") == ["error", "closed"]
            assert three.heard[0].data["code"] == "rate_limit"
            booth.allowed = 1
            one.say(DESCRIBE)
            assert await one.until("info") == ["info"]
            two.say(DESCRIBE)
            assert await two.until("closed") == ["error", "closed"]

    run(work)


def test_who_does_not_read_is_not_written_to() -> None:
    async def work(port: int, booth: Booth) -> None:
        with socket.create_connection(("127.0.0.1", port)) as deaf:
            deaf.sendall(packed("audio-start", FormatMsg(16_000, 2, 1)))
            await booth.until(lambda: bool(booth.voices))
            [ear] = booth.voices
            told: Any = e.Transcript("word " * 10_000, final=True)
            while ear.is_writable:
                ear.socket.send(told)
                await asyncio.sleep(0)
            deaf.setblocking(False)
            while not ear.is_writable:
                try:
                    deaf.recv(1 << 20)
                except BlockingIOError:
                    await asyncio.sleep(0.001)

    run(work)


def test_a_session_that_takes_no_more_lets_the_client_rest() -> None:
    async def work(port: int, booth: Booth) -> None:
        async with calling(port) as caller:
            caller.say(packed("synthesize-start"))
            await booth.until(lambda: bool(booth.voices))
            [voice] = booth.voices
            voice.socket.pause()
            caller.say(packed("synthesize-chunk", TextMsg("One.")))
            await asyncio.sleep(0.05)
            assert not any(isinstance(each, e.Text) for each in voice.said)
            voice.socket.resume()
            caller.say(packed("synthesize-stop"))
            await caller.until("synthesize-stopped")
            assert [each for each in voice.said if isinstance(each, e.Text)] == [e.Text("One.")]

    run(work)
