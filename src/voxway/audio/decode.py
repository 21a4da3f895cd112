"""From whatever was sent to linear16 mono, as a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

from ..errors import ConfigError, ProtocolError
from .codec import Pcm
from .demux import RAW, FlacReader, FramesReader, RawReader, WavReader
from .formats import INPUT_ENCODINGS, AudioFormat
from .oggaudio import OggReader
from .resample import Resampler
from .webm import WebmReader

# Rates (Hz) that a file may claim: the filter of the resampler grows with the ratio.
_LOWEST, _HIGHEST = 4_000, 192_000
_PIECE = 32 * 1024  # bytes


class Reader(Protocol):
    """Takes one encoding apart; see `demux`."""

    def feed(self, data: bytes) -> Iterator[Pcm]:
        """The audio that is complete now."""

    def flush(self) -> Iterator[Pcm]:
        """The rest, once the stream has ended."""


_READERS: dict[str, Callable[[], Reader]] = {
    "mp3": partial(FramesReader, "mp3"),
    "aac": partial(FramesReader, "aac"),
    "opus": OggReader,
    "ogg": OggReader,
    "wav": WavReader,
    "flac": FlacReader,
    "webm": WebmReader,
}


class Decoder:
    """Audio in `source`'s encoding to linear16 mono at `target_rate` (Hz), whatever its channels
    and (for containers, which tell their own) its rate.

    Chunking never changes the output. After `flush`, the next chunk starts a new stream.
    ProtocolError if the bytes are not in that encoding; after one, the decoder is of no more use.
    ConfigError if nobody can decode `source`.
    """

    def __init__(self, source: AudioFormat, target_rate: int) -> None:
        if source.encoding not in INPUT_ENCODINGS:
            known = ", ".join(INPUT_ENCODINGS)
            raise ConfigError(
                f"encoding {source.encoding!r} is not one of {known}", param="encoding"
            )
        self.source = source
        self.target_rate = target_rate
        self._begin()

    def _begin(self) -> None:
        self._reader: Reader | None = None  # made when there is something to read
        self._resampler: Resampler | None = None

    def feed(self, data: bytes) -> bytes:
        """What can be heard so far."""
        if not data:
            return b""
        if self._reader is None:
            self._reader = _reader(self.source)
        # A reader moves what it holds for every packet, so a whole file is not given to it at once.
        pieces = (data[at : at + _PIECE] for at in range(0, len(data), _PIECE))
        return b"".join(
            self._resampled(pcm) for piece in pieces for pcm in self._reader.feed(piece)
        )

    def flush(self) -> bytes:
        """The rest of the stream."""
        if self._reader is None:
            return b""
        rest = b"".join(map(self._resampled, self._reader.flush()))
        if self._resampler is not None:
            rest += self._resampler.flush()
        self._begin()
        return rest

    def close(self) -> None:
        """Let go of what is held, without a last word."""
        self._begin()

    def _resampled(self, pcm: Pcm) -> bytes:
        before = b""
        if self._resampler is None or self._resampler.source_rate != pcm.rate:
            if not _LOWEST <= pcm.rate <= _HIGHEST:
                raise ProtocolError(f"sample rate {pcm.rate} is outside {_LOWEST}-{_HIGHEST} Hz")
            if self._resampler is not None:
                before = self._resampler.flush()
            self._resampler = Resampler(pcm.rate, self.target_rate)
        return before + self._resampler.feed(pcm.data)


def _reader(source: AudioFormat) -> Reader:
    if source.encoding in RAW:
        return RawReader(source)
    return _READERS[source.encoding]()
