"""Wyoming's frames: a line of JSON, then as many bytes of further JSON and of audio as it says.

After the README of rhasspy/wyoming and the package `wyoming` 1.10.2, whose reader takes data in the
line and after it, and lets the latter win.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from ..errors import ProtocolError, TooLargeError
from .base import invalid

MAX_LINE = 64 * 1024  # bytes, without the end of the line
MAX_DATA = 256 * 1024
MAX_PAYLOAD = 1024 * 1024
VERSION = "1.10.2"  # what the package says of itself in each event; nobody reads it

Size = Annotated[int, Meta(ge=0)]


class Packet(Struct, frozen=True):
    """One event, of whatever type. A field that is null is as one that is not there."""

    type: str
    data: dict[str, Any] = {}
    payload: bytes = b""

    def __repr__(self) -> str:  # what somebody said belongs into no log and no traceback
        return f"Packet({self.type!r}, <{len(self.payload)} bytes>)"


class _Head(Struct, frozen=True):
    type: str
    data: dict[str, Any] | None = None
    data_length: Size | None = None
    payload_length: Size | None = None

    def checked(self) -> _Head:
        """Raises TooLargeError before anything of what is announced is taken."""
        for name, bound in (("data_length", MAX_DATA), ("payload_length", MAX_PAYLOAD)):
            if (size := getattr(self, name) or 0) > bound:
                raise TooLargeError(f"{name} {size} is over {bound}", param=name)
        return self


class _OwnHead(Struct, frozen=True, omit_defaults=True):
    type: str
    version: str
    data_length: int = 0
    payload_length: int = 0


_head = msgspec.json.Decoder(_Head)
_data = msgspec.json.Decoder(dict[str, Any])
_encode = msgspec.json.Encoder().encode


class Frames:
    """Takes bytes as they come and gives events when they are whole. It keeps no more than one
    event that is not."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0  # so far there is no end of a line
        self._head: _Head | None = None

    @property
    def is_partial(self) -> bool:
        """Whether an event has begun and is not whole."""
        return bool(self._buffer) or self._head is not None

    def feed(self, data: bytes) -> Iterator[Packet]:
        """What has become whole. Raises ProtocolError, after which nothing can be read any more:
        nobody knows where the next event begins."""
        self._buffer += data
        while (packet := self._next()) is not None:
            yield packet

    def _next(self) -> Packet | None:
        if self._head is None and not self._take_head():
            return None
        head = self._head
        assert head is not None
        data_end = head.data_length or 0
        end = data_end + (head.payload_length or 0)
        if len(self._buffer) < end:
            return None
        data = head.data or {}
        if data_end:
            data = data | _read(_data, bytes(self._buffer[:data_end]))
        payload = bytes(self._buffer[data_end:end])
        del self._buffer[:end]
        self._head = None
        return Packet(head.type, {k: v for k, v in data.items() if v is not None}, payload)

    def _take_head(self) -> bool:
        end = self._buffer.find(b"\n", self._searched)
        self._searched = len(self._buffer)
        if max(end, 0) > MAX_LINE or (end < 0 and len(self._buffer) > MAX_LINE):
            raise TooLargeError(f"a line is over {MAX_LINE} bytes")
        if end < 0:
            return False
        self._searched = 0
        self._head = _read(_head, bytes(self._buffer[:end])).checked()
        del self._buffer[: end + 1]
        return True


def _read(decoder: Any, data: bytes) -> Any:
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"not JSON: {error}") from None


def packed(type: str, data: Struct | None = None, payload: bytes = b"") -> bytes:
    """The bytes of one event."""
    body = b"" if data is None else _encode(data)
    head = _encode(_OwnHead(type, VERSION, len(body), len(payload)))
    return b"".join((head, b"\n", body, payload))
