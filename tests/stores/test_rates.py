"""A rate is so many in any minute, and a budget so much; n are let in, and one more is not."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import time
from collections.abc import Awaitable, Callable

import pytest

from services import Redis
from stores.pretend import at_once
from stores.racing import PATIENT, running
from voxway.errors import ConfigError, GatewayError, LimitError
from voxway.errors import refused as refuse
from voxway.limits import TIERS, Standing, rate_headers
from voxway.stores.limits import Limits, in_redis
from voxway.stores.limits.line import Call, Incident, Line
from voxway.stores.limits.memory import MemoryBudgets, MemoryRates
from voxway.stores.limits.scripts import ADMIT, GIVE_BACK, GRANT
from voxway.stores.limits.shared import BUDGET_WINDOW, CREDIT, OnLoss, RedisBudgets, Setting

numbers = itertools.count()


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def key() -> str:
    return f"rate-{os.getpid()}-{next(numbers)}"


def refused(coroutine: Awaitable[object]) -> float:
    """That one is, and until when."""
    with pytest.raises(LimitError) as caught:
        at_once(coroutine)  # type: ignore[arg-type]
    assert caught.value.retry_after is not None
    return caught.value.retry_after


@pytest.mark.parametrize("tier", TIERS)
def test_a_tier_admits_what_its_row_says_in_any_minute(tier: str) -> None:
    clock, most = Clock(), TIERS[tier].http_requests_per_minute
    rates = MemoryRates(clock)
    for n in range(most):
        standing = at_once(rates.admit("a", most))
        assert (standing.limit, standing.remaining) == (most, most - n - 1)
    assert refused(rates.admit("a", most)) == 60.0
    clock.now += 59.0
    assert refused(rates.admit("a", most)) == 1.0
    assert at_once(rates.admit("b", most)).remaining == most - 1
    clock.now += 1.0
    assert at_once(rates.admit("a", most)) == Standing(most, most - 1, 60.0)


def test_no_minute_has_more_wherever_it_begins() -> None:
    clock, rates, admitted = Clock(), MemoryRates(), list[float]()
    rates = MemoryRates(clock)
    for step in range(2_000):
        clock.now += (0.1, 0.7, 2.9)[step % 3]
        try:
            at_once(rates.admit("a", 30))
        except LimitError:
            continue
        admitted.append(clock.now)
    worst = max(sum(at <= t < at + 60.0 for t in admitted) for at in admitted)
    assert worst == 30


def test_who_was_refused_is_admitted_when_it_was_said() -> None:
    clock = Clock()
    rates = MemoryRates(clock)
    for _ in range(3):
        at_once(rates.admit("a", 3))
        clock.now += 5.0
    wait = refused(rates.admit("a", 3))
    assert wait == 45.0
    clock.now += wait
    assert at_once(rates.admit("a", 3)) == Standing(3, 0, 5.0)
    assert refused(rates.admit("b", 0)) == 60.0


def test_those_who_do_not_come_again_are_forgotten() -> None:
    clock = Clock()
    rates = MemoryRates(clock)
    for n in range(1_000):
        at_once(rates.admit(f"peer-{n}", 3))
    clock.now += 60.0
    at_once(rates.admit("a", 3))
    assert list(rates._times) == ["a"]


def test_a_standing_is_told_in_the_fields_of_the_draft() -> None:
    assert rate_headers(Standing(30, 12, 7.2)) == {
        "RateLimit-Policy": '"requests";q=30;w=60',
        "RateLimit": '"requests";r=12;t=8',
    }
    assert rate_headers(Standing(30, 0, 60.0), "speech")["RateLimit"] == '"speech";r=0;t=60'


def test_who_waits_as_long_as_retry_after_says_does_not_come_too_early() -> None:
    for wait, told in ((0.2, "1"), (1.0, "1"), (1.2, "2"), (59.999, "60")):
        error = LimitError("over 30 requests a minute", retry_after=wait)
        assert refuse(error, "r")[1]["Retry-After"] == told
    # It is the end of the window that the other fields tell.
    assert rate_headers(Standing(30, 0, 1.2))["RateLimit"].endswith("t=2")


def test_a_budget_is_spent_to_the_last_and_comes_back_as_it_was_spent() -> None:
    clock = Clock()
    budgets = MemoryBudgets(clock)
    at_once(budgets.reserve("deepgram", 1_000, 2_400))
    clock.now += 20.0
    at_once(budgets.reserve("deepgram", 1_400, 2_400))
    assert refused(budgets.reserve("deepgram", 1, 2_400)) == 40.0
    assert refused(budgets.reserve("deepgram", 1_001, 2_400)) == 60.0
    at_once(budgets.reserve("other", 2_400, 2_400))
    clock.now += 40.0
    at_once(budgets.reserve("deepgram", 1_000, 2_400))
    assert refused(budgets.reserve("deepgram", 1, 2_400)) == 20.0
    # More than there ever is needs all of it.
    assert refused(budgets.reserve("deepgram", 9_999, 2_400)) == 60.0
    clock.now += 60.0
    at_once(budgets.reserve("deepgram", 9_999, 2_400))


# With Redis


def with_line(url: str, work: Callable[[Line], Awaitable[None]]) -> None:
    async def main() -> None:
        line = Line(url, list, lambda incident: None, PATIENT)
        task = asyncio.create_task(line.run())
        try:
            await work(line)
        finally:
            task.cancel()
            await asyncio.wait([task])

    asyncio.run(main())


def with_limits(url: str, work: Callable[[Limits], Awaitable[None]]) -> None:
    async def main() -> None:
        async with running(in_redis(url, terms=PATIENT)) as limits:
            await work(limits)

    asyncio.run(main())


@pytest.mark.parametrize("tier", ["free", "pro", "enterprise"])
def test_redis_admits_what_the_row_says(tier: str, redis_url: str, key: str) -> None:
    most = TIERS[tier].http_requests_per_minute

    async def work(limits: Limits) -> None:
        standings = await asyncio.gather(*(limits.rates.admit(key, most) for _ in range(most)))
        assert [s.remaining for s in standings] == list(reversed(range(most)))
        with pytest.raises(LimitError, match=f"over {most} requests a minute") as caught:
            await limits.rates.admit(key, most)
        assert 50.0 < (caught.value.retry_after or 0.0) <= 60.0
        assert (await limits.rates.admit(f"{key}-other", most)).remaining == most - 1

    with_limits(redis_url, work)


def test_in_redis_each_request_falls_out_of_its_window_by_itself(redis_url: str, key: str) -> None:
    async def work(line: Line) -> None:
        admitted: list[tuple[float, float]] = []  # between when and when
        refused = 0
        begun = time.monotonic()
        while time.monotonic() < begun + 1.0 or refused < 10 or len(admitted) < 4:
            before = time.monotonic()
            is_in, left, reset = await line.ask(Call(ADMIT, (key,), (2, 400)))
            after = time.monotonic()
            assert 0 < reset <= 400
            if is_in:
                if left == 0:
                    assert before - admitted[-1][1] < 0.401
                elif admitted:
                    assert after - admitted[-1][0] > 0.399
                admitted.append((before, after))
            else:
                refused += 1
                # Two came in the window that ends now.
                assert before - admitted[-2][1] < 0.401
            await asyncio.sleep(0.03)
        for (first, _), (_, third) in zip(admitted, admitted[2:], strict=False):
            assert third - first > 0.399

    with_line(redis_url, work)


def test_a_budget_is_shared_and_fetched_in_batches(redis_url: str, key: str) -> None:
    asked: list[Call] = []

    class Counting:
        def __init__(self, line: Line) -> None:
            self.ask_line = line

        async def ask(self, call: Call, *, is_patient: bool = False) -> object:
            asked.append(call)
            return await self.ask_line.ask(call)

        def tell(self, call: Call) -> None:
            self.ask_line.tell(call)

    async def work(line: Line) -> None:
        clock = Clock()
        here, there = (
            RedisBudgets(Setting(Counting(line), key, "fail_closed", lambda incident: None), clock)
            for _ in range(2)
        )
        for _ in range(10):
            await here.reserve("dg", 10, 2_400, 100)
        assert len(asked) == 1
        await here.reserve("dg", 30, 2_400, 100)
        assert len(asked) == 2
        await there.reserve("dg", 2_200, 2_400)
        with pytest.raises(LimitError, match="1 more would be over 2400 a minute") as caught:
            await there.reserve("dg", 1, 2_400, 100)
        assert BUDGET_WINDOW - 20 <= (caught.value.retry_after or 0.0) <= BUDGET_WINDOW
        # 70 are left of what was fetched here; what is not spent in time goes back.
        with pytest.raises(LimitError):
            await here.reserve("dg", 71, 2_400)
        await here.reserve("dg", 20, 2_400)
        assert here.lapsed() == []
        clock.now += CREDIT
        with pytest.raises(LimitError):
            await here.reserve("dg", 1, 2_400)
        for call in here.lapsed():
            assert call.script == GIVE_BACK
            line.tell(call)
        assert here.lapsed() == []
        await there.reserve("dg", 50, 2_400)
        with pytest.raises(LimitError):
            await there.reserve("dg", 1, 2_400)

    with_line(redis_url, work)


def test_who_does_not_get_all_keeps_what_was_there(redis_url: str, key: str) -> None:
    async def work(limits: Limits) -> None:
        await limits.budgets.reserve(key, 1, 100, 100)
        await limits.budgets.reserve(key, 60, 100)
        for _ in range(3):
            with pytest.raises(LimitError):
                await limits.budgets.reserve(key, 40, 100)
        await asyncio.gather(*(limits.budgets.reserve(key, 13, 100) for _ in range(3)))
        with pytest.raises(LimitError):
            await limits.budgets.reserve(key, 1, 100)

    with_limits(redis_url, work)


def test_grants_fall_out_of_their_window(redis_url: str, key: str) -> None:
    async def work(line: Line) -> None:
        def grant(amount: int, batch: int = 0) -> Awaitable[list[int]]:
            return line.ask(Call(GRANT, (key,), (amount, batch, 100, 3)))

        granted, _ = await grant(60, 10)
        assert granted == 60
        assert (await grant(30, 80))[0] == 40  # as much of a batch as there is
        refused, wait = await grant(1)
        assert (refused, 1 <= wait <= 3) == (0, True)
        await asyncio.sleep(wait + 0.01)
        assert (await grant(1))[0] == 1

    with_line(redis_url, work)


@pytest.mark.parametrize(
    ("on_loss", "entered"),
    [("fail_open", "yyy"), ("local", "yyn"), ("fail_closed", "xxx")],
)
def test_without_redis_rates_and_budgets_are_as_the_operator_wants(
    on_loss: OnLoss, entered: str, own_redis: Redis
) -> None:
    incidents: list[Incident] = []

    async def said(asked: Awaitable[object]) -> str:
        try:
            await asked
        except LimitError:
            return "n"
        except GatewayError as error:
            return {"not_ready": "x"}[error.error]
        return "y"

    async def main() -> None:
        own_redis.kill()
        async with running(
            in_redis(own_redis.url, on_loss, incidents.append, terms=PATIENT)
        ) as limits:
            assert "".join([await said(limits.rates.admit("a", 2)) for _ in range(3)]) == entered
            spent = [await said(limits.budgets.reserve("a", 5, 10)) for _ in range(3)]
            assert "".join(spent) == entered
        assert incidents == ["lost", *["unchecked"] * 6]

    asyncio.run(main())


@pytest.mark.parametrize("url", ["", "nonsense", "redis://:secret@host:no-port/0"])
def test_an_address_that_is_none_is_told_before_anything_starts(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        in_redis(url)
    assert caught.value.param == "redis_url"
    assert "secret" not in caught.value.message


def test_a_missing_package_is_told_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "voxway.stores.limits.line", None)
    with pytest.raises(ConfigError, match=r"pip install 'voxway\[redis\]'"):
        in_redis("redis://localhost/0")
