"""Play speech while it arrives, by sounddevice, if this machine can."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any

from ..errors import ConfigError
from .extras import missing


class Loudspeaker:
    """A sink that plays in a thread of its own, so that the speech arrives as fast as it can."""

    name = "loudspeaker"

    def __init__(self, sounddevice: Any) -> None:
        self._sounddevice = sounddevice
        self._pieces: queue.SimpleQueue[bytes | Callable[[], object]] = queue.SimpleQueue()
        self._stream: Any = None
        self._player = threading.Thread(target=self._play, daemon=True)

    def open(self, rate: int) -> None:
        self._stream = self._sounddevice.RawOutputStream(rate, channels=1, dtype="int16")
        self._stream.start()
        self._player.start()

    def write(self, pcm: bytes) -> None:
        self._pieces.put(pcm)

    async def finish(self) -> None:
        """Wait until all has sounded."""
        if self._stream is not None:
            loop, silent = asyncio.get_running_loop(), asyncio.Event()
            self._pieces.put(lambda: loop.call_soon_threadsafe(silent.set))
            await silent.wait()

    def close(self) -> None:
        """Fall silent."""
        if self._stream is not None:
            self._stream.abort()

    def _play(self) -> None:
        while isinstance(piece := self._pieces.get(), bytes):
            self._stream.write(piece)
        self._stream.stop()  # which waits for what the device still has
        piece()


def loudspeaker() -> Loudspeaker:
    """This machine's. Raises ConfigError that says what it lacks."""
    if missing("sounddevice"):
        raise ConfigError("cannot play: sounddevice is missing: pip install 'voxway[audio]'")
    try:
        import sounddevice
    except OSError:
        raise ConfigError(
            "cannot play: the PortAudio library is missing (Debian: apt install libportaudio2)"
        ) from None
    try:
        sounddevice.check_output_settings(channels=1, dtype="int16")
    except (sounddevice.PortAudioError, ValueError):
        raise ConfigError("cannot play: there is no audio output device here") from None
    return Loudspeaker(sounddevice)
