"""A database comes up to date by itself, also when several start at once."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import (
    URL,
    Column,
    Connection,
    Integer,
    MetaData,
    Table,
    func,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.exc import IntegrityError

from services import Postgres
from voxway.errors import ConfigError, GatewayError
from voxway.stores.database import Database, Moment, default_url, metadata, reason
from voxway.stores.dictionaries import Dictionaries
from voxway.stores.issued import KEYS, IssuedKeys
from voxway.stores.pepper import Pepper
from voxway.stores.spending import standings
from voxway.stores.upgrading import HEAD, MIGRATIONS, VERSION, run_scripts
from voxway.stores.usage import USAGE

Work = Callable[[Database], Awaitable[None]]
PROBE = Table(
    "probe", MetaData(), Column("number", Integer, primary_key=True), Column("at", Moment)
)


def run(url: str | URL, work: Work) -> None:
    async def main() -> None:
        database = Database(url)
        try:
            await work(database)
        finally:
            await database.close()

    asyncio.run(main())


async def with_probe(database: Database) -> None:
    await database.migrate()
    async with database.writing() as connection:
        await connection.run_sync(PROBE.metadata.create_all)


def test_the_scripts_make_what_the_stores_declare(url: str | URL) -> None:
    def difference(connection: Connection) -> list[object]:
        found: list[object] = compare_metadata(MigrationContext.configure(connection), metadata)
        return found

    async def work(database: Database) -> None:
        if database.is_sqlite:
            Path(str(url).removeprefix("sqlite:///")).parent.mkdir(parents=True)
        async with database.writing() as connection:
            await connection.run_sync(run_scripts)
            assert await connection.run_sync(difference) == []
            assert (await connection.execute(select(VERSION))).scalars().all() == [HEAD]
        await database.migrate()  # which finds nothing to do
        assert KEYS.metadata is metadata
        assert USAGE.metadata is metadata

    run(url, work)


def test_a_new_database_is_what_the_scripts_would_make(url: str | URL) -> None:
    def index(one: Any) -> str:
        options = {name: str(option) for name, option in one["dialect_options"].items()}
        return f"{one['name']} {one['column_names']} {one['unique']} {options}"

    def drawn(connection: Connection) -> dict[str, object]:
        seen = inspect(connection)
        return {
            table: (
                sorted((c["name"], str(c["type"]), c["nullable"]) for c in seen.get_columns(table)),
                seen.get_pk_constraint(table),
                sorted(map(str, seen.get_foreign_keys(table))),
                sorted(map(index, seen.get_indexes(table))),
                sorted(map(str, seen.get_unique_constraints(table))),
            )
            for table in seen.get_table_names()
        }

    async def work(database: Database) -> None:
        await database.migrate()
        async with database.writing() as connection:
            made = await connection.run_sync(drawn)
            assert (await connection.execute(select(VERSION))).scalars().all() == [HEAD]
            await connection.run_sync(metadata.drop_all)
            await connection.run_sync(VERSION.drop)
            await connection.run_sync(run_scripts)
            assert await connection.run_sync(drawn) == made

    run(url, work)


def test_a_new_database_needs_no_script(tmp_path: Path) -> None:
    scripts = sorted((MIGRATIONS / "versions").glob("v*.py"))
    assert scripts[-1].name.startswith(f"v{HEAD}_")
    program = (
        "import asyncio, sys, voxway.stores.database as it\n"
        f"database = it.Database('sqlite:///{tmp_path}/new.db')\n"
        "asyncio.run(database.migrate())\n"
        "assert 'alembic' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_what_an_older_version_kept_stays(url: str | URL) -> None:
    """From the first script to the last, with a key in use."""

    def to_the_first(connection: Connection) -> None:
        run_scripts(connection, "0001")
        now = datetime.now(UTC)
        connection.execute(
            text("INSERT INTO organisations (name, created) VALUES ('acme', :now)"), {"now": now}
        )
        key = KEYS.insert().values(
            id="key_1",
            account="key_1",
            organisation="acme",
            name="bot",
            prefix="vxw_Ab12Cd34",
            hash=b"x",
            tier="pro",
            models=["*"],
            uses=["tts"],
            created=now,
        )
        connection.execute(key)

    async def work(database: Database) -> None:
        assert database.is_sqlite == str(url).startswith("sqlite")
        if database.is_sqlite:
            Path(str(url).removeprefix("sqlite:///")).parent.mkdir(parents=True)
        async with database.writing() as connection:
            await connection.run_sync(to_the_first)
        await database.migrate()
        [key] = await IssuedKeys(database, Pepper("pepper" * 10)).list()
        assert (key.prefix, key.tier, key.organisation) == ("vxw_Ab12Cd34", "pro", "acme")
        [found] = await standings(database)
        assert (found.organisation, found.spent, found.limit) == ("acme", 0, None)

    run(url, work)


def test_several_may_start_at_once(url: str | URL) -> None:
    async def work(database: Database) -> None:
        others = [Database(url) for _ in range(4)]
        async with asyncio.TaskGroup() as group:
            for each in (database, *others):
                group.create_task(each.migrate())
        for each in others:
            await each.close()

    run(url, work)


def test_a_database_of_a_later_version_is_refused(url: str | URL) -> None:
    async def work(database: Database) -> None:
        await database.migrate()
        async with database.writing() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(ConfigError, match=r"of a later version.*9999") as caught:
            await database.migrate()
        assert caught.value.param == "database_url"

    run(url, work)


def test_the_file_may_hold_other_tables_already(tmp_path: Path) -> None:
    url = default_url(tmp_path)

    async def work(database: Database) -> None:
        dictionaries = Dictionaries(tmp_path / "voxway.db")
        await dictionaries.list("a")
        await database.migrate()
        await dictionaries.list("a")
        dictionaries.close()

    run(url, work)


def test_a_moment_keeps_its_zone(url: str | URL) -> None:
    at = datetime(2026, 5, 4, 3, 2, 1, 500_000, timezone(timedelta(hours=2)))

    async def work(database: Database) -> None:
        await with_probe(database)
        async with database.writing() as connection:
            await connection.execute(
                insert(PROBE), [{"number": 1, "at": at}, {"number": 2, "at": None}]
            )
        async with database.reading() as connection:
            rows = await connection.execute(select(PROBE.c.at).order_by(PROBE.c.number))
            first, second = rows.scalars()
        assert (first, second) == (at, None)
        assert first.tzinfo is UTC

    run(url, work)


def test_a_block_is_kept_or_not_at_all(url: str | URL) -> None:
    async def work(database: Database) -> None:
        await with_probe(database)

        async def twice() -> None:
            async with database.writing() as connection:
                await connection.execute(insert(PROBE), {"number": 1})
                await connection.execute(insert(PROBE), {"number": 1})

        with pytest.raises(IntegrityError):
            await twice()
        async with database.reading() as connection:
            assert (await connection.execute(select(PROBE))).all() == []

    run(url, work)


def test_writers_wait_for_each_other(url: str | URL) -> None:
    """Each reads before it writes: one that began as a reader would be told `locked`."""

    async def work(database: Database) -> None:
        await with_probe(database)
        other = Database(url)

        async def count_up(through: Database) -> None:
            async with through.writing() as connection:
                if not through.is_sqlite:
                    await connection.execute(text("LOCK TABLE probe"))
                rows = (await connection.execute(select(PROBE.c.number))).all()
                await asyncio.sleep(0)
                await connection.execute(insert(PROBE), {"number": len(rows)})

        async with asyncio.TaskGroup() as group:
            for _ in range(10):
                group.create_task(count_up(database))
                group.create_task(count_up(other))
        async with database.reading() as connection:
            rows = await connection.execute(select(PROBE.c.number).order_by(PROBE.c.number))
            assert list(rows.scalars()) == list(range(20))
        await other.close()

    run(url, work)


def test_readers_do_not_wait_for_a_writer(url: str | URL) -> None:
    async def work(database: Database) -> None:
        await with_probe(database)
        async with database.writing() as writer, asyncio.timeout(2.0):
            await writer.execute(insert(PROBE), {"number": 1})
            async with database.reading() as reader:
                assert (await reader.execute(select(PROBE))).all() == []

    run(url, work)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://host/name", "'mysql' is not one of sqlite, postgresql"),
        ("voxway.db", "no URL of a database"),
        ("", "no URL of a database"),
    ],
)
def test_what_is_no_database_is_told(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Database(url)


def test_a_file_that_cannot_be_one_is_told(tmp_path: Path) -> None:
    (tmp_path / "voxway.db").write_bytes(b"no database " * 100)

    async def work(database: Database) -> None:
        with pytest.raises(ConfigError, match="cannot be used: file is not a database"):
            await database.migrate()

    run(default_url(tmp_path), work)


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    async def work(database: Database) -> None:
        with pytest.raises(ConfigError, match=r"cannot be used: .*Not a directory"):
            await database.migrate()

    run(default_url(tmp_path / "file" / "below"), work)


def test_an_unknown_user_is_told_without_the_password(own_postgres: Postgres) -> None:
    url = own_postgres.url.replace("voxway@", "nobody:secret@")

    async def work(database: Database) -> None:
        said = r'postgresql://nobody:\*\*\*@.* cannot be used: role "nobody" does not'
        with pytest.raises(ConfigError, match=said) as caught:
            await database.migrate()
        assert "secret" not in str(caught.value)

    run(url, work)


def test_a_server_that_comes_back_is_used_again(own_postgres: Postgres, postgres_url: str) -> None:
    async def work(database: Database) -> None:
        await database.migrate()
        own_postgres.kill()
        with pytest.raises(GatewayError) as caught:
            await one(database)
        assert (caught.value.error, caught.value.rule.retryable) == ("not_ready", True)
        await asyncio.to_thread(own_postgres.start)
        assert await one(database) == 1

    async def one(database: Database) -> object:
        async with database.reading() as connection:
            return (await connection.execute(text("SELECT 1"))).scalar()

    run(postgres_url, work)


def test_replicas_whose_clocks_differ_go_by_that_of_the_server(postgres_url: str) -> None:
    async def work(database: Database) -> None:
        minute = timedelta(minutes=1)
        chosen = select(database.moment(), database.moment(minute), func.now())
        async with database.reading() as connection:
            now, before, servers = (await connection.execute(chosen)).one()
        assert (now, before) == (servers, servers - minute)  # to the microsecond

    run(postgres_url, work)


def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:

        async def work(database: Database) -> None:
            with pytest.raises(GatewayError) as caught:
                async with database.reading(within=0.1):
                    raise AssertionError("there is nobody")
            assert (caught.value.error, caught.value.retry_after) == ("not_ready", 1.0)
            assert reason(caught.value) == "TimeoutError"

        run(f"postgresql://somebody@127.0.0.1:{silent.getsockname()[1]}/somewhere", work)


def test_the_scripts_are_installed_with_the_package(tmp_path: Path) -> None:
    """From a wheel in an empty place, not from the sources."""
    root = Path(__file__).parents[2]
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=root, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    place = tmp_path / "installed"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    subprocess.run([*install, str(place), str(wheel)], check=True, capture_output=True)
    program = (
        "import asyncio, pathlib, voxway.stores.database as it\n"
        f"assert it.__file__.startswith({str(place)!r}), it.__file__\n"
        "async def main():\n"
        f"    database = it.Database(it.default_url(pathlib.Path({str(tmp_path)!r})))\n"
        "    await database.migrate()\n"
        "    await database.close()\n"
        "asyncio.run(main())\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env={"PYTHONPATH": str(place)})
    with sqlite3.connect(tmp_path / "voxway.db") as connection:
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
    connection.close()
