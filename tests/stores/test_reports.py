"""However usage is added up, it is all of it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from sqlalchemy import URL

from stores.counting import opened
from voxway.auth import Scopes
from voxway.catalog.model import Prices
from voxway.errors import ProtocolError
from voxway.events import Usage
from voxway.stores.database import Database, default_url
from voxway.stores.issued import IssuedKeys
from voxway.stores.pepper import Pepper
from voxway.stores.reports import BY, Line, Question, question, report
from voxway.stores.usage import Ledger
from voxway.usage import MICRO, Opened, cost

FIRST = datetime(2026, 11, 1, tzinfo=UTC)
Record = tuple[Opened, Usage, bool]  # whether it has ended

number = itertools.count()
NAMES = st.sampled_from(["", "a", "b"])
SECONDS = st.integers(0, 10**7).map(lambda count: count / 1000)
PRICES = st.builds(Prices, characters=st.sampled_from([0.0, 0.015, 0.3]), audio_in=st.just(0.0077))
OPENED = st.builds(
    lambda kind, names, minutes, prices: Opened(
        id=f"s{next(number)}",
        kind=kind,
        task="tts",
        request="r",
        opened=FIRST + timedelta(minutes=minutes),
        prices=prices,
        **dict(
            zip(
                ("key", "agent", "tag", "asked", "model", "provider", "account"), names, strict=True
            )
        ),
    ),
    st.sampled_from(["websocket", "http"]),
    st.lists(NAMES, min_size=7, max_size=7),
    st.integers(0, 5 * 24 * 60),
    st.none() | PRICES,
)
USED = st.builds(
    Usage,
    characters=st.integers(0, 10**6),
    messages=st.integers(0, 1000),
    audio_in=SECONDS,
    audio_out=SECONDS,
    duration=SECONDS,
    provider_time=SECONDS,
    ttfa=st.none() | SECONDS,
)
RECORDS = st.lists(st.tuples(OPENED, USED, st.booleans()), max_size=12)


def run(url: str | URL, work: Callable[[Database], Awaitable[None]]) -> None:
    async def main() -> None:
        database = Database(url)
        try:
            await database.migrate()
            await work(database)
        finally:
            await database.close()

    asyncio.run(main())


async def kept(database: Database, records: list[Record]) -> None:
    ledger = Ledger(database)
    for record, usage, has_ended in records:
        ledger.open(record, lambda usage=usage: usage)  # type: ignore[misc]
        if has_ended:
            ledger.close(record.id, "client_closed", 1000)
    await ledger.turn()


def added(records: list[Record]) -> tuple[object, ...]:
    """What must come out."""
    usages = [usage for _, usage, _ in records]
    costs = [cost(record.prices, usage) for record, usage, _ in records]
    known = [each for each in costs if each is not None]
    return (
        len(records),
        sum(usage.characters for usage in usages),
        sum(usage.messages for usage in usages),
        *(
            sum(round(getattr(usage, name) * 1000) for usage in usages)
            for name in ("audio_in", "audio_out", "duration", "provider_time")
        ),
        sum(known) if known else None,
    )


def told(line: Line) -> tuple[object, ...]:
    return (
        line.sessions,
        line.characters,
        line.messages,
        *(
            round(seconds * 1000)
            for seconds in (line.audio_in, line.audio_out, line.duration, line.provider_time)
        ),
        None if line.cost is None else round(line.cost * MICRO),
    )


def together(lines: list[tuple[object, ...]]) -> tuple[object, ...]:
    def sum_up(column: tuple[object, ...]) -> object:
        numbers = [each for each in column if isinstance(each, int)]
        return sum(numbers) if numbers else None

    return tuple(map(sum_up, zip(*lines, strict=True)))


@settings(max_examples=25, deadline=None)
@given(records=RECORDS, by=st.lists(st.sampled_from(sorted(BY)), unique=True, max_size=3))
def test_any_grouping_adds_up_to_the_records(
    tmp_path_factory: pytest.TempPathFactory, records: list[Record], by: list[str]
) -> None:
    async def work(database: Database) -> None:
        records_here = [
            (structs.replace(record, organisation=organisation), usage, has_ended)
            for record, usage, has_ended in records
        ]
        await kept(database, records_here)
        found = await report(database, Question(by=tuple(by), organisation=organisation))
        assert told(found.total) == added(records_here)
        if by and records:
            assert together([told(line) for line in found.data]) == added(records_here)
            groups = [tuple(getattr(line, name) for name in by) for line in found.data]
            assert len(set(groups)) == len(groups)

    organisation = f"of example {next(number)}"
    run(default_url(tmp_path_factory.getbasetemp() / "reports"), work)


SOME: list[Record] = [
    (structs.replace(opened("1"), opened=FIRST, model="a"), Usage(characters=1), True),
    (structs.replace(opened("2"), opened=FIRST, model="b"), Usage(characters=2, ttfa=0.1), True),
    (
        structs.replace(opened("3"), opened=FIRST + timedelta(days=1), model="a", key="key-x"),
        Usage(characters=4, ttfa=0.3),
        False,
    ),
]


@pytest.mark.parametrize(
    ("by", "since", "until", "lines"),
    [
        ("", "", "", []),
        ("model", "", "", [("a", 5), ("b", 2)]),
        ("day", "", "", [("2026-11-01", 3), ("2026-11-02", 4)]),
        ("day", "2026-11-02", "", [("2026-11-02", 4)]),
        ("day", "", "2026-11-01", [("2026-11-01", 3)]),
        ("day", "", "2026-11-01T00:00", []),
        ("day", "2026-11-01T12:00+12:00", "2026-11-02", [("2026-11-01", 3), ("2026-11-02", 4)]),
        ("day,model", "", "", [("2026-11-01", 1), ("2026-11-01", 2), ("2026-11-02", 4)]),
        ("model day", "", "", [("a", 1), ("a", 4), ("b", 2)]),
        ("outcome", "", "2026-11-01", [("client_closed", 3)]),
        ("outcome", "", "", [("client_closed", 3), ("open", 4)]),
        ("key", "", "", [("key-x", 4), ("key_1", 3)]),
    ],
)
def test_what_is_asked_for(
    url: str | URL, by: str, since: str, until: str, lines: list[tuple[str, int]]
) -> None:
    async def work(database: Database) -> None:
        await kept(database, SOME)
        asked = question(by, since, until)
        found = await report(database, asked)
        first = [str(getattr(line, asked.by[0])) for line in found.data]
        assert list(zip(first, [line.characters for line in found.data], strict=True)) == lines
        if lines:
            assert found.total.characters == sum(count for _, count in lines)

    run(url, work)


def test_a_key_is_called_by_its_prefix(url: str | URL) -> None:
    async def work(database: Database) -> None:
        key = await IssuedKeys(database, Pepper("pepper" * 10)).create(
            "acme", "bot", "free", Scopes()
        )
        await kept(database, [(structs.replace(opened("1"), key=key.id), Usage(), True)])
        [line] = (await report(database, Question(by=("key",)))).data
        assert line.key == key.prefix

    run(url, work)


def test_only_one_account_or_organisation(url: str | URL) -> None:
    async def work(database: Database) -> None:
        others = [
            (structs.replace(opened("4"), account="key_9"), Usage(characters=8), True),
            (structs.replace(opened("5"), organisation="other"), Usage(characters=16), True),
        ]
        await kept(database, SOME + others)
        for asked, characters in (
            (Question(account="key_9"), 8),
            (Question(organisation="other"), 16),
            (Question(organisation="other", account="key_9"), 0),
            (Question(), 31),
        ):
            total = (await report(database, asked)).total
            assert total.characters == characters
        assert (total.ttfa, total.cost) == (0.2, 0.031)

    run(url, work)


def test_too_many_lines_are_refused_and_never_cut(tmp_path: Path) -> None:
    async def work(database: Database) -> None:
        await kept(database, SOME)
        assert len((await report(database, Question(by=("model",), most=2))).data) == 2
        with pytest.raises(ProtocolError, match="over 1 lines: ask for less time, or by less"):
            await report(database, Question(by=("model",), most=1))

    run(default_url(tmp_path), work)


@pytest.mark.parametrize(
    ("by", "since", "until", "said"),
    [
        ("colour", "", "", "by 'colour' is not one of day, key, model"),
        ("", "yesterday", "", "since 'yesterday' is neither a while, as 30d, nor a day"),
        ("", "", "9999-12-31T23:59-12:00", "until '9999"),
        ("", "2026-11-02", "2026-11-01", "until is not after since"),
    ],
)
def test_what_cannot_be_asked_is_told(by: str, since: str, until: str, said: str) -> None:
    with pytest.raises(ProtocolError, match=said):
        question(by, since, until)
