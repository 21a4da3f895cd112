"""Between what one side gives and what the other side wants, as a stream."""

from __future__ import annotations

from collections.abc import Callable

from .decode import Decoder
from .encode import Encoder
from .formats import AudioFormat


class Converter:
    """Audio in `source` to `target`. Chunking never changes the output.

    `bit_rate` (bits per second) is for mp3 and opus. ProtocolError for bytes that are not in
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


def is_light(source: AudioFormat, target: AudioFormat) -> bool:
    """Whether a chunk is converted in well under a millisecond."""
    return bool(source.frame_bytes and target.frame_bytes)


def nearest(
    wanted: AudioFormat,
    encodings: tuple[str, ...],
    rates: Callable[[str], tuple[int, ...]],
    default_rate: int,
) -> AudioFormat:
    """The format to ask of somebody who gives only these, for one who wants that: the same where
    it can be, else the one that loses least. `rates` of an encoding are those it has there: none
    for any."""
    encoding, rate = wanted.encoding, wanted.sample_rate
    if encoding in encodings and (not rates(encoding) or rate in rates(encoding)):
        return wanted
    if "linear16" in encodings:
        encoding = "linear16"
    elif encoding not in encodings:
        encoding = encodings[0]
    if not wanted.frame_bytes and not rates(encoding):
        rate = default_rate  # of a compressed stream the rate may be anything
    if (known := rates(encoding)) and rate not in known:
        rate = min((r for r in known if r >= rate), default=max(known))
    return AudioFormat(encoding, rate)
