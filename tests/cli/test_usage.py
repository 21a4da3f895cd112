"""`voxway usage` and `voxway keys limit`, on a real file."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import structs
from typer.testing import CliRunner, Result

from stores.counting import opened
from voxway.catalog.model import Prices
from voxway.cli.main import app
from voxway.cli.usage import COUNTERS
from voxway.config import load, load_catalog
from voxway.errors import ProtocolError
from voxway.events import Usage
from voxway.stores.database import Database, default_url
from voxway.stores.issued import IssuedKeys
from voxway.stores.pepper import Pepper
from voxway.stores.reports import BY
from voxway.stores.usage import Ledger

TODAY = datetime.now(UTC)
YESTERDAY = TODAY - timedelta(days=1)
SPENT = 1.75 if TODAY.month == YESTERDAY.month else 0.75  # in this month


class Here:
    """The command line, in this process: what it shows, or the error that it would tell."""

    def __init__(self, directory: Path) -> None:
        self._environ = {"VOXWAY_DATA_DIR": str(directory)}

    def run(self, *args: str) -> Result:
        return CliRunner().invoke(app, args, env=self._environ)

    def ok(self, *args: str) -> str:
        result = self.run(*args)
        assert result.exit_code == 0, result.output
        return result.stdout


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Here:
    """With an organisation that has used something."""

    async def use() -> None:
        database = Database(default_url(directory))
        await database.migrate()
        await IssuedKeys(database, Pepper("pepper" * 10)).create("acme", "bot")
        ledger = Ledger(database)
        for name, model, begun, usage in (
            ("1", "a/b", YESTERDAY, Usage(characters=1_000, audio_out=61.25, ttfa=0.2)),
            ("2", "a/b", TODAY, Usage(characters=500, audio_out=30.0, ttfa=0.1)),
            ("3", "c/d", TODAY, Usage(characters=250, audio_out=10.0)),
        ):
            record = structs.replace(opened(name), model=model, opened=begun)
            ledger.open(record, lambda usage=usage: usage)  # type: ignore[misc]
            ledger.close(name, "client_closed", 1000)
        await ledger.turn()
        await database.close()

    directory = tmp_path_factory.mktemp("data")
    (directory / "pepper").write_text("pepper" * 10)
    asyncio.run(use())
    return Here(directory)


def test_the_table_adds_up(here: Here) -> None:
    shown = here.ok("usage", "--by", "model")
    lines = [re.split(r"  +", line.strip()) for line in shown.splitlines() if line.strip(" ─")]
    assert lines == [
        ["model", "sessions", "characters", "audio out", "ttfa", "cost"],
        ["a/b", "2", "1,500", "91.2 s", "150 ms", "1.50"],
        ["c/d", "1", "250", "10.0 s", "-", "0.25"],
        ["total", "3", "1,750", "101.2 s", "150 ms", "1.75"],
    ]


def test_for_a_spreadsheet(here: Here) -> None:
    shown = here.ok("usage", "--by", "day,model", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(shown)))
    assert [row["model"] for row in rows] == ["a/b", "a/b", "c/d"]
    assert rows[0]["day"] == f"{YESTERDAY:%Y-%m-%d}"
    assert (rows[0]["audio_out"], rows[0]["cost"], rows[2]["ttfa"]) == ("61.25", "1.0", "")
    assert [
        row["characters"]
        for row in csv.DictReader(io.StringIO(here.ok("usage", "--by", "", "--format", "csv")))
    ] == ["1750"]


def test_as_json(here: Here) -> None:
    found = json.loads(here.ok("usage", "--by", "day", "--since", "2d", "--format", "json"))
    assert [line["characters"] for line in found["data"]] == [1000, 750]
    assert found["total"]["cost"] == 1.75
    day = f"{YESTERDAY:%Y-%m-%d}"
    only = json.loads(here.ok("usage", "--since", day, "--until", day, "--format", "json"))
    assert only["total"]["characters"] == 1000


def test_nothing_is_told_as_such(here: Here) -> None:
    result = here.run("usage", "--organisation", "other")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing was used in this time" in result.stderr
    assert here.ok("usage", "--organisation", "other", "--format", "csv").count("\n") == 1


def test_a_limit_is_set_shown_and_lifted(here: Here) -> None:
    assert re.search(rf"acme +{SPENT} +none", here.ok("keys", "limit"))
    assert re.search(rf"acme +{SPENT} +99\.50", here.ok("keys", "limit", "acme", "99.5"))
    assert json.loads(here.ok("keys", "limit", "acme", "--json")) == [
        {"organisation": "acme", "spent": SPENT, "limit": 99.5}
    ]
    assert re.search(rf"acme +{SPENT} +none", here.ok("keys", "limit", "acme", "none"))


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("usage", "--by", "colour"), "by 'colour' is not one of day, key, model"),
        (("usage", "--since", "soon"), "since 'soon' is neither a while, as 30d, nor a day"),
        (("keys", "limit", "nobody"), "no organisation 'nobody'"),
        (("keys", "limit", "nobody", "5"), "no organisation 'nobody'"),
        (("keys", "limit", "acme", "much"), "'much' is no amount: say it as 250 or 99.50"),
        (("keys", "limit", "acme", "nan"), "'nan' is no amount"),
        (("keys", "limit", "acme", "0.0000001"), "is no amount"),
    ],
)
def test_what_cannot_be_is_told(here: Here, args: tuple[str, ...], said: str) -> None:
    error = here.run(*args).exception
    assert isinstance(error, ProtocolError)
    assert said in error.message


def test_the_page_is_true(here: Here, tmp_path: Path) -> None:
    """docs/how-to/usage.md: its commands run, its prices are those of a catalog, all is told."""
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "usage.md").read_text()
    commands = [
        line
        for code in re.findall(r"^```sh\n(.*?)^```", page, re.M | re.S)
        for line in code.splitlines()
    ]
    assert len(commands) == 8
    for command in commands:
        assert here.run(*shlex.split(command)[1:]).exit_code == 0, command
    [example] = re.findall(r"^```toml\n(.*?)^```", page, re.M | re.S)
    settings = tmp_path / "voxway.toml"
    settings.write_text(example)
    environ = {"VOXWAY_CONFIG": str(settings)}
    prices = {m.id: m.prices for m in load_catalog(load(environ), environ) if m.prices}
    assert prices["deepgram/aura:2"] == Prices(characters=0.03)
    assert len(prices) == 3
    for name in (*BY, *COUNTERS):
        assert f"`{name}`" in page
