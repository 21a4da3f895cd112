"""Audio files of any kind, read and written for the command line, the demo and the tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import IO

import av
import numpy as np
from av.audio.frame import AudioFrame

from ..errors import ConfigError
from .codec import channels
from .encode import Encoder
from .formats import MPEG_RATES, AudioFormat
from .resample import Resampler
from .samples import mono
from .wav import write_wav

_PIECE_MS = 100

# libav also knows playlists, which make it open whatever file or address they name. A file that was
# uploaded must not do that.
_OPTIONS = {"format_whitelist": "wav,w64,mp3,ogg,flac,matroska,webm,mov,mp4,aac,aiff,au,amr,caf"}


def read_audio(source: str | os.PathLike[str] | IO[bytes], rate: int) -> Iterator[bytes]:
    """The first audio stream of a file as linear16 mono at `rate` (Hz), 100 ms at a time.

    An open file is closed after the last piece. ConfigError, with the first piece or a later one,
    if there is no such file or no audio in it.
    """
    name = _name(source)
    size = 2 * (rate * _PIECE_MS // 1000)
    held = b""
    with _opened(source, name) as file:
        for pcm in _decoded(file, name, rate):
            held += pcm
            whole = len(held) // size * size
            yield from (held[at : at + size] for at in range(0, whole, size))
            held = held[whole:]
    if held:
        yield held


def save_audio(path: str | os.PathLike[str], pcm: bytes, rate: int) -> None:
    """Write linear16 mono as what the suffix says: .wav, .mp3, .ogg, .opus or .flac.

    ConfigError for another suffix, or if the file cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _WRITERS:
        known = ", ".join(_WRITERS)
        raise ConfigError(f"cannot write {path}: give it one of the suffixes {known}")
    try:
        _WRITERS[suffix](path, pcm, rate)
    except OSError as error:  # PyAV's errors of this kind are OSErrors, too
        raise ConfigError(f"cannot write {path}: {error.strerror}; choose another place") from error


def _opened(source: str | os.PathLike[str] | IO[bytes], name: str) -> IO[bytes]:
    if not isinstance(source, str | os.PathLike):
        return source
    try:
        return Path(source).open("rb")
    except OSError as error:
        raise ConfigError(f"cannot read {name}: {error.strerror}; check the path") from error


def _decoded(file: IO[bytes], name: str, rate: int) -> Iterator[bytes]:
    """The audio of an open file in pieces as they come."""
    resampler: Resampler | None = None
    try:
        for frame in _frames(file):
            if resampler is None or resampler.source_rate != frame.sample_rate:
                if resampler is not None:
                    yield resampler.flush()
                resampler = Resampler(frame.sample_rate, rate)
            yield resampler.feed(mono(channels(frame)))
    except (av.FFmpegError, OSError) as error:  # OSError: libav sought where the file has nothing
        message = f"{name} has no audio that can be decoded; convert it to wav or mp3"
        raise ConfigError(message) from error
    if resampler is not None:
        yield resampler.flush()


def _frames(file: IO[bytes]) -> Iterator[AudioFrame]:
    """The frames that can be decoded. FFmpegError if that is none of them."""
    heard, failure = False, None
    with av.open(file, "r", container_options=_OPTIONS) as container:
        if not container.streams.audio:
            raise av.InvalidDataError(0, "no audio stream")
        for packet in container.demux(container.streams.audio[0]):
            try:
                for frame in packet.decode():
                    heard = True
                    yield frame
            except av.InvalidDataError as error:  # a file cut short, say: the rest is worth having
                failure = error
    if failure is not None and not heard:
        raise failure


def _name(source: str | os.PathLike[str] | IO[bytes]) -> str:
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    return str(getattr(source, "name", "the audio"))


def _write_mp3(path: str | os.PathLike[str], pcm: bytes, rate: int) -> None:
    nearest = min((known for known in MPEG_RATES if known >= rate), default=MPEG_RATES[-1])
    _write_stream(path, pcm, rate, AudioFormat("mp3", nearest))


def _write_opus(path: str | os.PathLike[str], pcm: bytes, rate: int) -> None:
    _write_stream(path, pcm, rate, AudioFormat("opus", rate))


def _write_stream(path: str | os.PathLike[str], pcm: bytes, rate: int, target: AudioFormat) -> None:
    encoder = Encoder(target, rate)
    Path(path).write_bytes(encoder.feed(pcm) + encoder.flush())


def _write_flac(path: str | os.PathLike[str], pcm: bytes, rate: int) -> None:
    with av.open(os.fspath(path), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=rate, layout="mono")
        if pcm:
            samples = np.frombuffer(pcm, "<i2").reshape(1, -1)
            frame = AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


_WRITERS: dict[str, Callable[[str | os.PathLike[str], bytes, int], None]] = {
    ".wav": write_wav,
    ".mp3": _write_mp3,
    ".ogg": _write_opus,
    ".opus": _write_opus,
    ".flac": _write_flac,
}
