"""The house stands as drawn: imports point downward only, and nothing pure does I/O."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "voxway"
LAYERS: tuple[frozenset[str], ...] = tuple(
    frozenset(layer.split())
    for layer in (
        "events errors audio text backoff",
        "wire",
        "routes catalog config auth addresses asking visit limits usage moments offer",
        "session engines",
        "net ear peers line lines stage aligning converting relay direct door dialling guard "
        "entrance seats vestibule purse "
        "supervisor worker stores telemetry wyoming",
        "gateway http client playground",
        "cli",
    )
)
PURE = frozenset().union(*LAYERS[:4])
IO = {"asyncio", "socket", "ssl", "time", "random", "logging"}
IO |= {"picows", "uvicorn", "litestar", "httpx"}
BODIES = LAYERS[5]


def level(name: str) -> int:
    return next(i for i, layer in enumerate(LAYERS) if name in layer)


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """(module, is ours): top-level name inside voxway for ours, the package's for others."""
    inside = path.relative_to(ROOT).parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = list(inside[: len(inside) - node.level])
            names = [node.module] if node.module else [alias.name for alias in node.names]
            for name in names:
                yield [*base, *name.split(".")][0], True
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0], False
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.split(".")[0], False


FILES = [path for path in sorted(ROOT.rglob("*.py")) if path != ROOT / "__init__.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downward(path: Path) -> None:
    own = path.relative_to(ROOT).with_suffix("").parts[0]
    for name, ours in imports(path):
        if ours and name not in (own, "__version__"):
            assert level(name) <= level(own), f"{own} imports {name}, which is above it"
            same_body = name in BODIES and own in BODIES
            assert not same_body, f"{own} imports {name}: bodies do not know each other"
        if not ours and own in PURE:
            assert name not in IO, f"{own} imports {name}, but it is pure"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_small(path: Path) -> None:
    source = path.read_text()
    assert source.count("\n") <= 400, f"{path.name} passes 400 lines"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 60, f"{path.name}: {node.name} has {length} lines"


def test_the_broad_except_stands_in_one_file() -> None:
    found = {
        str(path.relative_to(ROOT))
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or getattr(node.type, "id", "") in ("Exception", "BaseException"))
    }
    assert found == {"guard.py"}
