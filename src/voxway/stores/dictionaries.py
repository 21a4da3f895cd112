"""The pronunciation dictionaries of every account, in one SQLite file.

A dictionary never changes: to change it, delete it and create it anew. So what is made of its
rules can be kept, and a session that speaks with it goes on when it is deleted.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from ..errors import GatewayError, ProtocolError
from ..text.pronunciation import Rewriter, Rule, checked, content_hash

MAX_NAME = 100  # characters
MAX_METADATA = 4096  # bytes of JSON
MAX_DICTIONARIES = 100  # of one account
TIMEOUT = 5.0  # seconds

SCHEMA = """
CREATE TABLE IF NOT EXISTS pronunciation_dictionaries (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL,
    name TEXT NOT NULL,
    normalized_name TEXT NOT NULL,
    metadata TEXT NOT NULL,
    rules TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (org_id, normalized_name)
)
"""
COLUMNS = "id, org_id, name, normalized_name, metadata, rules, content_hash, created_at"

T = TypeVar("T")


class Rewrite(Struct, frozen=True, forbid_unknown_fields=True):
    """The rules of a dictionary that changes the text before it is spoken."""

    rules: tuple[Rule, ...]


class Modes(Struct, frozen=True, forbid_unknown_fields=True):
    """What a dictionary can do: so far only `rewrite`."""

    rewrite: Rewrite


class Dictionary(Struct, frozen=True, kw_only=True):
    """One dictionary of one account. `content_hash` is of the rules alone."""

    id: str
    org_id: str
    name: str
    normalized_name: str
    metadata: dict[str, Any]
    modes: Modes
    content_hash: str
    created_at: str


class Dictionaries:
    """All dictionaries. Without a `path` they are kept in memory."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._lock = Lock()

    async def create(
        self, org_id: str, name: str, rules: Sequence[Rule], metadata: Mapping[str, Any]
    ) -> Dictionary:
        """Keep a new dictionary. Raises GatewayError: invalid_pronunciation, or
        pronunciation_conflict if the account has one of this name."""
        return await self._run(
            lambda database: _insert(database, _new(org_id, name, rules, metadata))
        )

    async def list(self, org_id: str) -> tuple[Dictionary, ...]:
        """The account's dictionaries, the oldest first."""
        return await self._run(lambda database: _select(database, org_id))

    async def get(self, org_id: str, id: str) -> Dictionary:
        """The account's dictionary with this id. Raises GatewayError pronunciation_not_found."""
        return await self._run(lambda database: _one(database, org_id, "id", id))

    async def find(self, org_id: str, name: str | None = None, id: str | None = None) -> Dictionary:
        """The same, by id or else by name: letter case and white space do not matter."""
        return await self._run(lambda database: _find(database, org_id, name, id))

    async def rewriter(
        self, org_id: str, name: str | None = None, id: str | None = None
    ) -> Rewriter:
        """What speaks by the dictionary that `find` finds."""
        return await self._run(
            lambda database: _rewriter(_find(database, org_id, name, id).modes.rewrite.rules)
        )

    async def delete(self, org_id: str, id: str) -> None:
        """Forget a dictionary. Raises GatewayError pronunciation_not_found."""
        await self._run(lambda database: _delete(database, org_id, id))

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            async with asyncio.timeout(TIMEOUT):
                return await asyncio.to_thread(self._work, work)
        except (sqlite3.Error, OSError) as error:  # a TimeoutError is an OSError
            raise GatewayError(
                f"the dictionaries cannot be reached: {type(error).__name__}",
                code="pronunciation_unavailable",
            ) from error

    def _work(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            if self._connection is None:
                self._connection = _open(self._path)
            with self._connection:  # commits, or rolls back what failed
                return work(self._connection)


def normalized(name: str) -> str:
    """A name as it is compared: `My  Brands` and `my brands` are both `my-brands`."""
    return "-".join(unicodedata.normalize("NFKC", name).casefold().split())


def _open(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    # One connection, used under a lock by whichever thread has work.
    connection = sqlite3.connect(path or ":memory:", timeout=TIMEOUT / 2, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _new(org_id: str, name: str, rules: Sequence[Rule], metadata: Mapping[str, Any]) -> Dictionary:
    name = _checked_name(name)
    size = len(msgspec.json.encode(metadata))
    if size > MAX_METADATA:
        raise _invalid(f"metadata of {size} bytes is over {MAX_METADATA}", "metadata")
    kept = checked(rules, "modes.rewrite.rules")
    return Dictionary(
        id=f"pd_{secrets.token_hex(12)}",
        org_id=org_id,
        name=name,
        normalized_name=normalized(name),
        metadata=dict(metadata),
        modes=Modes(Rewrite(kept)),
        content_hash=content_hash(kept),
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    )


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name:
        raise _invalid("name is empty", "name")
    if len(name) > MAX_NAME:
        raise _invalid(f"name of {len(name)} characters is over {MAX_NAME}", "name")
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in name):
        raise _invalid("name has a control character in it", "name")
    return name


def _invalid(message: str, param: str) -> ProtocolError:
    return ProtocolError(message, code="invalid_pronunciation", param=param)


def _insert(database: sqlite3.Connection, new: Dictionary) -> Dictionary:
    count = "SELECT count(*) FROM pronunciation_dictionaries WHERE org_id = ?"
    if database.execute(count, (new.org_id,)).fetchone()[0] >= MAX_DICTIONARIES:
        raise _invalid(f"an account has at most {MAX_DICTIONARIES} dictionaries", "name")
    row = (
        *(new.id, new.org_id, new.name, new.normalized_name),
        *(_dump(new.metadata), _dump(new.modes.rewrite.rules)),
        *(new.content_hash, new.created_at),
    )
    marks = ", ".join("?" * len(row))
    try:
        database.execute(
            f"INSERT INTO pronunciation_dictionaries ({COLUMNS}) VALUES ({marks})", row
        )
    except sqlite3.IntegrityError:
        raise GatewayError(
            f"there is a dictionary named {new.normalized_name!r} already",
            code="pronunciation_conflict",
            param="name",
        ) from None
    return new


def _find(
    database: sqlite3.Connection, org_id: str, name: str | None, id: str | None
) -> Dictionary:
    if id is not None:
        return _one(database, org_id, "id", id)
    return _one(database, org_id, "normalized_name", normalized(name or ""))


def _one(database: sqlite3.Connection, org_id: str, column: str, value: str) -> Dictionary:
    found = _select(database, org_id, column, value)
    if not found:
        raise _not_found(value)
    return found[0]


def _not_found(value: str) -> GatewayError:
    return GatewayError(
        f"no pronunciation dictionary {value[:MAX_NAME]!r}", code="pronunciation_not_found"
    )


def _select(
    database: sqlite3.Connection, org_id: str, column: str = "org_id", value: str | None = None
) -> tuple[Dictionary, ...]:
    rows = database.execute(
        f"SELECT {COLUMNS} FROM pronunciation_dictionaries WHERE org_id = ? AND {column} = ? "
        "ORDER BY rowid",
        (org_id, org_id if value is None else value),
    )
    return tuple(map(_dictionary, rows))


def _delete(database: sqlite3.Connection, org_id: str, id: str) -> None:
    gone = database.execute(
        "DELETE FROM pronunciation_dictionaries WHERE org_id = ? AND id = ?", (org_id, id)
    )
    if not gone.rowcount:
        raise _not_found(id)


def _dictionary(row: Sequence[str]) -> Dictionary:
    id, org_id, name, normalized_name, metadata, rules, hash, created_at = row
    return Dictionary(
        id=id,
        org_id=org_id,
        name=name,
        normalized_name=normalized_name,
        metadata=msgspec.json.decode(metadata),
        modes=Modes(Rewrite(msgspec.json.decode(rules, type=tuple[Rule, ...]))),
        content_hash=hash,
        created_at=created_at,
    )


def _dump(value: object) -> str:
    return msgspec.json.encode(value).decode()


@lru_cache(maxsize=64)
def _rewriter(rules: tuple[Rule, ...]) -> Rewriter:
    return Rewriter(rules)
