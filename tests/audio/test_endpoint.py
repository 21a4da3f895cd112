"""Where utterances are cut: real speech, silence and noise around it, and nothing at all."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given

from speech import CLIPS, clip
from voxway.audio.endpoint import Cut, Endpointer, Segment

from .signals import floats, pcm, sizes, split, tone

RATE = 16_000
CALM = [name for name in CLIPS if name != "jfk.wav"]  # who speaks without a long pause


def silence(seconds: float, rate: int = RATE) -> bytes:
    return bytes(round(seconds * rate) * 2)


def noisy(data: bytes, rms: float) -> bytes:
    noise = np.random.default_rng(5).standard_normal(len(data) // 2) * rms / 32768
    return pcm(floats(data) + noise)


def seconds(data: bytes, rate: int = RATE) -> float:
    return len(data) / 2 / rate


def cuts(data: bytes, cut: Cut = Cut(), rate: int = RATE) -> list[Segment]:  # noqa: B008
    return list(Endpointer(rate, cut).feed(data))


@pytest.mark.parametrize("rms", [0, 30, 100])
@pytest.mark.parametrize("name", CALM)
def test_a_sentence_is_one_segment_with_all_its_speech(name: str, rms: float) -> None:
    speech = clip(name)[0]
    (segment,) = cuts(noisy(silence(0.5) + speech + silence(1.2), rms))
    assert segment.by_pause
    assert segment.start < 0.5 + 0.35
    assert segment.start + segment.duration > 0.5 + seconds(speech) - 0.6
    assert segment.duration == seconds(segment.pcm)


def test_a_pause_cuts_and_times_are_those_of_the_stream() -> None:
    parts = [clip(name)[0] for name in CALM]
    stream = b"".join(part + silence(1.0) for part in parts)
    segments = cuts(noisy(stream, 20))
    starts = itertools.accumulate((seconds(part) + 1.0 for part in parts[:-1]), initial=0.0)
    assert len(segments) == len(parts)
    for segment, start, part in zip(segments, starts, parts, strict=True):
        assert start - 0.33 < segment.start < start + 0.4
        assert segment.duration < seconds(part) + 0.6


def test_speech_is_handed_on_as_it_was() -> None:
    stream = silence(1.0) + clip("goforward.raw")[0] + silence(1.0)
    (segment,) = cuts(stream)
    first = round(segment.start * RATE) * 2
    assert segment.pcm == stream[first : first + len(segment.pcm)]


def test_long_pauses_of_one_speaker_cut_a_speech() -> None:
    segments = cuts(noisy(clip("jfk.wav")[0] + silence(1.0), 100))
    assert [s.by_pause for s in segments] == [True] * len(segments)
    assert len(segments) > 1
    assert len(cuts(noisy(clip("jfk.wav")[0] + silence(3.0), 100), Cut(silence=2.0))) == 1


@pytest.mark.parametrize(
    "quiet",
    [
        b"",
        silence(5.0),
        noisy(silence(5.0), 30),
        silence(1.0) + tone(300, RATE, 0.1) + silence(2.0),
        noisy(silence(1.0) + tone(300, RATE, 0.14) + silence(2.0), 30),
    ],
)
def test_silence_noise_and_a_click_are_nothing(quiet: bytes) -> None:
    endpointer = Endpointer(RATE)
    assert list(endpointer.feed(quiet)) == []
    assert endpointer.flush() is None


def test_noise_that_goes_on_is_taken_for_noise() -> None:
    endpointer = Endpointer(RATE)
    first = list(endpointer.feed(noisy(silence(6.0), 1000)))
    assert sum(segment.duration for segment in first) < 3.0
    assert list(endpointer.feed(noisy(silence(20.0), 1000))) == []


def test_speech_over_a_loud_room_is_found() -> None:
    room = noisy(silence(4.0) + clip("goforward.raw")[0] + silence(1.5), 200)
    assert any(3.5 < segment.start < 4.6 for segment in cuts(room))


def test_a_flush_gives_what_has_been_said() -> None:
    speech = clip("austen-0880.wav")[0]
    endpointer = Endpointer(RATE)
    assert list(endpointer.feed(silence(1.0) + speech)) == []
    segment = endpointer.flush()
    assert segment is not None
    assert not segment.by_pause
    assert segment.duration > seconds(speech)
    assert endpointer.flush() is None
    assert list(endpointer.feed(silence(2.0))) == []
    again = list(endpointer.feed(speech + silence(1.0)))
    assert [s.start > 5.5 for s in again] == [True]


def test_what_never_pauses_is_cut_where_it_is_quietest() -> None:
    speech = b"".join(clip(name)[0] for name in CALM) * 3
    endpointer = Endpointer(RATE)
    segments = list(endpointer.feed(speech))
    last = endpointer.flush()
    assert last is not None
    long = [segment for segment in segments if not segment.by_pause]
    assert long
    assert all(22.0 <= segment.duration <= 25.0 for segment in long)
    for segment in long:
        end = floats(segment.pcm)[-320:]
        assert np.sqrt(np.mean(end**2)) < 0.02
    # Nothing is lost at such a seam.
    for before, after in itertools.pairwise([*segments, last]):
        if not before.by_pause:
            assert after.start == pytest.approx(before.start + before.duration)


@pytest.mark.parametrize("rate", [8_000, 11_025, 24_000, 48_000])
def test_any_rate(rate: int) -> None:
    stream = silence(1.0, rate) + tone(250, rate, 1.0) + silence(1.0, rate)
    (segment,) = cuts(stream, rate=rate)
    assert segment.start == pytest.approx(0.7, abs=0.05)
    assert segment.duration == pytest.approx(1.6, abs=0.05)


@given(sizes)
def test_chunking_changes_nothing(lengths: list[int]) -> None:
    stream = clip("goforward.raw")[0] + silence(1.0)
    endpointer = Endpointer(RATE)
    found = [segment for chunk in split(stream, lengths) for segment in endpointer.feed(chunk)]
    assert found == cuts(stream)
