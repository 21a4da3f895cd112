"""The client in bad networks, with the real engines: no word lost, none twice, none out of order.

`make test-long` goes through 200 random schedules; by default they are fewer, since each is spoken
and heard by real engines.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise

import pytest
from msgspec import Struct

from client.faults import CLEAN, Fault, FaultProxy, Schedule, Toxics, always, seeded
from client.hurried import HurriedLoop
from client.peer import RATE, house, speaker
from conftest import Gateway
from speech import normalise, wer
from voxway.client import (
    TELNYX,
    Assembly,
    Delivery,
    Listening,
    Notice,
    PlaybackBuffer,
    Retry,
    State,
    Voxway,
    notices,
)

SCHEDULES = int(os.environ.get("VOXWAY_TEST_SCHEDULES", "20"))
AT_ONCE = 6  # schedules that are gone through side by side: a recognizer takes three a core
BOUND = 250.0 + 10 * SCHEDULES  # seconds for all of them: against hangs

SENTENCES = ("Turn left after the bridge.", "Water boils at sea level.")  # no word twice
TEXT = " ".join(SENTENCES)
HZ = 16_000
SOON = Retry(delays=(0.02, 0.05, 0.1), jitter=0.02, first_attempts=None)
PATIENT = Listening(queue=30.0, replay=30.0, patience=60.0)
SAME_VOICE = {"seed": 1}  # so that what was spoken well once need be heard only once


def client(proxy: FaultProxy, key: str, told: list[Notice]) -> Voxway:
    url = f"ws://127.0.0.1:{proxy.port}"
    return Voxway(url, key, retry=SOON, heartbeat=1.0, on_notice=told.append)


async def spoken(pcm: bytes, hurry: float = 4.0) -> AsyncIterator[bytes]:
    """Somebody who speaks, only faster."""
    step = HZ // 5
    for at in range(0, len(pcm), step):
        yield pcm[at : at + step]
        await asyncio.sleep(0.1 / hurry)


async def written(vox: Voxway, pcm: bytes) -> Assembly:
    """What is heard of it."""
    async with vox.stt(sample_rate=HZ, listening=PATIENT) as stt:
        async for _ in stt.stream(spoken(pcm)):
            pass
        return stt.transcript


async def played(vox: Voxway, text: str) -> bytes:
    """What the loudspeaker gives of it, silence left out."""
    playback = PlaybackBuffer(HZ, start_ms=60_000)  # whole sentences: its clock is not a real one
    delivery = Delivery(resends=None)
    async with vox.tts(playback=playback, delivery=delivery, extra=SAME_VOICE) as tts:
        await tts.say(text)
        finishing = asyncio.create_task(tts.finished())
        out = b""
        while not finishing.done():
            block = playback.read(HZ // 50)
            sound = [block[at : at + 2] for at in range(0, len(block), 2)]
            out += b"".join(sample for sample in sound if any(sample))
            await asyncio.sleep(0 if any(block) else 0.005)
        await finishing
    return out


class Outcome(Struct):
    """Of one schedule."""

    seed: int
    transcript: Assembly
    gaps: int
    audio: bytes
    connections: int


class World:
    """A gateway, its speech, and what it makes of it when the network is well."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self.pcm = b""
        self.reference = ""

    async def begin(self) -> None:
        async with Voxway(self._gateway.url, self._gateway.key) as vox:
            parts = [await vox.speak(each, sample_rate=HZ) for each in SENTENCES]
        self.pcm = bytes(HZ).join(bytes(part) for part in parts)  # half a second between them
        outcome = await self.through(Schedule())
        self.reference = outcome.transcript.text()
        assert wer(TEXT, self.reference) == 0
        assert len(outcome.transcript.finals) == len(SENTENCES)

    async def through(self, schedule: Schedule, seed: int = 0) -> Outcome:
        host, _, port = self._gateway.address.rpartition(":")
        told: list[Notice] = []

        async def heard() -> tuple[Assembly, int]:
            async with (
                self._at_once,
                FaultProxy(host, int(port), schedule, seed) as proxy,
                client(proxy, self._gateway.key, told) as vox,
            ):
                return await written(vox, self.pcm), proxy.connections

        async def said() -> tuple[bytes, int]:
            async with (
                FaultProxy(host, int(port), schedule, seed) as proxy,
                client(proxy, self._gateway.key, told) as vox,
            ):
                return await played(vox, TEXT), proxy.connections

        async with asyncio.timeout(BOUND):
            (transcript, once), (audio, again) = await asyncio.gather(heard(), said())
        gaps = sum(isinstance(notice, notices.Gap) for notice in told)
        return Outcome(seed, transcript, gaps, audio, once + again)


@pytest.mark.timeout(300 + 10 * SCHEDULES)
def test_no_word_is_lost_twice_or_out_of_order_in_any_network(gateway: Gateway) -> None:
    gateway.wait_ready()

    async def test() -> tuple[str, list[Outcome]]:
        world = World(gateway)
        await world.begin()
        seeds = range(SCHEDULES)
        work = [world.through(seeded(seed), seed) for seed in seeds]
        return world.reference, await asyncio.gather(*work)

    reference, outcomes = asyncio.run(test())
    assert sum(outcome.connections > 2 for outcome in outcomes) > SCHEDULES / 2  # it was bad

    heard = {o.seed: wer(reference, o.transcript.text()) for o in outcomes}
    assert sum(heard.values()) / len(heard) <= 0.02, heard
    for outcome in outcomes:
        in_order(outcome)
    distinct = Counter(outcome.audio for outcome in outcomes)
    for audio, times in distinct.items():
        said = gateway.heard(audio, "linear16", HZ)
        assert normalise(said) == normalise(TEXT), (said, times)


def in_order(outcome: Outcome) -> None:
    """Nothing of a transcript is there twice, or before what was said before it, or missing
    without being told."""
    transcript = outcome.transcript
    assert transcript.incomplete is None, (outcome.seed, transcript.incomplete)
    assert outcome.gaps == 0, outcome.seed
    words = Counter(normalise(transcript.text()))
    assert set(words.values()) == {1}, (outcome.seed, words)
    spans = [(f.start or 0.0, (f.start or 0.0) + (f.duration or 0.0)) for f in transcript.finals]
    for (_, end), (start, _) in pairwise(spans):
        assert start >= end - 0.05, (outcome.seed, spans)


def test_an_interruption_is_heard_as_silence_in_any_network(gateway: Gateway) -> None:
    """Whatever was on its way: the block in which it falls silent is the last with a sound."""
    gateway.wait_ready()

    async def test(seed: int) -> None:
        chance = random.Random(seed)
        host, _, port = gateway.address.rpartition(":")
        bad = Toxics(latency=0.03, jitter=0.05, bandwidth=300_000, slice=1000)
        breaks = Fault(up=bad, down=bad, breaks="reset", limit=chance.randint(5_000, 150_000))
        schedule = Schedule((breaks, breaks), Fault(up=bad, down=bad))
        async with (
            FaultProxy(host, int(port), schedule, seed) as proxy,
            client(proxy, gateway.key, []) as vox,
        ):
            await interrupted(vox, chance.uniform(0.1, 1.5))

    async def both() -> None:
        async with asyncio.timeout(BOUND):
            await asyncio.gather(*(test(seed) for seed in range(6)))

    asyncio.run(both())


async def interrupted(vox: Voxway, after: float) -> None:
    """Speak, interrupt when so many seconds have sounded, and listen."""
    playback = PlaybackBuffer(HZ)
    block = HZ // 50
    async with vox.tts(playback=playback, delivery=Delivery(resends=None)) as tts:
        await tts.say(f"{TEXT} {TEXT} {TEXT}")
        while playback.played_ms < after * 1000:
            playback.read(block)
            await asyncio.sleep(0.005)
        at = playback.played_ms
        heard = await tts.interrupt()
        playback.read(block)
        for _ in range(50):  # what was said before must not come, however late
            assert not any(playback.read(block))
            await asyncio.sleep(0.005)
        assert heard.ms == pytest.approx(at, abs=10)
        assert not heard.is_all
        assert f"{TEXT} {TEXT} {TEXT}".startswith(heard.text)
        await tts.say("Stop.")
        await until(lambda: not playback.is_idle)
        finishing = asyncio.create_task(tts.finished())
        sounded = 0.0
        while not finishing.done():
            playback.read(block)
            sounded = playback.played_ms - at
            await asyncio.sleep(0.002)
        await finishing
        assert 200 < sounded < 2500  # the one word, and nothing else


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 - of what is looked at, nothing tells
        await asyncio.sleep(0.01)


def test_ten_minutes_without_a_network_cost_no_memory(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    """A microphone and a language model go on. Afterwards words are heard again, and it is told
    which were not."""
    gateway.wait_ready()
    caplog.set_level(logging.CRITICAL, "voxway.client")  # pytest would keep each line of it
    loop = HurriedLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(outage(gateway, loop))


async def outage(gateway: Gateway, loop: HurriedLoop) -> None:
    host, _, port = gateway.address.rpartition(":")
    attempts = 0

    def count(notice: Notice) -> None:
        nonlocal attempts
        attempts += isinstance(notice, notices.Attempt)

    async with FaultProxy(host, int(port), Schedule()) as proxy:
        url = f"ws://127.0.0.1:{proxy.port}"
        vox = Voxway(url, gateway.key, retry=TELNYX, heartbeat=60.0, on_notice=count)
        async with vox, vox.stt(sample_rate=HZ) as stt, vox.tts() as tts:
            words = Model()
            speaking = asyncio.create_task(_drained(tts.stream(words.written())))
            await stt.send(bytes(HZ))
            proxy.change(always(Fault(breaks="reset", after=0.0)))
            proxy.break_all()
            await until(lambda: stt.state is State.WAITING and tts.state is State.WAITING)
            loop.hurry(100)
            began = loop.time()
            after_one_minute = await measured(stt.send, 60)
            after_ten = await measured(stt.send, 540)
            assert after_ten - after_one_minute < 200_000
            assert 100 < attempts < 2 * (loop.time() - began) / 5 + 20  # both, every 5 s or later
            assert stt.dropped_ms == pytest.approx(592_000, abs=3_000)
            assert words.count < 25_000  # characters: nobody writes for nothing
            loop.hurry(1)
            proxy.change(Schedule())
            async with Voxway(gateway.url, gateway.key) as beside:
                speech = await beside.speak(SENTENCES[0], sample_rate=HZ)
            await stt.send(bytes(speech))
            transcript = await stt.finish(60.0)
            assert wer(SENTENCES[0], transcript.text()) <= 0.2
            [gap] = transcript.document().gaps
            assert gap.end - gap.start == pytest.approx(stt.dropped_ms / 1000, abs=1.0)
            await until(lambda: words.count > 25_000 or tts.state is State.READY)
            speaking.cancel()
            await asyncio.wait({speaking})


async def measured(send: Callable[[bytes], Awaitable[None]], seconds: int) -> int:
    """Bytes in use after so many seconds of microphone."""
    if not tracemalloc.is_tracing():
        tracemalloc.start()
    for _ in range(seconds * 2):
        await send(bytes(HZ))
        await asyncio.sleep(0.5)
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


class Model:
    """A language model that never ends."""

    def __init__(self) -> None:
        self.count = 0

    async def written(self) -> AsyncIterator[str]:
        while True:
            self.count += len(TEXT) + 1
            yield f"{TEXT} "
            await asyncio.sleep(0.1)


async def _drained(chunks: AsyncIterator[object]) -> None:
    async for _ in chunks:
        pass


def test_a_storm_of_reconnects_is_spread_over_its_jitter() -> None:
    """300 clients lose one server at once. Each comes back, at a time of its own."""
    clients, jitter = 300, 0.5

    async def test() -> list[Notice]:
        retry = Retry(delays=(0.1,), jitter=jitter, first_attempts=None)
        async with house("tts", speaker) as there:
            host, _, port = there.url.removeprefix("ws://").rpartition(":")
            async with FaultProxy(host, int(port), Schedule(then=CLEAN)) as proxy:
                told: list[Notice] = []
                url = f"ws://127.0.0.1:{proxy.port}"
                vox = Voxway(url, "key", retry=retry, on_notice=told.append)
                sessions = [vox.tts("m", sample_rate=RATE) for _ in range(clients)]
                async with asyncio.timeout(BOUND), vox:
                    await asyncio.gather(*(session.__aenter__() for session in sessions))
                    told.clear()
                    proxy.break_all()
                    await until(lambda: proxy.connections >= 2 * clients)
                    await until(lambda: all(each.state is State.READY for each in sessions))
                assert proxy.connections == 2 * clients
                return told

    told = asyncio.run(test())
    waits = [notice.again_in for notice in told if isinstance(notice, notices.Lost)]
    assert len(waits) == clients
    fifths = Counter(int((wait - 0.1) / jitter * 5) for wait in waits if wait is not None)
    assert set(fifths) == set(range(5))
    assert max(fifths.values()) < 2 * clients / 5, fifths  # 60 is even; twice that, no chance
