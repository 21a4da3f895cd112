"""Between what one side gives and what the other side wants, as a stream."""

from __future__ import annotations

from .decode import Decoder
from .encode import Encoder
from .formats import AudioFormat


class Converter:
    """Audio in `source` to `target`. Chunking never changes the output.

    `bit_rate` (bits per second) is for mp3, opus and aac. ProtocolError for bytes that are not in
    `source`; after one, the converter is of no more use.
    """

    def __init__(
        self, source: AudioFormat, target: AudioFormat, bit_rate: int | None = None
    ) -> None:
        self._decoder = Decoder(source, target.sample_rate)
        self._encoder = Encoder(target, target.sample_rate, bit_rate=bit_rate)

    def feed(self, data: bytes) -> bytes:
        """What can be given so far."""
        pcm = self._decoder.feed(data)
        return self._encoder.feed(pcm) if pcm else b""

    def flush(self) -> bytes:
        """The rest. The next `feed` starts a new stream."""
        pcm = self._decoder.flush()
        return (self._encoder.feed(pcm) if pcm else b"") + self._encoder.flush()
