"""The keys that were given out: organisations, and for each key what may be known of it.

A key that takes the place of another has an id of its own, but stands for the same account: what
is counted and kept by account goes on.
"""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    LargeBinary,
    Row,
    String,
    Table,
    and_,
    bindparam,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from ..auth import USES, Scopes
from ..errors import ConfigError, ProtocolError
from ..limits import TIERS, Tier
from .database import Database, Moment, metadata
from .pepper import Pepper

MAX_NAME = 100  # characters
MAX_PATTERNS, MAX_PATTERN = 50, 200
LOOKUP_TIMEOUT = 3.0  # seconds

INSTALLATION = Table(
    "installation",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)
ORGANISATIONS = Table(
    "organisations",
    metadata,
    Column("name", String, primary_key=True),
    Column("created", Moment, nullable=False),
    Column("spend_limit", BigInteger),  # millionths a month; None: any
)
KEYS = Table(
    "keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("account", String, nullable=False, index=True),
    Column("organisation", ForeignKey(ORGANISATIONS.c.name), nullable=False, index=True),
    Column("name", String, nullable=False),
    Column("prefix", String, nullable=False, unique=True),
    Column("hash", LargeBinary, nullable=False),
    Column("tier", String, nullable=False),
    Column("models", JSON, nullable=False),
    Column("uses", JSON, nullable=False),
    Column("created", Moment, nullable=False),
    Column("expires", Moment, index=True),
    Column("last_used", Moment),
    Column("revoked", Moment, index=True),
)


class Key(Struct, frozen=True, kw_only=True):
    """All that may be known of a key: not the key. `prefix` is how it begins."""

    id: str
    account: str
    organisation: str
    name: str
    prefix: str
    tier: str
    models: tuple[str, ...]
    uses: tuple[str, ...]
    created: datetime
    expires: datetime | None = None
    last_used: datetime | None = None
    revoked: datetime | None = None

    def status_at(self, now: datetime) -> str:
        """`active`, `revoked` or `expired`."""
        if self.revoked is not None:
            return "revoked"
        return "active" if self.expires is None or now < self.expires else "expired"


class NewKey(Key, frozen=True, kw_only=True):
    """A key that was just made. `key` is told here and never again."""

    key: str


class Hashed(Struct, frozen=True):
    """A key, and the hash that it is known by."""

    key: Key
    hash: bytes


class IssuedKeys:
    """All keys that were given out."""

    def __init__(
        self, database: Database, pepper: Pepper, tiers: Mapping[str, Tier] = TIERS
    ) -> None:
        self._database = database
        self._pepper = pepper
        self._tiers = tiers

    async def open(self) -> None:
        """Be sure that the keys here were made with this pepper. Raises ConfigError."""
        dialect = sqlite if self._database.is_sqlite else postgresql
        mark = dialect.insert(INSTALLATION).values(name="pepper", value=self._pepper.mark)
        kept = select(INSTALLATION.c.value).where(INSTALLATION.c.name == "pepper")
        async with self._database.writing() as connection:
            await connection.execute(mark.on_conflict_do_nothing())
            found = (await connection.execute(kept)).scalar_one()
        if found != self._pepper.mark:
            raise ConfigError(
                "the keys in this database were made with another pepper: set VOXWAY_PEPPER to "
                "that, or put its file into the data directory",
                param="VOXWAY_PEPPER",
            )

    async def create(
        self,
        organisation: str,
        name: str,
        tier: str = "free",
        scopes: Scopes | None = None,
        expires: datetime | None = None,
    ) -> NewKey:
        """Make a key, and its organisation if that is new. Raises ProtocolError."""
        scopes, now, id = _checked_scopes(scopes or Scopes()), _now(), _id()
        self._check_tier(tier)
        if expires is not None and expires <= now:
            raise ProtocolError(f"expires: {expires:%Y-%m-%d %H:%M} is over", param="expires")
        new = self._new(
            Key(
                id=id,
                account=id,
                organisation=_checked_name(organisation, "organisation"),
                name=_checked_name(name, "name"),
                prefix="",
                tier=tier,
                models=scopes.models,
                uses=tuple(sorted(scopes.uses)),
                created=now,
                expires=expires,
            )
        )
        async with self._database.writing() as connection:
            await self._make_organisation(connection, new.organisation, now)
            await self._keep(connection, new)
        return new

    async def list(self, organisation: str = "") -> tuple[Key, ...]:
        """The keys, or those of one organisation, the oldest first."""
        chosen = select(KEYS).order_by(KEYS.c.created, KEYS.c.id)
        if organisation:
            chosen = chosen.where(KEYS.c.organisation == organisation)
        async with self._database.reading() as connection:
            return tuple(map(_key, await connection.execute(chosen)))

    async def show(self, name: str) -> Key:
        """The key with this id or prefix. Raises ProtocolError if there is none."""
        async with self._database.reading() as connection:
            return await _one(connection, name)

    async def revoke(self, name: str) -> Key:
        """Let it be good for nothing, for ever. One that was revoked stays as it is."""
        async with self._database.writing() as connection:
            found = await _one(connection, name)
            change = update(KEYS).where(KEYS.c.id == found.id, KEYS.c.revoked.is_(None))
            await connection.execute(change.values(revoked=self._database.moment()))
            return await _one(connection, found.id)

    async def rotate(
        self, name: str, grace: timedelta = timedelta(), tier: str | None = None
    ) -> NewKey:
        """A new key in place of one, which ends now or after a while; of the same tier, if no
        other is named. Raises ProtocolError if that has ended already."""
        async with self._database.writing() as connection:
            old, now = await _one(connection, name), _now()
            tier = tier or old.tier
            self._check_tier(tier)
            # Whoever comes second waits for the row and then finds nothing to change.
            change = update(KEYS).where(
                KEYS.c.id == old.id,
                KEYS.c.revoked.is_(None),
                or_(KEYS.c.expires.is_(None), KEYS.c.expires > now),
            )
            if grace:
                until = min(filter(None, (old.expires, now + grace)))
                change = change.values(expires=until)
            else:
                change = change.values(revoked=self._database.moment())
            if not (await connection.execute(change)).rowcount:
                raise ProtocolError(f"key {old.prefix} is {old.status_at(now)}: make a new one")
            new = self._new(structs.replace(old, id=_id(), tier=tier, created=now, last_used=None))
            await self._keep(connection, new)
        return new

    def prefix(self, key: str) -> str | None:
        """How a key of this installation begins; None for what is none."""
        return self._pepper.prefix(key)

    def hash(self, key: str) -> bytes:
        """What a key is known by."""
        return self._pepper.hash(key)

    async def find(self, prefix: str) -> Hashed | None:
        """What is known of the key with this prefix. Somebody waits for it: not for long."""
        chosen = select(KEYS).where(KEYS.c.prefix == prefix)
        async with self._database.reading(within=LOOKUP_TIMEOUT) as connection:
            row = (await connection.execute(chosen)).first()
        return None if row is None else Hashed(_key(row), row.hash)

    async def ended_within(self, time: timedelta) -> frozenset[str]:
        """The ids of the keys that were revoked or expired in so long a time until now."""
        since, now = self._database.moment(time), self._database.moment()
        chosen = select(KEYS.c.id).where(
            or_(KEYS.c.revoked > since, and_(KEYS.c.expires > since, KEYS.c.expires <= now))
        )
        async with self._database.reading() as connection:
            return frozenset((await connection.execute(chosen)).scalars())

    async def mark_used(self, times: Mapping[str, datetime]) -> None:
        """Keep when keys were used last, by id."""
        at = bindparam("at", type_=Moment)
        is_newer = or_(KEYS.c.last_used.is_(None), KEYS.c.last_used < at)
        change = update(KEYS).where(KEYS.c.id == bindparam("which"), is_newer)
        # In the same order everywhere: several gateways do not wait for each other in a circle.
        rows = [{"which": id, "at": at} for id, at in sorted(times.items())]
        async with self._database.writing() as connection:
            await connection.execute(change.values(last_used=at), rows)

    def _new(self, key: Key) -> NewKey:
        secret = self._pepper.new_key()
        prefix = self._pepper.prefix(secret)
        assert prefix is not None
        return NewKey(**(structs.asdict(key) | {"prefix": prefix, "key": secret}))

    async def _keep(self, connection: AsyncConnection, new: NewKey) -> None:
        row = structs.asdict(new)
        row["hash"] = self._pepper.hash(row.pop("key"))
        await connection.execute(insert(KEYS), row)

    async def _make_organisation(
        self, connection: AsyncConnection, name: str, now: datetime
    ) -> None:
        dialect = sqlite if self._database.is_sqlite else postgresql
        new = dialect.insert(ORGANISATIONS).values(name=name, created=now)
        await connection.execute(new.on_conflict_do_nothing())

    def _check_tier(self, tier: str) -> None:
        if tier not in self._tiers:
            known = ", ".join(self._tiers)
            raise ProtocolError(f"tier {tier[:MAX_NAME]!r} is not one of {known}", param="tier")


async def _one(connection: AsyncConnection, name: str) -> Key:
    start = "_".join(name.split("_")[:2])  # of a whole key as well, which is not to be echoed
    chosen = select(KEYS).where(or_(KEYS.c.id == start, KEYS.c.prefix == start))
    row = (await connection.execute(chosen)).first()
    if row is None:
        raise ProtocolError(f"no key {start[:MAX_NAME]!r}", code="not_found")
    return _key(row)


def _key(row: Row[Any]) -> Key:
    values = dict(row._mapping)
    del values["hash"]
    values["models"], values["uses"] = tuple(values["models"]), tuple(values["uses"])
    return Key(**values)


def _now() -> datetime:
    return datetime.now(UTC)


def _id() -> str:
    return f"key_{secrets.token_hex(8)}"


def _checked_name(name: str, param: str) -> str:
    name = name.strip()
    if not name:
        raise ProtocolError(f"{param} is empty", param=param)
    if len(name) > MAX_NAME:
        raise ProtocolError(f"{param} of {len(name)} characters is over {MAX_NAME}", param=param)
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in name):
        raise ProtocolError(f"{param} has a control character in it", param=param)
    return name


def _checked_scopes(scopes: Scopes) -> Scopes:
    _check_known(scopes.uses)
    if not scopes.models and scopes.uses != {"admin"}:
        raise ProtocolError("a key with no models is good for nothing", param="models")
    if len(scopes.models) > MAX_PATTERNS:
        raise ProtocolError(f"models: {len(scopes.models)} are over {MAX_PATTERNS}", param="models")
    for pattern in scopes.models:
        if not 1 <= len(pattern) <= MAX_PATTERN or not pattern.isprintable():
            raise ProtocolError(f"models: {pattern[:MAX_PATTERN]!r} is no pattern", param="models")
    return scopes


def _check_known(uses: Collection[str]) -> None:
    unknown: Iterable[str] = sorted(use for use in uses if use not in USES)
    for use in unknown:
        known = ", ".join(USES)
        raise ProtocolError(f"scope {use[:MAX_NAME]!r} is not one of {known}", param="uses")
    if not uses:
        raise ProtocolError("a key with no scope is good for nothing", param="uses")
