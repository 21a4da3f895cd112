"""The audio that `voxway transcribe` sends: any file, or what comes on standard input."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator
from pathlib import Path

from ..audio.formats import AudioFormat
from ..errors import ConfigError
from . import stdin
from .extras import missing

RATE = 16_000  # Hz of decoded audio: what recognizers work at
_PIECE = 0.1  # seconds

# How files that can be decoded while they arrive begin.
_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"RIFF", "wav"),
    (b"OggS", "ogg"),
    (b"fLaC", "flac"),
    (b"\x1a\x45\xdf\xa3", "webm"),
    (b"ID3", "mp3"),
    (b"\xff\xfb", "mp3"),
    (b"\xff\xf3", "mp3"),
    (b"\xff\xf2", "mp3"),
)


def sound(source: str, raw_rate: int | None) -> AsyncIterator[bytes]:
    """linear16 mono, at `raw_rate` if that is given (the source then has no header), else at RATE.
    ConfigError, at once or with the audio, for what is no audio."""
    if raw_rate is None and (lacking := missing("av", "numpy")):
        raise ConfigError(f"reading audio files needs {lacking}: pip install 'voxway[audio]'")
    if source == "-":
        return stdin.read() if raw_rate else _arriving()
    if not Path(source).is_file():
        raise ConfigError(f"there is no file {source}")
    return _raw_file(source, raw_rate) if raw_rate else _file(source)


async def paced(audio: AsyncIterator[bytes], rate: int) -> AsyncIterator[bytes]:
    """The same, no faster than it was spoken."""
    began, size = time.monotonic(), 0
    step = round(_PIECE * rate) * 2
    async for data in audio:
        for at in range(0, len(data), step):
            piece = data[at : at + step]
            await asyncio.sleep(began + size / (2 * rate) - time.monotonic())
            yield piece
            size += len(piece)


async def _file(source: str | io.BytesIO) -> AsyncIterator[bytes]:
    from ..audio.files import read_audio

    for pcm in read_audio(source, RATE):
        yield pcm
        await asyncio.sleep(0)  # decoding never waits, and answers have to be read meanwhile


async def _raw_file(source: str, rate: int) -> AsyncIterator[bytes]:
    step = round(_PIECE * rate) * 2
    with Path(source).open("rb") as file:  # noqa: ASYNC230 - a local disk, and nobody else waits
        while data := file.read(step):
            yield data
            await asyncio.sleep(0)


async def _arriving() -> AsyncIterator[bytes]:
    """Standard input with a header, decoded as it comes if its kind allows that."""
    from ..audio.decode import Decoder

    pieces = stdin.read()
    head = b""
    async for data in pieces:
        head += data
        if len(head) >= 4:
            break
    if not head:
        raise ConfigError("there is nothing on standard input")
    encoding = next((name for start, name in _BEGINNINGS if head.startswith(start)), None)
    if encoding is None:
        whole = io.BytesIO(head + b"".join([data async for data in pieces]))
        whole.name = "standard input"
        async for pcm in _whole(whole):
            yield pcm
        return
    decoder = Decoder(AudioFormat(encoding, RATE), RATE)
    try:
        yield decoder.feed(head)
        async for data in pieces:
            yield decoder.feed(data)
        yield decoder.flush()
    finally:
        decoder.close()


async def _whole(file: io.BytesIO) -> AsyncIterator[bytes]:
    try:
        async for pcm in _file(file):
            yield pcm
    except ConfigError as error:
        raise ConfigError(f"{error.message}; raw samples need --raw RATE") from error
