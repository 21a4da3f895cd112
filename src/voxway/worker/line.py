"""What both kinds of engine session are made of: turns at the model, an inbox, a line to the peer.

Sessions share the model fairly: each turn is one sentence (or a piece of audio), and turns are
given in the order they were asked for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from ..errors import GatewayError
from ..events import Event, Failed, KeepAlive
from ..guard import contained
from ..net.base import Socket
from ..wire.base import Codec, Frame, decode

T = TypeVar("T")
ALIVE = 5.0  # seconds of work without a word, after which the peer is told of it


class Turns:
    """The model's threads, given out one turn at a time in the order asked for."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="engine")
        # asyncio's semaphore wakes its waiters first come, first served: that is the fairness.
        self._free = asyncio.Semaphore(threads)

    async def take(self, work: Callable[[], T]) -> T:
        """Run blocking `work` in a thread when it is our turn."""
        async with self._free:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)


class Inbox:
    """Commands in order, for one consumer; unlike asyncio.Queue it can be emptied at once."""

    def __init__(self) -> None:
        self._items: deque[Event] = deque()
        self._filled = asyncio.Event()

    def put(self, item: Event) -> None:
        self._items.append(item)
        self._filled.set()

    def clear(self) -> list[Event]:
        """Empty it; returns what was in it."""
        dropped = list(self._items)
        self._items.clear()
        self._filled.clear()
        return dropped

    def peek(self) -> Event | None:
        """What comes next, if anything waits."""
        return self._items[0] if self._items else None

    def pop(self) -> Event:
        return self._items.popleft()

    async def get(self) -> Event:
        while not self._items:
            self._filled.clear()
            await self._filled.wait()
        return self._items.popleft()


class Line:
    """The socket of one session, as the engine side uses it: says events, knows when to wait."""

    def __init__(self, codec: Codec, alive: float = ALIVE) -> None:
        self.codec = codec
        self._alive = alive
        self._socket: Socket | None = None
        self._can_write = asyncio.Event()
        self._can_write.set()

    def open(self, socket: Socket) -> None:
        self._socket = socket

    def say(self, event: Event) -> None:
        if self._socket is not None:
            for frame in self.codec.encode(event):
                self._socket.send(frame)

    def fail(self, error: GatewayError) -> None:
        """Say what went wrong; hang up if the error table says so."""
        rule = error.rule
        self.say(Failed(error.error, error.message, rule.retryable, param=error.param))
        if rule.close_code is not None:
            self.hang_up(rule.close_code, error.error)

    def hang_up(self, code: int = 1000, reason: str = "") -> None:
        if self._socket is not None:
            self._socket.close(code, reason)

    @contextmanager
    def working(self) -> Iterator[None]:
        """While this lasts the peer is told, now and then, that nobody has died: on a machine with
        much to do a turn may take longer than one waits for whoever says nothing."""
        task = asyncio.get_running_loop().create_task(self._tell_of_it())
        try:
            yield
        finally:
            task.cancel()

    async def _tell_of_it(self) -> None:
        while True:
            await asyncio.sleep(self._alive)
            self.say(KeepAlive())

    def read(self, wanted: bool) -> None:
        """Read from the peer, or let it wait."""
        if self._socket is not None:
            if wanted:
                self._socket.resume()
            else:
                self._socket.pause()

    def writable(self, writable: bool) -> None:
        if writable:
            self._can_write.set()
        else:
            self._can_write.clear()

    async def until_writable(self) -> None:
        await self._can_write.wait()

    def close(self) -> None:
        self._socket = None
        self._can_write.set()


class Job:
    """What one session runs: a task that ends with its socket, its bugs contained."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._task: asyncio.Task[None] | None = None

    def start(self, work: Callable[[], Any]) -> None:
        async def run() -> None:
            with contained("engine", lambda: self._line.hang_up(1011, "engine failed")):
                await work()

        self._task = asyncio.get_running_loop().create_task(run())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()


def receive(line: Line, frame: Frame, command: Callable[[Event], None]) -> None:
    """Decode a frame and do what it says; what is wrong with it is said back."""
    for event in decode(line.codec, frame):
        try:
            command(event)
        except GatewayError as error:
            line.fail(error)
