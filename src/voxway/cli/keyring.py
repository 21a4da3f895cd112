"""What `voxway keys` does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import typer
from msgspec import Struct, structs

from .. import config
from ..auth import Scopes
from ..errors import ConfigError
from ..moments import ahead, period
from . import models
from .extras import missing

if TYPE_CHECKING:
    from ..stores.issued import IssuedKeys, Key, NewKey

T = TypeVar("T")


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


def rotate(name: str, grace: str, *, json: bool) -> None:
    """Make a key in place of another and show it."""
    goes_on = period(grace) if grace else timedelta()
    new = _run(lambda keys: keys.rotate(name, goes_on))
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


def _run(work: Callable[[IssuedKeys], Awaitable[T]]) -> T:
    """Do something with the keys of this installation. Raises GatewayError."""
    if lacking := missing("alembic", "aiosqlite"):
        raise ConfigError(f"keys need {lacking}: pip install 'voxway[server]'")

    async def main() -> T:
        from ..stores.installation import installation

        async with installation(config.load(os.environ), os.environ) as here:
            return await work(here.keys)

    return asyncio.run(main())
