"""Files, raw audio and streams: what fits passes as it is, what differs is converted, what cannot
be right is refused."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from audio.signals import decibels, floats
from speech import DATA, clip
from voxway.audio.files import save_audio
from voxway.audio.formats import AudioFormat
from voxway.audio.g711 import encode_mulaw
from voxway.audio.samples import encode_linear32
from voxway.audio.wav import wav_header
from voxway.client.sources import FileSource, RawSource, Sound, StreamSource, paced
from voxway.errors import ConfigError, GatewayError

PCM = clip("austen-0880.wav")[0]
LINEAR16 = AudioFormat("linear16", 16_000)


async def arriving(data: bytes, size: int = 999) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def all_of(source: Sound) -> bytes:
    async def taken() -> bytes:
        return b"".join([data async for data in source])

    return asyncio.run(taken())


def written(directory: Path, rate: int, channels: int, width: int) -> Path:
    """The clip as a WAV file of that kind."""
    samples = np.frombuffer(PCM, "<i2").astype(np.int64)
    wide = samples << 8 * (width - 2)
    data = wide.astype("<i8").view(np.uint8).reshape(-1, 8)[:, :width]
    data = np.repeat(data[:, None, :], channels, axis=1)
    path = directory / f"{rate}-{channels}-{width}.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(data.tobytes())
    return path


def test_a_wav_file_that_fits_is_read_as_it_is() -> None:
    source = FileSource(DATA / "austen-0880.wav")
    assert source.format == LINEAR16
    assert all_of(source) == PCM


def test_a_wav_file_keeps_its_rate_unless_another_is_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, 22_050, 1, 2)
    assert FileSource(path).format == AudioFormat("linear16", 22_050)
    source = FileSource(path, 16_000)
    assert source.format == LINEAR16
    assert len(all_of(source)) == pytest.approx(len(PCM) * 16 / 22.05, abs=4)


@pytest.mark.parametrize(("channels", "width"), [(2, 2), (1, 3), (1, 4), (6, 3)])
def test_width_and_channels_are_converted(tmp_path: Path, channels: int, width: int) -> None:
    assert all_of(FileSource(written(tmp_path, 16_000, channels, width))) == PCM


def test_what_follows_the_samples_in_a_wav_file_is_no_sound(tmp_path: Path) -> None:
    path = tmp_path / "tagged.wav"
    path.write_bytes(wav_header(16_000, len(PCM)) + PCM + b"LIST\x04\0\0\0INFO")
    assert all_of(FileSource(path)) == PCM
    path.write_bytes(wav_header(16_000) + PCM)  # by who did not know how much it would be
    assert all_of(FileSource(path)) == PCM


def test_other_files_are_decoded(tmp_path: Path) -> None:
    path = tmp_path / "clip.flac"
    save_audio(path, PCM, 16_000)
    assert all_of(FileSource(path)) == PCM
    assert FileSource(path).format == LINEAR16


@pytest.mark.parametrize("name", ["none.wav", "none.mp3"])
def test_a_file_that_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="there is no file"):
        FileSource(tmp_path / name)


def test_a_file_without_audio(tmp_path: Path) -> None:
    path = tmp_path / "letter.mp3"
    path.write_bytes(b"Dear Sir or Madam" * 100)
    with pytest.raises(ConfigError, match="no audio that can be decoded"):
        all_of(FileSource(path))


CHECK = """
import sys
sys.modules["av"] = sys.modules["numpy"] = None
import asyncio
from voxway.client.sources import FileSource
async def main():
    return sum([len(data) async for data in FileSource(sys.argv[1])])
print(asyncio.run(main()))
"""


def test_a_plain_wav_file_needs_no_extra() -> None:
    path = str(DATA / "austen-0880.wav")
    done = subprocess.run(
        [sys.executable, "-c", CHECK, path], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) == len(PCM)


def test_raw_audio_is_read_as_it_is() -> None:
    assert all_of(RawSource(DATA / "goforward.raw", LINEAR16)) == clip("goforward.raw")[0]
    assert all_of(RawSource(arriving(PCM), LINEAR16)) == PCM
    mulaw = encode_mulaw(PCM)
    assert all_of(RawSource(arriving(mulaw), AudioFormat("mulaw", 8000))) == mulaw


def test_raw_audio_is_converted() -> None:
    linear32 = AudioFormat("linear32", 16_000)
    assert all_of(RawSource(arriving(encode_linear32(PCM)), linear32, 16_000)) == PCM
    source = RawSource(arriving(PCM), LINEAR16, 48_000)
    assert source.format == AudioFormat("linear16", 48_000)
    there = all_of(source)
    back = all_of(RawSource(arriving(there), AudioFormat("linear16", 48_000), 16_000))
    assert len(back) == len(PCM)
    assert decibels(floats(PCM), floats(back)) > 30


def test_raw_audio_that_cannot_be_right_is_refused() -> None:
    wrong = encode_linear32(clip("jfk.wav")[0])
    with pytest.raises(ConfigError, match=r"cannot be raw linear16 .* looks like linear32"):
        all_of(RawSource(arriving(wrong), LINEAR16))
    assert all_of(RawSource(arriving(wrong), LINEAR16, check=False)) == wrong
    with pytest.raises(ConfigError, match="it is wav, which says itself"):
        all_of(RawSource(DATA / "jfk.wav", LINEAR16))
    with pytest.raises(ConfigError, match="ogg is not raw audio"):
        RawSource(arriving(b""), AudioFormat("ogg", 48_000))


def test_a_live_stream_that_comes_too_fast_is_refused() -> None:
    async def fast() -> AsyncIterator[bytes]:
        while True:  # three times as fast as it should; as long as it takes to see that
            yield bytes(9600)
            await asyncio.sleep(0.1)

    with pytest.raises(ConfigError, match="come in each second; check the rate"):
        all_of(RawSource(fast(), LINEAR16, is_live=True))


@pytest.mark.parametrize("suffix", [".flac", ".mp3", ".ogg"])
def test_a_stream_with_a_header_is_decoded_as_it_comes(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"clip{suffix}"
    save_audio(path, PCM, 16_000)
    size = len(all_of(StreamSource(arriving(path.read_bytes(), 7), 16_000)))
    assert size == pytest.approx(len(PCM), rel=0.05)
    half = all_of(StreamSource(arriving(wav_header(16_000) + PCM), 8_000))
    assert len(half) == pytest.approx(len(PCM) / 2, abs=4)


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "there is nothing in standard input"), (bytes(5000), "raw samples need their rate")],
)
def test_a_stream_that_says_nothing_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(GatewayError, match=message):
        all_of(StreamSource(arriving(data), name="standard input"))


def test_paced_is_no_faster_than_speech() -> None:
    async def taken() -> bytes:
        return b"".join([data async for data in paced(arriving(PCM[:16_000]), LINEAR16)])

    began = time.monotonic()
    assert asyncio.run(taken()) == PCM[:16_000]
    assert time.monotonic() - began > 0.35
