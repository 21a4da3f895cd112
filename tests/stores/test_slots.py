"""Slots are as many as there are, over all processes, whatever happens to one of them or to Redis.

The full race of 30 s: `make test-long`.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from msgspec import structs
from redis.asyncio import Redis as Client

from services import Redis
from stores.pretend import at_once
from stores.racing import BOUND, PATIENT, QUICK, Race, racing, running
from voxway.errors import GatewayError, LimitError
from voxway.limits import TIERS
from voxway.stores.limits import Limits, Slots, in_memory, in_redis
from voxway.stores.limits.line import Incident, Terms
from voxway.stores.limits.shared import OnLoss

RACE = float(os.environ.get("VOXWAY_TEST_RACE", "3"))  # seconds
HASTY = structs.replace(QUICK, timeout=0.5)  # where Redis hangs

numbers = itertools.count()
Work = Callable[[Limits], Awaitable[None]]


@pytest.fixture
def key() -> str:
    """A name that no other test uses."""
    return f"test-{os.getpid()}-{next(numbers)}"


@pytest.fixture(params=["memory", "redis"])
def carry_out(request: pytest.FixtureRequest) -> Callable[[Work], None]:
    """Do something with limits of each kind."""
    url: str = request.getfixturevalue("redis_url") if request.param == "redis" else ""

    def carry_out(work: Work) -> None:
        async def main() -> None:
            async with running(in_redis(url, terms=PATIENT) if url else in_memory()) as limits:
                await work(limits)

        asyncio.run(main())

    return carry_out


async def is_in(slots: Slots, key: str, limit: int, owner: str) -> bool:
    try:
        await slots.reserve(key, limit, owner)
    except LimitError:
        return False
    return True


async def until(condition: Callable[[], Awaitable[bool]], bound: float = BOUND) -> None:
    async with asyncio.timeout(bound):
        while not await condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("kind", ["websocket", "http"])
def test_a_tier_has_as_many_slots_as_its_row_says(
    tier: str, kind: str, key: str, carry_out: Callable[[Work], None]
) -> None:
    row = TIERS[tier]
    limit = row.connections if kind == "websocket" else row.http_connections

    async def work(limits: Limits) -> None:
        owners = [f"s{n}" for n in range(limit + 1)]
        entered = await asyncio.gather(
            *(is_in(limits.slots, key, limit, owner) for owner in owners)
        )
        assert entered == [True] * limit + [False]
        assert await limits.slots.taken(key) == limit
        limits.slots.release(key, owners[0])
        await limits.slots.reserve(key, limit, owners[-1])
        with pytest.raises(LimitError, match=f"{limit} concurrent connections are in use"):
            await limits.slots.reserve(key, limit, owners[0])

    carry_out(work)


def test_keys_do_not_share_and_an_owner_has_one_slot(
    key: str, carry_out: Callable[[Work], None]
) -> None:
    async def work(limits: Limits) -> None:
        await limits.slots.reserve(key, 1, "a")
        await limits.slots.reserve(key, 1, "a")
        await limits.slots.reserve(f"{key}-other", 1, "a")
        assert await limits.slots.taken(key) == 1
        for _ in range(2):
            limits.slots.release(key, "a")
            limits.slots.release(key, "nobody")
        assert await limits.slots.taken(key) == 0
        assert await limits.slots.taken(f"{key}-other") == 1
        assert await is_in(limits.slots, key, 0, "a") is False

    carry_out(work)


def test_200_clients_of_three_processes_get_50_slots_in_every_second(
    redis_url: str, key: str
) -> None:
    race = Race(redis_url, key, 50, clients=67, hold=None)
    with racing(race, 3) as racers:
        racers.wait_for(50)
        end = time.monotonic() + RACE
        while time.monotonic() < end:
            assert racers.inside() == 50
            time.sleep(0.1)
        held = racers.kill(racers.busiest())
        assert racers.inside() == 50 - held < 50
        # Those who hold one keep it; the slots of the dead go to those who still try.
        assert racers.wait_for(50) > race.terms.lease / 4
        assert (racers.track.most.value, racers.entries()) == (50, 50 + held)


def test_slots_that_change_hands_all_the_time_are_never_more(redis_url: str, key: str) -> None:
    with racing(Race(redis_url, key, 50, clients=67, hold=0.05), 3) as racers:
        racers.wait_for(50)
        time.sleep(RACE)
        racers.wait_for_entries(500)
    assert racers.track.most.value == 50


def test_a_redis_that_forgets_lets_nobody_in_too_many(own_redis: Redis, key: str) -> None:
    with racing(Race(own_redis.url, key, 50, clients=67, hold=0.05), 3) as racers:
        racers.wait_for(50)
        own_redis.kill()
        time.sleep(0.2)
        own_redis.start()
        racers.wait_for_entries(500)
    assert racers.track.most.value == 50


@asynccontextmanager
async def replicas(
    url: str, count: int, on_loss: OnLoss = "fail_closed", terms: Terms = QUICK
) -> AsyncIterator[tuple[list[Limits], list[Incident]]]:
    """Some in this process, with leases that end soon."""
    incidents: list[Incident] = []
    made = [in_redis(url, on_loss, incidents.append, terms=terms) for _ in range(count)]
    async with AsyncExitStack() as stack:
        for limits in made:
            await stack.enter_async_context(running(limits))
        yield made, incidents


def test_a_lease_lasts_as_long_as_its_process_and_hardly_longer(redis_url: str, key: str) -> None:
    async def main() -> None:
        async with replicas(redis_url, 1) as ([living], _):
            await living.slots.reserve(key, 2, "living")
            async with replicas(redis_url, 1) as ([dying], _):
                await dying.slots.reserve(key, 2, "dying")

            async def is_free() -> bool:
                return await living.slots.taken(key) == 1

            assert await living.slots.taken(key) == 2
            await until(is_free, QUICK.lease + 10.0)
            # The first one's lease was to end before.
            await asyncio.sleep(QUICK.lease / 2)
            assert await living.slots.taken(key) == 1

    asyncio.run(main())


def test_slots_outlive_a_redis_that_forgets_everything(own_redis: Redis, key: str) -> None:
    async def main() -> None:
        async with replicas(own_redis.url, 3) as (made, incidents):
            for n, limits in enumerate(made):
                await limits.slots.reserve(key, 3, f"s{n}")
            own_redis.kill()
            for limits in made:
                with pytest.raises(GatewayError, match="cannot be checked") as caught:
                    await limits.slots.reserve(key, 3, "new")
                assert (caught.value.error, caught.value.retry_after) == ("not_ready", 1.0)
            own_redis.start()
            assert not await back(made[0], key, 3)
            assert await made[0].slots.taken(key) == 3
            made[1].slots.release(key, "s1")
            await until(lambda: is_in(made[0].slots, key, 3, "late"))
            assert {i: incidents.count(i) for i in ("lost", "back", "unchecked")} == {
                "lost": 3,
                "back": 3,
                "unchecked": incidents.count("unchecked"),
            }

    asyncio.run(main())


def test_who_finds_an_empty_redis_first_waits_for_those_who_have_not_noticed(
    own_redis: Redis, key: str
) -> None:
    async def main() -> None:
        idle, busy = (in_redis(own_redis.url, "fail_closed", terms=PATIENT) for _ in range(2))
        async with running(idle), running(busy):
            await idle.slots.reserve(key, 1, "a")
            own_redis.kill()
            own_redis.start()
            assert not await back(busy, key, 1)
            assert await busy.slots.taken(key) == 1

    asyncio.run(main())


async def back(limits: Limits, key: str, limit: int) -> bool:
    """Whether one more is let in as soon as Redis is back."""
    async with asyncio.timeout(BOUND):
        while True:
            try:
                return await is_in(limits.slots, key, limit, "early")
            except GatewayError:
                await asyncio.sleep(0.001)


def test_what_was_closed_while_redis_was_away_is_free_when_it_is_back(
    own_redis: Redis, key: str
) -> None:
    async def main() -> None:
        async with replicas(own_redis.url, 1, terms=HASTY) as ([limits], incidents):
            await limits.slots.reserve(key, 2, "a")
            await limits.slots.reserve(key, 2, "b")
            own_redis.signal(signal.SIGSTOP)
            await until(lambda: is_without_redis(limits, key))
            limits.slots.release(key, "a")
            own_redis.signal(signal.SIGCONT)

            async def is_back() -> bool:
                return "back" in incidents

            await until(is_back)
            assert await limits.slots.taken(key) == 1

    asyncio.run(main())


async def is_without_redis(limits: Limits, key: str) -> bool:
    try:
        await limits.slots.reserve(key, 0, "probe")
    except LimitError:
        return False
    except GatewayError:
        return True
    raise AssertionError


@pytest.mark.parametrize(
    ("on_loss", "entered"),
    [
        ("fail_open", [True, True, True]),
        ("local", [True, True, False]),
        ("fail_closed", [None, None, None]),
    ],
)
def test_without_redis_it_is_as_the_operator_wants(
    on_loss: OnLoss, entered: list[bool | None], own_redis: Redis, key: str
) -> None:
    async def enter(limits: Limits, owner: str) -> bool | None:
        try:
            return await is_in(limits.slots, key, 2, owner)
        except GatewayError:
            return None

    async def main() -> None:
        own_redis.kill()
        async with replicas(own_redis.url, 1, on_loss) as ([limits], incidents):
            assert [await enter(limits, f"s{n}") for n in range(3)] == entered
            assert incidents == ["lost", "unchecked", "unchecked", "unchecked"]
            assert await limits.slots.taken(key) == entered.count(True)
            own_redis.start()

            async def is_back() -> bool:
                return incidents[-1] == "back"

            await until(is_back)
            # What was let in without Redis is known to it now.
            async with Client.from_url(own_redis.url) as client:
                assert await client.zcard(f"voxway:slots:{key}") == entered.count(True)
            assert await enter(limits, "late") is (entered.count(True) < 2)

    asyncio.run(main())


def test_a_redis_that_hangs_costs_a_second_once_and_then_nothing(
    own_redis: Redis, key: str
) -> None:
    async def main() -> None:
        async with replicas(own_redis.url, 1, "local", HASTY) as ([limits], incidents):
            await limits.slots.reserve(key, 9, "a")
            own_redis.signal(signal.SIGSTOP)
            async with asyncio.timeout(BOUND):
                await limits.slots.reserve(key, 9, "b")
            for n in range(5):
                at_once(limits.slots.reserve(key, 9, f"s{n}"))
            assert incidents == ["lost", *["unchecked"] * 6]
            own_redis.signal(signal.SIGCONT)

    asyncio.run(main())


def test_a_connection_that_was_cut_is_made_anew_and_nobody_notices(
    own_redis: Redis, key: str
) -> None:
    async def main() -> None:
        async with (
            replicas(own_redis.url, 1) as ([limits], incidents),
            Client.from_url(own_redis.url) as client,
        ):
            for n in range(5):
                await limits.slots.reserve(key, 9, f"s{n}")
                await client.client_kill_filter(_type="normal", skipme=True)
            assert await limits.slots.taken(key) == 5
            assert incidents == []

    asyncio.run(main())


def test_a_redis_that_cannot_be_written_to_is_as_good_as_none(own_redis: Redis, key: str) -> None:
    async def main() -> None:
        async with (
            replicas(own_redis.url, 1, "local") as ([limits], incidents),
            Client.from_url(own_redis.url) as client,
        ):
            await limits.slots.reserve(key, 9, "a")
            await client.replicaof("127.0.0.1", "1")  # read-only from now on
            await limits.slots.reserve(key, 9, "b")

            async def is_lost() -> bool:
                return "lost" in incidents

            await until(is_lost)
            assert incidents.count("unchecked") == 1
            await client.replicaof("no", "one")

            async def is_known() -> bool:
                return bool(await client.zcard(f"voxway:slots:{key}") == 2)

            await until(is_known)

    asyncio.run(main())


def test_who_gives_up_waiting_leaves_no_slot_behind(own_redis: Redis, key: str) -> None:
    async def main() -> None:
        async with replicas(own_redis.url, 1) as ([limits], _):
            await limits.slots.reserve(key, 2, "a")
            own_redis.signal(signal.SIGSTOP)
            waiting = [
                asyncio.create_task(limits.slots.reserve(key, 2, f"gone{n}")) for n in range(3)
            ]
            await asyncio.sleep(0.01)  # on the way to Redis, which will do it
            for task in waiting:
                task.cancel()
            own_redis.signal(signal.SIGCONT)
            assert await asyncio.gather(*waiting, return_exceptions=True)
            assert await limits.slots.taken(key) == 1

    asyncio.run(main())


def test_thousands_of_slots_are_renewed_in_one_round_trip(redis_url: str, key: str) -> None:
    async def main() -> None:
        async with replicas(redis_url, 1) as ([limits], incidents):
            keys = [f"{key}-{n % 1_000}" for n in range(3_000)]
            await asyncio.gather(
                *(limits.slots.reserve(name, 9, f"s{n}") for n, name in enumerate(keys))
            )
            await asyncio.sleep(1.2 * QUICK.lease)
            taken = await asyncio.gather(*(limits.slots.taken(name) for name in keys[:1_000]))
            assert taken == [3] * 1_000
            assert incidents == []

    asyncio.run(main())
