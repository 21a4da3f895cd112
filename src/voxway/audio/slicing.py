"""Cutting audio into pieces that are worth a message each: big enough to be cheap, small enough to
be stopped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from .formats import AudioFormat

MAX_COMPRESSED_BYTES = 16 * 1024

Data = TypeVar("Data", bytes, memoryview)


def slices(data: Data, format: AudioFormat, max_ms: int = 100) -> Iterator[Data]:
    """Pieces of whole samples, none longer than `max_ms`, all of nearly the same length, so that
    none is tiny: more than `max_ms` of audio gives at least half of it to each.

    Compressed audio is cut by bytes, at most 16 KiB each. A memoryview is cut without copying.
    Bytes that make no whole sample stay with the last piece.
    """
    unit = format.frame_bytes or 1
    most = (
        max(1, max_ms * format.sample_rate // 1000)
        if format.frame_bytes
        else (MAX_COMPRESSED_BYTES)
    )
    units = len(data) // unit
    pieces = max(1, -(-units // most))
    start = 0
    for piece in range(1, pieces + 1):
        end = units * piece // pieces * unit if piece < pieces else len(data)
        if end > start:
            yield data[start:end]
        start = end


MAX_PIECE = 32 * 1024  # bytes: in base64, with all around it, still under 64 KiB


class Framer:
    """Audio as it comes from somebody who cuts it anywhere: whole samples in pieces of bounded
    size. What is less than a sample waits for its rest."""

    def __init__(self, format: AudioFormat) -> None:
        self._unit = format.frame_bytes or 1
        self._carry = b""

    def clear(self) -> None:
        """What follows is another stream."""
        self._carry = b""

    def feed(self, data: bytes) -> tuple[bytes, ...]:
        """What can go on."""
        if self._carry:
            data, self._carry = self._carry + data, b""
        if odd := len(data) % self._unit:
            data, self._carry = data[:-odd], data[-odd:]
        if len(data) <= MAX_PIECE:
            return (data,) if data else ()
        return tuple(data[at : at + MAX_PIECE] for at in range(0, len(data), MAX_PIECE))
