from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from voxway.audio.resample import Resampler

from .signals import floats, likeness, noise, sine_fit, sizes, split, tone, voice

PAIRS = [
    (8000, 16000),
    (16000, 8000),
    (8000, 48000),
    (48000, 8000),
    (24000, 16000),
    (22050, 24000),
    (44100, 16000),
    (11025, 44100),
    (48000, 44100),
]


def resampled(data: bytes, source: int, target: int) -> bytes:
    resampler = Resampler(source, target)
    return resampler.feed(data) + resampler.flush()


def test_the_same_rate_is_the_same_object() -> None:
    data = noise(100)
    assert Resampler(16000, 16000).feed(data) is data


def test_at_the_same_rate_half_a_sample_waits() -> None:
    resampler = Resampler(16000, 16000)
    assert [resampler.feed(piece) for piece in (b"a", b"bc", b"d", b"")] == [b"", b"ab", b"cd", b""]
    assert resampler.feed(b"e") + resampler.flush() + resampler.feed(b"fg") == b"fg"


@pytest.mark.parametrize(("source", "target"), PAIRS)
@settings(max_examples=10, deadline=None)
@given(lengths=sizes)
def test_chunking_changes_nothing(source: int, target: int, lengths: list[int]) -> None:
    data = noise(3001)
    resampler = Resampler(source, target)
    whole = resampler.feed(data) + resampler.flush()
    assert b"".join(map(resampler.feed, split(data, lengths))) + resampler.flush() == whole


@pytest.mark.parametrize(("source", "target"), PAIRS)
@pytest.mark.parametrize("count", [0, 1, 2, 7, 48, 95, 96, 97, 200, 1000, 12345])
def test_the_length_is_exact_however_short(source: int, target: int, count: int) -> None:
    expected = int(count * target / source + 0.5)
    assert len(resampled(noise(count), source, target)) == 2 * expected


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_voice_stays_itself_in_time(source: int, target: int) -> None:
    got = floats(resampled(voice(source), source, target))
    alike, delay = likeness(floats(voice(target)), got)
    assert alike > 0.9999
    assert delay == 0


@pytest.mark.parametrize(("source", "target"), PAIRS)
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_what_is_in_the_band_is_kept(source: int, target: int, part: float) -> None:
    hertz = part * min(source, target) / 2
    level, clean = sine_fit(
        floats(resampled(tone(hertz, source, 1), source, target)), hertz, target
    )
    assert level == pytest.approx(0.5, rel=0.012)  # 0.1 dB
    assert clean > 75


@pytest.mark.parametrize(("source", "target"), [pair for pair in PAIRS if pair[0] > pair[1] * 1.2])
@pytest.mark.parametrize("part", [1.1, 1.2])
def test_what_is_above_the_band_is_gone(source: int, target: int, part: float) -> None:
    got = floats(resampled(tone(part * target / 2, source, 1), source, target))
    middle = got[len(got) // 4 : -len(got) // 4]
    assert np.sqrt(np.mean(middle**2)) < 0.5 / np.sqrt(2) * 10 ** (-75 / 20)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_the_lag_is_a_few_milliseconds(source: int, target: int) -> None:
    resampler = Resampler(source, target)
    fed = heard = 0.0  # seconds
    for piece in split(voice(source), [source // 50 * 2]):
        fed += len(piece) / 2 / source
        heard += len(resampler.feed(piece)) / 2 / target
        assert fed - heard < 0.007


def test_full_scale_does_not_wrap_around() -> None:
    square = np.tile(np.repeat(np.array([32767, -32768], "<i2"), 40), 200).tobytes()
    got = floats(resampled(square, 16000, 24000)).reshape(-1, 60)
    assert got[1:-1:2].max() <= 1.0
    # The middle of each half wave is still near its own end of the scale.
    assert np.all(np.abs(got[10:-10, 25:35]) > 0.9)
