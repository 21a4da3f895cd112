"""`voxway keys`, against a real file and a real server."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.conftest import Shell

KEY = r"vxw_[A-Za-z0-9]{8}_[A-Za-z0-9]{38}"
SUBCOMMANDS = ("create", "list", "show", "revoke", "rotate", "limit")


@pytest.fixture
def keys(tmp_path: Path) -> Shell:
    """A command line with a data directory of its own, where no gateway runs."""
    shell = Shell(tmp_path / "here", "ws://127.0.0.1:1", "")
    shell.directory.mkdir()
    shell.environ |= {"VOXWAY_DATA_DIR": str(tmp_path / "data"), "COLUMNS": "200"}
    return shell


def prefix(key: str) -> str:
    return key[:12]


def listed(keys: Shell, *args: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(keys.ok("keys", "list", "--json", *args))
    return found


@pytest.mark.parametrize("command", SUBCOMMANDS)
def test_help_has_an_example(keys: Shell, command: str) -> None:
    assert re.search(rf"voxway keys {command} (?!\[OPTIONS\])", keys.ok("keys", command, "--help"))
    assert re.search(rf"^ +{command} +\w", keys.ok("keys", "--help"), re.MULTILINE)


def test_the_key_alone_is_on_standard_output(keys: Shell) -> None:
    done = keys.run("keys", "create", "acme", "--name", "voice bot", "--tier", "pro")
    key = done.stdout.decode().strip()
    assert re.fullmatch(KEY, key)
    assert done.stderr.decode().splitlines() == [
        f"voxway: made key {prefix(key)} (acme, voice bot), tier pro; it is not shown again:"
    ]
    for shown in (keys.ok("keys", "list"), keys.ok("keys", "show", prefix(key))):
        assert prefix(key) in shown
        assert key[13:] not in shown
    data = Path(keys.environ["VOXWAY_DATA_DIR"])
    assert all(key[13:].encode() not in path.read_bytes() for path in data.iterdir())


def test_what_was_wished_for_is_kept(keys: Shell) -> None:
    wish = ("--scope", "stt", "--scope", "admin", "--models", "local/*", "--models", "a/b")
    made = json.loads(keys.ok("keys", "create", "acme", "--expires", "30d", "--json", *wish))
    assert re.fullmatch(KEY, made.pop("key"))
    assert (made["uses"], made["models"]) == (["admin", "stt"], ["local/*", "a/b"])
    expires = datetime.fromisoformat(made["expires"])
    assert timedelta(days=29) < expires - datetime.now(UTC) <= timedelta(days=30)
    assert listed(keys) == [made]
    shown = keys.ok("keys", "show", made["id"])
    assert re.search(r"^models +local/\* a/b$", shown, re.MULTILINE)
    assert re.search(rf"^expires +{expires:%Y-%m-%d %H:%M:%S} UTC$", shown, re.MULTILINE)
    assert json.loads(keys.ok("keys", "show", made["id"], "--json")) == made


def test_the_table(keys: Shell) -> None:
    keys.ok("keys", "create", "acme", "--expires", "2099-12-31")
    keys.ok("keys", "create", "other", "--tier", "enterprise")
    shown = keys.ok("keys", "list")
    assert re.search(r"key +organisation +name +tier +scopes +models +created +expires", shown)
    assert re.search(r"acme +default +free +http stt tts +\* .* 2099-12-31 00:00 +- +active", shown)
    assert re.search(r"other +default +enterprise .* - +- +active", shown)
    assert "acme" not in keys.ok("keys", "list", "--organisation", "other")


def test_a_revoked_key_is_listed_only_if_asked_for(keys: Shell) -> None:
    key = keys.ok("keys", "create", "acme").strip()
    told = keys.ok("keys", "revoke", prefix(key))
    assert told == (
        f"voxway: key {prefix(key)} (acme, default) is revoked; its sessions end within a second\n"
    )
    done = keys.run("keys", "list")
    assert (done.stdout, done.returncode) == (b"", 0)
    assert b"`voxway keys create` makes one" in done.stderr
    [revoked] = listed(keys, "--all")
    assert revoked["status"] == "revoked"
    assert listed(keys) == []


def test_a_new_key_in_place_of_one(keys: Shell) -> None:
    old = keys.ok("keys", "create", "acme", "--tier", "pro").strip()
    new = keys.ok("keys", "rotate", prefix(old)).strip()
    assert re.fullmatch(KEY, new)
    newer = json.loads(
        keys.ok("keys", "rotate", prefix(new), "--grace", "12h", "--tier", "free", "--json")
    )
    by_prefix = {key["prefix"]: key for key in listed(keys, "--all")}
    states = [by_prefix[prefix(key)]["status"] for key in (old, new, newer["key"])]
    assert states == ["revoked", "active", "active"]
    assert (by_prefix[prefix(new)]["tier"], newer["tier"]) == ("pro", "free")
    assert {key["account"] for key in by_prefix.values()} == {newer["account"]}
    until = datetime.fromisoformat(str(by_prefix[prefix(new)]["expires"]))
    assert timedelta(hours=11) < until - datetime.now(UTC) <= timedelta(hours=12)
    assert "is revoked: make a new one" in keys.fails(2, "keys", "rotate", prefix(old))


def test_tiers_of_the_configuration(keys: Shell, tmp_path: Path) -> None:
    file = tmp_path / "voxway.toml"
    file.write_text('[tiers.gold]\nbased_on = "pro"\nconnections = 9\n')
    assert "tier 'gold' is not one of" in keys.fails(2, "keys", "create", "acme", "--tier", "gold")
    keys.environ["VOXWAY_CONFIG"] = str(file)
    assert (
        json.loads(keys.ok("keys", "create", "acme", "--tier", "gold", "--json"))["tier"] == "gold"
    )


def test_a_database_for_several_gateways(keys: Shell, postgres_url: str, tmp_path: Path) -> None:
    keys.environ |= {"VOXWAY_DATABASE_URL": postgres_url, "VOXWAY_PEPPER": "p" * 32}
    keys.ok("keys", "create", "acme")
    keys.environ["VOXWAY_DATA_DIR"] = str(tmp_path / "another machine")
    assert [key["organisation"] for key in listed(keys)] == ["acme"]
    assert not (tmp_path / "another machine").exists()
    del keys.environ["VOXWAY_PEPPER"]
    assert "were made with another pepper: set VOXWAY_PEPPER" in keys.fails(2, "keys", "list")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("create", "acme", "--expires", "5y"), "'5y' is neither a while, as 30d, nor a day"),
        (("create", "acme", "--expires", "2020-01-01"), "2020-01-01 00:00 is over"),
        (("create", "acme", "--expires", "9999-12-31T23:59-12:00"), "is neither a while"),
        (("create", "acme", "--scope", "root"), "scope 'root' is not one of tts, stt, http, admin"),
        (("create", " "), "organisation is empty"),
        (("show", "vxw_Ab12Cd34_SECRET"), "no key 'vxw_Ab12Cd34'"),
        (("revoke", "nothing"), "no key 'nothing'"),
        (("rotate", "nothing", "--grace", "soon"), "'soon' is no while: say it as 90m, 12h"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(keys: Shell, args: tuple[str, ...], said: str) -> None:
    assert said in keys.fails(2, "keys", *args)


def test_a_database_that_is_none_is_told_in_a_line(keys: Shell) -> None:
    data = Path(keys.environ["VOXWAY_DATA_DIR"])
    data.mkdir()
    (data / "voxway.db").write_bytes(b"no database " * 100)
    assert "cannot be used: file is not a database" in keys.fails(2, "keys", "list")
