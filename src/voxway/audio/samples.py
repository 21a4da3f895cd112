"""Between linear16 and every other way to write a sample, and from many channels to one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[Any]  # of integers or floats, signed or not; full scale is that of the type


def decode_linear32(data: bytes) -> bytes:
    """linear32 (f32le, full scale 1.0) to linear16. Louder is clipped, NaN is silence. ValueError
    on half a sample."""
    return _linear16(_floats(np.frombuffer(data, "<f4")))


def encode_linear32(pcm: bytes) -> bytes:
    """linear16 to linear32. ValueError on half a sample."""
    floats: NDArray[np.float32] = np.frombuffer(pcm, "<i2") * np.float32(1 / 32768)
    return floats.astype("<f4", copy=False).tobytes()


def mono(channels: Samples) -> bytes:
    """linear16 from an array of shape (channels, samples): the average of the channels."""
    if channels.dtype == np.int16 and len(channels) == 1:
        only: Samples = channels[0]
        return only.astype("<i2", copy=False).tobytes()
    return _linear16(_floats(channels).mean(axis=0))


def _floats(samples: Samples) -> Samples:
    """Samples of any type as floats within 1.0; NaN is silence."""
    kind, size = samples.dtype.kind, samples.dtype.itemsize
    if kind == "f":
        # Before anything is reckoned with them: a sum or product of huge ones would warn.
        bounded: Samples = np.clip(np.nan_to_num(samples, nan=0.0), -1.0, 1.0)
        return bounded
    half = float(1 << (8 * size - 1))
    signed = samples.astype(np.float64)
    return (signed - half if kind == "u" else signed) / half


def _linear16(samples: Samples) -> bytes:
    """linear16 from floats within 1.0."""
    scaled: Samples = np.clip(np.rint(samples * 32768), -32768, 32767)
    return scaled.astype("<i2").tobytes()
