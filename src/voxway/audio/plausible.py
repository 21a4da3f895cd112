"""Whether raw audio can be what it is said to be. No numpy here: only a part of it is looked at.

Raw audio does not say what it is, and read wrongly it is noise that a recognizer takes for silence:
the session works, and no word comes. But sound is smooth: each sample is near to the one before,
and read wrongly it is much less so. Of human speech at 8 to 48 kHz the right reading is always the
smoothest, and a wrong one is mostly more than twice as rough.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import isfinite, sqrt

from ..errors import ConfigError
from .formats import AudioFormat
from .sniff import container

# Bytes: of each stretch so much is looked at. An opinion is had of so many, and no more than that.
_STRETCH, _WINDOW = 2048, 512
_OPINION, _MOST = 16, 400

# Correlation of each sample with the one before, weighted by loudness: 0.7 to 0.96 for speech read
# rightly. Roughness is what it lacks of 1.
_SMOOTH, _ROUGHER = 0.7, 2.0
_LOUD = 0.01  # RMS, of full scale: before there is a sound, there is nothing to say

# Who sends a third more than a second holds has another rate, or more channels.
_RATE_SECONDS, _RATE_TOLERANCE = 3.0, 1.35


class RawCheck:
    """Looks at the beginning of a raw stream, until it knows."""

    def __init__(self, format: AudioFormat) -> None:
        self._format = format
        self._held = b""
        self._seen = 0  # stretches
        self._tallies = {name: _Tally() for name in _READINGS}
        self.is_done = format.encoding not in _READINGS

    def feed(self, data: bytes) -> None:
        """More of it. Raises ConfigError that says what it is instead."""
        if self.is_done:
            return
        self._held += data
        while len(self._held) >= _STRETCH and not self.is_done:
            if not self._seen and (name := container(self._held)):
                raise self._refusal(f"it is {name}, which says itself what it is")
            self._look(self._held[:_WINDOW])
            self._held = self._held[_STRETCH:]
        if self.is_done:
            self._held = b""

    def _look(self, window: bytes) -> None:
        self._seen += 1
        for name, read in _READINGS.items():
            self._tallies[name].add(read(window))
        if self._seen % _OPINION == 0:
            self._judge()

    def _judge(self) -> None:
        declared = self._tallies[self._format.encoding]
        name, best = max(self._tallies.items(), key=lambda item: item[1].smoothness)
        if best.loudness >= _LOUD and best.smoothness >= _SMOOTH:
            self.is_done = True
            if self._format.encoding == "linear16" and declared.is_doubled:
                raise self._refusal("each sample comes twice, so it has two channels")
            if 1 - declared.smoothness > _ROUGHER * (1 - best.smoothness):
                raise self._refusal(f"it looks like {name}")
        if self._seen >= _MOST:
            self.is_done = True

    def _refusal(self, reason: str) -> ConfigError:
        declared = f"{self._format.encoding} at {self._format.sample_rate} Hz"
        return ConfigError(f"the audio cannot be raw {declared}: {reason}", param="encoding")


class _Tally:
    """What one reading of the audio looks like so far."""

    def __init__(self) -> None:
        self._energy = self._shared = 0.0
        self._count = self._sounding = self._doubled = 0
        self._is_possible = True

    @property
    def smoothness(self) -> float:
        return self._shared / self._energy if self._is_possible and self._energy else -1.0

    @property
    def loudness(self) -> float:
        return sqrt(self._energy / self._count) if self._count else 0.0

    @property
    def is_doubled(self) -> bool:
        return 0 < self._sounding == self._doubled

    def add(self, samples: Sequence[float]) -> None:
        if not all(isfinite(sample) and abs(sample) < 4.0 for sample in samples):
            self._is_possible = False  # and that, no float audio would be
            return
        mean = sum(samples) / len(samples)
        centred = [sample - mean for sample in samples]
        self._count += len(samples)
        self._energy += sum(sample * sample for sample in centred)
        self._shared += sum(a * b for a, b in pairwise(centred))
        if len(set(samples)) > len(samples) // 8:
            self._sounding += 1
            self._doubled += samples[::2] == samples[1::2]


class RateCheck:
    """Watches how fast a live stream comes, in its declared format."""

    def __init__(self, format: AudioFormat) -> None:
        self._format = format
        self._began: float | None = None
        self._size = 0
        self.is_done = not format.frame_bytes

    def feed(self, data: bytes, now: float) -> None:
        """Some of it, at a time in seconds. Raises ConfigError that says what comes instead."""
        if self.is_done:
            return
        if self._began is None:  # what had piled up before says nothing
            self._began = now
            return
        self._size += len(data)
        if (seconds := now - self._began) >= _RATE_SECONDS:
            self.is_done = True
            self._judge(self._format.seconds(self._size) / seconds)

    def _judge(self, speed: float) -> None:
        if 1 / _RATE_TOLERANCE < speed < _RATE_TOLERANCE or not speed:
            return
        declared = f"{self._format.encoding} at {self._format.sample_rate} Hz"
        raise ConfigError(
            f"the audio cannot be mono {declared}: {speed:.1f} s of that come in each second; "
            "check the rate, the width and the channels of its source",
            param="sample_rate",
        )


def _linear(letter: str, scale: float) -> Callable[[bytes], list[float]]:
    size = struct.calcsize(letter)

    def read(data: bytes) -> list[float]:
        count = len(data) // size
        return [
            value / scale for value in struct.unpack_from(f"{letter[0]}{count}{letter[1]}", data)
        ]

    return read


def _shifted(data: bytes) -> list[float]:
    return _linear("<h", 32768)(data[1:])


def _mulaw(data: bytes) -> list[float]:
    return [_MULAW[code] for code in data]


def _alaw(data: bytes) -> list[float]:
    return [_ALAW[code] for code in data]


def _mulaw_level(code: int) -> float:
    """ITU-T G.711, full scale 1.0."""
    code ^= 0xFF
    magnitude = ((2 * (code & 15) + 33) << (code >> 4 & 7)) - 33
    return (-magnitude if code & 0x80 else magnitude) / 8192


def _alaw_level(code: int) -> float:
    code ^= 0x55
    segment, step = code >> 4 & 7, 2 * (code & 15) + 1
    magnitude = (step + 32) << segment - 1 if segment else step
    return (magnitude if code & 0x80 else -magnitude) / 4096


_MULAW = tuple(map(_mulaw_level, range(256)))
_ALAW = tuple(map(_alaw_level, range(256)))
# The declared ones and, under the names that a user understands, mistakes.
_READINGS: dict[str, Callable[[bytes], list[float]]] = {
    "linear16": _linear("<h", 32768),
    "linear32": _linear("<f", 1.0),
    "mulaw": _mulaw,
    "alaw": _alaw,
    "linear16 that begins amid a sample": _shifted,
    "linear16 with the bytes of each sample swapped": _linear(">h", 32768),
    "8-bit linear samples": _linear("<B", 128.0),
}
