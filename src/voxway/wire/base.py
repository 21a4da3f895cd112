"""What a wire is: two pure translators, one for each side, and the means to read JSON frames.

A codec turns one frame into events and one event into frames. It has no I/O and no clock; what it
cannot read it answers with ProtocolError, which `decode` turns into a `Malformed` event so that
the session decides what a bad frame costs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from ..errors import ProtocolError
from ..events import Event, Malformed

Frame = str | bytes


class Codec(Protocol):
    """One side of one wire. Frames in, events out; events in, frames out."""

    def decode(self, frame: Frame) -> Iterable[Event]:
        """What the frame says. Raises ProtocolError for one its wire does not allow."""
        ...

    def encode(self, event: Event) -> Iterable[Frame]:
        """How this wire says it: no frame at all where it has no word for it."""
        ...


class Endpoint(Struct, frozen=True):
    """Where a client codec connects. `unix` is a socket path that replaces the URL's host."""

    url: str
    headers: Mapping[str, str] = {}
    subprotocols: tuple[str, ...] = ()
    unix: str | None = None


def decode(codec: Codec, frame: Frame) -> list[Event]:
    """All events of one frame, or one `Malformed`: half a frame never takes effect."""
    try:
        return list(codec.decode(frame))
    except ProtocolError as error:
        return [Malformed(error.message, error.error, error.param)]


_PATH = re.compile(r" - at `\$\.?([^`]*)`")
_FIELD = re.compile(r"field `([^`]*)`")


def parser(type: Any) -> Callable[[Frame], Any]:
    """A JSON decoder for `type` that fails with ProtocolError naming the field."""
    read = msgspec.json.Decoder(type).decode

    def parse(frame: Frame) -> Any:
        try:
            return read(frame)
        except msgspec.ValidationError as error:
            raise invalid(str(error)) from None
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
            raise ProtocolError(f"not JSON: {error}") from None

    return parse


def invalid(text: str) -> ProtocolError:
    """A ProtocolError from msgspec's message, with the field's path as its parameter."""
    found = _PATH.search(text)
    path = found.group(1) if found and "..." not in found.group(1) else ""
    if missing := _FIELD.search(text):
        path = f"{path}.{missing.group(1)}" if path else missing.group(1)
    reason = _PATH.sub("", text)
    return ProtocolError(f"{path}: {reason}" if path else reason, param=path or None)


_encode = msgspec.json.Encoder().encode


def dump(message: object) -> str:
    """One JSON text frame."""
    return _encode(message).decode()
