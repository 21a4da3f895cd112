"""RIFF/WAVE headers: built, recognized and cut off. No numpy here: every layer can afford it.

Streams are awkward for a format that starts with its length. Written for an unknown length, the
header says 0x7FFFFFFF, which players take for "until the end"; read, any such size means the same.
"""

from __future__ import annotations

import os
import struct
from enum import Enum
from pathlib import Path

from msgspec import Struct

from .formats import AudioFormat

HEADER_BYTES = 44
STREAM_BYTES = 0x7FFF_FFFF
# Sizes from here on, and 0, are what streaming writers put where they do not know the length.
_UNKNOWN_FROM = 0x7FFF_0000
# A header with more than this before its audio is not one that we wait for.
_MAX_HEADER = 64 * 1024

# WAVE format tags.
PCM, FLOAT, ALAW, MULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_ENCODINGS = {
    (PCM, 16): "linear16",
    (FLOAT, 32): "linear32",
    (ALAW, 8): "alaw",
    (MULAW, 8): "mulaw",
}


class WavHeader(Struct, frozen=True):
    """What a header says. `format.encoding` is `wav` if the samples are none of our raw encodings;
    `tag` is the WAVE format tag. `data_bytes` is None if the writer did not know the length."""

    format: AudioFormat
    channels: int
    bits: int
    tag: int
    data_offset: int
    data_bytes: int | None


class NoHeader(Enum):
    """Why there is no header (yet)."""

    INCOMPLETE = "incomplete"
    NOT_WAV = "not wav"


def wav_header(
    sample_rate: int,
    data_bytes: int | None = None,
    *,
    channels: int = 1,
    encoding: str = "linear16",
) -> bytes:
    """The 44-byte header of raw audio; for a stream of unknown length without `data_bytes`."""
    size = STREAM_BYTES - 36 if data_bytes is None else data_bytes
    tag, bits = next(sample for sample, name in _ENCODINGS.items() if name == encoding)
    step = bits // 8 * channels
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", size + 36, b"WAVE"),
        *(b"fmt ", 16, tag, channels, sample_rate, sample_rate * step, step, bits),
        *(b"data", size),
    )


def parse_header(prefix: bytes) -> WavHeader | NoHeader:
    """The header at the start of `prefix`, or why there is none."""
    magic = prefix[0:4], prefix[8:12]
    if not (b"RIFF".startswith(magic[0]) and b"WAVE".startswith(magic[1])):
        return NoHeader.NOT_WAV
    offset, fmt = 12, b""
    while offset + 8 <= min(len(prefix), _MAX_HEADER):
        name, size = struct.unpack_from("<4sI", prefix, offset)
        offset += 8
        if name == b"data":
            return _header(fmt, offset, size)
        if name == b"fmt ":
            fmt = prefix[offset : offset + min(size, 40)]
        offset += size + size % 2
    return NoHeader.NOT_WAV if offset + 8 > _MAX_HEADER else NoHeader.INCOMPLETE


def _header(fmt: bytes, offset: int, size: int) -> WavHeader | NoHeader:
    """The header whose `fmt ` chunk is `fmt` and whose data starts at `offset`."""
    if len(fmt) < 16:
        return NoHeader.NOT_WAV
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", fmt)
    if tag == _EXTENSIBLE and len(fmt) >= 26:
        tag = int.from_bytes(fmt[24:26], "little")
    return WavHeader(
        format=AudioFormat(_ENCODINGS.get((tag, bits), "wav"), rate),
        channels=channels,
        bits=bits,
        tag=tag,
        data_offset=offset,
        data_bytes=size if 0 < size < _UNKNOWN_FROM else None,
    )


def write_wav(path: str | os.PathLike[str], pcm: bytes, rate: int) -> None:
    """Write linear16 mono audio. OSError if the file cannot be written."""
    Path(path).write_bytes(wav_header(rate, len(pcm)) + pcm)


class RiffStripper:
    """Takes a RIFF header off the start of a stream that should be raw, because providers put one
    there unasked and it is heard as a click. A stream without one passes through untouched.

    `header` is what was taken off, if anything. Audio ends where the header says; what follows
    (lists of tags) would be a click, too.
    """

    def __init__(self) -> None:
        self.header: WavHeader | None = None
        self._held: bytes | None = b""  # None: the start has been seen
        self._left: int | None = None  # bytes of audio still to come, if known

    def feed(self, data: bytes) -> bytes:
        """The audio among `data` and what was held back; nothing while a header is incomplete."""
        if self._held is None:
            return self._audio(data)
        data = self._held + data
        match parse_header(data):
            case NoHeader.INCOMPLETE:
                self._held = data
                return b""
            case NoHeader.NOT_WAV:
                self._held = None
                return data
            case header:
                self.header, self._held, self._left = header, None, header.data_bytes
                return self._audio(data[header.data_offset :])

    def flush(self) -> bytes:
        """The stream ended: what was held back was audio after all."""
        held, self._held = self._held or b"", None
        return held

    def _audio(self, data: bytes) -> bytes:
        if self._left is None:
            return data
        data = data[: self._left]
        self._left -= len(data)
        return data
