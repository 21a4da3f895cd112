"""Cutting a stream of linear16 into utterances where the speaker pauses, by loudness alone.

For recognizers that take whole recordings. Speech is what is well above the noise, and the noise is
the quietest that was heard lately: even who speaks without a break is silent between two words. No
numpy here: a second of 16 kHz audio costs about a millisecond.
"""

from __future__ import annotations

import sys
from array import array
from collections import deque
from collections.abc import Iterator
from itertools import islice
from math import sqrt
from operator import mul
from typing import NamedTuple

from msgspec import Struct

FRAME = 0.02  # seconds: what is judged at once
ABOVE_NOISE = 3.0  # times the noise: about 10 dB
# RMS of linear16. Below `_DEAD` nothing is connected: it says nothing of the noise in a room.
_DEAD, _LEAST_SPEECH = 8.0, 100.0
# Noise is at first taken for no more than this: who holds a button to talk begins at once.
_FIRST_NOISE = 150.0
_NOISE_WINDOW = 3.0  # seconds


class Cut(Struct, frozen=True):
    """When to cut. All in seconds."""

    silence: float = 0.7  # that ends an utterance
    longest: float = 25.0  # utterance; it is cut where it is quietest in its last `seam`
    seam: float = 3.0
    least: float = 0.2  # speech in an utterance; less is a click or a cough
    margin: float = 0.3  # that is kept before and after the speech


CUT = Cut()


class Segment(Struct, frozen=True):
    """One utterance: linear16, and where it starts in the stream (s). `by_pause` unless it was cut
    for its length or on demand."""

    pcm: bytes
    start: float
    duration: float
    by_pause: bool


class Moment(NamedTuple):
    """One frame as it was judged."""

    pcm: bytes
    level: float
    is_speech: bool


class Endpointer:
    """Feed it mono linear16 at `rate` Hz in chunks of any size; chunking never changes the cuts."""

    def __init__(self, rate: int, cut: Cut = CUT) -> None:
        self._rate = rate
        self._cut = cut
        self._size = round(rate * FRAME) * 2
        self._noise = Noise()
        self._carry = b""
        self._at = 0  # frames heard before those in `_moments`
        self._moments: deque[Moment] = deque()
        self._is_open = False

    def feed(self, pcm: bytes) -> Iterator[Segment]:
        """The utterances that are complete now."""
        data = self._carry + pcm
        whole = len(data) - len(data) % self._size
        self._carry = data[whole:]
        for at in range(0, whole, self._size):
            yield from self._hear(data[at : at + self._size])

    def flush(self) -> Segment | None:
        """What has been said since the last cut, if anything."""
        segment = self._segment(len(self._moments), by_pause=False) if self._is_open else None
        self._drop(len(self._moments))
        return segment

    def _hear(self, pcm: bytes) -> Iterator[Segment]:
        level = loudness(pcm)
        is_speech = level > self._noise.threshold(level)
        self._moments.append(Moment(pcm, level, is_speech))
        if not self._is_open:
            self._is_open = is_speech
            if not is_speech:
                self._drop(len(self._moments) - frames(self._cut.margin))
            return
        segment = None
        if self._quiet() >= frames(self._cut.silence):
            segment = self._segment(len(self._moments), by_pause=True)
            self._drop(len(self._moments) - frames(self._cut.margin))
        elif len(self._moments) >= frames(self._cut.longest):
            segment = self._segment(seam := self._seam(), by_pause=False)
            self._drop(seam)
        if segment is not None:
            yield segment

    def _quiet(self) -> int:
        """How many of the last frames hold no speech."""
        return next((n for n, m in enumerate(reversed(self._moments)) if m.is_speech), 0)

    def _seam(self) -> int:
        """Where to cut what never pauses: at the quietest of the last frames."""
        first = len(self._moments) - frames(self._cut.seam)
        levels = [moment.level for moment in islice(self._moments, first, None)]
        return first + levels.index(min(levels)) + 1

    def _segment(self, count: int, *, by_pause: bool) -> Segment | None:
        """The first `count` frames, without a long silence at their end."""
        moments = list(islice(self._moments, count))
        speech = [n for n, moment in enumerate(moments) if moment.is_speech]
        if len(speech) < frames(self._cut.least):
            return None
        if by_pause:
            moments = moments[: speech[-1] + 1 + frames(self._cut.margin)]
        pcm = b"".join(moment.pcm for moment in moments)
        return Segment(pcm, self._seconds(self._at), self._seconds(len(moments)), by_pause)

    def _seconds(self, count: int) -> float:
        return count * self._size / 2 / self._rate

    def _drop(self, count: int) -> None:
        for _ in range(count):
            self._moments.popleft()
            self._at += 1
        self._is_open = any(moment.is_speech for moment in self._moments)


class Noise:
    """The loudness of the room: the quietest frame of the last seconds."""

    def __init__(self) -> None:
        # The least of each quarter of a second; the last one is still growing.
        self._least: deque[float] = deque(maxlen=round(_NOISE_WINDOW * 4))
        self._frames = 0
        self._is_settled = False

    def threshold(self, level: float) -> float:
        """How loud speech must be, this frame's loudness taken into account."""
        if level >= _DEAD:
            self._learn(level)
        noise = min(self._least, default=_FIRST_NOISE)
        if not self._is_settled:
            noise = min(noise, _FIRST_NOISE)
        return max(noise * ABOVE_NOISE, _LEAST_SPEECH)

    def _learn(self, level: float) -> None:
        if self._frames % frames(0.25) == 0:
            self._least.append(level)
        self._least[-1] = min(self._least[-1], level)
        self._frames += 1
        self._is_settled |= self._frames > frames(1.5)


def frames(seconds: float) -> int:
    return round(seconds / FRAME)


def loudness(pcm: bytes) -> float:
    """The RMS of linear16."""
    samples = array("h", pcm)
    if sys.byteorder == "big":
        samples.byteswap()
    return sqrt(sum(map(mul, samples, samples)) / len(samples))
