"""The user of a transport, for tests: it keeps what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import uvloop

from voxway.net.base import Socket
from voxway.wire.base import Frame

BOUND = 30.0  # seconds: a bound against hangs, not a measure


class Ear:
    """A receiver that keeps what it is told."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[Frame] = asyncio.Queue()
        self.is_open: asyncio.Future[Socket] = asyncio.get_running_loop().create_future()
        self.is_closed: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        self.writables: list[bool] = []
        self.then: Callable[[], None] = lambda: None  # what to do at the next frame
        self._told = asyncio.Event()

    def opened(self, socket: Socket) -> None:
        self.is_open.set_result(socket)

    def frame(self, frame: Frame) -> None:
        self.frames.put_nowait(frame)
        then, self.then = self.then, lambda: None
        then()

    def writable(self, writable: bool) -> None:
        self.writables.append(writable)
        self._told.set()

    def closed(self, code: int, reason: str) -> None:
        self.is_closed.set_result((code, reason))

    async def heard(self) -> Frame:
        return await asyncio.wait_for(self.frames.get(), BOUND)

    async def end(self) -> tuple[int, str]:
        return await asyncio.wait_for(self.is_closed, BOUND)

    async def told_writable(self, writable: bool) -> None:
        async with asyncio.timeout(BOUND):
            while writable not in self.writables:
                self._told.clear()
                await self._told.wait()

    async def socket(self) -> Socket:
        return await asyncio.wait_for(self.is_open, BOUND)


def run(test: Callable[[], Awaitable[None]]) -> None:
    uvloop.run(asyncio.wait_for(test(), 2 * BOUND))
