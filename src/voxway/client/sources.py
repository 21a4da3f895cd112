"""Audio to be written down: files of any kind, raw audio, streams with a header.

Each source is an iterator over raw mono audio and says in which `format` that is, so a session can
be configured to it; or it is told which rate the session has, and converts. What needs no change
needs no extra: a WAV file of 16-bit mono samples is read as it is.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterable, AsyncIterator
from os import PathLike
from pathlib import Path
from typing import Protocol

from ..audio.formats import MAX_RATE, MIN_RATE, AudioFormat
from ..audio.plausible import RateCheck, RawCheck
from ..audio.sniff import container
from ..audio.wav import PCM, WavHeader, parse_header
from ..errors import ConfigError
from .extras import need_audio

RATE = 16_000  # Hz of decoded audio: what recognizers work at
PIECE = 0.1  # seconds
_HEAD = 64 * 1024  # bytes in which a file says what it is

Source = AsyncIterable[bytes]
AnySource = str | PathLike[str] | Source  # a file's path, or audio as it comes


class Sound(Protocol):
    """A source that says what it gives."""

    format: AudioFormat

    def __aiter__(self) -> AsyncIterator[bytes]: ...


class FileSource:
    """A file of any kind that can be decoded, as linear16 mono. Without `rate`, a WAV file keeps
    its own and everything else has RATE. Raises ConfigError, at once or amid the file, for what is
    no audio."""

    def __init__(self, path: str | PathLike[str], rate: int | None = None) -> None:
        self._path = Path(path)
        header = _header(self._path)
        plain = header if header is not None and _is_plain(header) else None
        self._plain = (
            plain if plain is not None and rate in (None, plain.format.sample_rate) else None
        )
        self.format = AudioFormat("linear16", rate or _rate_of(header))
        if self._plain is None:
            need_audio(f"reading {self._path.name}")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._plain is None:
            from ..audio.files import read_audio

            for pcm in read_audio(self._path, self.format.sample_rate):
                yield pcm
                await asyncio.sleep(
                    0
                )  # decoding never waits, and answers have to be read meanwhile
            return
        async for pcm in _pieces(self._path, self.format, self._plain):
            yield pcm


class RawSource:
    """Raw mono audio in `format`, from a file or as it comes; with `rate`, as linear16 at that.
    `is_live`: it comes as fast as it is spoken.

    ConfigError, amid it, if it cannot be what it is said to be; `check=False` believes it.
    """

    def __init__(
        self,
        source: str | PathLike[str] | AsyncIterable[bytes],
        format: AudioFormat,
        rate: int | None = None,
        *,
        is_live: bool = False,
        check: bool = True,
    ) -> None:
        if not format.frame_bytes:
            raise ConfigError(f"{format.encoding} is not raw audio", param="encoding")
        if isinstance(source, str | PathLike):
            source = _pieces(_existing(Path(source)), format)
        self._source = source
        self._given = format
        self.format = format if rate is None else AudioFormat("linear16", rate)
        self._raw = RawCheck(format) if check else None
        self._rate = RateCheck(format) if check and is_live else None
        if self.format != format:
            need_audio(f"converting {format.encoding} at {format.sample_rate} Hz")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = self._checked()
        if self.format == self._given:
            async for data in pieces:
                yield data
            return
        async for pcm in _decoded(pieces, self._given, self.format.sample_rate):
            yield pcm

    async def _checked(self) -> AsyncIterator[bytes]:
        async for data in self._source:
            if self._raw is not None:
                self._raw.feed(data)
            if self._rate is not None:
                self._rate.feed(data, time.monotonic())
            yield data


class StreamSource:
    """A stream that says itself what it is, as linear16 mono at `rate`: decoded as it comes, if its
    kind allows that. ConfigError for what is no audio; ProtocolError for what breaks off being it.
    """

    def __init__(
        self,
        source: AsyncIterable[bytes],
        rate: int = RATE,
        name: str = "the stream",
        advice: str = "raw samples need their rate",
    ) -> None:
        need_audio(f"reading {name}")
        self.format = AudioFormat("linear16", rate)
        self._source = source
        self._name = name
        self._advice = advice

    async def __aiter__(self) -> AsyncIterator[bytes]:
        head, pieces = b"", aiter(self._source)
        async for data in pieces:
            head += data
            if len(head) >= 12:
                break
        if not head:
            raise ConfigError(f"there is nothing in {self._name}")
        encoding = container(head)
        rest = _chained(head, pieces)
        if encoding is None:
            pcm = self._whole(b"".join([data async for data in rest]))
        else:
            given = AudioFormat(encoding, self.format.sample_rate)
            pcm = _decoded(rest, given, self.format.sample_rate)
        async for data in pcm:
            yield data

    async def _whole(self, data: bytes) -> AsyncIterator[bytes]:
        """What can only be decoded from its end."""
        from ..audio.files import read_audio

        file = io.BytesIO(data)
        file.name = self._name
        try:
            for pcm in read_audio(file, self.format.sample_rate):
                yield pcm
                await asyncio.sleep(0)
        except ConfigError as error:
            raise ConfigError(f"{error.message}; {self._advice}") from error


def fitting(source: AnySource, format: AudioFormat) -> Source:
    """What a session in this format is to be given: files are converted, raw audio is looked at
    whether it can be that. Raises ConfigError, at once or with the audio."""
    if isinstance(source, str | PathLike):
        if format.encoding != "linear16":
            raise ConfigError(
                f"a file is sent as linear16, not {format.encoding}", param="encoding"
            )
        return FileSource(source, format.sample_rate)
    given = getattr(source, "format", None)
    if isinstance(given, AudioFormat) and given != format:
        raise ConfigError(
            f"the source gives {given.encoding} at {given.sample_rate} Hz, and the session takes "
            f"{format.encoding} at {format.sample_rate} Hz: make one as the other",
            param="sample_rate",
        )
    return source if given is not None or not format.frame_bytes else RawSource(source, format)


async def paced(source: AsyncIterable[bytes], format: AudioFormat) -> AsyncIterator[bytes]:
    """The same, no faster than it was spoken."""
    began, size = time.monotonic(), 0
    step = format.bytes_for(PIECE)
    async for data in source:
        for at in range(0, len(data), step):
            piece = data[at : at + step]
            await asyncio.sleep(began + format.seconds(size) - time.monotonic())
            yield piece
            size += len(piece)


def _existing(path: Path) -> Path:
    if path.is_dir():
        raise ConfigError(f"{path} is a directory, and no file")
    if not path.is_file():
        raise ConfigError(f"there is no file {path}")
    return path


def _header(path: Path) -> WavHeader | None:
    """What a WAV file says of itself; None for another. Raises ConfigError."""
    try:
        with _existing(path).open("rb") as file:
            found = parse_header(file.read(_HEAD))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    return found if isinstance(found, WavHeader) else None


def _is_plain(header: WavHeader) -> bool:
    """Whether its samples can be sent as they are."""
    is_linear16 = (header.tag, header.bits, header.channels) == (PCM, 16, 1)
    return is_linear16 and MIN_RATE <= header.format.sample_rate <= MAX_RATE


def _rate_of(header: WavHeader | None) -> int:
    return header.format.sample_rate if header is not None and _is_plain(header) else RATE


async def _pieces(
    path: Path, format: AudioFormat, header: WavHeader | None = None
) -> AsyncIterator[bytes]:
    """A file's samples. A local disk, and nobody else waits."""
    left = header.data_bytes if header is not None else None
    with path.open("rb") as file:
        file.seek(header.data_offset if header is not None else 0)
        while data := file.read(format.bytes_for(PIECE)):
            if left is not None:
                data, left = data[:left], left - len(data)
            if data:
                yield data
            if left is not None and left <= 0:
                return
            await asyncio.sleep(0)


async def _chained(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for data in rest:
        yield data


async def _decoded(
    source: AsyncIterable[bytes], given: AudioFormat, rate: int
) -> AsyncIterator[bytes]:
    from ..audio.decode import Decoder

    decoder = Decoder(given, rate)
    try:
        async for data in source:
            if pcm := decoder.feed(data):
                yield pcm
        if pcm := decoder.flush():
            yield pcm
    finally:
        decoder.close()
