"""A bad network: a TCP proxy on loopback that does to connections what networks do, by schedule.

The toxics are those of Shopify's toxiproxy: latency, jitter, bandwidth, slow close, hang (its
`timeout`), reset, slice and limit. Schedules come from a seed, so a failure can be had again.

    python tests/client/faults.py 127.0.0.1:8080 --latency 0.1 --bandwidth 16000
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import struct
from collections.abc import Callable, Coroutine
from contextlib import suppress
from random import Random
from types import TracebackType
from typing import Any, Literal

from msgspec import Struct, structs

PIECE = 16 * 1024  # bytes read at once
HELD = 32  # pieces on their way in one direction, before the sender feels it

Break = Literal["", "reset", "close", "hang"]


class Toxics(Struct, frozen=True, kw_only=True):
    """How one direction is. Seconds and bytes a second; `slice`: no more bytes than that arrive at
    once; 0: not at all so."""

    latency: float = 0.0
    jitter: float = 0.0
    bandwidth: float = 0.0
    slice: int = 0
    slow_close: float = 0.0


class Fault(Struct, frozen=True, kw_only=True):
    """What becomes of one connection. It breaks off after so many seconds, or bytes in both
    directions (`limit`), whichever is first (None: never); 0 seconds: before a byte."""

    up: Toxics = Toxics()
    down: Toxics = Toxics()
    breaks: Break = ""
    after: float | None = None
    limit: int | None = None


CLEAN = Fault()


class Schedule(Struct, frozen=True):
    """The faults of the connections in their order; those that follow are like `then`."""

    faults: tuple[Fault, ...] = ()
    then: Fault = CLEAN

    def fault(self, number: int) -> Fault:
        return self.faults[number] if number < len(self.faults) else self.then


def always(fault: Fault) -> Schedule:
    return Schedule(then=fault)


def seeded(seed: int, seconds: float = 2.0, size: int = 100_000) -> Schedule:
    """One to four connections that break off within so many seconds or bytes, in a network of some
    texture; then all is well but for that texture."""
    random = Random(seed)
    texture = Fault(up=_texture(random), down=_texture(random))
    faults = [_broken(random, texture, seconds, size) for _ in range(random.randint(1, 4))]
    return Schedule(tuple(faults), texture)


def _texture(random: Random) -> Toxics:
    return Toxics(
        latency=random.choice((0.0, 0.0, 0.005, 0.03, 0.1)),
        jitter=random.choice((0.0, 0.0, 0.005, 0.05)),
        bandwidth=random.choice((0.0, 0.0, 0.0, 2e5, 5e5)),
        slice=random.choice((0, 0, 0, 100, 1000)),
        slow_close=random.choice((0.0, 0.0, 0.2)),
    )


def _broken(random: Random, texture: Fault, seconds: float, size: int) -> Fault:
    breaks: Break = random.choice(("reset", "reset", "close", "hang"))
    if random.random() < 0.15:
        return structs.replace(texture, breaks="reset", after=0.0)
    if random.random() < 0.5:
        return structs.replace(texture, breaks=breaks, after=random.uniform(0.0, seconds))
    limit = round(size ** random.uniform(0.5, 1.0))  # rather early than late
    return structs.replace(texture, breaks=breaks, limit=limit)


class FaultProxy:
    """`async with FaultProxy(host, port, schedule) as proxy:` listens on `proxy.port`."""

    def __init__(self, host: str, port: int, schedule: Schedule, seed: int = 0) -> None:
        self._upstream = host, port
        self._schedule = schedule
        self._random = Random(seed)
        self._server: asyncio.Server | None = None
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._since = 0  # connections before the schedule
        self.connections = 0  # so far
        self.bytes_up = self.bytes_down = 0

    async def __aenter__(self) -> FaultProxy:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.break_all("reset")
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def open(self) -> int:
        """Connections at the moment."""
        return len(self._links)

    def change(self, schedule: Schedule) -> None:
        """What holds for connections from now on; the first of them is the schedule's first."""
        self._schedule, self._since = schedule, self.connections

    def break_all(self, how: Break = "reset") -> None:
        """Do that to all connections that there are."""
        for link in list(self._links):
            link.break_off(how)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fault = self._schedule.fault(self.connections - self._since)
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if fault.breaks == "reset" and fault.after == 0.0:
                reset(writer)
                return
            await self._linked(fault, reader, writer)
        except asyncio.CancelledError:
            pass  # by __aexit__; asyncio 3.11 would complain of it
        finally:
            self._tasks.discard(task)

    async def _linked(
        self, fault: Fault, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            there = await asyncio.open_connection(*self._upstream)
        except OSError:
            reset(writer)
            return
        link = Link(fault, writer, there[1])
        self._links.add(link)
        up, down = Random(self._random.random()), Random(self._random.random())
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(link.pump(reader, there[1], fault.up, self._up, up))
                both.create_task(link.pump(there[0], writer, fault.down, self._down, down))
        finally:
            link.break_off("reset" if link.is_reset else "close")
            self._links.discard(link)

    def _up(self, size: int) -> None:
        self.bytes_up += size

    def _down(self, size: int) -> None:
        self.bytes_down += size


class Link:
    """One connection through the proxy."""

    def __init__(self, fault: Fault, *writers: asyncio.StreamWriter) -> None:
        self._fault = fault
        self._writers = writers
        self._size = 0
        self._flows = asyncio.Event()
        self._flows.set()
        self._is_over = asyncio.Event()
        self.is_reset = False
        self._timer: asyncio.TimerHandle | None = None
        if fault.after is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(fault.after, self.break_off, fault.breaks)

    def break_off(self, how: Break) -> None:
        if how == "hang":  # open for all that anybody can see, but nothing comes any more
            self._flows.clear()
            return
        self._is_over.set()
        if self._timer is not None:
            self._timer.cancel()
        self.is_reset = self.is_reset or how == "reset"
        for writer in self._writers:
            if self.is_reset:
                reset(writer)
            else:
                writer.close()

    async def pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        toxics: Toxics,
        count: Callable[[int], None],
        random: Random,
    ) -> None:
        """One direction, to its end."""
        way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(HELD)
        reading = asyncio.create_task(self._read(reader, way, toxics, random))
        writing = asyncio.create_task(self._write(writer, way, toxics, count))
        over = asyncio.create_task(self._until_over())
        try:
            await asyncio.wait({writing, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reading, writing, over):
                task.cancel()
            await asyncio.wait({reading, writing, over})

    async def _until_over(self) -> None:
        await self._is_over.wait()

    async def _read(
        self,
        reader: asyncio.StreamReader,
        way: asyncio.Queue[tuple[float, bytes]],
        toxics: Toxics,
        random: Random,
    ) -> None:
        loop, due = asyncio.get_running_loop(), 0.0
        data = b"?"
        while data:
            try:
                data = await reader.read(PIECE)
            except OSError:
                data = b""
            delay = toxics.latency + random.uniform(0.0, toxics.jitter)
            if not data and not self._flows.is_set():
                self.break_off("reset")  # whoever leaves what hangs does not leave it to the other
            if not data:
                delay += toxics.slow_close
            due = max(due, loop.time() + delay)  # TCP keeps the order
            await way.put((due, data))

    async def _write(
        self,
        writer: asyncio.StreamWriter,
        way: asyncio.Queue[tuple[float, bytes]],
        toxics: Toxics,
        count: Callable[[int], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await way.get()
            await asyncio.sleep(due - loop.time())
            await self._flows.wait()
            if not data:
                with suppress(OSError):
                    writer.write_eof()
                return
            step = toxics.slice or len(data)
            for at in range(0, len(data), step):
                piece = self._allowed(data[at : at + step])
                if toxics.bandwidth:
                    await asyncio.sleep(len(piece) / toxics.bandwidth)
                with suppress(OSError):
                    writer.write(piece)
                    await writer.drain()
                count(len(piece))
                if toxics.slice:
                    await asyncio.sleep(0)
            if self._size == self._fault.limit:
                self.break_off(self._fault.breaks or "close")
                await self._flows.wait()

    def _allowed(self, data: bytes) -> bytes:
        limit = self._fault.limit
        if limit is not None:
            data = data[: limit - self._size]
        self._size += len(data)
        return data


def reset(writer: asyncio.StreamWriter) -> None:
    """End it at once, and let the peer see that (RST)."""
    sock = writer.get_extra_info("socket")
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _serve(address: str, toxics: Toxics) -> None:
    host, _, port = address.rpartition(":")
    async with FaultProxy(host, int(port), always(Fault(up=toxics, down=toxics))) as proxy:
        print(f"127.0.0.1:{proxy.port} -> {address}: {toxics}", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="A bad network before a server.")
    parser.add_argument("address", help="HOST:PORT of the server")
    for field in structs.fields(Toxics):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=field.type, default=0)
    given = vars(parser.parse_args())
    work: Coroutine[Any, Any, None] = _serve(given.pop("address"), Toxics(**given))
    with suppress(KeyboardInterrupt):
        asyncio.run(work)


if __name__ == "__main__":
    main()
