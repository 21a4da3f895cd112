"""`voxway models --check`: what each model lacks, without a gateway."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cli.conftest import Shell


@pytest.fixture
def alone(tmp_path: Path) -> Shell:
    """A shell that knows of no gateway and of no key."""
    shell = Shell(tmp_path, "http://127.0.0.1:9", "")
    shell.environ |= {"ORPHEUS_URL": "", "DEEPGRAM_API_KEY": "", "SLNG_URL": "", "SLNG_API_KEY": ""}
    return shell


def test_what_is_usable_and_what_is_missing(alone: Shell) -> None:
    alone.environ |= {"SLNG_URL": "wss://gateway.example.com"}
    shown = alone.ok("models", "--check")
    assert re.search(r"local/hibari:en +tts +yes +engine +- +- *\n", shown)
    assert re.search(r"deepgram/aura:2 +tts +no +unified +- +SLNG_API_KEY is not set *\n", shown)
    assert re.search(r"\n2 of \d+ models can be used now\n", shown)
    assert "gateway.example.com" not in shown


def test_as_json(alone: Shell) -> None:
    alone.environ |= {"SLNG_URL": "wss://gateway.example.com", "SLNG_API_KEY": "secret"}
    shown = alone.ok("models", "--check", "--json")
    models = {model["id"]: model for model in json.loads(shown)}
    aura = models["deepgram/aura:2"]
    assert (aura["kind"], aura["usable"], aura["answered_by"]) == ("tts", True, "deepgram/aura:2")
    assert aura["backends"][-1] == {
        "wire": "unified",
        "region": "",
        "world_part": "",
        "missing": [],
    }
    assert models["kokoro"]["answered_by"] is None
    assert "KOKORO_URL is not set" in models["kokoro"]["backends"][0]["missing"]
    assert "secret" not in shown


def test_who_stands_in(alone: Shell) -> None:
    (alone.directory / "voxway.toml").write_text("dev = true\n")
    alone.environ |= {"VOXWAY_CONFIG": "voxway.toml"}
    shown = alone.ok("models", "--check")
    assert re.search(r"whisper +stt +yes +- +- +answered by local/moonshine:tiny-en", shown)


def test_a_broken_catalog_is_named_with_line_and_reason(alone: Shell) -> None:
    (alone.directory / "mine.toml").write_text('\n[[model]]\nid = "a/b"\nkind = "tss"\n')
    alone.environ |= {"VOXWAY_CATALOG": "mine.toml"}
    said = alone.fails(2, "models", "--check")
    assert said.startswith("voxway: mine.toml:4: kind: Invalid enum value 'tss'")
