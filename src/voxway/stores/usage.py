"""The ledger: a row for every session and every HTTP request, with what it used so far.

The gateway says what begins and what ends, and waits for nothing. All else is done in `run`: what
ended is written at once, many together; what is open every half minute, as the counters stand.
A process that died leaves rows open: it no longer counts its beats, and who sees that closes them.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import structlog
from msgspec import Struct, structs
from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    Index,
    Integer,
    String,
    Table,
    delete,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from ..errors import GatewayError
from ..events import Usage
from ..usage import LOST, Opened, cost
from .database import Database, Moment, metadata, reason
from .spending import Spending, add, added, month_of

log = structlog.get_logger("voxway")

KEPT = 50_000  # records that wait for a database that is away; then the oldest are lost
CHUNK = 50  # rows at once: a millisecond or two of the loop
GATHER = 0.05  # seconds in which more may end
FLUSH = 5.0  # seconds that the end of the process waits
LONGEST = 200  # characters of what clients call themselves

NAMES = (
    *("process", "kind", "task", "request", "account", "key"),
    *("organisation", "agent", "tag", "asked", "model", "provider"),
)
COUNTERS = ("characters", "cached", "audio_in", "audio_out", "messages", "provider_time")
# Times are whole milliseconds: they add up whatever the order. `day` is that of `opened` (UTC);
# `counted` is when these were the counters; without an outcome it is open.
USAGE = Table(
    "usage",
    metadata,
    Column("id", String, primary_key=True),
    *(Column(name, String, nullable=False) for name in NAMES),
    Column("opened", Moment, nullable=False),
    Column("day", Date, nullable=False),
    Column("counted", Moment, nullable=False),
    *(Column(name, BigInteger, nullable=False) for name in COUNTERS),
    Column("ttfa", BigInteger),
    Column("duration", BigInteger, nullable=False),
    Column("cost", BigInteger),
    Column("outcome", String),
    Column("close_code", Integer),
    Index("ix_usage_opened", "opened"),
    Index("ix_usage_account_opened", "account", "opened"),
)
Index(
    "ix_usage_open",
    USAGE.c.process,
    sqlite_where=text("outcome IS NULL"),
    postgresql_where=text("outcome IS NULL"),
)
CHANGING = (*COUNTERS, "counted", "ttfa", "duration", "cost", "outcome", "close_code")
PROCESSES = Table(
    "processes",
    metadata,
    Column("id", String, primary_key=True),
    Column("beat", BigInteger, nullable=False),
)

Read = Callable[[], Usage]


class Rhythm(Struct, frozen=True, kw_only=True):
    """Seconds: from one turn to the next at most; from one checkpoint of an open session to the
    next; from one beat of the process to the next; and without one, until it is dead."""

    turn: float = 1.0
    checkpoint: float = 30.0
    beat: float = 5.0
    lease: float = 45.0


RHYTHM = Rhythm()


class Closing(Struct, frozen=True):
    """How one ended."""

    usage: Usage
    outcome: str
    code: int | None
    at: datetime


class Entry(Struct):
    """One session. `read` gives its counters while it is open; `written` is when they were."""

    opened: Opened
    read: Read
    closing: Closing | None = None
    written: float | None = None


class Ledger:
    """What one process counts. `spending` says who may go on."""

    def __init__(
        self,
        database: Database,
        rhythm: Rhythm = RHYTHM,
        clock: Callable[[], float] = time.monotonic,
        kept: int = KEPT,
    ) -> None:
        self.spending = Spending(database)
        self.process = f"proc_{secrets.token_hex(8)}"
        self._database = database
        self._rhythm = rhythm
        self._clock = clock
        self._kept = kept
        self._open: dict[str, Entry] = {}
        self._closed: dict[str, Entry] = {}  # not written yet, the oldest first
        self._forgotten = 0
        self._has_news = asyncio.Event()
        self._is_away = False
        self._beats = 0
        self._beat_at: float | None = None
        self._others: dict[str, tuple[int, float]] = {}  # their beats, and since when it is so

    @property
    def waiting(self) -> int:
        """How many have ended and are not written yet."""
        return len(self._closed)

    def open(self, opened: Opened, read: Read) -> None:
        """Something begins; `read` tells what it used so far, whenever it is asked."""
        self._open[opened.id] = Entry(opened, read)

    def close(self, id: str, outcome: str, code: int | None = None) -> None:
        """It has ended, in one word. `code` is the close code of a socket."""
        entry = self._open.pop(id, None)
        if entry is None:
            return  # the ledger was closed before it
        usage = entry.read()
        entry.closing = Closing(usage, outcome, code, datetime.now(UTC))
        entry.read = lambda: usage  # and lets the session go
        self._closed[id] = entry
        self._has_news.set()
        if len(self._closed) > self._kept:
            del self._closed[next(iter(self._closed))]
            self._forgotten += 1

    async def run(self) -> None:
        """Write it all down, until cancelled."""
        try:
            while True:
                try:
                    await self.turn()
                except GatewayError as error:
                    self._told(error)
                else:
                    self._told(None)
                await self._rest()
        finally:
            await self._leave()

    async def _rest(self) -> None:
        if self._is_away:  # there is no hurry
            await asyncio.sleep(self._rhythm.turn)
            return
        try:
            async with asyncio.timeout(self._rhythm.turn):
                await self._has_news.wait()
        except TimeoutError:
            return
        await asyncio.sleep(min(GATHER, self._rhythm.turn))

    async def turn(self) -> None:
        """Write down what is due, and see how the others are. Raises GatewayError."""
        self._has_news.clear()
        now = self._clock()
        if self._beat_at is None or now - self._beat_at >= self._rhythm.beat:
            await self._beat(now)
            self._beat_at = now
        await self._write(now - self._rhythm.checkpoint)
        await self.spending.refresh()

    async def _write(self, before: float) -> None:
        """What ended, and what is open and was not written since then."""
        due = [
            entry
            for entry in (*self._closed.values(), *self._open.values())
            if entry.written is None or entry.closing or entry.written <= before
        ]
        chunks = iter(due)
        while chunk := list(islice(chunks, CHUNK)):
            now, rows = self._clock(), [self._row(entry) for entry in chunk]
            async with self._database.writing() as connection:
                await self._keep(connection, rows)
            for entry, row in zip(chunk, rows, strict=True):
                entry.written = now
                if row["outcome"] is not None:
                    self._closed.pop(entry.opened.id, None)

    async def _keep(self, connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
        """Write rows, which may be there already, and what they cost more than before."""
        priced = [row for row in rows if row["cost"] is not None]
        known: dict[str, int] = {}
        if priced:
            ids = [row["id"] for row in priced]
            chosen = select(USAGE.c.id, USAGE.c.cost).where(USAGE.c.id.in_(ids))
            known = {row.id: row.cost or 0 for row in await connection.execute(chosen)}
        new = self._dialect.insert(USAGE)
        change = {name: new.excluded[name] for name in CHANGING}
        await connection.execute(
            new.on_conflict_do_update(index_elements=("id",), set_=change), rows
        )
        costs = (
            ((row["organisation"], month_of(row["day"])), row["cost"] - known.get(row["id"], 0))
            for row in priced
        )
        await add(connection, added(costs), is_sqlite=self._database.is_sqlite)

    async def _beat(self, now: float) -> None:
        """Say that this process lives, and close what was left by those that do not."""
        self._beats += 1
        async with self._database.writing() as connection:
            new = self._dialect.insert(PROCESSES).values(id=self.process, beat=self._beats)
            change = {"beat": new.excluded.beat}
            await connection.execute(new.on_conflict_do_update(index_elements=("id",), set_=change))
            others = select(PROCESSES).where(PROCESSES.c.id != self.process)
            beats = {row.id: row.beat for row in await connection.execute(others)}
            for id in self._dead(beats, now):
                await _bury(connection, id, beats[id])

    def _dead(self, beats: dict[str, int], now: float) -> Iterator[str]:
        """Those that count no more, by our own clock: theirs may be another."""
        seen = self._others
        self._others = {
            id: seen[id] if id in seen and seen[id][0] == beat else (beat, now)
            for id, beat in beats.items()
        }
        for id, (_, since) in sorted(self._others.items()):
            if now - since >= self._rhythm.lease:
                yield id

    async def _leave(self) -> None:
        """The process ends: so does all that is open."""
        for id in tuple(self._open):
            self.close(id, LOST)
        try:
            async with asyncio.timeout(FLUSH):
                await self._write(self._clock())
                async with self._database.writing() as connection:
                    await connection.execute(
                        delete(PROCESSES).where(PROCESSES.c.id == self.process)
                    )
        except (GatewayError, TimeoutError) as error:
            log.error("usage lost", records=len(self._closed), reason=str(error) or "too slow")

    def _told(self, error: GatewayError | None) -> None:
        if error is not None and not self._is_away:
            log.error("usage away", reason=reason(error))
        elif error is None and self._is_away:
            log.info("usage back", records_lost=self._forgotten)
            self._forgotten = 0
        self._is_away = error is not None

    def _row(self, entry: Entry) -> dict[str, Any]:
        opened, closing = entry.opened, entry.closing
        usage = closing.usage if closing else entry.read()
        given = {name: _plain(getattr(opened, name)) for name in NAMES[1:]}
        return {
            "id": opened.id,
            "process": self.process,
            **given,
            "opened": opened.opened,
            "day": opened.opened.astimezone(UTC).date(),
            "counted": closing.at if closing else datetime.now(UTC),
            **_counters(usage),
            "cost": cost(opened.prices, usage),
            "outcome": closing.outcome if closing else None,
            "close_code": closing.code if closing else None,
        }

    @property
    def _dialect(self) -> Any:
        return sqlite if self._database.is_sqlite else postgresql


async def _bury(connection: AsyncConnection, process: str, beat: int) -> None:
    """Close the rows of a dead process; only once, and not if it has counted on meanwhile."""
    gone = delete(PROCESSES).where(PROCESSES.c.id == process, PROCESSES.c.beat == beat)
    if (await connection.execute(gone)).rowcount:
        left = update(USAGE).where(USAGE.c.process == process, USAGE.c.outcome.is_(None))
        closed = (await connection.execute(left.values(outcome=LOST))).rowcount
        log.warning("a gateway died", process=process, sessions_lost=closed)


def _counters(usage: Usage) -> dict[str, int | None]:
    counters = structs.asdict(usage)
    return {
        "characters": usage.characters,
        "cached": usage.cached,
        "messages": usage.messages,
        **{
            name: None if counters[name] is None else round(counters[name] * 1000)
            for name in ("audio_in", "audio_out", "provider_time", "duration", "ttfa")
        },
    }


def _plain(text: str) -> str:
    """As every database takes it: clients choose some of these."""
    return text[:LONGEST].encode("utf-8", "replace").decode().replace("\0", "")
