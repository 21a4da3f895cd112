"""The bad network is as bad as it says, and no worse."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from client.faults import CLEAN, Fault, FaultProxy, Schedule, Toxics, always, seeded

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Result = TypeVar("Result")
DATA = bytes(range(256)) * 400


def run(test: Coroutine[Any, Any, Result]) -> Result:
    async def bounded() -> Result:
        async with asyncio.timeout(20):
            result = await test
        assert len(asyncio.all_tasks()) == 1  # nothing is left behind
        return result

    return asyncio.run(bounded())


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()


@asynccontextmanager
async def network(
    schedule: Schedule, serve: Callable[..., Awaitable[None]] = echo
) -> AsyncIterator[tuple[FaultProxy, Callable[[], Awaitable[Streams]]]]:
    """A server behind the proxy, and a way to call it."""
    done: set[asyncio.Task[Any]] = set()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        done.add(task)
        await serve(reader, writer)

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    writers: list[asyncio.StreamWriter] = []
    try:
        port = server.sockets[0].getsockname()[1]
        async with FaultProxy("127.0.0.1", port, schedule) as proxy:

            async def call() -> Streams:
                streams = await asyncio.open_connection("127.0.0.1", proxy.port)
                writers.append(streams[1])
                return streams

            yield proxy, call
            for writer in writers:
                writer.close()
    finally:
        server.close()
        await asyncio.wait(done) if done else None


async def exchanged(streams: Streams, data: bytes = DATA) -> bytes:
    """What comes back of some data, until it is all there or the connection ends."""
    reader, writer = streams
    back = b""

    async def said() -> None:
        try:
            writer.write(data)
            await writer.drain()
        except OSError:
            pass

    saying = asyncio.create_task(said())
    try:
        while len(back) < len(data) and (more := await reader.read(65536)):
            back += more
    finally:
        await saying
    return back


async def seconds_for(fault: Fault, data: bytes = DATA) -> float:
    async with network(always(fault)) as (_, call):
        streams, loop = await call(), asyncio.get_running_loop()
        began = loop.time()
        assert await exchanged(streams, data) == data
        return loop.time() - began


def test_a_clean_network_changes_nothing() -> None:
    async def test() -> None:
        async with network(Schedule()) as (proxy, call):
            both = await asyncio.gather(*[exchanged(await call()) for _ in range(3)])
            assert both == [DATA] * 3
            assert (proxy.connections, proxy.open) == (3, 3)
            assert proxy.bytes_up == proxy.bytes_down == 3 * len(DATA)

    run(test())


@pytest.mark.parametrize(
    ("toxics", "least"),
    [
        (Toxics(latency=0.15), 0.3),
        (Toxics(latency=0.1, jitter=0.05), 0.2),
        (Toxics(bandwidth=len(DATA) * 5), 0.2),
    ],
)
def test_latency_jitter_and_bandwidth_take_time(toxics: Toxics, least: float) -> None:
    seconds = run(seconds_for(Fault(up=toxics, down=toxics)))
    assert seconds >= least


def test_slices_arrive_one_by_one() -> None:
    sizes: list[int] = []

    async def sink(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            sizes.append(len(data))
            if sum(sizes) == 1000:
                writer.write(b"thanks")
        writer.close()

    async def test() -> None:
        async with network(always(Fault(up=Toxics(slice=10))), sink) as (_, call):
            reader, writer = await call()
            writer.write(bytes(1000))
            assert await reader.read(6) == b"thanks"

    run(test())
    assert len(sizes) > 10  # the loop may put some together


def test_a_limit_is_kept_to_the_byte() -> None:
    async def test() -> None:
        async with network(always(Fault(breaks="close", limit=5000))) as (proxy, call):
            await exchanged(await call())
            assert proxy.bytes_up + proxy.bytes_down == 5000

    run(test())


@pytest.mark.parametrize("after", [0.0, 0.1])
def test_a_reset_is_seen_as_one(after: float) -> None:
    async def test() -> None:
        async with network(always(Fault(breaks="reset", after=after))) as (_, call):
            reader, writer = await call()
            writer.write(b"?")
            await reader.readexactly(100)

    with pytest.raises(ConnectionResetError):
        run(test())


def test_a_close_is_seen_as_an_end_and_a_slow_one_later() -> None:
    async def test() -> float:
        async with network(always(Fault(down=Toxics(slow_close=0.3)))) as (_, call):
            reader, writer = await call()
            loop = asyncio.get_running_loop()
            began = loop.time()
            writer.write_eof()
            assert await reader.read() == b""
            return loop.time() - began

    assert run(test()) >= 0.3


def test_a_connection_that_hangs_is_open_and_silent() -> None:
    async def test() -> None:
        async with network(always(Fault(breaks="hang", limit=1000))) as (proxy, call):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await exchanged(await call())
            assert proxy.open == 1

    run(test())


def test_a_schedule_is_gone_through_and_can_be_changed() -> None:
    async def test() -> None:
        bad = Fault(breaks="reset", after=0.0)
        async with network(Schedule((bad, CLEAN, bad))) as (proxy, call):
            outcomes = []
            for number in range(6):
                if number == 4:
                    proxy.change(always(bad))
                try:
                    outcomes.append(await exchanged(await call(), b"x") == b"x")
                except ConnectionResetError:
                    outcomes.append(False)
            assert outcomes == [False, True, False, True, False, False]

    run(test())


def test_all_connections_can_be_broken_at_once() -> None:
    async def test() -> None:
        async with network(Schedule()) as (proxy, call):
            streams = [await call() for _ in range(5)]
            for each in streams:
                assert await exchanged(each, b"x") == b"x"
            proxy.break_all()
            for reader, _ in streams:
                with pytest.raises(ConnectionResetError):
                    await reader.readexactly(1)

    run(test())


def test_a_seed_says_it_all() -> None:
    assert seeded(7) == seeded(7)
    schedules = [seeded(seed) for seed in range(200)]
    assert len(set(map(repr, schedules))) == 200
    faults = [fault for schedule in schedules for fault in schedule.faults]
    assert {fault.breaks for fault in faults} == {"reset", "close", "hang"}
    assert all(fault.after is not None or fault.limit is not None for fault in faults)
    assert not any(schedule.then.breaks for schedule in schedules)
    for toxic in ("latency", "jitter", "bandwidth", "slice", "slow_close"):
        assert any(getattr(fault.down, toxic) for fault in faults)


def test_it_is_a_program() -> None:
    program = Path(__file__).with_name("faults.py")
    command = [sys.executable, str(program), "127.0.0.1:9", "--latency", "0.1", "--slice", "10"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.terminate()
    assert " -> 127.0.0.1:9: Toxics(latency=0.1" in line
    assert "slice=10" in line
