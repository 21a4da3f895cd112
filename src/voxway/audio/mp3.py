"""MP3 frames without a container, the way they are streamed."""

from __future__ import annotations

from .codec import Codec, FrameEncoder
from .formats import checked_rate


def default_bit_rate(rate: int) -> int:
    """Bits per second that suit a voice at `rate` (Hz)."""
    return 64_000 if rate <= 24_000 else 96_000


class Mp3Encoder:
    """linear16 to frames of 576 samples (1152 from 32 kHz on). Frames do not depend on earlier
    ones, so utterances can be concatenated. The format itself adds about 1100 samples of silence
    in front of each. ConfigError for a rate that MP3 does not have.
    """

    def __init__(self, rate: int, bit_rate: int | None = None) -> None:
        checked_rate(rate, "mp3", "sample_rate")
        # With a bit reservoir, a frame's bits may lie in the frames before it.
        options = {"reservoir": "0"}
        codec = Codec("libmp3lame", "s16p", rate, bit_rate or default_bit_rate(rate), options)
        self._frames = FrameEncoder(codec)

    def feed(self, pcm: bytes) -> bytes:
        """The frames that are complete now."""
        return b"".join(self._frames.feed(pcm))

    def flush(self) -> bytes:
        """The rest."""
        return b"".join(self._frames.flush())
