"""The audio that `voxway transcribe` sends: any file, or what comes on standard input."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ..audio.formats import AudioFormat
from ..client import sources
from ..client.sources import RATE, FileSource, RawSource, StreamSource
from . import stdin

__all__ = ["RATE", "paced", "sound"]


def sound(source: str, raw_rate: int | None) -> AsyncIterator[bytes]:
    """linear16 mono, at `raw_rate` if that is given (the source then has no header), else at RATE.
    ConfigError, at once or with the audio, for what is no audio."""
    if raw_rate:
        raw = AudioFormat("linear16", raw_rate)
        return aiter(RawSource(stdin.read() if source == "-" else source, raw))
    if source == "-":
        advice = "raw samples need --raw RATE"
        return aiter(StreamSource(stdin.read(), RATE, "standard input", advice))
    return aiter(FileSource(source, RATE))


def paced(audio: AsyncIterator[bytes], rate: int) -> AsyncIterator[bytes]:
    """The same, no faster than it was spoken."""
    return sources.paced(audio, AudioFormat("linear16", rate))
