"""Where speech goes: a file of any format, memory, a function, the loudspeaker.

All of them take linear16 mono in pieces, and are told at the end that there is no more.
"""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import IO, Protocol

from ..audio.wav import wav_header
from ..errors import ConfigError
from .devices import Device, Player
from .extras import need_audio
from .playback import PlaybackBuffer

ENCODED = (".mp3", ".ogg", ".opus", ".flac")
SUFFIXES = (".wav", *ENCODED)


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
    where that is possible. Raises ConfigError if it cannot be written."""

    def __init__(self, path: str | PathLike[str]) -> None:
        self.name = str(path)
        self._path = Path(path)
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


class EncodedFile:
    """A file whose format can only be written once all is there. Raises ConfigError."""

    def __init__(self, path: str | PathLike[str]) -> None:
        self.name = str(path)
        self._path = Path(path)
        self._rate = 0
        self._pieces: list[bytes] = []
        need_audio(f"writing {self._path.suffix}")

    def open(self, rate: int) -> None:
        self._rate = rate

    def write(self, pcm: bytes) -> None:
        self._pieces.append(pcm)

    async def finish(self) -> None:
        from ..audio.files import save_audio

        if self._pieces:
            save_audio(self._path, b"".join(self._pieces), self._rate)

    def close(self) -> None: ...


class Recording:
    """Keeps what was said."""

    name = "memory"

    def __init__(self) -> None:
        self.rate = 0
        self.pcm = b""

    def __repr__(self) -> str:
        return f"Recording(<{len(self.pcm)} bytes>)"

    def open(self, rate: int) -> None:
        self.rate = rate

    def write(self, pcm: bytes) -> None:
        self.pcm += pcm

    async def finish(self) -> None: ...

    def close(self) -> None: ...


class Callback:
    """Hands each piece on, with its rate."""

    name = "callback"

    def __init__(self, call: Callable[[bytes, int], object]) -> None:
        self._call = call
        self._rate = 0

    def open(self, rate: int) -> None:
        self._rate = rate

    def write(self, pcm: bytes) -> None:
        self._call(pcm, self._rate)

    async def finish(self) -> None: ...

    def close(self) -> None: ...


class Loudspeaker:
    """Plays what comes, however fast it comes. Raises ConfigError that says what is lacking, when
    it is opened."""

    name = "loudspeaker"

    def __init__(self, device: Device = None) -> None:
        self._device = device
        self._player: Player | None = None

    def open(self, rate: int) -> None:
        self._player = Player(PlaybackBuffer(rate), self._device).__enter__()

    def write(self, pcm: bytes) -> None:
        if self._player is not None:
            self._player.playback.write(pcm)

    async def finish(self) -> None:
        if self._player is not None:
            self._player.playback.end()
            await self._player.finished()

    def close(self) -> None:
        if self._player is not None:
            self._player.__exit__(None, None, None)


def file_sink(path: str | PathLike[str]) -> Sink:
    """The file that the suffix says. Raises ConfigError for another one."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigError(f"cannot write {path}: its suffix is not one of {' '.join(SUFFIXES)}")
    return WavFile(path) if suffix == ".wav" else EncodedFile(path)
