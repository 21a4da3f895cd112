"""Changing the sample rate of a stream, chunk by chunk, as if it were one piece."""

from __future__ import annotations

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

# Why FFmpeg's swresample and not soxr: soxr works in DFT blocks and gives nothing until one is
# full. Mean and worst lag behind the input in ms, fed 20 ms at a time:
#     Hz              soxr MQ    soxr HQ    this (constant)
#     16000 -> 8000    63, 118    63, 115   6
#      8000 -> 48000   53,  92    93, 175   6
#     24000 -> 16000   21,  38    21,  37   3
# soxr LQ halves that but is 8 dB down at 0.85 of the band; QQ has no lag, and aliases. The cost is
# the same: 20 to 60 us for 100 ms.
#
# Why these numbers: 96 taps (at the lower rate) under a Kaiser window of 8 that cut at 0.94 of the
# band: flat within 0.1 dB up to 0.9, everything from 1.1 on at least 85 dB down. 64 taps save a
# third of the lag and are 1.1 dB down at 0.9; 128 gain nothing that 16 bits can hold.
_TAPS = 96
_OPTIONS = {
    "filter_size": str(_TAPS),
    "cutoff": "0.94",
    "filter_type": "kaiser",
    "kaiser_beta": "8",
    "exact_rational": "1",
    "internal_sample_fmt": "fltp",
}


class Resampler:
    """linear16 mono from one rate (Hz) to another.

    Chunking never changes the output, and a stream of n samples becomes one of
    round(n * target / source). The lag is 48 samples at the lower rate (6 ms at 8000 Hz).
    """

    def __init__(self, source_rate: int, target_rate: int) -> None:
        self.source_rate = source_rate
        self.target_rate = target_rate
        self._start()

    def _start(self) -> None:
        self._carry = b""  # half a sample
        self._taken = self._given = 0  # samples since the start of the stream
        self._filter: AudioResampler | None = None

    def feed(self, pcm: bytes) -> bytes:
        """What can be said so far. With equal rates, `pcm` itself."""
        if self._carry:
            pcm = self._carry + pcm
        if len(pcm) % 2:
            self._carry, pcm = pcm[-1:], pcm[:-1]
        elif self._carry:
            self._carry = b""
        if self.source_rate == self.target_rate or not pcm:
            return pcm
        self._taken += len(pcm) // 2
        out = self._filtered(pcm)
        self._given += len(out) // 2
        return out

    def flush(self) -> bytes:
        """The rest of the stream. The next `feed` starts a new one."""
        expected = (2 * self._taken * self.target_rate + self.source_rate) // (2 * self.source_rate)
        missing = expected - self._given
        if missing <= 0 or self._filter is None:
            self._start()
            return b""
        # Left to itself, the filter mirrors the last samples, and gives nothing at all for a
        # stream shorter than itself. Silence pushes the rest out.
        scale = max(1.0, self.source_rate / self.target_rate)
        out = self._filtered(bytes(2 * int(2 * _TAPS * scale)))
        self._start()
        return out[: 2 * missing]

    def _filtered(self, pcm: bytes) -> bytes:
        if self._filter is None:
            self._filter = AudioResampler(
                format="s16", layout="mono", rate=self.target_rate, options=_OPTIONS
            )
        samples = np.frombuffer(pcm, "<i2").reshape(1, -1)
        frame = AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = self.source_rate
        # A plane may be longer than its samples: it is padded for alignment.
        return b"".join(
            bytes(memoryview(out.planes[0])[: 2 * out.samples])
            for out in self._filter.resample(frame)
        )
