"""One connection: order, bounds, both ends' closing, and refusals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

import pytest

from voxway.client import Connection, Gateway, UnreachableError, connect, speak, transcribe
from voxway.client.connection import MAX_WAITING
from voxway.door import refusal
from voxway.errors import AuthError, ConfigError, LimitError, UpstreamError
from voxway.events import (
    Audio,
    Ended,
    Event,
    Failed,
    Finish,
    Flush,
    Flushed,
    Ready,
    Start,
    Text,
    Transcript,
)
from voxway.net import pico_door
from voxway.net.base import Acceptance, Refusal, Request, Socket
from voxway.wire.base import Endpoint, Frame, decode
from voxway.wire.unified import Client, Server, Style

TTS, STT = Style("tts"), Style("stt")
Result = TypeVar("Result")


class Peer:
    """A gateway's end of a socket that answers each command as a test says."""

    def __init__(self, style: Style, answer: Callable[[Peer, Event], None]) -> None:
        self._codec = Server(style)
        self._answer = answer
        self.heard: list[Event] = []
        self.paused = 0
        self.socket: Socket | None = None
        self.is_closed = asyncio.Event()

    def say(self, *events: Event) -> None:
        assert self.socket is not None
        for event in events:
            for frame in self._codec.encode(event):
                self.socket.send(frame)

    def close(self, code: int, reason: str = "") -> None:
        assert self.socket is not None
        self.socket.close(code, reason)

    def opened(self, socket: Socket) -> None:
        self.socket = socket

    def frame(self, frame: Frame) -> None:
        for event in decode(self._codec, frame):
            self.heard.append(event)
            self._answer(self, event)

    def writable(self, writable: bool) -> None:
        self.paused += not writable

    def closed(self, code: int, reason: str) -> None:
        self.is_closed.set()


@asynccontextmanager
async def serving(verdict: Acceptance | Refusal) -> AsyncIterator[Gateway]:
    async def accept(request: Request) -> Acceptance | Refusal:
        return verdict

    server = await pico_door.listen(accept, host="127.0.0.1")
    try:
        yield Gateway(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", "key")
    finally:
        server.close()
        await server.wait_closed()


def run(test: Coroutine[Any, Any, Result]) -> Result:
    async def bounded() -> Result:
        async with asyncio.timeout(20):
            return await test

    return asyncio.run(bounded())


def echo(peer: Peer, event: Event) -> None:
    """Speaks each text as its own letters."""
    match event:
        case Start():
            peer.say(Ready(encoding="linear16", sample_rate=8000))
        case Text(text=text):
            peer.say(Audio(data=text.encode()))
        case Flush():
            peer.say(Flushed(duration=1.0))
        case Finish():
            peer.say(Ended(reason="client_closed"))
            peer.close(1000, "client_closed")
        case _:
            pass


def spoken(
    answer: Callable[[Peer, Event], None], text: str | AsyncIterator[str] = "Hello."
) -> list[Event]:
    async def test() -> list[Event]:
        async with serving(Acceptance(Peer(TTS, answer))) as gateway:
            return [event async for event in speak(gateway, text)]

    return run(test())


def test_pieces_of_text_are_spoken_in_order() -> None:
    async def pieces() -> AsyncIterator[str]:
        for piece in ("Hel", "", "lo ", "x" * 1200):
            yield piece

    events = spoken(echo, pieces())
    assert [type(event) for event in events] == [Ready, *[Audio] * 5, Flushed, Ended]
    data = [event.data for event in events if isinstance(event, Audio)]
    assert b"".join(data) == b"Hello " + b"x" * 1200
    assert max(map(len, data)) <= 500


def test_the_reader_may_stop_at_any_time() -> None:
    async def test() -> None:
        peer = Peer(TTS, echo)
        async with serving(Acceptance(peer)) as gateway:
            events = speak(gateway, "Hello.")
            async for event in events:
                if isinstance(event, Audio):
                    break
            await events.aclose()
            await peer.is_closed.wait()
        assert len(asyncio.all_tasks()) == 2  # this one and its bound

    run(test())


def test_a_failing_source_ends_the_session_with_its_own_error() -> None:
    async def pieces() -> AsyncIterator[str]:
        yield "Hello."
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        spoken(echo, pieces())


@pytest.mark.parametrize(
    ("event", "error", "says"),
    [
        (Failed(code="config_error", message="no such voice"), ConfigError, "no such voice"),
        (Failed(code="rate_limit", message="too many"), LimitError, "too many"),
        (Failed(code="of-tomorrow", message="news"), UpstreamError, "news"),
        (Ended(reason="idle_timeout_exceeded"), LimitError, "idle_timeout"),
        (Ended(reason="draining"), UpstreamError, "draining"),
    ],
)
def test_a_session_that_ends_badly(event: Event, error: type[Exception], says: str) -> None:
    def answer(peer: Peer, command: Event) -> None:
        if isinstance(command, Flush):
            peer.say(event)

    with pytest.raises(error, match=says):
        spoken(answer)


def test_an_error_that_costs_nothing_is_an_event() -> None:
    slip = Failed(code="invalid_request", message="odd frame")

    def answer(peer: Peer, command: Event) -> None:
        if isinstance(command, Text):
            peer.say(slip)
        echo(peer, command)

    assert slip in spoken(answer)


def test_a_close_out_of_the_blue() -> None:
    def answer(peer: Peer, command: Event) -> None:
        peer.close(1012, "restart")

    with pytest.raises(UpstreamError, match=r"closed the connection \(1012 restart\)"):
        spoken(answer)


def test_nonsense_from_the_other_side() -> None:
    def answer(peer: Peer, command: Event) -> None:
        assert peer.socket is not None
        peer.socket.send('{"type":"nonsense"}')

    with pytest.raises(UpstreamError, match="broke its protocol"):
        spoken(answer)


def test_audio_is_cut_finalized_and_only_then_finished() -> None:
    def answer(peer: Peer, command: Event) -> None:
        match command:
            case Flush():
                peer.say(
                    Transcript(text="one", final=True),
                    Transcript(text="two", final=True, from_finalize=True),
                )
            case Finish():
                peer.say(Ended(reason="client_closed"))
            case _:
                pass

    async def audio() -> AsyncIterator[bytes]:
        yield bytes(40_000)

    async def test() -> None:
        peer = Peer(STT, answer)
        async with serving(Acceptance(peer)) as gateway:
            events = [event async for event in transcribe(gateway, audio())]
        assert [e.text for e in events if isinstance(e, Transcript)] == ["one", "two"]
        assert [type(command) for command in peer.heard] == [Start, *[Audio] * 3, Flush, Finish]
        assert sum(len(c.data) for c in peer.heard if isinstance(c, Audio)) == 40_000

    run(test())


def test_a_slow_reader_pauses_the_socket() -> None:
    chunks = 4000

    def answer(peer: Peer, command: Event) -> None:
        for _ in range(chunks):
            peer.say(Audio(data=bytes(4800)))

    async def test() -> None:
        peer = Peer(TTS, answer)
        async with serving(Acceptance(peer)) as gateway, opened(gateway) as connection:
            await connection.send(Flush())
            while not peer.paused:  # noqa: ASYNC110 - the other side has no event for it
                await asyncio.sleep(0.01)
            assert len(connection._events) < 2 * MAX_WAITING
            for _ in range(chunks):
                assert isinstance(await anext(connection), Audio)

    run(test())


def opened(gateway: Gateway) -> AbstractAsyncContextManager[Connection]:
    return connect(gateway.endpoint("tts", "m"), Client(TTS))


def test_how_it_was_closed_is_kept() -> None:
    async def test() -> None:
        peer = Peer(TTS, lambda peer, _: peer.close(4001, "rate_limit"))
        async with serving(Acceptance(peer)) as gateway, opened(gateway) as connection:
            await connection.send(Flush())
            assert [event async for event in connection] == []
            assert (connection.close_code, connection.close_reason) == (4001, "rate_limit")
            await connection.send(Flush())  # into nothing

    run(test())


@pytest.mark.parametrize(
    ("verdict", "error", "says"),
    [
        (refusal(AuthError("unknown API key"), "r", None), AuthError, "unknown API key"),
        (refusal(LimitError("full", retry_after=7.0), "r", None), LimitError, "full"),
        (Refusal(404, b"<html>nginx</html>"), UnreachableError, "HTTP status 404"),
    ],
)
def test_refusals(verdict: Refusal, error: type[Exception], says: str) -> None:
    async def test() -> None:
        async with serving(verdict) as gateway:
            with pytest.raises(error, match=says) as caught:
                async for _ in speak(gateway, "Hello."):
                    pass
            if isinstance(caught.value, LimitError):
                assert caught.value.retry_after == 7.0

    run(test())


def test_nobody_there() -> None:
    async def test() -> None:
        with pytest.raises(UnreachableError, match="connection refused"):
            async with connect(Endpoint("ws://127.0.0.1:9/"), Client(TTS)):
                pass

    run(test())
