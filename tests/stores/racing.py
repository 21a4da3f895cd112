"""Clients that race for slots, in processes of their own."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from multiprocessing.context import SpawnContext
from typing import Any, NamedTuple

from msgspec import structs

from voxway.errors import GatewayError
from voxway.stores.limits import Limits, in_redis
from voxway.stores.limits.line import Terms

BOUND = 30.0  # seconds: a bound against hangs, not a measure
PAUSE = 0.1  # seconds until one tries again who was refused

# Whoever may not run for a second or two on a busy machine loses nothing by it.
PATIENT = Terms(timeout=10.0)
QUICK = structs.replace(PATIENT, lease=2.5, beat=0.3, pulse=0.1, retry=(0.05, 0.1), settle=1.0)


class Race(NamedTuple):
    """What the clients race for. `hold` is for how long the lucky ones keep their slots, in
    seconds; None: for ever."""

    url: str
    key: str
    limit: int
    clients: int
    hold: float | None
    terms: Terms = structs.replace(PATIENT, lease=6.0, beat=1.5, pulse=0.2, settle=3.0)


class Track(NamedTuple):
    """What all processes see: how many clients hold a slot in each, the most that ever did in all,
    and how often one was let in."""

    inside: Any
    most: Any
    entries: Any


class Racers:
    """The processes."""

    def __init__(self, race: Race, processes: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.track = new_track(context, processes)
        self.processes = [
            context.Process(target=run, args=(race, self.track, number), daemon=True)
            for number in range(processes)
        ]
        for process in self.processes:
            process.start()

    def inside(self) -> int:
        """How many hold a slot in those that live."""
        with self.track.inside.get_lock():
            return sum(self.track.inside)

    def entries(self) -> int:
        """How often one was let in."""
        return int(self.track.entries.value)

    def wait_for(self, count: int, bound: float = BOUND) -> float:
        """Until so many hold one; returns how long it took."""
        begun = time.monotonic()
        while self.inside() != count:
            assert time.monotonic() - begun < bound, f"{self.inside()} of {count}"
            time.sleep(0.01)
        return time.monotonic() - begun

    def wait_for_entries(self, count: int) -> None:
        """Until so many more were let in."""
        deadline, entered = time.monotonic() + BOUND, self.entries()
        while self.entries() < entered + count:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def busiest(self) -> int:
        """Which process holds most."""
        counts = list(self.track.inside)
        return counts.index(max(counts))

    def kill(self, number: int) -> int:
        """How many slots it held."""
        with self.track.inside.get_lock():  # nobody dies with the lock
            self.processes[number].kill()
            self.processes[number].join()
            held = int(self.track.inside[number])
            self.track.inside[number] = 0
        return held


def new_track(context: SpawnContext, processes: int) -> Track:
    return Track(context.Array("i", processes), context.Value("i", 0), context.Value("i", 0))


@contextmanager
def racing(race: Race, processes: int) -> Iterator[Racers]:
    racers = Racers(race, processes)
    try:
        yield racers
    finally:
        for process in racers.processes:
            process.kill()
            process.join()


def run(race: Race, track: Track, number: int) -> None:
    """One process."""
    asyncio.run(_run(race, track, number))


async def _run(race: Race, track: Track, number: int) -> None:
    limits = in_redis(race.url, "fail_closed", terms=race.terms)
    async with asyncio.TaskGroup() as group:
        group.create_task(_leave_no_orphan())
        group.create_task(limits.run())
        for client in range(race.clients):
            group.create_task(_client(limits, race, track, number, f"{number}-{client}"))


async def _leave_no_orphan() -> None:
    """A test that is killed does not end what it started."""
    parent = multiprocessing.parent_process()
    while parent is not None and parent.is_alive():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(1.0)
    os._exit(1)


async def _client(limits: Limits, race: Race, track: Track, number: int, owner: str) -> None:
    while True:
        try:
            await limits.slots.reserve(race.key, race.limit, owner)
        except GatewayError:  # refused, or Redis is away
            await asyncio.sleep(PAUSE * random.uniform(0.5, 1.5))
            continue
        _count(track, number, 1)
        if race.hold is None:
            await asyncio.Event().wait()
        else:
            await asyncio.sleep(race.hold * random.uniform(0.5, 1.5))
        _count(track, number, -1)
        limits.slots.release(race.key, owner)


def _count(track: Track, number: int, change: int) -> None:
    with track.inside.get_lock():
        track.inside[number] += change
        if change > 0:
            track.entries.value += 1
            track.most.value = max(track.most.value, sum(track.inside))


@asynccontextmanager
async def running(limits: Limits) -> AsyncIterator[Limits]:
    """Limits that are looked after."""
    task = asyncio.create_task(limits.run())
    try:
        yield limits
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
