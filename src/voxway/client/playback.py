"""Speech between the network, which gives it in bursts, and a loudspeaker, which takes it evenly.

An audio callback reads in a thread of its own and must not wait. The lock is held for as long as
it takes to append a chunk or to cut a block, some microseconds: less than Python's own lock.
"""

from __future__ import annotations

import struct
from collections import deque
from threading import Lock

from msgspec import Struct

from ..events import SegmentEnd, SegmentStart, Words
from .heard import Heard, Script

START_MS = 200.0  # what SLNG's guide advises against the jitter of a network
EDGE_MS = 5.0  # of a ramp that nobody hears, where sound begins or breaks off


class _Stop(Struct, frozen=True):
    """Where the sound ends, in samples; it falls from `level` to nothing over the last `ramp`."""

    at: int
    ramp: int
    level: float = 1.0


class PlaybackBuffer:
    """linear16 mono. An utterance begins to sound when `start_ms` of it are there, or all of it;
    if the network is too slow, it falls silent and begins again so. Audio is never changed but for
    the edges next to silence.

    `underruns` counts how often speech broke off, `starved_ms` for how long.
    """

    def __init__(self, sample_rate: int, start_ms: float = START_MS) -> None:
        self.sample_rate = sample_rate
        self.start_ms = start_ms
        self.underruns = 0
        self._edge = max(1, self._samples(EDGE_MS))
        self._block = self._edge  # samples that the callback takes at once
        self._lock = Lock()
        self._pieces: deque[bytes] = deque()
        self._offset = 0  # bytes of the first piece that are gone
        self._odd = b""
        self._stops: deque[_Stop] = deque()
        self._written = self._played = 0  # samples since the beginning
        self._set_in = 0  # the sample with which it began to sound
        self._is_playing = self._is_dry = self._is_late = False
        self._gap = self._starved = 0  # samples of silence: maybe, and for sure, within speech
        self._script = Script()
        self._from = 0  # the sample from which on `heard` counts
        self._base: int | None = None  # the first sample of the utterance

    # The network's side

    def write(self, pcm: bytes) -> None:
        """More of the utterance. Half a sample waits for its other half."""
        with self._lock:
            pcm = self._odd + pcm
            whole = len(pcm) & ~1
            self._odd = pcm[whole:]
            if not whole:
                return
            self._begin()
            if self._is_dry:  # only now it is known that there was more to say
                self.underruns += 1
                self._starved += self._gap
                self._is_dry, self._is_late, self._gap = False, True, 0
            self._pieces.append(pcm[:whole])
            self._written += whole // 2

    def mark(self, event: Words | SegmentStart | SegmentEnd) -> None:
        """What the audio says, in order with it. Words count from the start of the utterance."""
        with self._lock:
            base = self._begin()
            match event:
                case Words(words=words):
                    self._script.words(words, base / self.sample_rate)
                case SegmentStart(text=text):
                    self._script.begin(text, self._written / self.sample_rate)
                case SegmentEnd():
                    self._script.end(self._written / self.sample_rate)

    def end(self) -> None:
        """The utterance is complete: what there is may sound, and what follows is another."""
        with self._lock:
            self._finish()
            if self._written > (self._stops[-1].at if self._stops else self._played):
                self._stops.append(_Stop(self._written, self._edge))

    def clear(self) -> Heard:
        """Fall silent within one block, and forget the rest. What was heard until then."""
        return self._break_off(min(self._edge, self._block))

    def fade(self, ms: float) -> Heard:
        """Fade out over `ms` (or what there is), and forget the rest. What is heard until then."""
        return self._break_off(max(1, self._samples(ms)))

    def heard(self) -> Heard:
        """What was heard since the last `clear`, `fade` or `forget`."""
        with self._lock:
            return self._heard(self._played, self._written)

    def forget(self) -> None:
        """What has sounded so far is told: `heard` begins anew, once nothing is left to sound."""
        with self._lock:
            if self._played == self._written:
                self._forget()

    @property
    def is_idle(self) -> bool:
        """Nothing is left to sound."""
        return self._played == self._written

    @property
    def buffered_ms(self) -> float:
        return self._ms(self._written - self._played)

    @property
    def played_ms(self) -> float:
        """Speech that has sounded since the beginning, silence not counted."""
        return self._ms(self._played)

    @property
    def starved_ms(self) -> float:
        return self._ms(self._starved)

    # The loudspeaker's side

    def read(self, frames: int) -> bytes:
        """The next block: speech, and silence where there is none."""
        blocks: list[bytes] = []
        left = frames
        with self._lock:
            self._block = frames
            while left and (block := self._sound(left)):
                blocks.append(block)
                left -= len(block) // 2
            if self._is_dry:
                self._gap += left
            elif self._is_late:
                self._starved += left
        blocks.append(bytes(2 * left))
        return b"".join(blocks)

    def _sound(self, most: int) -> bytes:
        if not self._is_playing and not self._starts():
            return b""
        if not self._stops and self._written - self._played < most + self._edge:
            self._stops.append(_Stop(self._written, self._edge))
            self._is_dry = True
        stop = self._stops[0] if self._stops else None
        count = min(most, (stop.at if stop else self._written) - self._played)
        pcm = self._shaped(self._taken(count), stop)
        self._played += count
        if stop and self._played == stop.at:
            self._stops.popleft()
            self._is_playing = False
        return pcm

    def _starts(self) -> bool:
        there = self._written - self._played
        if there and (self._stops or there >= self._samples(self.start_ms)):
            self._set_in = self._played
            self._is_playing, self._is_late = True, False
        return self._is_playing

    def _taken(self, count: int) -> bytes:
        """So many samples off the front."""
        taken: list[bytes] = []
        left = 2 * count
        while left:
            piece = self._pieces[0][self._offset : self._offset + left]
            taken.append(piece)
            left -= len(piece)
            self._offset += len(piece)
            if self._offset == len(self._pieces[0]):
                self._pieces.popleft()
                self._offset = 0
        return b"".join(taken)

    def _shaped(self, pcm: bytes, stop: _Stop | None) -> bytes:
        """The samples from `_played` on with the edges that are among them."""
        count, since = len(pcm) // 2, self._played - self._set_in
        is_falling = stop is not None and stop.at - self._played - count < stop.ramp
        if since >= self._edge and not is_falling:
            return pcm
        shape = f"<{count}h"
        gains = (self._gain(at, stop) for at in range(self._played, self._played + count))
        samples = struct.unpack(shape, pcm)
        return struct.pack(shape, *(int(s * g) for s, g in zip(samples, gains, strict=True)))

    def _gain(self, at: int, stop: _Stop | None) -> float:
        gain = min(1.0, (at - self._set_in) / self._edge)
        if stop is not None and stop.at - at <= stop.ramp:
            gain = min(gain, stop.level * (stop.at - at) / stop.ramp)
        return gain

    # Bookkeeping

    def _begin(self) -> int:
        """The first sample of the utterance."""
        if self._base is None:
            self._base = self._written
        return self._base

    def _finish(self) -> None:
        self._script.end(self._written / self.sample_rate)
        self._base = None
        self._odd = b""
        self._is_dry, self._gap = False, 0

    def _break_off(self, ramp: int) -> Heard:
        with self._lock:
            there = self._written - self._played
            count = min(ramp, there) if self._is_playing else 0
            level = 1.0
            if self._stops and self._stops[0].at - self._played <= self._stops[0].ramp:
                level = self._gain(self._played, self._stops[0])  # it is falling already
            heard = self._heard(self._played + count, self._written)
            kept = self._taken(count)
            self._pieces, self._offset = deque([kept] if kept else []), 0
            self._stops = deque([_Stop(self._played + count, count, level)] if count else [])
            self._written = self._played + count
            self._is_late = False
            self._finish()
            self._forget()
            return heard

    def _heard(self, until: int, written: int) -> Heard:
        text = self._script.heard(until / self.sample_rate, written / self.sample_rate)
        return Heard(text, self._ms(until - self._from), until == written)

    def _forget(self) -> None:
        self._script = Script()
        self._from = self._written

    def _samples(self, ms: float) -> int:
        return round(ms * self.sample_rate / 1000)

    def _ms(self, samples: int) -> float:
        return samples / self.sample_rate * 1000
