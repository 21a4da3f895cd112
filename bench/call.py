"""One WebSocket to the gateway, as an application has it, and when each event of it came."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar
from urllib.parse import quote

from voxway.events import Audio, Event, Failed, Flush, Ready, Start, Text
from voxway.net import pico
from voxway.net.base import Socket
from voxway.wire.base import Endpoint, Frame, Task, decode
from voxway.wire.unified import Client, Style

from .process import KEY

VOICE, EAR = "local/hibari:en", "local/moonshine:tiny-en"
MODELS: dict[Task, str] = {"tts": VOICE, "stt": EAR}
PATIENCE = 60.0  # seconds to wait for one event

E = TypeVar("E", bound=Event)


class Call:
    """See the module. `now()` is the clock of all times."""

    def __init__(self, task: Task) -> None:
        self._codec = Client(Style(task))
        self._socket: Socket | None = None
        self._events: asyncio.Queue[tuple[float, Event]] = asyncio.Queue()

    def say(self, *commands: Event) -> None:
        assert self._socket is not None
        for command in commands:
            for frame in self._codec.encode(command):
                self._socket.send(frame)

    async def hear(self, kind: type[E]) -> tuple[float, E]:
        """The next event of this kind, and when it came; what comes before it is dropped."""
        async with asyncio.timeout(PATIENCE):
            while True:
                at, event = await self._events.get()
                if isinstance(event, kind):
                    return at, event
                if isinstance(event, Failed):
                    raise RuntimeError(f"{event.code}: {event.message}")

    def heard_since(self, kind: type[Event], since: float) -> int:
        """How many events of this kind have come since then; all that waits is dropped."""
        count = 0
        while not self._events.empty():
            at, event = self._events.get_nowait()
            count += isinstance(event, kind) and at >= since
        return count

    async def speak(self, text: str) -> float:
        """Say a text and flush it; seconds from before the first byte to the first audio."""
        begun = now()
        self.say(Text(text), Flush())
        at, _ = await self.hear(Audio)
        return at - begun

    def hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()

    # Receiver

    def opened(self, socket: Socket) -> None:
        self._socket = socket

    def frame(self, frame: Frame) -> None:
        at = now()
        for event in decode(self._codec, frame):
            self._events.put_nowait((at, event))

    def writable(self, writable: bool) -> None: ...

    def closed(self, code: int, reason: str) -> None:
        self._socket = None
        self._events.put_nowait((now(), Failed("closed", f"{code} {reason}")))


def now() -> float:
    return time.perf_counter()


def endpoint(port: int, task: Task) -> Endpoint:
    """Where a model is reached on this gateway."""
    url = f"ws://127.0.0.1:{port}/v1/{task}/{quote(MODELS[task])}"
    return Endpoint(url, headers={"Authorization": f"Bearer {KEY}"})


@asynccontextmanager
async def call(port: int, task: Task, start: Start | None = None) -> AsyncIterator[Call]:
    """An open session, ready to work; hung up at the end."""
    session = Call(task)
    await pico.dial(endpoint(port, task), session)
    try:
        session.say(start or Start())
        await session.hear(Ready)
        yield session
    finally:
        session.hang_up()
