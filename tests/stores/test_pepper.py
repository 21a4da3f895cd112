"""Keys are made and known by a secret that is made once and that nobody else reads."""

from __future__ import annotations

import asyncio
import re
import stat
from pathlib import Path

import pytest

from voxway.errors import ConfigError
from voxway.stores.pepper import ALPHABET, Pepper, load_pepper

HERE, ELSEWHERE = Pepper("here" * 10), Pepper("elsewhere" * 10)


def test_a_key_says_what_it_is_and_is_known_by_its_prefix() -> None:
    key = HERE.new_key()
    assert re.fullmatch(r"vxw_[A-Za-z0-9]{8}_[A-Za-z0-9]{38}", key)
    assert HERE.prefix(key) == key[:12]
    assert HERE.new_key() != key


def test_a_key_of_another_installation_is_none() -> None:
    key = HERE.new_key()
    assert ELSEWHERE.prefix(key) is None
    assert ELSEWHERE.hash(key) != HERE.hash(key)
    assert ELSEWHERE.mark != HERE.mark


def test_one_wrong_character_makes_it_none() -> None:
    key = HERE.new_key()
    for at, char in enumerate(key):
        other = "_" if char == "_" else ALPHABET[ALPHABET.index(char) - 1]
        wrong = key[:at] + (other if other != char else "x") + key[at + 1 :]
        assert HERE.prefix(wrong) is None, (at, wrong)


@pytest.mark.parametrize(
    "key", ["", "vxw_", "sk-1234", "vxw_AAAAAAAA_", "vxw_ÄAAAAAAA_" + "a" * 38, "\udcff" * 51]
)
def test_what_looks_like_no_key_is_none(key: str) -> None:
    assert HERE.prefix(key) is None
    assert HERE.prefix(HERE.new_key() + "\n") is None


def test_a_pepper_is_not_shown() -> None:
    assert "here" not in repr(HERE)


def test_the_file_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    directory = tmp_path / "not" / "yet"
    first = load_pepper({}, directory)
    assert load_pepper({}, directory).mark == first.mark
    assert stat.S_IMODE((directory / "pepper").stat().st_mode) == 0o600
    assert [path.name for path in directory.iterdir()] == ["pepper"]


def test_those_who_start_together_have_the_same(tmp_path: Path) -> None:
    async def main() -> set[str]:
        made = (asyncio.to_thread(load_pepper, {}, tmp_path) for _ in range(16))
        return {pepper.mark for pepper in await asyncio.gather(*made)}

    assert len(asyncio.run(main())) == 1


def test_the_environment_wins(tmp_path: Path) -> None:
    given = load_pepper({"VOXWAY_PEPPER": "  " + "g" * 32}, tmp_path)
    assert given.mark == Pepper("g" * 32).mark
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_pepper_is_told_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="VOXWAY_PEPPER: a pepper of 6 characters is under 32"
    ) as e:
        load_pepper({"VOXWAY_PEPPER": "secret"}, tmp_path)
    assert "secret" not in str(e.value)
    (tmp_path / "pepper").write_text("short")
    with pytest.raises(ConfigError, match="a pepper of 5 characters is under 32"):
        load_pepper({}, tmp_path)
    (tmp_path / "pepper").write_bytes(b"\xff" * 64)
    with pytest.raises(ConfigError, match="it is not text"):
        load_pepper({}, tmp_path)
    with pytest.raises(ConfigError, match=r"pepper/pepper: (File exists|Not a dir)"):
        load_pepper({}, tmp_path / "pepper")
