"""The envelopes of Rime's v1 socket in protobuf's binary form, by a table of its field numbers.

Facts: rime/text_to_speech.proto of rime-api 0.4. What the table does not have is passed over.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from ..errors import ProtocolError
from . import rime_v1_messages as m
from .base import invalid

SECONDS = "seconds"  # a duration, which JSON has as `1.5s`
Kind = type | str
TABLE: dict[type[Struct], dict[int, tuple[str, Kind]]] = {
    m.RequestMsg: {
        1: ("contextId", str),
        2: ("config", m.Config),
        3: ("start", m.SynthesisRequest),
        4: ("text", str),
        5: ("end", m.Nothing),
        6: ("cancel", m.Nothing),
    },
    m.Config: {
        1: ("authorization", str),
        2: ("license", str),
        3: ("defaults", m.SynthesisRequest),
    },
    m.SynthesisRequest: {
        2: ("language", str),
        3: ("speaker", str),
        4: ("text", str),
        5: ("audioParameters", m.AudioParameters),
        6: ("splitStrategy", int),
        8: ("codaParameters", m.CodaParameters),
        9: ("mistParameters", m.MistParameters),
        10: ("timestamps", m.TimestampOptions),
    },
    m.AudioParameters: {
        1: ("audioFormat", str),
        2: ("samplingRate", int),
        3: ("timeScaleFactor", float),
    },
    m.CodaParameters: {8: ("textLookaheadTokens", int)},
    m.MistParameters: {
        1: ("pauseBetweenBrackets", bool),
        2: ("phonemizeBetweenBrackets", bool),
        4: ("saveOovs", bool),
    },
    m.TimestampOptions: {1: ("enable", bool)},
    m.Nothing: {},
    m.ResponseMsg: {
        1: ("contextId", str),
        2: ("ready", m.Ready),
        3: ("started", m.Started),
        4: ("audio", bytes),
        5: ("done", m.Done),
        6: ("cancelled", m.Nothing),
        7: ("error", m.Error),
    },
    m.Ready: {1: ("protocol", int)},
    m.Started: {1: ("requestId", str)},
    m.Done: {1: ("timestamps", m.Timestamps)},
    m.Timestamps: {1: ("status", m.Status), 2: ("spans", m.Span)},
    m.Status: {1: ("code", int), 2: ("message", str)},
    m.Span: {1: ("text", str), 2: ("start", SECONDS), 3: ("end", SECONDS)},
    m.Error: {1: ("kind", str), 2: ("message", str), 3: ("requestId", str)},
}
VARINT, DOUBLE, BYTES, SINGLE = 0, 1, 2, 5  # how the value of a field is written
WIDTHS = {DOUBLE: 8, SINGLE: 4}


def read_request(frame: bytes) -> m.RequestMsg:
    """Raises ProtocolError for what is no envelope."""
    try:
        return msgspec.convert(_read(frame, m.RequestMsg), m.RequestMsg)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None
    except (IndexError, UnicodeDecodeError, struct.error):
        raise ProtocolError("not protobuf") from None


def _read(data: bytes, kind: type[Struct]) -> dict[str, Any]:
    message: dict[str, Any] = {}
    for number, value in _fields(data):
        name, of = TABLE[kind].get(number, ("", str))
        if name:
            message[name] = _value(value, of)
    return message


def _value(value: int | bytes, of: Kind) -> Any:
    if isinstance(value, int):
        return bool(value) if of is bool else value
    if of is float:
        return struct.unpack("<f", value)[0]
    if of is str:
        return value.decode()
    return _read(value, of) if isinstance(of, type) and of in TABLE else value


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        how = tag & 7
        if how == VARINT:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        if how == BYTES:
            size, at = _varint(data, at)
        elif how in WIDTHS:
            size = WIDTHS[how]
        else:
            raise IndexError(how)
        if at + size > len(data):
            raise IndexError(at)
        yield tag >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value & 0xFFFFFFFF, at  # nothing in the table is longer
        if shift > 63:
            raise IndexError(at)


def write(message: Struct) -> bytes:
    """An envelope, or a part of one. What has its default is left out, as in JSON."""
    out = bytearray()
    for number, (name, of) in TABLE[type(message)].items():
        value = getattr(message, name)
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, int) and each:
                out += _number(number << 3 | VARINT) + _number(each)
            elif isinstance(each, Struct | str | bytes) and each != "":
                part = _written(each, of)
                out += _number(number << 3 | BYTES) + _number(len(part)) + part
    return bytes(out)


def _written(value: Struct | str | bytes, of: Kind) -> bytes:
    if isinstance(value, Struct):
        return write(value)
    if of == SECONDS:
        whole, nanos = divmod(round(m.seconds(value) * 1000), 1000)
        parts = ((1, whole), (2, nanos * 1_000_000))
        return b"".join(_number(n << 3) + _number(each) for n, each in parts if each)
    return value.encode() if isinstance(value, str) else value


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
