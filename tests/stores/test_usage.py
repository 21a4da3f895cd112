"""What was used is written down, whatever becomes of the process or of the database."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import URL, select, text
from structlog.testing import capture_logs

from services import Postgres
from stores import counting
from voxway.errors import GatewayError, QuotaError
from voxway.events import Usage
from voxway.stores.database import Database
from voxway.stores.issued import IssuedKeys
from voxway.stores.pepper import Pepper
from voxway.stores.spending import SPENDING, set_limit, standings
from voxway.stores.usage import PROCESSES, USAGE, Ledger, Rhythm

BOUND = 60.0  # seconds: a bound against hangs, not a measure
QUICK = Rhythm(turn=0.02, checkpoint=0.05, beat=0.05, lease=1e6)
USED = Usage(
    model="local/hibari:en",
    characters=120,
    audio_in=0.0204,
    audio_out=61.5,
    messages=3,
    duration=70.25,
    provider_time=12.0,
    ttfa=0.1499,
)


class Clock:
    """Time, to be told."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


Work = Callable[[Database], Awaitable[None]]


def run(url: str | URL, work: Work) -> None:
    async def main() -> None:
        database = Database(url)
        try:
            await database.migrate()
            async with asyncio.timeout(BOUND):
                await work(database)
        finally:
            await database.close()

    asyncio.run(main())


async def rows(database: Database) -> dict[str, Any]:
    """Every record, by its id."""
    async with database.reading() as connection:
        found = await connection.execute(select(USAGE))
        return {row.id: row for row in found}


async def outcomes(database: Database) -> dict[str, str | None]:
    return {id: row.outcome for id, row in (await rows(database)).items()}


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    while True:
        if await is_so():
            return
        await asyncio.sleep(0.02)


@asynccontextmanager
async def running(ledger: Ledger) -> AsyncIterator[None]:
    task = asyncio.create_task(ledger.run())
    yield
    task.cancel()
    await asyncio.wait([task])


def test_what_has_ended_is_kept_as_it_was(url: str | URL) -> None:
    async def work(database: Database) -> None:
        ledger, before = Ledger(database), datetime.now(UTC)
        session = structs.replace(
            counting.opened("sess_1"),
            key="key_2",
            agent="agent 7",
            tag="call-1",
            asked="a/b",
            model="local/hibari:en",
            provider="local",
        )
        request = structs.replace(counting.opened("sess_2"), kind="http", task="stt", prices=None)
        ledger.open(session, lambda: USED)
        ledger.open(request, lambda: Usage(audio_in=2.0))
        ledger.close("sess_1", "idle_timeout_exceeded", 1008)
        ledger.close("sess_2", "client_closed")
        await ledger.turn()
        kept = await rows(database)
        first, second = kept["sess_1"], kept["sess_2"]
        for name in ("kind", "task", "request", "account", "key", "organisation", "opened"):
            assert getattr(first, name) == getattr(session, name)
        for name in ("agent", "tag", "asked", "model", "provider"):
            assert getattr(first, name) == getattr(session, name)
        assert (first.characters, first.messages, first.cached) == (120, 3, 0)
        assert (first.audio_in, first.audio_out, first.duration) == (20, 61_500, 70_250)
        assert (first.provider_time, first.ttfa, first.cost) == (12_000, 150, 120_000)
        assert (first.outcome, first.close_code) == ("idle_timeout_exceeded", 1008)
        assert first.day == session.opened.date()
        assert before <= first.counted <= datetime.now(UTC)
        assert (second.kind, second.task, second.audio_in) == ("http", "stt", 2_000)
        assert (second.ttfa, second.cost, second.close_code) == (None, None, None)

    run(url, work)


def test_what_is_open_is_written_every_half_minute(url: str | URL) -> None:
    async def work(database: Database) -> None:
        clock = Clock()
        ledger, counted = Ledger(database, clock=clock), [1]
        ledger.open(counting.opened("a"), counting.reading(lambda: counted[0]))
        for later, counts, known in ((0, 1, 1), (29.9, 2, 1), (30.0, 3, 3), (59.9, 4, 3)):
            clock.now, counted[0] = 1000.0 + later, counts
            await ledger.turn()
            row = (await rows(database))["a"]
            assert (row.characters, row.cost, row.outcome) == (known, known * 1000, None)
        ledger.close("a", "client_closed", 1000)
        counted[0] = 5  # too late
        await ledger.turn()
        row = (await rows(database))["a"]
        assert (row.characters, row.outcome) == (4, "client_closed")
        assert ledger.waiting == 0

    run(url, work)


def test_it_is_written_without_being_asked_and_the_rest_at_the_end(url: str | URL) -> None:
    async def work(database: Database) -> None:
        ledger, counted = Ledger(database, QUICK), [1]

        async def is_counted() -> bool:
            found = await rows(database)
            return len(found) == 301 and found["open"].characters == counted[0]

        async with running(ledger):
            ledger.open(counting.opened("open"), counting.reading(lambda: counted[0]))
            for i in range(300):  # more than go into the database at once
                ledger.open(counting.opened(f"{i}"), counting.reading(lambda: 2))
                ledger.close(f"{i}", "client_closed", 1000)
            counted[0] = 9
            await until(is_counted)
            assert (await outcomes(database))["open"] is None
            counted[0] = 10
            ledger.open(counting.opened("last"), counting.reading(lambda: 5))
            ledger.close("last", "client_closed", 1000)
        kept = await rows(database)
        assert (kept["last"].characters, kept["last"].outcome) == (5, "client_closed")
        assert (kept["open"].characters, kept["open"].outcome) == (10, "lost")
        ledger.close("open", "client_closed", 1000)  # which nobody asks about any more
        async with database.reading() as connection:
            assert (await connection.execute(select(PROCESSES))).all() == []

    run(url, work)


def test_what_clients_call_themselves_harms_nobody(url: str | URL) -> None:
    async def work(database: Database) -> None:
        ledger = Ledger(database)
        odd = structs.replace(counting.opened("a"), asked="x\0y\ud800z", tag="t" * 1000)
        ledger.open(odd, Usage)
        await ledger.turn()
        row = (await rows(database))["a"]
        assert (row.asked, row.tag) == ("xy?z", "t" * 200)

    run(url, work)


# Processes that die


@contextmanager
def counting_process(url: str | URL, name: str, lease: float) -> Iterator[subprocess.Popen[str]]:
    shown = url if isinstance(url, str) else url.render_as_string(hide_password=False)
    command = [sys.executable, str(Path(counting.__file__)), shown, name, str(lease)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


class Said:
    """What a counting process says, so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.counted: dict[str, int] = {}
        self.ended: dict[str, int] = {}
        self._lines = process.stdout
        self._hearing = asyncio.ensure_future(asyncio.to_thread(self._hear))

    def _hear(self) -> None:
        for line in self._lines or ():
            id, count, *ended = line.split()
            (self.ended if ended else self.counted)[id] = int(count)

    async def all(self) -> None:
        """Wait for the last word of one that is dead."""
        await self._hearing


def test_a_process_is_killed_while_it_counts(url: str | URL) -> None:
    async def work(database: Database) -> None:
        with (
            counting_process(url, "one", lease=1e6) as dying,
            counting_process(url, "two", lease=1.0) as living,
        ):
            said, others = Said(dying), Said(living)

            async def has_passed() -> bool:
                enough = len(said.ended) == len(others.ended) == counting.PASSING
                kept = await outcomes(database) if enough else {}
                return enough and sum(map(bool, kept.values())) == 2 * counting.PASSING

            await until(has_passed)
            known = dict(said.counted)

            async def is_checkpointed() -> bool:
                kept = await rows(database)
                return all(kept[id].characters >= count for id, count in known.items())

            await until(is_checkpointed)
            dying.kill()
            await said.all()

            async def is_buried() -> bool:
                kept = await outcomes(database)
                return all(kept[id] == "lost" for id in said.counted)

            await until(is_buried)
            kept = await rows(database)
            for id, count in (said.ended | others.ended).items():
                assert (kept[id].characters, kept[id].outcome) == (count, "client_closed")
            for id, count in said.counted.items():
                # Not less than at the last checkpoint, and never more than was counted.
                assert known[id] <= kept[id].characters <= count
            assert all(kept[id].outcome is None for id in others.counted)
            assert len(kept) == 2 * (counting.OPEN + counting.PASSING)
            living.kill()
            await others.all()
        async with database.reading() as connection:
            spent = (await connection.execute(select(SPENDING.c.spent))).scalars().all()
        assert sum(spent) == sum(row.cost for row in (await rows(database)).values())

    run(url, work)


def test_only_who_counts_no_more_is_dead(url: str | URL) -> None:
    async def work(database: Database) -> None:
        clock = Clock()
        one, two, three = (Ledger(database, clock=clock) for _ in range(3))
        for name, ledger in (("one", one), ("two", two), ("three", three)):
            ledger.open(counting.opened(name), Usage)
            await ledger.turn()
        for _ in range(9):  # 45 s, in which one says nothing
            assert set((await outcomes(database)).values()) == {None}
            clock.now += 5.0
            await two.turn()
            await three.turn()
        assert await outcomes(database) == {"one": "lost", "two": None, "three": None}
        # It was only asleep: what it has to say about its sessions is the truth.
        clock.now += 5.0
        await one.turn()
        assert await outcomes(database) == {"one": None, "two": None, "three": None}
        one.close("one", "client_closed", 1000)
        await one.turn()
        assert (await outcomes(database))["one"] == "client_closed"

    run(url, work)


def test_the_last_rows_of_all_are_closed_by_whoever_comes_later(url: str | URL) -> None:
    async def work(database: Database) -> None:
        clock = Clock()
        dead = Ledger(database, clock=clock)
        dead.open(counting.opened("a"), Usage)
        await dead.turn()
        later = Ledger(database, clock=clock)
        for _ in range(10):
            assert (await outcomes(database))["a"] is None
            await later.turn()
            clock.now += 5.0
        assert (await outcomes(database))["a"] == "lost"

    run(url, work)


# A database that is away


def test_while_the_database_is_away_and_when_it_is_back(
    own_postgres: Postgres, postgres_url: str
) -> None:
    async def work(database: Database) -> None:
        ledger, counted = Ledger(database, QUICK), [1]
        ledger.open(counting.opened("before"), counting.reading(lambda: counted[0]))
        with capture_logs() as logs:
            async with running(ledger):

                async def is_told() -> bool:
                    return bool(logs)

                async def is_written() -> bool:
                    return bool(await rows(database))

                await until(is_written)
                own_postgres.kill()
                counted[0] = 2
                ledger.open(counting.opened("meanwhile"), counting.reading(lambda: 3))
                ledger.close("meanwhile", "client_closed", 1000)
                await until(is_told)
                assert ledger.waiting == 1
                ledger.close("before", "client_lost", 1006)
                await asyncio.to_thread(own_postgres.start)

                async def is_all() -> bool:
                    return ledger.waiting == 0 and len(logs) > 1

                await until(is_all)
        kept = await rows(database)
        assert (kept["before"].characters, kept["before"].outcome) == (2, "client_lost")
        assert (kept["meanwhile"].characters, kept["meanwhile"].cost) == (3, 3000)
        assert [log["event"] for log in logs] == ["usage away", "usage back"]

    run(postgres_url, work)


def test_what_waits_for_the_database_is_bounded(tmp_path: Path) -> None:
    async def work(database: Database) -> None:
        ledger = Ledger(database, kept=3)
        async with database.writing() as connection:
            await connection.execute(text("ALTER TABLE usage RENAME TO away"))
        for i in range(5):
            ledger.open(counting.opened(f"{i}"), Usage)
            ledger.close(f"{i}", "client_closed", 1000)
        with pytest.raises(GatewayError):
            await ledger.turn()
        async with database.writing() as connection:
            await connection.execute(text("ALTER TABLE away RENAME TO usage"))
        assert ledger.waiting == 3
        await ledger.turn()
        assert sorted(await rows(database)) == ["2", "3", "4"]

    run(f"sqlite:///{tmp_path}/voxway.db", work)


# What may be spent


def test_who_has_spent_it_all_is_refused(url: str | URL) -> None:
    async def work(database: Database) -> None:
        keys = IssuedKeys(database, Pepper("pepper" * 10))
        await keys.create("acme", "bot")
        await keys.create("other", "bot")
        ledger = Ledger(database)

        async def use(id: str, characters: int) -> None:
            ledger.open(counting.opened(id), counting.reading(lambda: characters))
            ledger.close(id, "client_closed", 1000)
            await ledger.turn()

        await set_limit(database, "acme", 10_000)
        await use("a", 9)
        ledger.spending.check("acme")
        await use("b", 1)
        with pytest.raises(
            QuotaError, match=r"acme has spent 0\.01 this month, of a limit of 0\.01"
        ):
            ledger.spending.check("acme")
        for other in ("other", "", "nobody knows"):
            ledger.spending.check(other)
        found = await standings(database)
        assert [structs.astuple(each) for each in found] == [
            ("acme", 10_000, 10_000),
            ("other", 0, None),
        ]
        await set_limit(database, "acme", 10_001)
        await ledger.turn()
        ledger.spending.check("acme")
        await set_limit(database, "acme", None)
        await use("c", 100_000)
        ledger.spending.check("acme")

    run(url, work)


def test_a_month_is_spent_by_what_was_opened_in_it(url: str | URL) -> None:
    async def work(database: Database) -> None:
        await IssuedKeys(database, Pepper("pepper" * 10)).create("acme", "bot")
        await set_limit(database, "acme", 5_000)
        ledger = Ledger(database)
        last_month = datetime.now(UTC).replace(day=1) - timedelta(days=1)
        ledger.open(
            structs.replace(counting.opened("a"), opened=last_month), counting.reading(lambda: 500)
        )
        ledger.open(counting.opened("b"), counting.reading(lambda: 4))
        await ledger.turn()
        ledger.spending.check("acme")
        [found] = await standings(database, "acme")
        assert found.spent == 4_000
        async with database.reading() as connection:
            months = dict(
                (await connection.execute(select(SPENDING.c.month, SPENDING.c.spent))).all()
            )
        this_month = datetime.now(UTC).date().replace(day=1)
        assert len(months) == 2
        assert months[last_month.date().replace(day=1)] == 500_000
        assert this_month in months

    run(url, work)


def test_to_write_again_what_was_written_costs_nothing(url: str | URL) -> None:
    """As after a commit whose answer was lost."""

    async def work(database: Database) -> None:
        clock = Clock()
        ledger, counted = Ledger(database, clock=clock), [1]
        ledger.open(counting.opened("a"), counting.reading(lambda: counted[0]))
        for _ in range(3):
            await ledger.turn()
            clock.now += 30.0
        counted[0] = 3
        await ledger.turn()
        async with database.reading() as connection:
            assert (await connection.execute(select(SPENDING.c.spent))).scalars().all() == [3_000]

    run(url, work)
