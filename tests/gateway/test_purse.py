"""What a provider takes of all who have one key: each line asks for its part, and waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from voxway.catalog.model import Backend
from voxway.dialling import counted_as, policy_at
from voxway.errors import LimitError
from voxway.purse import Purse
from voxway.seats import Seats
from voxway.stores.limits import in_memory
from voxway.wire.base import Address
from voxway.wire.deepgram_speak import WIRE

BOUND = 10.0  # seconds


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(BOUND):
            await work()

    asyncio.run(main())


def test_what_is_missing_is_drawn_and_its_line_woken() -> None:
    drawn: list[int] = []

    async def draw(amount: int) -> None:
        drawn.append(amount)

    async def work() -> None:
        woken = asyncio.Event()
        purse = Purse(draw, woken.set)
        assert not purse.allows(30, 0.0)
        assert not purse.allows(30, 0.0)  # it is on its way
        await woken.wait()
        assert drawn == [30]
        assert purse.allows(30, 0.0)
        purse.spend(20, 0.0)
        assert purse.allows(10, 0.0)
        assert not purse.allows(25, 0.0)
        woken.clear()
        await woken.wait()
        assert drawn == [30, 15]

    run(work)


def test_a_spent_budget_is_waited_for() -> None:
    async def work() -> None:
        woken, refusals = asyncio.Event(), [LimitError("spent", retry_after=0.01)] * 3

        async def draw(amount: int) -> None:
            if refusals:
                raise refusals.pop()

        purse = Purse(draw, woken.set)
        assert not purse.allows(30, 0.0)
        await woken.wait()
        assert refusals == []
        assert purse.allows(30, 0.0)

    run(work)


def test_who_goes_asks_no_more() -> None:
    async def work() -> None:
        async def draw(amount: int) -> None:
            raise LimitError("spent", retry_after=60.0)

        purse = Purse(draw, lambda: None)
        purse.allows(30, 0.0)
        await asyncio.sleep(0)
        purse.close()
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1

    run(work)


class Nobody:
    def opened(self, socket: object) -> None: ...

    def frame(self, frame: object) -> None: ...

    def writable(self, writable: bool) -> None: ...

    def closed(self, code: int, reason: str) -> None: ...


def test_seats_are_taken_in_turn() -> None:
    async def work() -> None:
        limits = in_memory()
        seats, order = Seats(limits.slots), list[int]()
        first = await seats.take("provider:acme", 1, Nobody())

        async def sit(number: int) -> None:
            seated = await seats.take("provider:acme", 1, Nobody())
            order.append(number)
            seated.closed(1000, "")
            seated.release()  # twice is once

        waiting = [asyncio.create_task(sit(number)) for number in range(5)]
        await asyncio.sleep(0.01)
        waiting[1].cancel()
        assert order == []
        first.closed(1006, "")
        await asyncio.gather(*waiting, return_exceptions=True)
        assert order == [0, 2, 3, 4]
        assert await limits.slots.taken("provider:acme") == 0

    run(work)


def test_the_catalog_may_say_what_a_key_is_allowed() -> None:
    plain = Backend(wire="deepgram_speak", url="wss://api.deepgram.com")
    assert policy_at(plain, WIRE) == WIRE.policy
    assert (WIRE.policy.sockets, WIRE.policy.characters_per_minute) == (5, 2400)
    more = Backend(wire="deepgram_speak", url=plain.url, sockets=40, characters_per_minute=0)
    policy = policy_at(more, WIRE)
    assert (policy.sockets, policy.characters_per_minute) == (40, 0)


def test_each_key_is_counted_for_itself_and_is_not_to_be_read() -> None:
    backend = Backend(wire="deepgram_speak", url="wss://api.deepgram.com")
    names = {
        counted_as(backend, Address(backend.url, "m", key)) for key in ("secret-a", "secret-b")
    }
    assert len(names) == 2
    assert not any("secret" in name for name in names)
    assert names & {counted_as(backend, Address(backend.url, "other", "secret-a"))}
