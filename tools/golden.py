"""Write what every wire makes of its recordings: `python -m tools.golden`. A test compares.

A recording (`tests/recordings/<wire>/<scene>.jsonl`) is one socket as it was: the request, then the
frames of both. What the client said is read by the wire's `Server`, what the provider said by its
`Client`, and the events are written beside it as `<scene>.events`, one a line: `3> Text('Hi')` is
what line 3 of the recording commands, `4< Audio(<960 bytes>)` what line 4 answers.
"""

from __future__ import annotations

import base64
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
from msgspec import Struct

import voxway.wire
from voxway.events import Event, ListenOptions, SpeakOptions, Start
from voxway.wire.base import Address, Codec, Dialect, Frame, Opening, Wire, decode, dump
from voxway.wire.policies import POLICIES

RECORDINGS = Path(__file__).parents[1] / "tests" / "recordings"
ADDRESS = Address("wss://provider.example", "model-1", "provider-key")


class Named(Struct, frozen=True):
    """A wire with the name that the catalog has for it, and the module that declares it."""

    name: str
    wire: Wire
    module: ModuleType


def find_wires() -> Iterator[Named]:
    """Every `Wire` that a module of the package declares."""
    for info in pkgutil.iter_modules(voxway.wire.__path__):
        module = importlib.import_module(f"voxway.wire.{info.name}")
        for attribute, wire in vars(module).items():
            if isinstance(wire, Wire):
                yield Named(name_of(wire, f"{info.name}.{attribute}"), wire, module)


def name_of(wire: Wire, otherwise: str) -> str:
    """That of its row in the table of policies. One protocol does both tasks."""
    names = [name for name, policy in POLICIES.items() if policy is wire.policy]
    name = names[0] if names else otherwise
    return f"{name}_{wire.task}" if name == "unified" else name


def opening_of(wire: Wire, url: str) -> Opening:
    """A request for a URL, as the gateway would see it."""
    parts = urlsplit(url)
    query = tuple(parse_qsl(parts.query, keep_blank_values=True))
    path = parts_of_path(wire, parts.path) or {}
    model = dict(query).get(wire.names_model, "")
    return Opening(query, path, "request-1", model, subprotocol=next(iter(wire.subprotocols), ""))


def parts_of_path(wire: Wire, path: str) -> dict[str, str] | None:
    """The named parts of a path, or None if it is not of this wire."""
    for template in wire.paths:
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(template))
        if found := re.fullmatch(pattern, path):
            return {name: unquote(part) for name, part in found.groupdict().items()}
    return None


class Line(Struct, frozen=True, rename={"by": "from"}):
    """One line of a recording. The first is a request: `connect` is its path and query."""

    by: str
    connect: str | None = None
    text: str | None = None
    binary: str | None = None
    headers: dict[str, str] = {}

    @property
    def frame(self) -> Frame:
        return base64.b64decode(self.binary) if self.binary is not None else self.text or ""


def read_recording(path: Path) -> list[Line]:
    return [msgspec.json.decode(line, type=Line) for line in path.read_bytes().splitlines()]


class Replay:
    """A recorded socket between our two codecs. The `Client` is told what the recorded one said,
    so that it knows what it is being answered; where it makes names of contexts, the recorded
    ones are replaced in what it hears."""

    def __init__(self, wire: Wire, connect: str) -> None:
        self._wire = wire
        opening = opening_of(wire, connect)
        self._server: Dialect = wire.server(opening)
        self._shadow: Dialect = wire.server(opening)
        self._client: Codec | None = None
        self._names: dict[str, str] = {}

    def opening(self) -> list[Event]:
        return self._told(list(self._server.opening()))

    def from_client(self, frame: Frame) -> list[Event]:
        return self._told(decode(self._server, frame))

    def from_server(self, frame: Frame) -> list[Event]:
        for recorded, made in self._names.items():
            if isinstance(frame, str):
                frame = frame.replace(dump(recorded), dump(made))
        return decode(self._client_for(None), frame)

    def _told(self, commands: list[Event]) -> list[Event]:
        for command in commands:
            client = self._client_for(command)
            for frame in client.encode(command):
                for echo in decode(self._shadow, frame):
                    if command.context and echo.context:
                        self._names[command.context] = echo.context
        return commands

    def _client_for(self, command: Event | None) -> Codec:
        if self._client is None:
            default = SpeakOptions() if self._wire.task == "tts" else ListenOptions()
            given = command.options if isinstance(command, Start) else None
            self._client = self._wire.client(given or default, ADDRESS)
        return self._client


def events_of(wire: Wire, recording: list[Line]) -> str:
    """What a golden file holds."""
    request, *lines = recording
    assert request.connect is not None, "the first line is a request"
    replay = Replay(wire, request.connect)
    told = [f"1> {shown(event)}\n" for event in replay.opening()]
    for number, line in enumerate(lines, 2):
        if line.by == "client":
            told += [f"{number}> {shown(event)}\n" for event in replay.from_client(line.frame)]
        else:
            told += [f"{number}< {shown(event)}\n" for event in replay.from_server(line.frame)]
    return "".join(told)


def shown(value: Any) -> str:
    """A value without its defaults, and without the bytes of audio."""
    if isinstance(value, bytes) and len(value) > 16:
        return f"<{len(value)} bytes>"
    if isinstance(value, tuple):
        return f"({', '.join(map(shown, value))})"
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, dict):  # in whatever order
        return f"{{{', '.join(f'{key!r}: {shown(value[key])}' for key in sorted(value))}}}"
    if not isinstance(value, Struct):
        return repr(value)
    fields = ((field, getattr(value, field.name)) for field in msgspec.structs.fields(value))
    told = ", ".join(
        f"{field.name}={shown(given)}"
        for field, given in fields
        if field.required or given != default_of(field)
    )
    return f"{type(value).__name__}({told})"


def default_of(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def main() -> None:
    """Write every golden file anew."""
    for named in find_wires():
        for path in sorted((RECORDINGS / named.name).glob("*.jsonl")):
            path.with_suffix(".events").write_text(events_of(named.wire, read_recording(path)))


if __name__ == "__main__":
    main()
