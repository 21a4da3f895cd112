"""Where speech goes; and the devices, played here by a double of sounddevice."""

from __future__ import annotations

import asyncio
import struct
import threading
import wave
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from voxway.audio.files import read_audio
from voxway.client.devices import Microphone, Player, playable
from voxway.client.playback import PlaybackBuffer
from voxway.client.sinks import Callback, Recording, WavFile, file_sink
from voxway.errors import ConfigError

PCM = struct.pack("<400h", *range(400))


def filled(sink: Any, rate: int = 8000) -> None:
    sink.open(rate)
    for at in range(0, len(PCM), 100):
        sink.write(PCM[at : at + 100])
    asyncio.run(sink.finish())
    sink.close()


def test_a_wav_file_has_its_length_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    filled(file_sink(path))
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnframes()) == (8000, 400)
        assert file.readframes(400) == PCM


def test_a_session_that_fails_spoils_no_older_file(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_text("older")
    sink = WavFile(path)
    sink.open(8000)
    sink.close()
    assert path.read_text() == "older"


@pytest.mark.parametrize("suffix", [".flac", ".FLAC"])
def test_a_suffix_chooses_the_format(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    filled(file_sink(path), 16_000)
    assert b"".join(read_audio(path, 16_000)) == PCM
    with pytest.raises(ConfigError, match="its suffix is not one of"):
        file_sink(tmp_path / "a.exe")


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot write"):
        filled(file_sink(tmp_path / "nowhere" / "a.wav"))


def test_memory_and_functions() -> None:
    recording, pieces = Recording(), []
    filled(recording)
    assert (recording.rate, recording.pcm) == (8000, PCM)
    filled(Callback(lambda data, rate: pieces.append((len(data), rate))))
    assert pieces == [(100, 8000)] * 8


class PortAudioError(Exception):
    pass


class Stream:
    """A device: a thread that calls back, as fast as it can."""

    latency = 0.001

    def __init__(self, step: Callable[[], None]) -> None:
        self._step = step
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._is_over.wait(0.0005):
            self._step()

    def start(self) -> None:
        self._thread.start()

    def abort(self) -> None:
        self._is_over.set()

    def close(self) -> None:
        self._thread.join()

    def __enter__(self) -> Stream:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.abort()
        self.close()


class SoundDevice:
    """What is used of the library, for a device of one rate and so many channels."""

    PortAudioError = PortAudioError

    def __init__(self, rate: int, channels: int = 2, is_there: bool = True) -> None:
        self._rate = rate
        self._channels = channels
        self._is_there = is_there
        self.played = b""
        self.recorded = 0

    def query_devices(self, device: Any, kind: str) -> dict[str, float]:
        if not self._is_there:
            raise PortAudioError("Error querying device -1")
        return {"default_samplerate": float(self._rate), "max_input_channels": self._channels}

    def check_output_settings(self, *, samplerate: int, **_: Any) -> None:
        if samplerate != self._rate:
            raise PortAudioError("Invalid sample rate")

    def check_input_settings(self, *, samplerate: int, channels: int, **_: Any) -> None:
        if (samplerate, channels) != (self._rate, self._channels) or not channels:
            raise PortAudioError("Invalid sample rate")

    def RawOutputStream(self, rate: int, callback: Any, **_: Any) -> Stream:
        def step() -> None:
            block = bytearray(2 * rate // 100)
            callback(block, len(block) // 2, None, None)
            self.played += block

        return Stream(step)

    def RawInputStream(self, rate: int, blocksize: int, callback: Any, **_: Any) -> Stream:
        def step() -> None:
            block = struct.pack("<h", 1000) * self._channels * blocksize
            callback(block, blocksize, None, None)
            self.recorded += blocksize

        return Stream(step)


def test_the_loudspeaker_plays_all_and_says_when() -> None:
    async def test() -> SoundDevice:
        library, playback = SoundDevice(8000), PlaybackBuffer(8000)
        with Player(playback, library=library) as player:
            playback.write(struct.pack("<h", 1000) * 4000)
            playback.end()
            async with asyncio.timeout(20):
                await player.finished()
        return library

    library = asyncio.run(test())
    samples = struct.unpack(f"<{len(library.played) // 2}h", library.played)
    assert sum(sample != 0 for sample in samples) == 3999  # one of the first edge is silent


def test_a_loudspeaker_that_does_not_play_the_rate() -> None:
    with pytest.raises(ConfigError, match="cannot play 8000 Hz: ask for speech at 48000 Hz"):
        Player(PlaybackBuffer(8000), library=SoundDevice(48_000))
    assert playable(None, None, SoundDevice(48_000))


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (48_000, 1), (44_100, 2)])
def test_the_microphone_gives_what_is_asked_for(rate: int, channels: int) -> None:
    async def test() -> tuple[bytes, SoundDevice]:
        library = SoundDevice(rate, channels)
        microphone, pcm = Microphone(16_000, library=library), b""
        async with asyncio.timeout(20):
            async for data in microphone:
                pcm += data
                if len(pcm) > 32_000:
                    microphone.close()
        assert microphone.dropped_ms == 0
        return pcm, library

    pcm, library = asyncio.run(test())
    samples = struct.unpack(f"<{len(pcm) // 2}h", pcm)
    assert set(samples[1000:-1000]) <= set(range(995, 1006))
    assert len(samples) == pytest.approx(library.recorded * 16_000 / rate, rel=0.2)


def test_a_machine_without_devices_says_so() -> None:
    nothing = SoundDevice(8000, is_there=False)
    with pytest.raises(ConfigError, match="cannot play: there is no audio output device"):
        Player(PlaybackBuffer(8000), library=nothing)
    with pytest.raises(ConfigError, match="cannot listen: there is no microphone"):
        Microphone(library=nothing)
    with pytest.raises(ConfigError, match="the microphone gives no 16-bit samples"):
        Microphone(library=SoundDevice(0, 0))
