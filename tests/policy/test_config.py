"""Settings from the environment and the file; what is wrong is said by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from voxway.auth import Credential, Keys
from voxway.catalog import LOCAL
from voxway.config import (
    EngineSetting,
    load,
    load_catalog,
    parse_engines,
    parse_keys,
    reload_catalog,
)
from voxway.errors import ConfigError
from voxway.limits import TIERS


def test_defaults_are_the_embedded_engines_and_no_keys() -> None:
    settings = load({"HOME": "/home/me"})
    assert settings.api_keys == {}
    assert settings.data_dir == "/home/me/.local/share/voxway"
    assert [e.model for e in settings.engines] == ["local/hibari:en", "local/moonshine:tiny-en"]


def test_keys_with_their_tiers() -> None:
    assert parse_keys("a:enterprise, b:free ,c") == {"a": "enterprise", "b": "free", "c": "free"}
    assert parse_keys("zpka_a:b:pro") == {"zpka_a:b": "pro"}
    with pytest.raises(ConfigError, match="tier 'gold' is not one of free, pro"):
        parse_keys("a:gold")
    with pytest.raises(ConfigError, match="a key is empty"):
        parse_keys("a:pro, :enterprise")


TIERS_FILE = """\
[api_keys]
"filekey" = "gold"

[tiers.pro]
connections = 7

[tiers.gold]
based_on = "pro"
duration = 3600
"""


def test_a_tier_is_changed_or_added_and_the_rest_is_as_shipped(tmp_path: Path) -> None:
    file = tmp_path / "voxway.toml"
    file.write_text(TIERS_FILE)
    settings = load({"VOXWAY_CONFIG": str(file)})
    pro, gold = settings.tiers["pro"], settings.tiers["gold"]
    assert pro == structs.replace(TIERS["pro"], connections=7)
    assert gold == structs.replace(pro, duration=3600.0)
    assert settings.tiers["free"] == TIERS["free"]
    assert settings.api_keys == {"filekey": "gold"}
    assert TIERS["pro"].connections == 5
    account = Keys(settings.api_keys, settings.tiers).account(Credential("filekey"))
    assert (account.tier_name, account.tier) == ("gold", gold)


def test_keys_of_the_environment_may_have_a_tier_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "voxway.toml"
    file.write_text(TIERS_FILE)
    settings = load({"VOXWAY_CONFIG": str(file), "VOXWAY_API_KEYS": "mine:gold"})
    assert settings.api_keys == {"mine": "gold"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[tiers.gold]\nconnections = 5", r":1: based_on has to name one of free, pro, ent"),
        ("[tiers.gold]\nbased_on = 'silver'", r":2: based_on has to name one of free"),
        ("[tiers.gold]\nbased_on = ['pro']", r":2: based_on has to name one of free"),
        ("[tiers.pro]\nconections = 5", r":2: .*`conections`"),
        ("[tiers.free]\n[tiers.pro]\nidle = 9\nconnections = 0", r":4: connections: .*>= 1"),
        ("[tiers.pro]\nduration = '5 min'", r":2: duration: Expected `float`, got `str`"),
        ("[tiers.pro]\nduration = nan", r":2: duration: Expected `float` >= 1"),
        ("tiers = 5", r":1: tiers: Expected `object`, got `int`"),
        ("[tiers]\npro = 5", r":1: tiers: Expected `object`, got `int`"),
    ],
)
def test_a_tier_that_is_wrong_says_where(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "voxway.toml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=r"voxway\.toml" + message):
        load({"VOXWAY_CONFIG": str(file)})


def test_where_the_database_is() -> None:
    assert load({}).database_url == ""
    url = "postgresql://voxway@db/voxway"
    assert load({"VOXWAY_DATABASE_URL": url}).database_url == url


def test_engines() -> None:
    assert parse_engines("none") == ()
    assert parse_engines("local/hibari:en=tcp:10.0.0.5:7000") == (
        EngineSetting("local/hibari:en", "tcp:10.0.0.5:7000"),
    )
    with pytest.raises(ConfigError, match="'local/nobody' is not one of"):
        parse_engines("local/nobody")


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "voxway.toml"
    file.write_text('data_dir = "/srv"\ndrain_seconds = 5\n[api_keys]\nfilekey = "pro"\n')
    settings = load({"VOXWAY_CONFIG": str(file), "VOXWAY_DATA_DIR": "/tmp/x"})
    assert (settings.data_dir, settings.drain_seconds) == ("/tmp/x", 5)
    assert settings.api_keys == {"filekey": "pro"}


def test_the_wyoming_port(tmp_path: Path) -> None:
    file = tmp_path / "voxway.toml"
    file.write_text("wyoming_port = 10200\nwyoming_key = 'k'\n")
    assert load({}).wyoming_port is None
    settings = load({"VOXWAY_CONFIG": str(file), "VOXWAY_WYOMING_PORT": "0"})
    assert (settings.wyoming_port, settings.wyoming_key) == (0, "k")
    for wrong in ("x", "-1", "65536"):
        with pytest.raises(ConfigError, match=f"VOXWAY_WYOMING_PORT: '{wrong}' is not a port"):
            load({"VOXWAY_WYOMING_PORT": wrong})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("data_dir = 5", r"voxway\.toml:1: data_dir: Expected `str`, got `int`$"),
        ("\ndata_dri = 'x'", r"voxway\.toml:2: .*data_dri"),
        ("= nonsense", r"voxway\.toml:1: Invalid"),
        ("[api_keys]\nk = 'gold'", "tier 'gold'"),
        ("trusted_proxies = ['proxy']", "trusted_proxies: 'proxy' does not appear to be"),
        ("sockets_per_address = -1", r"voxway\.toml:1: sockets_per_address: Expected `int` >= 0"),
        ("\n[api_keys]\nsecret = 5", r"voxway\.toml:2: api_keys: Expected `str`, got `int`$"),
        ("[[engines]]\nmodel = 'x'", r"voxway\.toml:2: model 'x' is not one of local/hibari:en"),
        ("on_loss = 'open'", r":1: on_loss: .*'open' \(known: fail_open, fail_closed, local\)$"),
        ("[tiers.pro]\nconection = 5", r":2: .*`conection` \(known: connections, duration, .*\)$"),
        ("[tiers.pro]\nconnections = 0", r":2: connections: Expected `int` >= 1$"),
        ("drain_seconds = -1", r":1: drain_seconds: Expected `float` >= 0.0$"),
        ("[api_keys]\n'' = 'pro'", "api_keys: a key is empty"),
        ("wyoming_port = 70000", r":1: wyoming_port: Expected `int` <= 65535"),
    ],
)
def test_a_file_that_is_wrong_says_where(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "voxway.toml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=message):
        load({"VOXWAY_CONFIG": str(file)})


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match="cannot read /no/such"):
        load({"VOXWAY_CONFIG": "/no/such"})


MINE = """\
[[model]]
id = "acme/voice:1"
kind = "tts"
provider = "acme"
languages = ["en"]
encodings = ["linear16"]
default_rate = 24000
backends = [{ wire = "unified", url = "wss://{host}" }]
"""


def mine(host: str) -> str:
    return MINE.replace("{host}", host)


def host_of(environ: dict[str, str]) -> str:
    catalog = load_catalog(load(environ), environ)
    return catalog.find("tts", "acme/voice:1").backend.url


def test_the_catalog_is_the_shipped_one_and_the_engines_are_those_configured() -> None:
    environ = {"VOXWAY_ENGINES": "local/hibari:en"}
    catalog = load_catalog(load(environ), environ)
    assert len(list(catalog)) > 50
    assert [model.id for model in catalog if catalog.is_usable(model)] == ["local/hibari:en"]


def test_models_of_a_file_of_their_own_and_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "catalog.toml").write_text(mine("own"))
    settings = tmp_path / "voxway.toml"
    settings.write_text("drain_seconds = 5\n" + mine("settings"))
    assert host_of({"VOXWAY_CATALOG": str(tmp_path / "catalog.toml")}) == "wss://own"
    assert host_of({"VOXWAY_CONFIG": str(settings)}) == "wss://settings"
    # The path is meant as seen from the file that names it.
    settings.write_text('catalog = "catalog.toml"\n')
    assert host_of({"VOXWAY_CONFIG": str(settings)}) == "wss://own"
    settings.write_text('catalog = "catalog.toml"\n' + mine("settings"))
    assert host_of({"VOXWAY_CONFIG": str(settings)}) == "wss://settings"
    other = tmp_path / "other.toml"
    other.write_text(mine("other").replace("acme", "acne"))
    assert host_of({"VOXWAY_CONFIG": str(settings), "VOXWAY_CATALOG": str(other)})


def test_an_operators_entry_replaces_a_shipped_one(tmp_path: Path) -> None:
    file = tmp_path / "catalog.toml"
    file.write_text(mine("own").replace("acme/voice:1", "deepgram/aura:2"))
    environ = {"VOXWAY_CATALOG": str(file)}
    found = load_catalog(load(environ), environ).find("tts", "deepgram/aura:2")
    assert (found.model.provider, found.backend.url) == ("acme", "wss://own")


def test_a_reload_sees_the_new_file_and_keeps_the_engines(tmp_path: Path) -> None:
    file = tmp_path / "voxway.toml"
    file.write_text(mine("one"))
    environ = {"VOXWAY_CONFIG": str(file)}
    running = load(environ)
    file.write_text(mine("two") + "[[engines]]\nmodel = 'local/hibari:en'\n")
    catalog = reload_catalog(running, environ)
    assert catalog.find("tts", "acme/voice:1").backend.url == "wss://two"
    assert {model.id for model in catalog if catalog.is_usable(model)} > set(LOCAL)
    file.write_text(mine("three").replace('"tts"', '"tss"'))
    with pytest.raises(ConfigError, match=r"voxway\.toml:3: kind: Invalid enum value 'tss'"):
        reload_catalog(running, environ)


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_catalog_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "catalog.toml"
    if content is not None:
        file.write_bytes(content)
    environ = {"VOXWAY_CATALOG": str(file)}
    with pytest.raises(ConfigError, match="catalog: "):
        load_catalog(load(environ), environ)


def test_dev_comes_from_the_settings_or_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "voxway.toml"
    file.write_text("dev = true\n")
    by_file = {"VOXWAY_CONFIG": str(file)}
    for catalog in (load_catalog(load(by_file), by_file), load_catalog(load({}), {}, dev=True)):
        assert catalog.find("tts", "deepgram/aura:2").model.id == "local/hibari:en"
