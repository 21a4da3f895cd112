"""G.711: mu-law and A-law, the two 8-bit codes of telephony, to and from linear16.

Both directions are table look-ups, the tables computed once from the rules of ITU-T G.711. Input
must be whole samples; who receives chunks of any size carries the odd byte (see `encode`).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

_MULAW_BIAS = 33  # added to the 14-bit magnitude, so that every segment starts at a power of two


def encode_mulaw(pcm: bytes) -> bytes:
    """linear16 to mu-law. ValueError on half a sample."""
    return _mulaw_codes().take(np.frombuffer(pcm, "<u2")).tobytes()


def decode_mulaw(data: bytes) -> bytes:
    """mu-law to linear16."""
    return _mulaw_levels().take(np.frombuffer(data, np.uint8)).tobytes()


def encode_alaw(pcm: bytes) -> bytes:
    """linear16 to A-law. ValueError on half a sample."""
    return _alaw_codes().take(np.frombuffer(pcm, "<u2")).tobytes()


def decode_alaw(data: bytes) -> bytes:
    """A-law to linear16."""
    return _alaw_levels().take(np.frombuffer(data, np.uint8)).tobytes()


def _magnitudes() -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
    """Sign and magnitude of every 16-bit pattern. A negative sample's magnitude is its one's
    complement, as in the reference code of ITU-T G.191: -1 is as quiet as 0."""
    samples = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    negative = samples < 0
    return negative, np.where(negative, ~samples, samples)


def _segments(magnitude: NDArray[np.int32], first: int) -> NDArray[np.int32]:
    """The segment 0-7 of each magnitude: segment 1 starts at `first`, each next at the double."""
    bounds = first << np.arange(7)
    return np.searchsorted(bounds, magnitude, side="right").astype(np.int32)


@cache
def _mulaw_codes() -> NDArray[np.uint8]:
    negative, magnitude = _magnitudes()
    magnitude = np.minimum((magnitude >> 2) + _MULAW_BIAS, 0x1FFF)
    segment = _segments(magnitude, 64)
    code: NDArray[np.int32] = (segment << 4) | ((magnitude >> (segment + 1)) & 0x0F)
    # The line carries the inverted code, so that silence has many ones.
    return np.where(negative, code ^ 0x7F, code ^ 0xFF).astype(np.uint8)


@cache
def _mulaw_levels() -> NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.uint8)
    segment, step = (code >> 4) & 7, (code & 0x0F).astype(np.int32)
    magnitude = (((2 * step + _MULAW_BIAS) << segment) - _MULAW_BIAS) << 2
    return np.where(code & 0x80, -magnitude, magnitude).astype("<i2")


@cache
def _alaw_codes() -> NDArray[np.uint8]:
    negative, magnitude = _magnitudes()
    magnitude = magnitude >> 4
    segment = _segments(magnitude, 16)
    # Segments 0 and 1 have the same step.
    step = (magnitude >> np.maximum(segment - 1, 0)) & 0x0F
    code: NDArray[np.int32] = (segment << 4) | step
    # Even bits are inverted on the line; a set top bit means positive.
    return np.where(negative, code ^ 0x55, code ^ 0xD5).astype(np.uint8)


@cache
def _alaw_levels() -> NDArray[np.int16]:
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    segment, step = ((code >> 4) & 7).astype(np.int32), (code & 0x0F).astype(np.int32)
    magnitude = np.where(
        segment == 0, (2 * step + 1) << 3, ((2 * step + 33) << 3) << np.maximum(segment - 1, 0)
    )
    return np.where(code & 0x80, magnitude, -magnitude).astype("<i2")
