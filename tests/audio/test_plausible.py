"""Raw audio that cannot be what it is said to be is refused, and what can be never is."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from speech import CLIPS, clip
from voxway.audio import g711
from voxway.audio.formats import AudioFormat
from voxway.audio.plausible import RateCheck, RawCheck
from voxway.audio.resample import Resampler
from voxway.audio.samples import encode_linear32
from voxway.audio.wav import wav_header
from voxway.errors import ConfigError

ENCODINGS = ("linear16", "linear32", "mulaw", "alaw")
MISTAKES = {
    "amid": "begins amid a sample",
    "swapped": "bytes of each sample swapped",
    "8-bit": "8-bit linear samples",
    "stereo": "two channels",
}


def spoken(name: str, rate: int) -> bytes:
    """Three seconds of a clip, from where somebody speaks."""
    resampler = Resampler(16_000, rate)
    return resampler.feed(clip(name)[0][16_000:112_000]) + resampler.flush()


def written(pcm: bytes, how: str) -> bytes:
    samples = np.frombuffer(pcm, "<i2")
    match how:
        case "linear32":
            return encode_linear32(pcm)
        case "mulaw":
            return g711.encode_mulaw(pcm)
        case "alaw":
            return g711.encode_alaw(pcm)
        case "amid":
            return pcm[1:]
        case "swapped":
            return samples.astype(">i2").tobytes()
        case "8-bit":
            return ((samples >> 8) + 128).astype(np.uint8).tobytes()
        case "stereo":
            return np.repeat(samples, 2).tobytes()
        case _:
            return pcm


def checked(data: bytes, encoding: str, rate: int) -> None:
    check = RawCheck(AudioFormat(encoding, rate))
    for at in range(0, len(data), 1000):
        check.feed(data[at : at + 1000])


@pytest.mark.parametrize(("name", "rate"), list(product(CLIPS, (8000, 48_000))))
def test_speech_that_is_declared_rightly_passes(name: str, rate: int) -> None:
    for encoding in ENCODINGS:
        checked(written(spoken(name, rate), encoding), encoding, rate)


@pytest.mark.parametrize("declared", ENCODINGS)
@pytest.mark.parametrize("how", [*ENCODINGS, "amid", "swapped", "8-bit"])
def test_speech_that_is_declared_wrongly_is_refused_by_its_name(how: str, declared: str) -> None:
    if how == declared or {how, declared} == {"mulaw", "alaw"}:
        return  # the two laws are too alike to be told from each other always
    expected = f"cannot be raw {declared} at 16000 Hz: it looks like .*{MISTAKES.get(how, how)}"
    if how == "amid":
        expected = "it looks like linear16 (that begins amid|with the bytes)"
    with pytest.raises(ConfigError, match=expected) as caught:
        checked(written(spoken("jfk.wav", 16_000), how), declared, 16_000)
    assert caught.value.param == "encoding"


def test_two_channels_are_told_from_one() -> None:
    with pytest.raises(ConfigError, match="each sample comes twice, so it has two channels"):
        checked(written(spoken("jfk.wav", 16_000), "stereo"), "linear16", 16_000)


@pytest.mark.parametrize(
    "sound",
    [
        bytes(400_000),
        np.random.default_rng(1).integers(-3000, 3000, 200_000).astype("<i2").tobytes(),
        (np.sin(np.arange(200_000) * 3.0) * 20_000).astype("<i2").tobytes(),
        (np.sin(np.arange(200_000) * 0.2) * 8).astype("<i2").tobytes(),
    ],
    ids=["silence", "noise", "a high tone", "a hum that is hardly there"],
)
def test_what_is_no_speech_is_not_refused(sound: bytes) -> None:
    checked(sound, "linear16", 16_000)


@pytest.mark.parametrize(
    ("start", "name"), [(wav_header(16_000), "wav"), (b"OggS", "ogg"), (b"fLaC", "flac")]
)
def test_a_file_with_a_header_is_no_raw_audio(start: bytes, name: str) -> None:
    with pytest.raises(ConfigError, match=f"it is {name}, which says itself what it is"):
        checked(start + bytes(4000), "linear16", 16_000)


@pytest.mark.parametrize(
    ("comes", "seconds"),
    [(16_000, None), (14_000, None), (20_000, None), (8_000, 0.5), (48_000, 3.0), (32_000, 2.0)],
)
def test_a_live_stream_at_another_rate_is_refused(comes: int, seconds: float | None) -> None:
    check = RateCheck(AudioFormat("linear16", 16_000))
    check.feed(bytes(1_000_000), 0.0)  # what a pipe had held

    def run() -> None:
        for tick in range(1, 400):
            check.feed(bytes(2 * comes // 50), tick / 50)

    if seconds is None:
        run()
        assert check.is_done
        return
    with pytest.raises(ConfigError, match=rf"16000 Hz: {seconds} s of that come in each second"):
        run()


def test_a_stream_that_stands_still_and_compressed_audio_have_no_rate() -> None:
    still = RateCheck(AudioFormat("linear16", 16_000))
    for tick in range(400):
        still.feed(b"", tick / 50)
    ogg = RateCheck(AudioFormat("ogg", 48_000))
    assert ogg.is_done
    ogg.feed(bytes(10), 100.0)
    assert RawCheck(AudioFormat("ogg", 48_000)).is_done
