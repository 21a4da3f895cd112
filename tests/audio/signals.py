"""Signals to send through the audio layer, files made by libav to read, and how to compare."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import cache
from itertools import cycle, islice
from typing import Any

import av
import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

Floats = NDArray[np.float64]

sizes = st.lists(st.integers(1, 4000), min_size=1, max_size=12)


def split(data: bytes, lengths: Iterable[int]) -> Iterator[bytes]:
    """`data` in pieces of these lengths, over and over; after 500 of them, the rest."""
    at = 0
    for length in islice(cycle(lengths), 500):
        if at >= len(data):
            return
        yield data[at : at + length]
        at += length
    yield data[at:]


def pcm(samples: Floats) -> bytes:
    """Floats of full scale 1.0 as linear16."""
    return np.rint(np.clip(samples, -1, 32767 / 32768) * 32768).astype("<i2").tobytes()


def floats(data: bytes) -> Floats:
    return np.frombuffer(data, "<i2") / 32768


def tone(hertz: float, rate: int, seconds: float, level: float = 0.5) -> bytes:
    return pcm(level * np.sin(2 * np.pi * hertz / rate * np.arange(round(rate * seconds))))


@cache
def voice(rate: int, seconds: float = 1.0) -> bytes:
    """Harmonics that wander like a voice, all below 3.2 kHz: no two moments of it are alike."""
    t = np.arange(round(rate * seconds)) / rate
    phase = 2 * np.pi * (140 * t + 8 * np.sin(2.1 * t) + 5 * np.sin(5.3 * t))
    waves = [np.sin(n * phase) / n for n in range(1, 12)]
    return pcm(0.25 * np.sum(waves, axis=0) * (0.6 + 0.4 * np.sin(9 * t)))


def backwards(data: bytes) -> bytes:
    """The same samples, the last first."""
    return np.frombuffer(data, "<i2")[::-1].tobytes()


def noise(count: int, seed: int = 1) -> bytes:
    """Samples over the whole range."""
    return np.random.default_rng(seed).integers(-32768, 32768, count).astype("<i2").tobytes()


def decibels(wanted: Floats, got: Floats) -> float:
    """The signal to noise ratio of `got`."""
    error = float(np.mean((wanted - got) ** 2))
    return float(10 * np.log10(float(np.mean(wanted**2)) / max(error, 1e-20)))


def likeness(wanted: Floats, got: Floats) -> tuple[float, int]:
    """The correlation of the two (1.0: the same) and the delay of `got` where it is highest."""
    size = 1 << (len(wanted) + len(got)).bit_length()
    spectrum = np.fft.rfft(got, size) * np.conj(np.fft.rfft(wanted, size))
    delay = int(np.argmax(np.fft.irfft(spectrum, size)[: size // 2]))
    shared = min(len(wanted), len(got) - delay)
    pair = wanted[:shared], got[delay : delay + shared]
    return float(np.corrcoef(*pair)[0, 1]), delay


def sine_fit(got: Floats, hertz: float, rate: int) -> tuple[float, float]:
    """The level of a sine in the middle of `got`, and the ratio of it to all else in dB."""
    middle = got[len(got) // 4 : -len(got) // 4]
    angle = 2 * np.pi * hertz / rate * np.arange(len(middle))
    basis = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    fit = basis @ np.linalg.lstsq(basis, middle, rcond=None)[0]
    return float(np.sqrt(2 * np.mean(fit**2))), decibels(fit, middle)


@cache
def muxed(container: str, codec: str, rate: int, layout: str = "mono", seconds: float = 1) -> bytes:
    """A file with `voice` in every channel, written by libav."""
    file = io.BytesIO()
    options: dict[str, Any] = {"strict": "experimental"}  # its Vorbis encoder is
    paced = {"page_duration": "40000"} if container == "ogg" else {}  # us
    with av.open(file, "w", format=container, options=paced) as out:
        stream = out.add_stream(codec, rate=rate, layout=layout, options=options)
        assert isinstance(stream, av.AudioStream)
        samples = np.frombuffer(voice(rate, seconds), "<i2").reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        out.mux([*stream.encode(frame), *stream.encode(None)])
    return file.getvalue()


def unmuxed(data: bytes) -> tuple[int, Floats]:
    """Rate and samples of a file, as libav decodes them."""
    with av.open(io.BytesIO(data), "r") as file:
        frames = list(file.decode(audio=0))
    parts = [frame.to_ndarray() for frame in frames]
    scale = 32768 if parts[0].dtype == np.int16 else 1
    return frames[0].sample_rate, np.concatenate(parts, axis=1)[0].astype(np.float64) / scale
