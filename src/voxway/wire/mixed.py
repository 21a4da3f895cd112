"""Two dialects on one socket: the unified one and the provider's own, told apart frame by frame.

The answers come in the form of whoever initialised last: `init` or a native opening.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import structs

from ..events import Aside, Event, Options, Start
from .base import Dialect, Frame, Marks, Opening, Wire

_any = msgspec.json.Decoder().decode


def owns(marks: Marks, frame: str) -> bool:
    """Whether a text frame belongs to the dialect with these marks."""
    message = parsed(frame)
    if not isinstance(message, dict):
        return marks.bare_text or frame.strip() in marks.words
    if "type" in message:
        return isinstance(message["type"], str) and message["type"] in marks.types
    if marks.fields:
        return not marks.fields.isdisjoint(message)
    return marks.untyped


def parsed(frame: str) -> Any:
    """The JSON of a frame, or None. A number or a quoted string is text, too, to most."""
    try:
        return _any(frame)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None


class Mixed:
    """The gateway's side. Of the wires that the provider has, the first frame of one decides."""

    def __init__(
        self, unified: Dialect, wires: Sequence[Wire], open_native: Callable[[Wire], Dialect]
    ) -> None:
        self._unified = self._face = unified
        self._wires = wires
        self._open_native = open_native
        self._native: Dialect | None = None
        self._marks = Marks()
        self._is_started = False

    def opening(self) -> Iterable[Event]:
        return self._unified.opening()

    def closing(self, code: int, reason: str) -> tuple[int, str]:
        return self._face.closing(code, reason)

    def decode(self, frame: Frame) -> Iterator[Event]:
        if isinstance(frame, bytes):
            yield from self._noted(self._face.decode(frame), self._face)
        elif native := self._native_for(frame):
            if not self._is_started:
                yield from self._noted(native.opening(), native)
            yield from self._noted(native.decode(frame), native)
        else:
            yield from self._noted(self._unified.decode(frame), self._unified)

    def encode(self, event: Event) -> Iterable[Frame]:
        return self._face.encode(event)

    def _native_for(self, frame: str) -> Dialect | None:
        if self._native is not None:
            return self._native if owns(self._marks, frame) else None
        for wire in self._wires:
            if owns(wire.marks, frame):
                # The fields told it from its sister; from now on it has all without a type.
                untyped = wire.marks.untyped or bool(wire.marks.fields)
                self._marks = structs.replace(wire.marks, untyped=untyped, fields=frozenset())
                self._native = self._open_native(wire)
                return self._native
        return None

    def _noted(self, commands: Iterable[Event], face: Dialect) -> Iterator[Event]:
        """Follow who initialises. A native message that configures nothing only continues."""
        for command in commands:
            if isinstance(command, Aside):
                if face is self._face:  # else there is nobody to be told so
                    yield command
            elif not isinstance(command, Start):
                self._is_started = True
                yield command
            elif not self._is_started:
                self._face, self._is_started = face, True
                yield command
            elif command.context or face is self._unified or configures(command.options):
                self._face = face
                yield structs.replace(command, is_again=True)


def configures(options: Options | None) -> bool:
    """Whether somebody chose something here, so that it is more than a dialect's own format."""
    if options is None:
        return False
    chosen = options.extra.keys() - {"bit_rate"}
    return bool(chosen or getattr(options, "voice", None) or getattr(options, "speed", None))


def open_with(opening: Opening) -> Callable[[Wire], Dialect]:
    """How a native dialect is opened on a socket whose upgrade request was this."""
    return lambda wire: wire.server(opening)
