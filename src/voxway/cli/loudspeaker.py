"""Play speech while it arrives, by sounddevice, if this machine can."""

from __future__ import annotations

import queue
import threading
from typing import Any

from ..errors import ConfigError
from .extras import missing


class Loudspeaker:
    """A sink that plays in a thread of its own, so that the speech arrives as fast as it can."""

    name = "loudspeaker"

    def __init__(self, sounddevice: Any) -> None:
        self._sounddevice = sounddevice
        self._pieces: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._stream: Any = None
        self._player = threading.Thread(target=self._play, daemon=True)

    def open(self, rate: int) -> None:
        self._stream = self._sounddevice.RawOutputStream(rate, channels=1, dtype="int16")
        self._stream.start()
        self._player.start()

    def write(self, pcm: bytes) -> None:
        self._pieces.put(pcm)

    def close(self, *, at_once: bool) -> None:
        """Wait until all has sounded, or fall silent."""
        if self._stream is None:
            return
        if at_once:
            self._stream.abort()
            return
        self._pieces.put(None)
        self._player.join()
        self._stream.stop()
        self._stream.close()

    def _play(self) -> None:
        while (pcm := self._pieces.get()) is not None:
            self._stream.write(pcm)


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
