"""Bringing a database up to date.

A new one is made as the stores declare their tables, and marked as the last script leaves it; that
the scripts come to the same is held by a test. Alembic, which takes 10 MB of memory, is loaded only
where an older one has to be changed.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    insert,
    inspect,
    select,
)

from ..errors import ConfigError
from .database import metadata

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "0002"  # the last of them
VERSION = Table(  # as Alembic makes it
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def upgrade(connection: Connection) -> None:
    """Whatever it takes. Raises ConfigError if the database is a later version's."""
    if not inspect(connection).has_table(VERSION.name):
        _create(connection)
    elif connection.execute(select(VERSION.c.version_num)).scalar() != HEAD:
        run_scripts(connection)


def _create(connection: Connection) -> None:
    from . import issued, spending, usage  # they declare the tables, by this module's metadata

    assert {issued.KEYS, spending.SPENDING, usage.USAGE} <= set(metadata.tables.values())
    metadata.create_all(connection)
    VERSION.create(connection)
    connection.execute(insert(VERSION).values(version_num=HEAD))


def run_scripts(connection: Connection, to: str = "head") -> None:
    """Run the scripts that this database has not seen."""
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    # Alembic reads % as the start of a reference.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, to)
    except CommandError as error:  # it names a revision that is not among ours
        raise ConfigError(
            f"the database is of a later version of voxway: {error}", param="database_url"
        ) from error
