"""Each kind of database, with nothing in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from voxway.stores.database import default_url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str | URL]:
    if request.param == "sqlite":
        yield default_url(tmp_path / "not" / "yet")
    else:
        yield request.getfixturevalue("postgres_url")
