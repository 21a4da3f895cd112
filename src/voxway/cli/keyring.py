"""What `voxway keys` does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, TypeVar

import typer
from msgspec import Struct, structs

from .. import config
from ..auth import Scopes
from ..client.extras import missing
from ..errors import ConfigError, ProtocolError
from ..moments import ahead, period
from ..usage import MICRO, money
from . import models

if TYPE_CHECKING:
    from ..stores.installation import Installation
    from ..stores.issued import IssuedKeys, Key, NewKey
    from ..stores.spending import Standing

T = TypeVar("T")
MOST = 10**12 * MICRO  # that can be a limit


class Wish(Struct, frozen=True):
    """The key to make, as the command line asks for it."""

    organisation: str
    name: str
    tier: str
    uses: tuple[str, ...]
    models: tuple[str, ...]
    expires: str


def create(wish: Wish, *, json: bool) -> None:
    """Make a key and show it. Raises ProtocolError."""
    scopes = Scopes(wish.models or Scopes().models, frozenset(wish.uses) or Scopes().uses)
    expires = ahead(wish.expires, datetime.now(UTC), "expires") if wish.expires else None
    new = _run(lambda keys: keys.create(wish.organisation, wish.name, wish.tier, scopes, expires))
    _tell_new(new, json=json)


def list_keys(organisation: str, *, all: bool, json: bool) -> None:
    """Show the keys, the oldest first."""
    now = datetime.now(UTC)
    keys = _run(lambda keys: keys.list(organisation))
    chosen = [key for key in keys if all or key.status_at(now) == "active"]
    if json:
        models.print_json([_as_json(key) for key in chosen])
    elif chosen:
        models.show(COLUMNS, (row(key, now) for key in chosen))
    else:
        typer.echo("voxway: no keys here; `voxway keys create` makes one", err=True)


def show(name: str, *, json: bool) -> None:
    """Show one key."""
    key = _run(lambda keys: keys.show(name))
    if json:
        models.print_json(_as_json(key))
    else:
        for title, text in told(key, datetime.now(UTC)):
            typer.echo(f"{title:14}{text}")


def revoke(name: str, *, json: bool) -> None:
    """End a key."""
    key = _run(lambda keys: keys.revoke(name))
    if json:
        models.print_json(_as_json(key))
    else:
        typer.echo(f"voxway: {_named(key)} is revoked; its sessions end within a second")


def rotate(name: str, grace: str, tier: str, *, json: bool) -> None:
    """Make a key in place of another and show it."""
    goes_on = period(grace) if grace else timedelta()
    new = _run(lambda keys: keys.rotate(name, goes_on, tier or None))
    _tell_new(new, json=json)


def _tell_new(new: NewKey, *, json: bool) -> None:
    if json:
        models.print_json(_as_json(new))
        return
    typer.echo(f"voxway: made {_named(new)}, tier {new.tier}; it is not shown again:", err=True)
    typer.echo(new.key)


COLUMNS = (
    *("key", "organisation", "name", "tier", "scopes", "models"),
    *("created", "expires", "last used", "status"),
)


def row(key: Key, now: datetime) -> tuple[str, ...]:
    days = (key.created, key.expires, key.last_used)
    words = (key.organisation, key.name, key.tier, " ".join(key.uses), " ".join(key.models))
    return key.prefix, *words, *map(_day, days), key.status_at(now)


def told(key: Key, now: datetime) -> list[tuple[str, str]]:
    """All of a key, a line each."""
    lines = [("status", key.status_at(now))]
    for name, value in structs.asdict(key).items():
        match value:
            case datetime():
                text = f"{value:%Y-%m-%d %H:%M:%S} UTC"
            case tuple():
                text = " ".join(value)
            case _:
                text = value or "-"
        lines.append((name.replace("_", " "), text))
    return lines


def _as_json(key: Key) -> dict[str, object]:
    return structs.asdict(key) | {"status": key.status_at(datetime.now(UTC))}


def _named(key: Key) -> str:
    return f"key {key.prefix} ({key.organisation}, {key.name})"


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "-"


def limit(organisation: str, amount: str, *, json: bool) -> None:
    """Let organisations spend so much a month, or say how they stand."""
    from ..stores import spending

    if amount:
        most = None if amount == "none" else _amount(amount)
        at_home(lambda here: spending.set_limit(here.database, organisation, most))
    found = at_home(lambda here: spending.standings(here.database, organisation))
    if json:
        models.print_json([_standing(each) for each in found])
    elif found:
        models.show(LIMITS, map(limit_row, found), LIMITS[1:])
    else:
        typer.echo("voxway: no organisations here; `voxway keys create` makes one", err=True)


LIMITS = ("organisation", "spent this month", "limit")


def limit_row(standing: Standing) -> tuple[str, ...]:
    limit = "none" if standing.limit is None else money(standing.limit)
    return standing.organisation, money(standing.spent), limit


def _standing(standing: Standing) -> dict[str, object]:
    """Amounts as they are told everywhere else."""
    limit = None if standing.limit is None else standing.limit / MICRO
    return {
        "organisation": standing.organisation,
        "spent": standing.spent / MICRO,
        "limit": limit,
    }


def _amount(text: str) -> int:
    try:
        amount = Decimal(text) * MICRO
        is_amount = 0 <= amount <= MOST and amount == int(amount)
    except InvalidOperation:  # no number, or one that is none
        is_amount = False
    if not is_amount:
        raise ProtocolError(
            f"{text[:40]!r} is no amount: say it as 250 or 99.50, or `none`", param="amount"
        )
    return int(amount)


def _run(work: Callable[[IssuedKeys], Awaitable[T]]) -> T:
    """Do something with the keys of this installation. Raises GatewayError."""
    return at_home(lambda here: work(here.keys))


def at_home(work: Callable[[Installation], Awaitable[T]]) -> T:
    """Do something with what is kept here. Raises GatewayError."""
    if lacking := missing("alembic", "aiosqlite"):
        raise ConfigError(f"this needs {lacking}: pip install 'voxway[server]'")

    async def main() -> T:
        from ..stores.installation import installation

        async with installation(config.load(os.environ), os.environ) as here:
            return await work(here)

    return asyncio.run(main())
