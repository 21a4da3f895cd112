"""What was used, added up by whatever is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..errors import ProtocolError
from ..moments import back
from ..usage import MICRO
from .database import Database
from .issued import KEYS
from .usage import USAGE

# What it can be added up by. A key is called by its prefix; one of the settings has none.
BY: dict[str, ColumnElement[Any]] = {
    "day": USAGE.c.day,
    "key": func.coalesce(KEYS.c.prefix, func.nullif(USAGE.c.key, ""), USAGE.c.account),
    **{
        name: USAGE.c[name]
        for name in ("model", "organisation", "agent", "tag", "account", "provider")
    },
    **{name: USAGE.c[name] for name in ("asked", "task", "kind")},
    "outcome": func.coalesce(USAGE.c.outcome, "open"),
}
SUMS = (
    *("characters", "cached", "audio_in", "audio_out", "messages"),
    *("provider_time", "duration", "cost"),
)
IN_MILLISECONDS = ("audio_in", "audio_out", "provider_time", "duration", "ttfa")


class Question(Struct, frozen=True, kw_only=True):
    """Which sessions (those opened in a time; of an account or organisation), added up by what."""

    by: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    account: str = ""
    organisation: str = ""
    most: int | None = None  # lines


def question(by: str, since: str, until: str) -> Question:
    """What is asked for, as people write it: names with commas, and days, moments or whiles ago.
    Raises ProtocolError."""
    now = datetime.now(UTC)
    names = tuple(dict.fromkeys(filter(None, by.replace(",", " ").split())))
    for name in names:
        if name not in BY:
            raise ProtocolError(f"by {name[:40]!r} is not one of {', '.join(BY)}", param="by")
    start = back(since, now, "since") if since else None
    end = back(until, now, "until", is_end=True) if until else None
    if start and end and start >= end:
        raise ProtocolError("until is not after since: no time is left", param="until")
    return Question(by=names, since=start, until=end)


class Line(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was used by one of those that were asked for. Times in seconds; `ttfa` is the mean;
    `cost` is null if no price is known. What is still open counts as of half a minute ago."""

    day: date | None = None
    key: str | None = None
    model: str | None = None
    organisation: str | None = None
    agent: str | None = None
    tag: str | None = None
    account: str | None = None
    provider: str | None = None
    asked: str | None = None
    task: str | None = None
    kind: str | None = None
    outcome: str | None = None
    sessions: int
    characters: int
    cached: int
    audio_in: float
    audio_out: float
    messages: int
    provider_time: float
    duration: float
    ttfa: float | None
    cost: float | None


class Report(Struct, frozen=True):
    """The lines, in order, and all of them together."""

    data: tuple[Line, ...]
    total: Line


async def report(database: Database, question: Question) -> Report:
    """Add it up. Raises ProtocolError for too many lines."""
    async with database.reading() as connection:
        total = (await _lines(connection, question, ()))[0]
        lines = await _lines(connection, question, question.by) if question.by else []
    if question.most is not None and len(lines) > question.most:
        raise ProtocolError(
            f"over {question.most} lines: ask for less time, or by less", param="by"
        )
    return Report(tuple(lines), total)


async def _lines(connection: AsyncConnection, question: Question, by: Sequence[str]) -> list[Line]:
    names = [BY[name].label(name) for name in by]
    sums = [func.sum(USAGE.c[name]).label(name) for name in SUMS]
    counted = (func.count().label("sessions"), func.avg(USAGE.c.ttfa).label("ttfa"))
    chosen: Select[Any] = select(*names, *sums, *counted).select_from(
        USAGE.outerjoin(KEYS, KEYS.c.id == USAGE.c.key)
    )
    chosen = _narrowed(chosen, question).group_by(*names).order_by(*names)
    if question.most is not None:
        chosen = chosen.limit(question.most + 1)
    return [_line(dict(row._mapping)) for row in await connection.execute(chosen)]


def _narrowed(chosen: Select[Any], question: Question) -> Select[Any]:
    if question.since is not None:
        chosen = chosen.where(USAGE.c.opened >= question.since)
    if question.until is not None:
        chosen = chosen.where(USAGE.c.opened < question.until)
    for name in ("account", "organisation"):
        if value := getattr(question, name):
            chosen = chosen.where(USAGE.c[name] == value)
    return chosen


def _line(row: dict[str, Any]) -> Line:
    """Databases give sums as numbers of any kind, and of nothing none."""
    for name in SUMS:
        if name != "cost":
            row[name] = int(row[name] or 0)
    for name in IN_MILLISECONDS:
        if row[name] is not None:
            row[name] = round(float(row[name])) / 1000
    if row["cost"] is not None:
        row["cost"] = int(row["cost"]) / MICRO
    return Line(**row)
