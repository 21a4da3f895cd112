"""All that one gateway, or several together, keep: the database and the keys in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct

from ..config import Settings
from .database import Database, default_url
from .issued import IssuedKeys
from .pepper import load_pepper


class Installation(Struct, frozen=True):
    """What is kept, ready for use."""

    database: Database
    keys: IssuedKeys


@asynccontextmanager
async def installation(
    settings: Settings, environ: Mapping[str, str]
) -> AsyncIterator[Installation]:
    """What these settings are for, brought up to date. Raises ConfigError."""
    data_dir = Path(settings.data_dir)
    database = Database(settings.database_url or default_url(data_dir))
    try:
        await database.migrate()
        keys = IssuedKeys(database, load_pepper(environ, data_dir), settings.tiers)
        await keys.open()
        yield Installation(database, keys)
    finally:
        await database.close()
