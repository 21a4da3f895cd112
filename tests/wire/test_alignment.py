"""Words as timed characters and back, by each of the two clocks that clients keep."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxway.audio.formats import AudioFormat
from voxway.events import Word
from voxway.wire.alignment import Alignment, Reader, Speller, spelled, words_in
from voxway.wire.base import dump, parser

PCM, MP3 = AudioFormat("linear16", 1000), AudioFormat("mp3", 44_100)
read = parser(Alignment)


def word(text: str, start: float, end: float) -> Word:
    return Word(text=text, start=start, end=end)


def seconds(amount: float) -> bytes:
    """So much audio of PCM."""
    return bytes(PCM.bytes_for(amount))


def told(words: tuple[Word, ...]) -> list[tuple[str, float, float]]:
    return [(word.text, round(word.start, 3), round(word.end, 3)) for word in words]


def test_a_chunk_covers_its_time_without_a_gap() -> None:
    chunk = spelled([word("Hi", 0.1, 0.3), word("you.", 0.4, 0.8)], since=0.0)
    assert json.loads(dump(chunk)) == {
        "chars": [" ", "H", "i", " ", "y", "o", "u", ".", " "],
        "charStartTimesMs": [0, 100, 200, 300, 400, 500, 600, 700, 800],
        "charDurationsMs": [100, 100, 100, 100, 100, 100, 100, 100, 0],
    }


def test_times_are_from_the_start_of_the_chunk() -> None:
    chunk = spelled([word("Hi", 2.0, 2.5)], since=2.0)
    assert chunk.chars == ("H", "i", " ")
    assert chunk.starts == (0, 250, 500)
    assert chunk.seconds == 0.5


def test_a_word_does_not_begin_before_the_one_before_it_ends() -> None:
    chunk = spelled([word("a", 0.0, 0.5), word("b", 0.25, 0.4)], since=0.0)
    assert chunk.chars == ("a", " ", "b", " ")
    assert chunk.starts == (0, 500, 500, 500)
    assert chunk.durations == (500, 0, 0, 0)


def test_no_words_are_silence() -> None:
    chunk = spelled([], since=1.0, until=1.25)
    assert (chunk.chars, chunk.starts, chunk.durations) == ((" ",), (0,), (250,))
    assert spelled([], since=1.0, until=0.5).seconds == 0.0


@given(st.lists(st.floats(0.001, 2.0), min_size=1, max_size=20), st.floats(0.0, 5.0))
def test_durations_add_up_to_the_time_that_is_covered(steps: list[float], since: float) -> None:
    times = [since]
    for step in steps:
        times.append(times[-1] + step)
    words = [word("ab", a, b) for a, b in zip(times[::2], times[1::2], strict=False)]
    chunk = spelled(words, since)
    assert sum(chunk.durations) == chunk.starts[-1] + chunk.durations[-1]
    assert all(duration >= 0 for duration in chunk.durations)
    assert abs(sum(chunk.durations) / 1000 - ((words[-1].end if words else since) - since)) < 0.001
    got, held = words_in(chunk, since)
    assert held is None
    for one, other in zip(got, words, strict=True):
        assert one.text == other.text
        assert (one.start, one.end) == pytest.approx((other.start, other.end), abs=0.001)


def test_the_older_spelling_and_missing_parts_are_read() -> None:
    given = '{"chars":["a"," "],"charsStartTimesMs":[0,10],"charsDurationsMs":[10,5.5]}'
    chunk: Alignment = read(given)
    assert chunk.seconds == 0.0155
    assert told(words_in(chunk, 1.0)[0]) == [("a", 1.0, 1.01)]
    for empty in ("{}", '{"chars":["a"]}', '{"chars":null,"charStartTimesMs":null}'):
        assert words_in(read(empty), 0.0) == ((), None)
        assert read(empty).seconds == 0.0


def test_a_word_that_straddles_chunks_is_one_word() -> None:
    reader = Reader(PCM)
    first = Alignment(("H", "i", " ", "w", "o"), (0, 100, 200, 300, 350), (100, 100, 100, 50, 50))
    second = Alignment(("r", "ld", "."), (0, 50, 100), (50, 50, 50))
    assert told(reader.read(first, seconds(0.5))) == [("Hi", 0.0, 0.2)]
    assert reader.read(second, seconds(0.5)) == ()
    assert told(reader.rest()) == [("world.", 0.3, 0.65)]
    assert reader.rest() == ()


def test_a_word_that_passes_its_audio_does_not_end_before_it_began() -> None:
    reader = Reader(PCM)
    reader.read(Alignment(("a",), (400,), (100,)), seconds(0.1))
    reader.read(Alignment(("b",), (0,), (100,)), seconds(0.1))
    assert told(reader.rest()) == [("ab", 0.4, 0.5)]


def test_the_reader_goes_by_the_audio_where_bytes_tell_time_else_by_the_chunks() -> None:
    chunk = Alignment(("a", " "), (0, 100), (100, 100))
    raw, compressed = Reader(PCM), Reader(MP3)
    for reader in (raw, compressed):
        reader.read(chunk, seconds(1.0))
        reader.read(None, seconds(1.0))
    assert told(raw.read(chunk, seconds(0.2))) == [("a", 2.0, 2.1)]
    assert told(compressed.read(chunk, b"mp3")) == [("a", 0.2, 0.3)]


class Listener:
    """Clients that put words in their place: pipecat 1.14 and ElevenLabs' own guide add up what
    chunks cover, others what audio they got before."""

    def __init__(self) -> None:
        self._covered = 0.0
        self._reader = Reader(PCM)
        self.by_chunks: list[tuple[str, float, float]] = []
        self.by_audio: list[tuple[str, float, float]] = []

    def hear(self, chunk: Alignment | None, data: bytes = b"") -> None:
        self.by_audio += told(self._reader.read(chunk, data))
        if chunk is not None:
            self.by_chunks += told(words_in(chunk, self._covered)[0])
            self._covered += sum(chunk.durations) / 1000


def test_both_clocks_of_clients_agree_over_sentences_and_utterances() -> None:
    speller, listener = Speller(PCM), Listener()
    utterances = (
        (("One", 0.1, 0.4), ("two.", 0.5, 0.9), 1.2),
        (("Three", 1.3, 1.6), ("four.", 1.6, 2.0), 1.0),
    )
    for _ in range(2):
        for first, second, length in utterances:
            if silence := speller.expect([word(*first), word(*second)]):
                listener.hear(silence)
            for part in (0.3, length - 0.3):
                listener.hear(speller.take(), seconds(part))
                speller.sent(seconds(part))
        speller.end()
    ours = [
        ("One", 0.1, 0.4),
        ("two.", 0.5, 0.9),
        ("Three", 1.3, 1.6),
        ("four.", 1.6, 2.0),
        ("One", 2.3, 2.6),
        ("two.", 2.7, 3.1),
        ("Three", 3.5, 3.8),
        ("four.", 3.8, 4.2),
    ]
    assert listener.by_chunks == ours
    assert listener.by_audio == ours


def test_words_after_their_audio_stay_in_their_place() -> None:
    speller, listener = Speller(PCM), Listener()
    for first, second in ((0.1, 0.4), (1.1, 1.4)):
        speller.sent(seconds(1.0))
        listener.hear(None, seconds(1.0))
        for late in (word("One", first, second), word("two.", second, second + 0.5)):
            if silence := speller.expect([late]):
                listener.hear(silence)
        listener.hear(speller.take(is_late=True))
    ours = [("One", 0.1, 0.4), ("two.", 0.4, 0.9), ("One", 1.1, 1.4), ("two.", 1.4, 1.9)]
    assert listener.by_chunks == ours
    assert listener.by_audio == ours
    assert speller.take(is_late=True) is None


def test_where_bytes_tell_no_time_the_next_utterance_follows_the_words() -> None:
    speller = Speller(MP3)
    speller.expect([word("One", 0.0, 0.5)])
    assert speller.take() is not None
    speller.sent(b"mp3")
    speller.end()
    assert speller.expect([word("Two", 0.25, 0.5)]) is None
    chunk = speller.take()
    assert chunk is not None
    assert (chunk.chars, chunk.starts) == ((" ", "T", "w", "o", " "), (0, 250, 333, 417, 500))


def test_words_that_come_in_two_parts_go_out_in_one_chunk() -> None:
    speller = Speller(PCM)
    speller.expect([word("One", 0.0, 0.5)])
    speller.expect([word("two", 0.5, 1.0)])
    speller.expect([])
    chunk = speller.take()
    assert chunk is not None
    assert "".join(chunk.chars or ()) == "One two "
