"""Where speech goes: a file of any format, standard output, the loudspeaker.

All of them take linear16 mono in pieces, and are told at the end that there is no more.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO, Protocol

from ..audio.wav import wav_header
from ..errors import ConfigError
from .extras import missing

SUFFIXES = (".wav", ".mp3", ".ogg", ".opus", ".flac")


class Sink(Protocol):
    """Takes audio. `name` is what the user calls it."""

    name: str

    def open(self, rate: int) -> None: ...

    def write(self, pcm: bytes) -> None: ...

    async def finish(self) -> None:
        """All has come: wait until it is where it belongs."""
        ...

    def close(self) -> None:
        """Let go at once, finished or not."""
        ...


class WavFile:
    """A WAV file that can be played from its first piece on: its length is set right at the end,
    where that is possible."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        self._file: IO[bytes] | None = None
        self._rate = self._size = 0

    def open(self, rate: int) -> None:
        self._rate = rate

    def write(self, pcm: bytes) -> None:
        if self._file is None:  # opened late: a session that fails spoils no older file
            self._file = self._opened()
            self._file.write(wav_header(self._rate))
        self._file.write(pcm)
        self._size += len(pcm)

    async def finish(self) -> None: ...

    def close(self) -> None:
        if self._file is None:
            return
        with self._file as file:
            if file.seekable():
                file.seek(0)
                file.write(wav_header(self._rate, self._size))

    def _opened(self) -> IO[bytes]:
        try:
            return self._path.open("wb")
        except OSError as error:
            raise ConfigError(f"cannot write {self.name}: {error.strerror}") from error


class StandardOutput:
    """A WAV stream for another program; nobody knows its length when it begins."""

    name = "standard output"

    def open(self, rate: int) -> None:
        self.write(wav_header(rate))

    def write(self, pcm: bytes) -> None:
        sys.stdout.buffer.write(pcm)
        sys.stdout.buffer.flush()

    async def finish(self) -> None: ...

    def close(self) -> None: ...


class Recording:
    """Keeps what was said."""

    name = "memory"

    def __init__(self) -> None:
        self.rate = 0
        self.pcm = b""

    def open(self, rate: int) -> None:
        self.rate = rate

    def write(self, pcm: bytes) -> None:
        self.pcm += pcm

    async def finish(self) -> None: ...

    def close(self) -> None: ...


class EncodedFile:
    """A file whose format can only be written once all is there."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        self._rate = 0
        self._pieces: list[bytes] = []

    def open(self, rate: int) -> None:
        self._rate = rate

    def write(self, pcm: bytes) -> None:
        self._pieces.append(pcm)

    async def finish(self) -> None:
        from ..audio.files import save_audio

        if self._pieces:
            save_audio(self._path, b"".join(self._pieces), self._rate)

    def close(self) -> None: ...


def sink_for(path: str) -> Sink:
    """The sink for `-o`. Raises ConfigError for what cannot work, before anything is spoken."""
    if path == "-":
        if sys.stdout.isatty():
            raise ConfigError("not writing audio to a terminal: pipe it, or use -o FILE")
        return StandardOutput()
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigError(f"cannot write {path}: its suffix is not one of {' '.join(SUFFIXES)}")
    if not target.parent.is_dir():
        raise ConfigError(f"cannot write {path}: there is no directory {target.parent}")
    if not os.access(target if target.exists() else target.parent, os.W_OK) or target.is_dir():
        raise ConfigError(f"cannot write {path}: it may not be written")
    if suffix == ".wav":
        return WavFile(target)
    if lacking := missing("av", "numpy"):
        raise ConfigError(f"writing {suffix} needs {lacking}: pip install 'voxway[audio]'")
    return EncodedFile(target)
