"""What is sent again after a lost connection, and whose time a transcript tells.

The audio says its own time: each block of 100 ms is the number of that block, so a recognizer can
be played by reading it.
"""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxway.audio.formats import AudioFormat
from voxway.client.capture import Chunk
from voxway.client.replay import Replay, ReplayBuffer, Stretch
from voxway.events import SpeechStarted, Transcript, UtteranceEnd, Word

RATE = 8000
PCM = AudioFormat("linear16", RATE)
BLOCK = RATE // 10


def block(number: int) -> Chunk:
    return Chunk(number / 10, struct.pack("<h", number) * BLOCK)


def numbers(data: bytes) -> list[int]:
    """The blocks in some audio; one that was cut counts."""
    found: list[int] = []
    for (sample,) in struct.iter_unpack("<h", data):
        if not found or found[-1] != sample:
            found.append(sample)
    return found


def final(*words: int, start: float, each: float = 0.1) -> Transcript:
    """A final of these words, one after the other, by the connection's clock."""
    timed = tuple(
        Word(text=str(word), start=start + i * each, end=start + (i + 1) * each)
        for i, word in enumerate(words)
    )
    text = " ".join(map(str, words))
    return Transcript(text, True, start=start, duration=len(words) * each, words=timed)


def kept(replay: Replay) -> list[int | None]:
    """The blocks that are sent again, and None for a finalize."""
    return [
        number for data in replay.audio for number in ([None] if data is None else [*numbers(data)])
    ]


def sent(buffer: ReplayBuffer, *blocks: int) -> None:
    for number in blocks:
        buffer.sent(block(number))


def test_what_no_final_covers_is_sent_again() -> None:
    buffer = ReplayBuffer(PCM)
    sent(buffer, *range(10))
    assert buffer.heard(final(0, 1, 2, 3, start=0.0)) == final(0, 1, 2, 3, start=0.0)
    replay = buffer.again()
    assert kept(replay) == [4, 5, 6, 7, 8, 9]
    assert (replay.stretch, replay.gap) == (Stretch(0.4, 1.0), None)
    assert buffer.kept_ms == pytest.approx(600)


def test_a_final_ends_amid_a_chunk() -> None:
    buffer = ReplayBuffer(PCM)
    sent(buffer, 0, 1, 2)
    buffer.heard(final(0, start=0.0, each=0.15))
    replay = buffer.again()
    assert replay.audio[0] == block(1).data[:BLOCK]  # half of its samples
    assert replay.stretch == Stretch(0.15, 0.3)


def test_times_of_a_second_connection_go_on_where_the_first_was() -> None:
    buffer = ReplayBuffer(PCM)
    sent(buffer, *range(10))
    buffer.heard(final(0, 1, 2, 3, start=0.0))
    buffer.again()
    sent(buffer, 10, 11)
    heard = buffer.heard(final(4, 5, start=0.0))
    assert heard is not None
    assert [heard.start, heard.duration] == pytest.approx([0.4, 0.2])
    assert [word.start for word in heard.words] == pytest.approx([0.4, 0.5])
    assert buffer.placed(SpeechStarted(0.25)) == SpeechStarted(0.65)
    assert buffer.placed(UtteranceEnd(0.5)) == UtteranceEnd(0.9)
    assert kept(buffer.again()) == [6, 7, 8, 9, 10, 11]


def test_partials_take_nothing_out() -> None:
    buffer = ReplayBuffer(PCM)
    sent(buffer, 0, 1)
    buffer.heard(Transcript("0", False, start=0.0, duration=0.2))
    assert kept(buffer.again()) == [0, 1]


def test_a_final_without_times_covers_all_that_was_sent() -> None:
    buffer = ReplayBuffer(PCM)
    sent(buffer, 0, 1)
    buffer.heard(Transcript("0 1", True))
    assert buffer.again() == Replay((), None, None)


def test_a_finalize_without_an_answer_is_said_again_in_its_place() -> None:
    buffer = ReplayBuffer(PCM)
    sent(buffer, 0, 1)
    buffer.finalize()
    sent(buffer, 2)
    buffer.heard(final(0, start=0.0))
    assert kept(buffer.again()) == [1, None, 2]
    buffer.heard(Transcript("", True, from_finalize=True))
    assert kept(buffer.again()) == [2]


def test_an_answer_to_a_finalize_always_comes_through() -> None:
    buffer = ReplayBuffer(PCM)
    sent(buffer, *range(4))
    buffer.heard(final(*range(4), start=0.0))
    buffer.again()
    empty = Transcript("", True, from_finalize=True)
    assert buffer.heard(empty) == empty


def test_the_gap_is_told_if_more_was_sent_than_is_kept() -> None:
    buffer = ReplayBuffer(PCM, seconds=0.5)
    sent(buffer, *range(10))
    assert buffer.kept_ms == 500
    replay = buffer.again()
    assert kept(replay) == [5, 6, 7, 8, 9]
    assert (replay.stretch, replay.gap) == (Stretch(0.5, 1.0), Stretch(0.0, 0.5))
    heard = buffer.heard(final(5, start=0.0))
    assert heard is not None
    assert heard.start == pytest.approx(0.5)
    assert buffer.again().gap is None  # it is told once


def test_without_a_replay_all_is_a_gap() -> None:
    buffer = ReplayBuffer(PCM, seconds=0)
    sent(buffer, *range(4))
    buffer.heard(final(0, start=0.0))
    assert buffer.again() == Replay((), None, Stretch(0.1, 0.4))
    sent(buffer, 4)
    heard = buffer.heard(final(4, start=0.0))
    assert heard is not None
    assert heard.start == pytest.approx(0.4)


def test_what_the_source_dropped_is_told_and_counted() -> None:
    buffer = ReplayBuffer(PCM)
    assert buffer.sent(block(0)) is None
    assert buffer.sent(block(5)) == Stretch(0.1, 0.5)
    heard = buffer.heard(final(0, 5, start=0.0))
    assert heard is not None
    assert [(word.start, word.end) for word in heard.words] == [
        pytest.approx((0.0, 0.1)),
        pytest.approx((0.5, 0.6)),
    ]
    assert buffer.again().audio == ()


def test_what_was_written_down_before_is_not_again() -> None:
    """A server that replays by itself, or whose times are a little off."""
    buffer = ReplayBuffer(PCM)
    sent(buffer, *range(10))
    buffer.heard(final(*range(5), start=0.0))
    buffer.again()
    early = final(3, 4, start=-0.2)
    assert buffer.heard(early) is None
    mixed = buffer.heard(final(3, 4, 5, 6, start=-0.2))
    assert mixed is not None
    assert mixed.text == "5 6"
    assert [mixed.start, mixed.duration] == pytest.approx([0.5, 0.2])


def test_compressed_audio_is_not_kept() -> None:
    buffer = ReplayBuffer(AudioFormat("ogg", 48_000))
    buffer.sent(Chunk(0.0, b"OggS"))
    assert buffer.again() == Replay((), None, None)
    assert buffer.heard(Transcript("x", True, start=1.0)) == Transcript("x", True, start=1.0)


class Recognizer:
    """One connection: writes down the numbers that it is sent, when it is asked to."""

    def __init__(self) -> None:
        self._samples: list[int] = []
        self._done = 0

    def hear(self, data: bytes) -> None:
        self._samples += [sample for (sample,) in struct.iter_unpack("<h", data)]

    def write(self, most: int) -> Transcript | None:
        words: list[Word] = []
        at = self._done
        while at + BLOCK <= len(self._samples) and len(words) < most:
            text, start = str(self._samples[at]), round(at / RATE, 3)
            words.append(Word(text=text, start=start, end=round((at + BLOCK) / RATE, 3)))
            at += BLOCK
        if not words:
            return None
        start, self._done = self._done / RATE, at
        text = " ".join(word.text for word in words)
        return Transcript(text, True, start=start, duration=at / RATE - start, words=tuple(words))


class Talk:
    """A source, what is written down of it, and what is lost."""

    def __init__(self, seconds: float) -> None:
        self.buffer, self.recognizer = ReplayBuffer(PCM, seconds), Recognizer()
        self.written: list[int] = []
        self.lost: set[int] = set()
        self.number = 0

    def _missed(self, stretch: Stretch | None) -> None:
        if stretch is not None:
            self.lost.update(range(round(stretch.start * 10), round(stretch.end * 10)))

    def send(self, count: int) -> None:
        for _ in range(count):
            self._missed(self.buffer.sent(block(self.number)))
            self.recognizer.hear(block(self.number).data)
            self.number += 1

    def drop(self, count: int) -> None:
        self.lost.update(range(self.number, self.number + count))
        self.number += count

    def write(self, count: int) -> None:
        if (heard := self.recognizer.write(count)) is not None:
            placed = self.buffer.heard(heard)
            assert placed is not None
            for word in placed.words:
                assert word.start == pytest.approx(int(word.text) / 10, abs=0.002)
                self.written.append(int(word.text))

    def lose(self, _: int) -> None:
        replay = self.buffer.again()
        self._missed(replay.gap)
        self.recognizer = Recognizer()
        for data in replay.audio:
            self.recognizer.hear(data or b"")


STEPS = st.tuples(st.sampled_from(["send", "drop", "write", "lose"]), st.integers(1, 8))


@given(st.lists(STEPS, max_size=60), st.sampled_from([0.0, 0.4, 1.0, 10.0]))
def test_each_word_is_written_down_once_or_its_loss_told(
    steps: list[tuple[str, int]], seconds: float
) -> None:
    talk = Talk(seconds)
    for step, count in [*steps, ("lose", 0), ("write", 1000)]:
        getattr(talk, step)(count)
        assert talk.buffer.kept_ms <= seconds * 1000
    assert talk.written == sorted(set(talk.written))
    assert not talk.lost & set(talk.written)
    assert talk.lost | set(talk.written) == set(range(talk.number))
