"""Help, models, and the demo."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import wave
from collections.abc import Callable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from cli.conftest import BOUND, Shell
from voxway.cli.demo import NEEDED

ROOT = Path(__file__).parents[2]
COMMANDS = (
    *("serve", "keys", "usage", "certs", "say", "transcribe", "listen"),
    *("doctor", "models", "demo", "engine"),
)


def test_help_is_quick_and_names_every_command(shell: Shell) -> None:
    took = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        shown = shell.ok("--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(took) <= 0.4  # seconds of work: what others do on the machine is not counted
    for command in COMMANDS:
        assert re.search(rf"^ +{command} +\w", shown, re.MULTILINE)
    assert "Exit codes: 0 done" in shown


def test_what_a_command_asks_to_be_installed_is_what_the_extras_install() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    installed = " ".join(project["optional-dependencies"]["all"])
    asked = set(NEEDED)
    for path in (ROOT / "src/voxway/cli").glob("*.py"):
        for call in re.findall(r"missing\(([^*)]+)\)", path.read_text()):
            asked |= set(re.findall(r'"(\w+)"', call))
    for module in asked:
        [package] = set(packages_distributions()[module])
        assert re.search(rf"\b{package}\b", installed), f"no extra installs {module}"


@pytest.mark.parametrize(
    "command", ["say", "transcribe", "listen", "models", "demo", "serve", "certs", "usage"]
)
def test_help_of_a_command_has_an_example(shell: Shell, command: str) -> None:
    shown = shell.ok(command, "--help")
    assert re.search(rf"voxway {command}(?! \[OPTIONS\])", shown)


def test_models_as_a_table(shell: Shell) -> None:
    shown = shell.ok("models")
    assert re.search(r"local/hibari:en +tts +en +heart +8000-48000 \(24000\)", shown)
    assert re.search(r"local/moonshine:tiny-en +stt +en +- ", shown)


def test_models_as_json(shell: Shell) -> None:
    models = {model["id"]: model for model in json.loads(shell.ok("models", "--json"))}
    assert models["local/hibari:en"]["kind"] == "tts"
    assert "wav" in models["local/moonshine:tiny-en"]["encodings"]


def test_the_demo_comes_back_right(shell: Shell) -> None:
    shown = shell.ok("demo")
    assert "first audio after" in shown
    assert "✓" in shown
    with wave.open(str(shell.directory / "demo.wav")) as file:
        assert file.getnframes() > 3 * file.getframerate()


CUTS = [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)]


@pytest.mark.parametrize(("number", "code"), CUTS, ids=["ctrl-c", "sigterm", "sigkill"])
def test_a_demo_cut_short_leaves_no_process(
    short_path: Path, number: signal.Signals, code: int
) -> None:
    environ = os.environ | {"PYTHONWARNINGS": "error", "TMPDIR": str(short_path)}
    with subprocess.Popen(
        [sys.executable, "-m", "voxway.cli.main", "demo"],
        cwd=short_path,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            wait_for(lambda: list(short_path.glob("voxway-*/*.sock")))
            process.send_signal(number)
            _, err = process.communicate(timeout=BOUND)
        finally:
            process.kill()
    assert process.returncode == code
    assert err == b""
    wait_for(lambda: not running(short_path))
    if code > 0:  # who is killed cleans nothing up
        assert not list(short_path.glob("voxway-*"))


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A place for temporary files with room for the name of a Unix socket in it."""
    with tempfile.TemporaryDirectory(prefix="vw-", dir="/tmp") as directory:
        yield Path(directory)


def test_a_demo_leaves_nothing_behind_but_its_file(shell: Shell, tmp_path: Path) -> None:
    """Also where the path of temporary files is too long for a socket in it. The id that ONNX
    Runtime keeps for Microsoft would be among them."""
    home = tmp_path / "home"
    place = tmp_path / ("x" * 100)
    for directory in (home, place):
        directory.mkdir()
    shell.environ |= {"TMPDIR": str(place), "HOME": str(home)}
    assert "✓" in shell.ok("demo")
    assert [*home.rglob("*"), *place.rglob("*")] == []


def wait_for(claim: Callable[[], object]) -> None:
    deadline = time.monotonic() + BOUND
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def running(directory: Path) -> list[str]:
    """Processes of ours that were started with files in `directory`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environ = (entry / "environ").read_bytes()
        except OSError:
            continue
        if f"TMPDIR={directory}".encode() in environ:
            found.append(entry.name)
    return found
