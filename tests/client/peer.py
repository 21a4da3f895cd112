"""The other end of a client's sockets, played by a script: each connection is a `Peer`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from voxway.client import Notice, Retry, Stt, Tts, Voxway
from voxway.events import Audio, Ended, Event, Finish, Flush, Flushed, Ready, Start, Text
from voxway.net import pico_door
from voxway.net.base import Acceptance, Refusal, Request, Socket
from voxway.wire.base import Frame, Task, decode
from voxway.wire.unified import Server, Style

BOUND = 30.0  # seconds: a bound against hangs
AT_ONCE = Retry(delays=(0.01,), jitter=0.0)
RATE = 8000
Result = TypeVar("Result")


class Peer:
    """A gateway's end of one socket, that answers each command as a test says. `number` counts the
    connections from 1."""

    def __init__(self, house: House, number: int) -> None:
        self._codec = Server(
            Style(house.task, binary_audio=True, terminals="audio_end", is_bridge=True)
        )
        self._house = house
        self.number = number
        self.heard: list[Event] = []
        self.pauses = self.told = 0
        self.socket: Socket | None = None
        self.is_closed = asyncio.Event()

    def say(self, *events: Event) -> None:
        if self.socket is not None:
            for event in events:
                for frame in self._codec.encode(event):
                    self.socket.send(frame)

    def close(self, code: int = 1011, reason: str = "") -> None:
        if self.socket is not None:
            self.socket.close(code, reason)

    def texts(self) -> list[str]:
        return [event.text for event in self.heard if isinstance(event, Text)]

    def audio(self) -> bytes:
        return b"".join(event.data for event in self.heard if isinstance(event, Audio))

    def opened(self, socket: Socket) -> None:
        self.socket = socket

    def frame(self, frame: Frame) -> None:
        for event in decode(self._codec, frame):
            self.heard.append(event)
            self._house.answer(self, event)
        self._house.news.set()

    def writable(self, writable: bool) -> None:
        self.pauses += not writable

    def closed(self, code: int, reason: str) -> None:
        self.is_closed.set()
        self._house.news.set()


class House:
    """Who answers at an address, and what became of it."""

    def __init__(self, task: Task, answer: Callable[[Peer, Event], None]) -> None:
        self.task = task
        self.answer = answer
        self.url = ""
        self.refusals: list[Refusal] = []  # of the first who ask
        self.requests: list[Request] = []
        self.peers: list[Peer] = []
        self.notices: list[Notice] = []
        self.news = asyncio.Event()

    async def accept(self, request: Request) -> Acceptance | Refusal:
        self.requests.append(request)
        if self.refusals:
            return self.refusals.pop(0)
        self.peers.append(Peer(self, len(self.peers) + 1))
        return Acceptance(self.peers[-1])

    def voxway(self, retry: Retry = AT_ONCE, **how: Any) -> Voxway:
        """A client of it, whose notices are kept."""
        return Voxway(self.url, "a-key", retry=retry, on_notice=self.notices.append, **how)

    def noted(self, kind: type[Notice]) -> list[Any]:
        return [notice for notice in self.notices if isinstance(notice, kind)]

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for something that is said here."""
        while not is_so():
            self.news.clear()
            await asyncio.wait({asyncio.create_task(self.news.wait())}, timeout=0.05)


@asynccontextmanager
async def house(task: Task, answer: Callable[[Peer, Event], None]) -> AsyncIterator[House]:
    there = House(task, answer)
    server = await pico_door.listen(there.accept, host="127.0.0.1")
    there.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield there
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def talking(
    answer: Callable[[Peer, Event], None], **how: Any
) -> AsyncIterator[tuple[House, Tts]]:
    """A voice, and a session with it."""
    async with house("tts", answer) as there, there.voxway() as vox, vox.tts("m", **how) as tts:
        yield there, tts


@asynccontextmanager
async def listening(
    answer: Callable[[Peer, Event], None], **how: Any
) -> AsyncIterator[tuple[House, Stt]]:
    """A recognizer, and a session with it."""
    async with house("stt", answer) as there, there.voxway() as vox, vox.stt("m", **how) as stt:
        yield there, stt


def run(test: Coroutine[Any, Any, Result]) -> Result:
    """The test on a loop; nothing of it is left there."""

    async def bounded() -> Result:
        async with asyncio.timeout(BOUND):
            result = await test
        await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not {task for task in left if "voxway.client" in repr(task)}, left
        return result

    return asyncio.run(bounded())


def sound(text: str) -> bytes:
    """What a voice here makes of a text: each letter as a sample, so that one can read it."""
    return "".join(f"{letter}\0" for letter in text).encode()


def read(audio: bytes) -> str:
    return audio.decode()[::2]


def speaker(peer: Peer, event: Event) -> None:
    """A voice that says each text as its letters."""
    match event:
        case Start():
            peer.say(Ready("s", encoding="linear16", sample_rate=RATE))
        case Text(text=text):
            peer.say(Audio(sound(text)))
        case Flush():
            peer.say(Flushed(1.0))
        case Finish():
            peer.say(Ended("client_closed"))
            peer.close(1000, "client_closed")
