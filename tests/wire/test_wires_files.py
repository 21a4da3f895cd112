"""Wires stay small, know nothing of each other, and do not repeat each other."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

import voxway.wire
from voxway.catalog import wires as catalog
from wire.test_wires import WIRES

ROOT = Path(voxway.wire.__path__[0])
MOST_LINES = 180
RUN = 4  # equal lines in a row that count as repeated
MOST_REPEATED = 0.05

# What wires have in common, and the unified protocol, which is the house's own.
COMMON = {"__init__", "base", "policies", "mixed", "http"}
OWN = {"unified", "unified_commands", "unified_messages", "unified_turns", "legacy", "bridge"}
FILES = [path for path in sorted(ROOT.glob("*.py")) if path.stem not in COMMON | OWN]
WITH_WIRES = {named.module.__name__.rpartition(".")[2] for named in WIRES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_wire_is_small(path: Path) -> None:
    assert path.read_text().count("\n") <= MOST_LINES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_wire_imports_no_other(path: Path) -> None:
    others = WITH_WIRES | OWN
    assert set(imported(path)) & others - {path.stem} == set()


def imported(path: Path) -> Iterable[str]:
    """The modules of this package that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            if node.module:
                yield node.module
            else:
                yield from (alias.name for alias in node.names)


def test_wires_do_not_repeat_each_other() -> None:
    share, runs = repeated({path.stem: path.read_text() for path in FILES})
    assert share < MOST_REPEATED, runs


def test_every_wire_can_be_named_in_a_catalog() -> None:
    named = {id(wire) for wires in catalog.WIRES.values() for wire in wires}
    assert {wire.name for wire in WIRES if id(wire.wire) not in named} == set()


def repeated(sources: dict[str, str]) -> tuple[float, list[str]]:
    """The share of lines that stand in another file, too, in a run of at least `RUN`; the runs."""
    files = {name: code_lines(source) for name, source in sources.items()}
    seen: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    for name, lines in files.items():
        for at in range(len(lines) - RUN + 1):
            seen[tuple(lines[at : at + RUN])].add(name)
    marked: set[tuple[str, int]] = set()
    for name, lines in files.items():
        for at in range(len(lines) - RUN + 1):
            if len(seen[tuple(lines[at : at + RUN])]) > 1:
                marked |= {(name, at + n) for n in range(RUN)}
    runs = [f"{name}: {files[name][at]}" for name, at in sorted(marked)]
    return len(marked) / max(1, sum(map(len, files.values()))), runs


# What the seam itself asks for, word by word: every wire has these lines.
SEAM = re.compile(
    r"class (Client|Server):|def (opening|decode|encode|closing|__init__)\(self.*|match event:"
    r"|WIRE = Wire\(|(task|provider|client|server)=.*"
)


def code_lines(source: str) -> list[str]:
    """The lines that are neither blank, nor of an import, nor the seam's, without their layout."""
    importing = {
        number
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines = enumerate(source.splitlines(), 1)
    plain = [" ".join(line.split()) for n, line in lines if line.strip() and n not in importing]
    return [line for line in plain if not SEAM.fullmatch(line)]


def test_repetition_is_seen_whatever_its_layout() -> None:
    one = "import a\nfrom b import (\n    c,\n)\nx = 1\ny = 2\n\nz = 3\nw = 4\nown = 1\n"
    two = "def f():\n    x = 1\n    y = 2\n    z = 3\n    w = 4\n    return x\n"
    assert code_lines(one) == ["x = 1", "y = 2", "z = 3", "w = 4", "own = 1"]
    share, runs = repeated({"one": one, "two": two})
    assert share == 8 / 11
    assert runs[:2] == ["one: x = 1", "one: y = 2"]
    assert repeated({"one": one, "two": two.replace("z = 3", "z = 4")}) == (0.0, [])
    assert repeated({"one": one}) == (0.0, [])
