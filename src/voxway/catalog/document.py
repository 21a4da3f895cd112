"""A TOML text as values, and for what is wrong in it the line that is to blame."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from typing import Any, TypeVar, get_args

import msgspec
from msgspec import Struct

from ..errors import ConfigError

T = TypeVar("T")
Path = tuple[str | int, ...]  # of a value in the document, as ("model", 3, "voices", 0)

HEADER = re.compile(r"\s*(?P<brackets>\[\[?)\s*(?P<name>[^\[\]]+?)\s*\]")
KEY = re.compile(r"""\s*(?P<name>[\w-]+|"[^"]*"|'[^']*')\s*=""")
SYNTAX = re.compile(r" \(at (?:line (?P<line>\d+), column \d+|end of document)\)$")
PLACE = re.compile(r" - at `\$(?P<path>.*)`$", re.S)
STEP = re.compile(r"\.(?P<name>[\w-]+)|\[(?P<index>\d+)\]")
UNKNOWN = re.compile(r"unknown field `(?P<name>[^`]*)`")


def decode(text: str, file: str) -> dict[str, Any]:
    """The tables of a TOML text. Raises ConfigError with the line."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = SYNTAX.search(str(error))
        line = found["line"] if found and found["line"] else text.count("\n") + 1
        raise ConfigError(f"{file}:{line}: {SYNTAX.sub('', str(error))}") from error


def convert(document: Any, kind: type[T], text: str, file: str, at: Path = ()) -> T:
    """The tables as a value of a type. Raises ConfigError with the line and the field. `at` is
    where in the text they stand."""
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        reason = str(error)
        found = PLACE.search(reason)
        path = _path(found["path"]) if found else ()
        if unknown := UNKNOWN.search(reason):
            path = (*path, unknown["name"])
        reason = PLACE.sub("", reason) + _instead(kind, path)
        raise fault(text, file, (*at, *path), reason) from error


def _instead(kind: Any, path: Path) -> str:
    """What may stand at a place, if it is a field of this very type and there are a few words for
    it."""
    if len(path) != 1 or not (isinstance(kind, type) and issubclass(kind, Struct)):
        return ""
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    known = get_args(fields[path[0]]) if path[0] in fields else tuple(fields)
    are_words = bool(known) and all(isinstance(each, str) for each in known)
    return f" (known: {', '.join(known)})" if are_words else ""


def fault(text: str, file: str, path: Path, reason: str) -> ConfigError:
    """An error that says where: the file, the line, the field."""
    field = next((step for step in reversed(path) if isinstance(step, str)), "")
    named = field in reason or not field
    return ConfigError(f"{file}:{line_of(text, path)}: {'' if named else f'{field}: '}{reason}")


def line_of(text: str, path: Path) -> int:
    """The number of the line that comes nearest to a value: its own, or that of its table."""
    best, closeness = 1, 0
    for number, place in _places(text):
        if len(place) > closeness and place == path[: len(place)]:
            best, closeness = number, len(place)
    return best


def _places(text: str) -> Iterator[tuple[int, Path]]:
    """What each line is about. Good enough to point at: it knows no strings of several lines."""
    count: Counter[Path] = Counter()
    table: Path = ()
    key: Path = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := HEADER.match(line):
            table = key = _table(header, count)
        elif found := KEY.match(line):
            key = (*table, found["name"].strip("\"'"))
        elif line.lstrip().startswith("{"):  # an array of inline tables, one a line
            yield number, (*key, count[key])
            count[key] += 1
            continue
        else:
            continue
        yield number, key


def _table(header: re.Match[str], count: Counter[Path]) -> Path:
    """The path of a `[table]` or of the next `[[table]]`, counting the latter."""
    *parents, last = (part.strip().strip("\"'") for part in header["name"].split("."))
    path: Path = ()
    for name in parents:
        path = (*path, name)
        if path in count:
            path = (*path, count[path] - 1)
    path = (*path, last)
    if header["brackets"] == "[":
        return path
    count[path] += 1
    return (*path, count[path] - 1)


def _path(text: str) -> Path:
    return tuple(
        step["name"] if step["index"] is None else int(step["index"])
        for step in STEP.finditer(text)
    )
