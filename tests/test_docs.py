"""What the documents say is true: every example runs, every generated page is current."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import BOUND, Gateway
from tools.reference import NOTE, PAGES
from voxway import config

ROOT = Path(__file__).parents[1]
PAGES_WITH_EXAMPLES = ("README.md", "docs/tutorial.md", "docs/how-to/client.md")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.M | re.S)


def blocks(page: str, language: str) -> list[str]:
    found = BLOCK.findall((ROOT / page).read_text())
    return [code for kind, code in found if kind == language]


def environ(gateway: Gateway) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return os.environ | {"VOXWAY_URL": gateway.url, "VOXWAY_API_KEY": gateway.key, "PATH": path}


@pytest.mark.parametrize("page", PAGES_WITH_EXAMPLES)
def test_python_examples_run_in_order(gateway: Gateway, page: str, tmp_path: Path) -> None:
    codes = blocks(page, "python")
    assert codes
    for code in codes:
        here = code.replace("ws://127.0.0.1:8080", gateway.url).replace("YOUR_KEY", gateway.key)
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", here],
            cwd=tmp_path,
            env=environ(gateway),
            capture_output=True,
            text=True,
            timeout=BOUND,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout, "an example should show something"


def test_shell_examples_of_the_readme_run(gateway: Gateway, tmp_path: Path) -> None:
    """The commands of `voxway`; `make` and `serve` are run by CI and by tests/gateway."""
    lines = [line for code in blocks("README.md", "sh") for line in code.splitlines()]
    commands = [line for line in lines if line.startswith("voxway ")]
    assert len(commands) == 2
    for command in commands:
        done = subprocess.run(
            shlex.split(command),
            cwd=tmp_path,
            env=environ(gateway),
            capture_output=True,
            text=True,
            timeout=BOUND,
        )
        assert done.returncode == 0, done.stderr
    assert "morning" in done.stdout.lower()


def test_the_settings_example_is_valid(tmp_path: Path) -> None:
    [example] = blocks("docs/reference/settings.md", "toml")
    file = tmp_path / "voxway.toml"
    file.write_text(example)
    settings = config.load({"VOXWAY_CONFIG": str(file)})
    assert settings.drain_seconds == 60
    assert settings.engines[1].address == "tcp:10.0.0.5:7000"


@pytest.mark.parametrize("name", PAGES)
def test_generated_pages_are_current(name: str) -> None:
    page = ROOT / "docs" / "reference" / name
    assert page.read_text() == NOTE + PAGES[name]().rstrip() + "\n", "run `make docs`"


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_each_row_of_the_clients_features_has_its_test() -> None:
    page = (ROOT / "docs" / "reference" / "client-features.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ") and "---" not in line]
    named = re.findall(r"`(test_\w+)::(test_\w+)` \|$", page, re.M)
    assert len(named) == len([row for row in rows if not row.endswith("| test |")]) > 50
    own = set()
    for path in (ROOT / "tests" / "client").glob("test_*.py"):
        defined = re.findall(r"^def (test_\w+)", path.read_text(), re.M)
        own |= {(path.stem, name) for name in defined}
    assert set(named) <= own
    published = {(file, name) for file, name in own if re.match("test_(slng|telnyx)_", name)}
    assert published <= set(named), "a test of a row that the page does not have"


def test_what_each_protocol_took_is_told_truly() -> None:
    page = (ROOT / "docs" / "adding-a-provider.md").read_text()
    rows = re.findall(r"^\| (\w+) \| (\d+) \| (\d+) \| (\d+) \|$", page, re.M)
    assert len(rows) == 9
    for name, sockets, lines, each in rows:
        files = (ROOT / "src" / "voxway" / "wire").glob(f"{name}*.py")
        now = sum(len(file.read_text().splitlines()) for file in files)
        assert abs(now - int(lines)) <= 0.1 * now, f"{name} has {now} lines"
        assert round(int(lines) / int(sockets)) == int(each)
