"""FLAC (RFC 9639), written as a stream: it does not say in front how long it will be."""

from __future__ import annotations

from .codec import Codec, FrameEncoder

_FRAME = 1152  # samples: libav takes twice as many, which would come twice as late
_MAGIC, _LAST_STREAMINFO = b"fLaC", b"\x80"


class FlacEncoder:
    """linear16 to frames, without loss. Each utterance is a file of its own."""

    def __init__(self, rate: int) -> None:
        self._frames = FrameEncoder(Codec("flac", "s16", rate, 0, {"frame_size": str(_FRAME)}))
        info = self._frames.extradata
        self._head = _MAGIC + _LAST_STREAMINFO + len(info).to_bytes(3, "big") + info
        self._has_begun = False

    def feed(self, pcm: bytes) -> bytes:
        """The frames that are complete now; the head comes with the first."""
        return self._headed(b"".join(self._frames.feed(pcm)))

    def flush(self) -> bytes:
        """The rest."""
        rest = self._headed(b"".join(self._frames.flush()))
        self._has_begun = False
        return rest

    def _headed(self, frames: bytes) -> bytes:
        if not frames or self._has_begun:
            return frames
        self._has_begun = True
        return self._head + frames
