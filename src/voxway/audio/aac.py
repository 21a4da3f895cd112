"""AAC in ADTS frames, the way it is streamed: without a container."""

from __future__ import annotations

from . import adts
from .codec import Codec, FrameEncoder
from .formats import checked_rate
from .mp3 import default_bit_rate


class AacEncoder:
    """linear16 to frames of 1024 samples, which can be concatenated. The format itself adds 1024
    samples of silence in front of each utterance. ConfigError for a rate that it does not have.
    """

    def __init__(self, rate: int, bit_rate: int | None = None) -> None:
        checked_rate(rate, "aac", "sample_rate")
        self._rate = rate
        codec = Codec("aac", "fltp", rate, bit_rate or default_bit_rate(rate), {})
        self._frames = FrameEncoder(codec)

    def feed(self, pcm: bytes) -> bytes:
        """The frames that are complete now."""
        return b"".join(map(self._framed, self._frames.feed(pcm)))

    def flush(self) -> bytes:
        """The rest."""
        return b"".join(map(self._framed, self._frames.flush()))

    def _framed(self, packet: bytes) -> bytes:
        return adts.head(self._rate, len(packet)) + packet
