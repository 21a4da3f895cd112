"""This machine's microphone and loudspeaker, by sounddevice: `pip install 'voxway[audio]'`.

Their callbacks run in threads of their own and only move bytes. Whether a device is there is known
when it is opened: ConfigError says what is lacking.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any

from ..audio.formats import AudioFormat
from ..errors import ConfigError
from .capture import CaptureQueue
from .extras import missing, need_audio
from .playback import PlaybackBuffer
from .sources import RATE

BLOCK_MS = 20  # of the microphone's callback
_LOOK = 0.01  # seconds between two looks at whether all has sounded

Device = int | str | None  # as sounddevice names it; None: the default


def sounddevice(what: str) -> Any:
    """The library, if it can be used here. Raises ConfigError that says what it lacks."""
    if missing("sounddevice"):
        raise ConfigError(f"cannot {what}: sounddevice is missing: pip install 'voxway[audio]'")
    try:
        import sounddevice
    except OSError:
        message = "the PortAudio library is missing (Debian: apt install libportaudio2)"
        raise ConfigError(f"cannot {what}: {message}") from None
    return sounddevice


class Microphone:
    """linear16 mono at `rate`, whatever the device gives; iterate over it once. `close` ends that.

    Nobody waits for a microphone: what is not taken within 8 s is dropped, the oldest first, and
    counted in `dropped_ms`.
    """

    def __init__(self, rate: int = RATE, device: Device = None, library: Any = None) -> None:
        self.format = AudioFormat("linear16", rate)
        self._library, self._rate, self._channels = recordable(rate, device, library)
        if (self._rate, self._channels) != (rate, 1):
            need_audio(f"converting {self._channels} channels at {self._rate} Hz")
        self._device = device
        self._queue = CaptureQueue(AudioFormat("linear16", self._rate))

    @property
    def dropped_ms(self) -> float:
        return self._queue.dropped_ms

    def close(self) -> None:
        """There is no more: what was heard so far can still be taken."""
        self._queue.close()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        stream = self._library.RawInputStream(
            self._rate,
            blocksize=self._rate * BLOCK_MS // 1000,
            device=self._device,
            channels=self._channels,
            dtype="int16",
            callback=self._heard,
        )
        convert = self._converter()
        with stream:
            while (chunk := await self._queue.get()) is not None:
                if pcm := convert(chunk.data):
                    yield pcm

    def _heard(self, data: Any, frames: int, time: Any, status: Any) -> None:
        """The device's thread."""
        pcm = bytes(data)
        if self._channels > 1:
            import numpy as np

            from ..audio.samples import mono

            pcm = mono(np.frombuffer(pcm, "<i2").reshape(-1, self._channels).T)
        self._queue.put(pcm)

    def _converter(self) -> Any:
        if self._rate == self.format.sample_rate:
            return bytes
        from ..audio.resample import Resampler

        return Resampler(self._rate, self.format.sample_rate).feed


class Player:
    """The loudspeaker, which plays what is in `playback` for as long as it is entered."""

    def __init__(
        self, playback: PlaybackBuffer, device: Device = None, library: Any = None
    ) -> None:
        self.playback = playback
        library = playable(playback.sample_rate, device, library)
        self._stream = library.RawOutputStream(
            playback.sample_rate, device=device, channels=1, dtype="int16", callback=self._fill
        )

    def __enter__(self) -> Player:
        self._stream.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.abort()  # which does not wait for what the device still has
        self._stream.close()

    async def finished(self) -> None:
        """Until all that is in `playback` has sounded; its last utterance must have ended."""
        while not self.playback.is_idle:  # noqa: ASYNC110 - a device's thread tells nobody
            await asyncio.sleep(_LOOK)
        await asyncio.sleep(float(self._stream.latency))

    def _fill(self, data: Any, frames: int, time: Any, status: Any) -> None:
        """The device's thread."""
        data[:] = self.playback.read(frames)


def playable(rate: int | None = None, device: Device = None, library: Any = None) -> Any:
    """The library, if it can play that rate, or any. Raises ConfigError that says what it lacks."""
    library = library or sounddevice("play")
    try:
        own = int(library.query_devices(device, "output")["default_samplerate"])
    except (library.PortAudioError, ValueError):
        raise ConfigError("cannot play: there is no audio output device here") from None
    if not _fits(library, "output", rate or own, 1, device):
        raise ConfigError(f"cannot play {rate or own} Hz: ask for speech at {own} Hz")
    return library


def recordable(
    rate: int = RATE, device: Device = None, library: Any = None
) -> tuple[Any, int, int]:
    """The library, and the rate and channels to open the device with: those that are wanted, or
    its own. Raises ConfigError that says what is lacking."""
    library = library or sounddevice("listen")
    try:
        info = library.query_devices(device, "input")
    except (library.PortAudioError, ValueError):
        raise ConfigError("cannot listen: there is no microphone here") from None
    own, most = int(info["default_samplerate"]), int(info["max_input_channels"])
    for each, channels in ((rate, 1), (own, 1), (own, most)):
        if _fits(library, "input", each, channels, device):
            return library, each, channels
    raise ConfigError("cannot listen: the microphone gives no 16-bit samples")


def _fits(library: Any, task: str, rate: int, channels: int, device: Device) -> bool:
    check = getattr(library, f"check_{task}_settings")
    try:
        check(device=device, channels=channels, dtype="int16", samplerate=rate)
    except (library.PortAudioError, ValueError):
        return False
    return True
