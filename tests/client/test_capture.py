"""The queue between a source and a socket: its bounds, its chunks, and what it tells."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxway.audio.formats import AudioFormat
from voxway.client.capture import (
    CaptureQueue,
    Chunk,
    Overflow,
    Preset,
    QueueFullError,
    Size,
    chunk_size,
)
from voxway.errors import ConfigError

PCM = AudioFormat("linear16", 16_000)
SECOND = 32_000  # bytes
Result = TypeVar("Result")


def run(test: Coroutine[Any, Any, Result]) -> Result:
    async def bounded() -> Result:
        async with asyncio.timeout(20):
            return await test

    return asyncio.run(bounded())


async def drained(queue: CaptureQueue) -> list[Chunk]:
    chunks = []
    while (chunk := await queue.get()) is not None:
        chunks.append(chunk)
    return chunks


async def waits(coroutine: Coroutine[Any, Any, Any]) -> bool:
    """Whether it does not return; it is cancelled then."""
    task = asyncio.ensure_future(coroutine)
    for _ in range(5):
        await asyncio.sleep(0)
    is_waiting = not task.done()
    task.cancel()
    await asyncio.wait({task})
    return is_waiting


@pytest.mark.parametrize(
    ("preset", "encoding", "rate", "size"),
    [
        ("live", "linear16", 16_000, Size(640, 3200)),
        ("live", "mulaw", 8_000, Size(160, 800)),
        ("live", "linear32", 48_000, Size(3840, 19_200)),
        ("steady", "linear16", 16_000, Size(3200, 3200)),
        ("blocks", "linear16", 16_000, Size(2048, 8192)),
        ("live", "ogg", 48_000, Size(2048, 8192)),
    ],
)
def test_presets(preset: Preset, encoding: str, rate: int, size: Size) -> None:
    assert chunk_size(AudioFormat(encoding, rate), preset) == size


def test_chunks_grow_with_what_waits() -> None:
    async def test() -> list[int]:
        queue = CaptureQueue(PCM)
        queue.put(bytes(640 + 3200 + 100))
        sizes = [len(chunk.data) for chunk in [await queue.get(), await queue.get()] if chunk]
        queue.put(bytes(100))
        assert await waits(queue.get())  # 100 bytes are not worth a message
        queue.put(bytes(540))
        queue.close()
        return sizes + [len(chunk.data) for chunk in await drained(queue)]

    assert run(test()) == [3200, 740, 640]


def test_what_is_left_at_the_end_is_sent() -> None:
    async def test() -> list[Chunk]:
        queue = CaptureQueue(PCM)
        queue.put(bytes(700))
        queue.put(b"\1")
        queue.close()
        queue.put(b"too late")
        return await drained(queue)

    assert run(test()) == [Chunk(0.0, bytes(700) + b"\1")]


def test_the_oldest_is_dropped_counted_and_told() -> None:
    async def test() -> None:
        told: list[float] = []
        queue = CaptureQueue(PCM, seconds=1.0, on_drop=told.append)
        for second in (b"a", b"b"):
            for _ in range(10):
                queue.put(second * (SECOND // 10))
        assert (queue.depth_ms, queue.dropped_ms) == (1000, 1000)
        chunk = await queue.get()
        assert chunk is not None
        assert (chunk.at, chunk.data[:1]) == (1.0, b"b")
        assert told == [1000]
        for _ in range(2):
            queue.put(b"c" * (SECOND // 10))
        assert told == [1000]
        await asyncio.sleep(0)
        assert told == [1000, 100]  # once for both
        assert queue.dropped_ms == 1100

    run(test())


def test_raise_takes_nothing() -> None:
    queue = CaptureQueue(PCM, seconds=1.0, overflow="raise")
    queue.put(bytes(SECOND))
    with pytest.raises(QueueFullError, match=r"1\.0 s of audio wait to be sent, and 20 ms more"):
        queue.put(bytes(640))
    assert (queue.depth_ms, queue.dropped_ms) == (1000, 0)


def test_block_holds_a_thread_until_there_is_room() -> None:
    async def test() -> bytes:
        queue = CaptureQueue(PCM, seconds=0.1, overflow="block")
        data = random.Random(1).randbytes(SECOND)

        def producer() -> None:
            for at in range(0, len(data), 5000):  # more than the queue holds
                queue.put(data[at : at + 5000])
            queue.close()

        thread = threading.Thread(target=producer)
        thread.start()
        heard = b"".join(chunk.data for chunk in await drained(queue))
        await asyncio.to_thread(thread.join, 10)
        assert not thread.is_alive()
        assert heard == data
        return heard

    run(test())


def test_feed_waits_without_stopping_the_loop() -> None:
    async def test() -> None:
        queue = CaptureQueue(PCM, seconds=0.1, overflow="block")
        data = random.Random(1).randbytes(SECOND)
        with pytest.raises(RuntimeError, match="use feed"):
            queue.put(data)
        queue.discard()

        async def producer() -> None:
            await queue.feed(data)
            queue.close()

        async with asyncio.TaskGroup() as group:
            group.create_task(producer())
            chunks = await drained(queue)
        assert b"".join(chunk.data for chunk in chunks) == data
        assert queue.dropped_ms == 0

    run(test())


def test_whoever_waits_is_let_go_at_the_end() -> None:
    async def test() -> None:
        queue = CaptureQueue(PCM, seconds=0.1, overflow="block")
        feeding = asyncio.ensure_future(queue.feed(bytes(SECOND)))
        putting = asyncio.ensure_future(asyncio.to_thread(queue.put, bytes(SECOND)))
        await asyncio.sleep(0)
        queue.close()
        await asyncio.wait({feeding, putting})
        assert len(b"".join(chunk.data for chunk in await drained(queue))) == SECOND // 10

    run(test())


def test_a_get_that_is_cancelled_loses_nothing() -> None:
    async def test() -> None:
        queue = CaptureQueue(PCM)
        getting = asyncio.ensure_future(queue.get())
        await asyncio.sleep(0)
        queue.put(bytes(640))
        getting.cancel()
        await asyncio.wait({getting})
        queue.close()
        assert await drained(queue) == [Chunk(0.0, bytes(640))]

    run(test())


def test_compressed_audio_is_never_dropped() -> None:
    with pytest.raises(ConfigError, match="overflow: ogg cannot go on after a gap"):
        CaptureQueue(AudioFormat("ogg", 48_000))
    queue = CaptureQueue(AudioFormat("ogg", 48_000), seconds=1.0, overflow="raise")
    queue.put(bytes(32_000))
    with pytest.raises(QueueFullError):
        queue.put(b"\0")


@given(
    st.lists(st.one_of(st.integers(1, 5000), st.none()), max_size=60),
    st.sampled_from(["live", "steady", "blocks"]),
    st.floats(0.0, 0.5),
)
def test_chunks_are_the_source_less_what_was_dropped(
    steps: list[int | None], preset: Preset, seconds: float
) -> None:
    """Numbers: bytes that come. None: something is sent."""

    async def test() -> None:
        overflow: Overflow = "drop_oldest"
        queue = CaptureQueue(PCM, seconds, overflow, preset)
        source = random.Random(1).randbytes(sum(step or 0 for step in steps))
        at, chunks = 0, []
        for step in steps:
            if step is not None:
                queue.put(source[at : at + step])
                at += step
            elif queue.depth_ms >= chunk_size(PCM, preset).least / 32:
                chunks.append(await queue.get())
            assert queue.depth_ms <= max(seconds * 1000, chunk_size(PCM, preset).least / 32)
        queue.close()
        end = sent = 0
        for chunk in chunks + await drained(queue):
            assert chunk is not None
            start = round(chunk.at * SECOND)
            assert start >= end
            assert source[start : start + len(chunk.data)] == chunk.data
            assert len(chunk.data) <= chunk_size(PCM, preset).most
            end = start + len(chunk.data)
            sent += len(chunk.data)
        assert sent + queue.dropped_ms * 32 == pytest.approx(len(source))

    run(test())
