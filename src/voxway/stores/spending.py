"""What organisations spend in a month (UTC), and may spend. Amounts are millionths.

What was spent is added up as usage is written, in the same transaction, so that to know it takes
one row and no sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import BigInteger, Column, Date, Select, String, Table, and_, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from ..errors import ProtocolError, QuotaError
from ..usage import money
from .database import Database, metadata
from .issued import MAX_NAME, ORGANISATIONS

SPENDING = Table(
    "spending",
    metadata,
    Column("organisation", String, primary_key=True),
    Column("month", Date, primary_key=True),
    Column("spent", BigInteger, nullable=False),
)
Month = tuple[str, date]  # an organisation, and the first day


class Standing(Struct, frozen=True):
    """What an organisation has spent this month, of what it may; None: as much as it likes."""

    organisation: str
    spent: int
    limit: int | None


class Spending:
    """Who may go on spending, as of the last `refresh`. To ask costs nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._limited: dict[str, Standing] = {}

    def check(self, organisation: str) -> None:
        """Raises QuotaError if it has spent all that it may this month."""
        standing = self._limited.get(organisation)
        if standing is None or standing.limit is None or standing.spent < standing.limit:
            return
        raise QuotaError(
            f"{organisation} has spent {money(standing.spent)} this month, of a limit of "
            f"{money(standing.limit)}: raise it, or wait for the next month (UTC)"
        )

    async def refresh(self) -> None:
        """Know what was spent meanwhile, by whatever process. Raises GatewayError."""
        chosen = _standings().where(ORGANISATIONS.c.spend_limit.is_not(None))
        async with self._database.reading() as connection:
            rows = (await connection.execute(chosen)).all()
        self._limited = {row.name: Standing(*row) for row in rows}


async def standings(database: Database, organisation: str = "") -> tuple[Standing, ...]:
    """How every organisation stands, or one. Raises ProtocolError if that is not there."""
    chosen = _standings().order_by(ORGANISATIONS.c.name)
    if organisation:
        chosen = chosen.where(ORGANISATIONS.c.name == organisation)
    async with database.reading() as connection:
        rows = (await connection.execute(chosen)).all()
    if organisation and not rows:
        raise _unknown(organisation)
    return tuple(Standing(*row) for row in rows)


async def set_limit(database: Database, organisation: str, limit: int | None) -> None:
    """Let it spend so much a month; None: as much as it likes. Raises ProtocolError."""
    change = update(ORGANISATIONS).where(ORGANISATIONS.c.name == organisation)
    async with database.writing() as connection:
        if not (await connection.execute(change.values(spend_limit=limit))).rowcount:
            raise _unknown(organisation)


async def add(
    connection: AsyncConnection, amounts: Mapping[Month, int], *, is_sqlite: bool
) -> None:
    """Count what was spent since, in the transaction that writes down for what."""
    # In the same order everywhere: several gateways do not wait for each other in a circle.
    rows = [
        {"organisation": organisation, "month": month, "spent": amount}
        for (organisation, month), amount in sorted(amounts.items())
        if organisation and amount
    ]
    if not rows:
        return
    new = (sqlite if is_sqlite else postgresql).insert(SPENDING)
    more = {"spent": SPENDING.c.spent + new.excluded.spent}
    await connection.execute(
        new.on_conflict_do_update(index_elements=("organisation", "month"), set_=more), rows
    )


def added(costs: Iterable[tuple[Month, int]]) -> dict[Month, int]:
    """Amounts of the same month together."""
    amounts: dict[Month, int] = {}
    for month, cost in costs:
        amounts[month] = amounts.get(month, 0) + cost
    return amounts


def month_of(day: date) -> date:
    return day.replace(day=1)


def _standings() -> Select[Any]:
    this_month = month_of(datetime.now(UTC).date())
    is_it = and_(SPENDING.c.organisation == ORGANISATIONS.c.name, SPENDING.c.month == this_month)
    spent = func.coalesce(SPENDING.c.spent, 0)
    return select(ORGANISATIONS.c.name, spent, ORGANISATIONS.c.spend_limit).select_from(
        ORGANISATIONS.outerjoin(SPENDING, is_it)
    )


def _unknown(organisation: str) -> ProtocolError:
    return ProtocolError(f"no organisation {organisation[:MAX_NAME]!r}", code="not_found")
