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
