"""How long audio is, without decoding it."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxway.audio.encode import Encoder
from voxway.audio.formats import INPUT_ENCODINGS, AudioFormat
from voxway.audio.length import measure

from .signals import muxed, sizes, split, voice
from .test_decode import CONTAINERS, FILES

SHARP = 0.09  # seconds: three frames; encoders put some in front


def seconds(encoding: str, *pieces: bytes) -> float:
    return sum(map(measure(AudioFormat(encoding, 24000)), pieces))


@pytest.mark.parametrize("name", FILES)
def test_a_second_is_a_second(name: str) -> None:
    encoding, make, longer = FILES[name]
    assert seconds(encoding, make()) == pytest.approx(1.0, abs=SHARP + longer)


@pytest.mark.parametrize("name", [name for name in FILES if FILES[name][0] in CONTAINERS])
@given(lengths=sizes)
def test_pieces_of_any_size_add_up_to_the_same(name: str, lengths: list[int]) -> None:
    encoding, make, _ = FILES[name]
    data = make()
    assert seconds(encoding, *split(data, lengths)) == pytest.approx(seconds(encoding, data))


@pytest.mark.parametrize(
    ("encoding", "container", "codec"),
    [
        ("mp3", "mp3", "libmp3lame"),
        ("ogg", "ogg", "libopus"),
        ("flac", "flac", "flac"),
        ("webm", "webm", "libopus"),
        ("wav", "wav", "pcm_s16le"),
    ],
)
def test_it_grows_as_it_comes(encoding: str, container: str, codec: str) -> None:
    data = muxed(container, codec, 48000, seconds=20)
    half = seconds(encoding, data[: len(data) // 2])
    assert 6.0 < half < 14.0
    assert seconds(encoding, data) == pytest.approx(20.0, abs=SHARP)


@cache
def three_utterances(encoding: str) -> bytes:
    encoder = Encoder(AudioFormat(encoding, 24000), 24000)
    return b"".join(encoder.feed(voice(24000)) + encoder.flush() for _ in range(3))


@pytest.mark.parametrize("encoding", ["mp3", "opus", "flac", "aac"])
@given(lengths=sizes)
def test_utterance_after_utterance(encoding: str, lengths: list[int]) -> None:
    pieces = split(three_utterances(encoding), lengths)
    assert seconds(encoding, *pieces) == pytest.approx(3.0, abs=3 * 0.09)


@pytest.mark.parametrize("encoding", INPUT_ENCODINGS)
@given(st.binary(max_size=200), st.integers(0, 200), st.binary(max_size=50))
def test_whatever_comes_has_some_length(encoding: str, junk: bytes, at: int, more: bytes) -> None:
    data = next(make() for kind, make, _ in FILES.values() if kind == encoding)[:1000]
    feed = measure(AudioFormat(encoding, 24000))
    assert all(feed(piece) >= 0.0 for piece in (data[:at], junk, data[at:], more))
