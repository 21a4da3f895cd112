"""Settings from the environment and the file; what is wrong is said by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxway.config import EngineSetting, load, parse_engines, parse_keys
from voxway.errors import ConfigError


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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("data_dir = 5", "Expected `str`"),
        ("data_dri = 'x'", "data_dri"),
        ("= nonsense", "Invalid"),
        ("[api_keys]\nk = 'gold'", "tier 'gold'"),
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
