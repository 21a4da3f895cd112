"""From linear16 to what the client asked for, as a stream."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import ConfigError
from . import g711, opus
from .aac import AacEncoder
from .flac import FlacEncoder
from .formats import OUTPUT_ENCODINGS, AudioFormat
from .mp3 import Mp3Encoder
from .opus import OpusEncoder
from .resample import Resampler
from .samples import encode_linear32

_RAW: dict[str, Callable[[bytes], bytes]] = {
    "linear16": lambda pcm: pcm,
    "linear32": encode_linear32,
    "mulaw": g711.encode_mulaw,
    "alaw": g711.encode_alaw,
}


class _Raw:
    """A code without memory: what goes in comes out."""

    def __init__(self, convert: Callable[[bytes], bytes]) -> None:
        self.feed = convert

    def flush(self) -> bytes:
        return b""


class Encoder:
    """linear16 mono at `source_rate` (Hz) to `target`, resampled if need be.

    Chunking never changes the output. After `flush`, the next chunk starts a new utterance, which
    can be decoded alone or, but for flac, after the ones before. `bit_rate` (bits per second) is
    for mp3, opus and aac.
    ConfigError if nobody can encode to `target`.
    """

    def __init__(
        self, target: AudioFormat, source_rate: int, *, bit_rate: int | None = None
    ) -> None:
        self.target = target
        rate, self._codec = _codec(target, bit_rate)
        self._resampler = Resampler(source_rate, rate)

    def feed(self, pcm: bytes) -> bytes:
        """What can be sent so far; half a sample waits for its other half."""
        pcm = self._resampler.feed(pcm)
        return self._codec.feed(pcm) if pcm else b""

    def flush(self) -> bytes:
        """The rest of the utterance."""
        rest = self._resampler.flush()
        return (self._codec.feed(rest) if rest else b"") + self._codec.flush()


_Codec = _Raw | Mp3Encoder | OpusEncoder | FlacEncoder | AacEncoder


def _codec(target: AudioFormat, bit_rate: int | None) -> tuple[int, _Codec]:
    """Who encodes to `target`, and the rate (Hz) it wants its input at."""
    rate = target.sample_rate
    match target.encoding:
        case "mp3":
            return rate, Mp3Encoder(rate, bit_rate)
        case "opus":
            inner = opus.encoder_rate(rate)
            return inner, OpusEncoder(inner, rate, bit_rate or opus.BIT_RATE)
        case "flac":
            return rate, FlacEncoder(rate)
        case "aac":
            return rate, AacEncoder(rate, bit_rate)
        case encoding if encoding in _RAW:
            return rate, _Raw(_RAW[encoding])
        case encoding:
            known = ", ".join(OUTPUT_ENCODINGS)
            raise ConfigError(f"encoding {encoding!r} is not one of {known}", param="encoding")
