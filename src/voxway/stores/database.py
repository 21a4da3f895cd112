"""The database: one SQLite file in the data directory, or PostgreSQL where several processes share.

The stores declare their tables with `metadata` and speak SQL through `reading` and `writing`. The
scripts in `migrations/` bring any older database up to date when the gateway starts.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    DateTime,
    Dialect,
    Interval,
    MetaData,
    TypeDecorator,
    event,
    func,
    literal,
    text,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from ..errors import ConfigError, GatewayError

FILE = "voxway.db"
DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
TIMEOUT = 5.0  # seconds: to connect, and for SQLite to wait for its one writer
STATEMENT_TIMEOUT = 30.0
# Any number, but the same in every version: replicas that start together take turns by it.
MIGRATION_LOCK = 0x766F78776179
BEGIN = "voxway_begin"

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Moment(TypeDecorator[datetime]):
    """A time in UTC. SQLite forgets the zone; this does not."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Database:
    """Connections to one database. Whoever makes it closes it."""

    def __init__(self, url: str | URL) -> None:
        parsed = _parsed(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self._path = Path(parsed.database) if self.is_sqlite and parsed.database else None
        self._name = parsed.set(drivername=parsed.get_backend_name()).render_as_string()
        self._engine = _engine(parsed)
        self._writing = self._engine.execution_options(**{BEGIN: "IMMEDIATE"})

    async def migrate(self) -> None:
        """Bring the tables up to date; whoever starts at the same time waits. Raises ConfigError
        if the database is a later version's or cannot be used."""
        from .upgrading import upgrade  # which knows all the stores

        try:
            if self._path is not None:
                _try_file(self._path)
            async with self.writing() as connection:
                if not self.is_sqlite:
                    lock = text("SELECT pg_advisory_xact_lock(:number)")
                    await connection.execute(lock, {"number": MIGRATION_LOCK})
                await connection.run_sync(upgrade)
        except ConfigError:
            raise
        except (GatewayError, sqlite3.Error, OSError) as error:
            raise ConfigError(
                f"the database {self._name} cannot be used: {reason(error)}", param="database_url"
            ) from error

    @asynccontextmanager
    async def reading(self, within: float | None = None) -> AsyncIterator[AsyncConnection]:
        """A connection, for a look; `within` so many seconds. Raises GatewayError not_ready if
        there is none."""
        with _reached():
            async with asyncio.timeout(within), self._engine.begin() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """The same, for changes: all that is done in the block is kept, or nothing. With SQLite
        one writer at a time. IntegrityError goes through, for the store to explain."""
        with _reached():
            async with self._writing.begin() as connection:
                yield connection

    def moment(self, ago: timedelta = timedelta()) -> ColumnElement[Any]:
        """Now, or so long ago, by the database's own clock: those of whoever shares it may
        differ."""
        if self.is_sqlite:  # on the same machine, and its own clock tells whole seconds
            return literal(datetime.now(UTC) - ago, Moment)
        return func.now() - literal(ago, Interval)

    async def close(self) -> None:
        await self._engine.dispose()


def default_url(data_dir: Path) -> URL:
    """Where everything is kept if nobody says: a file."""
    return URL.create("sqlite", database=str(data_dir / FILE))


def _parsed(url: str | URL) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError("database_url is no URL of a database", param="database_url") from error
    backend = parsed.drivername.partition("+")[0]
    if backend not in DRIVERS:
        raise ConfigError(
            f"database_url: {backend!r} is not one of {', '.join(DRIVERS)}", param="database_url"
        )
    return parsed.set(drivername=DRIVERS[backend])


def _engine(url: URL) -> AsyncEngine:
    is_sqlite = url.get_backend_name() == "sqlite"
    bounds = {} if is_sqlite else {"command_timeout": STATEMENT_TIMEOUT}
    try:
        engine = create_async_engine(
            url,
            connect_args={"timeout": TIMEOUT, **bounds},
            pool_timeout=TIMEOUT,
            pool_pre_ping=not is_sqlite,  # it may have been away
            hide_parameters=True,  # they would be in tracebacks, and so in the log
        )
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise ConfigError(
            f"{url.drivername} is not installed: pip install 'voxway[postgres]'",
            param="database_url",
        ) from error
    if is_sqlite:
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _try_file(path: Path) -> None:
    """Raises what is wrong with it: after a failure aiosqlite's thread may outlive the loop."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=TIMEOUT)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver would begin too late, and not for reads or DDL
    cursor = connection.cursor()
    for pragma in ("synchronous = NORMAL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    mode = connection.get_execution_options().get(BEGIN, "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")


@contextmanager
def _reached() -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:  # a TimeoutError is an OSError
        raise GatewayError(
            "the database cannot be reached", code="not_ready", retry_after=1.0
        ) from error


def reason(error: Exception) -> str:
    """Why it cannot be reached, in the driver's own words, without SQL."""
    cause = error.__cause__ or error
    original = getattr(cause, "orig", None) or cause
    lines = str(original).splitlines()
    return lines[0] if lines else type(original).__name__
