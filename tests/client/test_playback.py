"""What the loudspeaker gets: all of it, in order, without clicks; and what was heard of it."""

from __future__ import annotations

import random
import struct
import threading
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from voxway.client.playback import PlaybackBuffer
from voxway.events import SegmentEnd, SegmentStart, Word, Words

RATE = 8000
MS = RATE // 1000  # samples
EDGE = 5 * MS
BLOCK = 20 * MS
LOUD = 16_000


def tone(ms: float, level: int = LOUD) -> bytes:
    return struct.pack("<h", level) * round(ms * MS)


def samples(pcm: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(pcm) // 2}h", pcm)


def played(buffer: PlaybackBuffer, ms: float) -> tuple[int, ...]:
    return samples(b"".join(buffer.read(BLOCK) for _ in range(round(ms) // 20)))


def sounding(block: tuple[int, ...]) -> int:
    """Samples that are not silence; the first of an edge is."""
    return sum(sample != 0 for sample in block)


def steepest(block: tuple[int, ...]) -> int:
    return max((abs(b - a) for a, b in pairwise((0, *block))), default=0)


def test_silence_until_there_is_enough() -> None:
    buffer = PlaybackBuffer(RATE)
    assert not any(played(buffer, 100))
    buffer.write(tone(199))
    assert not any(played(buffer, 100))
    buffer.write(tone(1))
    assert sounding(played(buffer, 100)) == 100 * MS - 1
    assert buffer.played_ms == 100
    assert buffer.buffered_ms == 100


def test_a_short_utterance_starts_at_its_end() -> None:
    buffer = PlaybackBuffer(RATE)
    buffer.write(tone(30))
    assert not any(played(buffer, 20))
    buffer.end()
    assert sounding(played(buffer, 40)) == 30 * MS - 1
    assert buffer.is_idle
    assert buffer.underruns == 0


def test_the_next_utterance_waits_for_its_own_start() -> None:
    buffer = PlaybackBuffer(RATE)
    buffer.write(tone(100))
    buffer.end()
    buffer.write(tone(100))
    assert sounding(played(buffer, 400)) == 100 * MS - 1
    assert not buffer.is_idle
    buffer.write(tone(100))
    assert sounding(played(buffer, 100)) == 100 * MS - 1


def test_whole_utterances_follow_each_other_at_once() -> None:
    buffer = PlaybackBuffer(RATE)
    for level in (LOUD, -LOUD):
        buffer.write(tone(50, level))
        buffer.end()
    block = played(buffer, 100)
    assert sounding(block) == 100 * MS - 2
    assert steepest(block) <= LOUD // EDGE + 1


def test_an_underrun_is_counted_with_its_length() -> None:
    buffer = PlaybackBuffer(RATE)
    buffer.write(tone(200))
    block = played(buffer, 260)
    assert steepest(block) <= LOUD // EDGE + 1
    assert buffer.underruns == 0  # it might have been the end
    buffer.write(tone(100))
    assert buffer.underruns == 1
    assert not any(played(buffer, 40))
    buffer.write(tone(100))
    assert any(played(buffer, 20))
    assert buffer.starved_ms == pytest.approx(100)


def test_a_late_end_is_no_underrun() -> None:
    buffer = PlaybackBuffer(RATE)
    buffer.write(tone(200))
    played(buffer, 260)
    buffer.end()
    buffer.write(tone(200))
    assert (buffer.underruns, buffer.starved_ms) == (0, 0)


def test_clear_is_silent_within_a_block_and_clicks_not() -> None:
    buffer = PlaybackBuffer(RATE)
    buffer.write(tone(1000))
    before = played(buffer, 100)
    heard = buffer.clear()
    after = played(buffer, 40)
    assert steepest(before + after) <= LOUD // EDGE + 1
    assert not any(after[BLOCK:])
    assert sounding(after) <= EDGE
    assert heard.ms == pytest.approx(105)
    assert not heard.is_all
    assert buffer.is_idle
    buffer.write(tone(200))
    assert any(played(buffer, 20))
    assert buffer.underruns == 0


def test_a_callback_with_small_blocks_is_cleared_as_fast() -> None:
    buffer = PlaybackBuffer(RATE)
    buffer.write(tone(1000))
    for _ in range(10):
        buffer.read(16)
    buffer.clear()
    buffer.read(16)
    assert not any(buffer.read(16))


def test_a_fade_falls_evenly_to_silence() -> None:
    buffer = PlaybackBuffer(RATE)
    buffer.write(tone(1000))
    played(buffer, 100)
    heard = buffer.fade(200)
    falling = played(buffer, 200)
    assert list(falling) == sorted(falling, reverse=True)
    assert falling[100 * MS] == pytest.approx(LOUD / 2, rel=0.02)
    assert not any(played(buffer, 100))
    assert heard.ms == pytest.approx(300)


def test_a_clear_amid_a_fade_goes_on_from_there() -> None:
    buffer = PlaybackBuffer(RATE)
    buffer.write(tone(1000))
    block = played(buffer, 100)
    buffer.fade(200)
    block += played(buffer, 100)
    buffer.clear()
    block += played(buffer, 40)
    assert steepest(block) <= LOUD // EDGE + 1
    assert not any(block[-BLOCK:])


def test_what_never_began_is_cleared_without_a_sound() -> None:
    buffer = PlaybackBuffer(RATE)
    buffer.write(tone(100))
    assert buffer.clear().ms == 0
    assert not any(played(buffer, 100))


@given(st.integers(2 * EDGE, 2000), st.integers())
def test_audio_is_not_changed_by_how_it_is_cut(length: int, seed: int) -> None:
    """Neither by how it comes, half samples included, nor by how it is read."""
    rng = random.Random(seed)
    pcm = rng.randbytes(2 * length)
    buffer = PlaybackBuffer(RATE)
    at = 0
    while at < len(pcm):
        size = rng.randint(1, 700)
        buffer.write(pcm[at : at + size])
        at += size
    buffer.end()
    out = b""
    while not buffer.is_idle:
        out += buffer.read(rng.randint(1, 300))
    inner = slice(2 * EDGE, len(pcm) - 2 * EDGE)
    assert out[inner] == pcm[inner]
    assert not any(out[len(pcm) :])


STEPS = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 400)),
    st.tuples(st.just("read"), st.integers(EDGE, 600)),
    st.tuples(st.just("fade"), st.integers(5, 300)),
    st.tuples(st.sampled_from(["end", "clear"]), st.just(0)),
)


@given(st.lists(STEPS, max_size=60))
@example([("write", 200), ("read", 40), ("fade", 6), ("read", 40), ("fade", 5), ("fade", 5)])
def test_nothing_clicks_and_nothing_is_lost(steps: list[tuple[str, int]]) -> None:
    buffer = PlaybackBuffer(RATE)
    out: list[int] = []
    written = dropped = 0
    for step, size in steps:
        match step:
            case "write":
                buffer.write(tone(size))
                written += size * MS
            case "read":
                block = buffer.read(size)
                assert len(block) == 2 * size
                out += samples(block)
            case "end":
                buffer.end()
            case "fade" | "clear":
                before = buffer.buffered_ms
                buffer.fade(size) if step == "fade" else buffer.clear()
                dropped += round((before - buffer.buffered_ms) * MS)
    buffer.end()
    while not buffer.is_idle:
        out += samples(buffer.read(BLOCK))
    assert buffer.played_ms * MS == pytest.approx(written - dropped)
    assert steepest((*out, 0)) <= LOUD // EDGE + 1


def test_a_callback_in_another_thread_hears_all_in_order() -> None:
    buffer = PlaybackBuffer(RATE, start_ms=1)
    numbers = struct.pack(f"<{20_000}h", *range(1, 20_001))
    out: list[bytes] = []
    is_done = threading.Event()

    def callback() -> None:
        while not (is_done.is_set() and buffer.is_idle):
            out.append(buffer.read(64))

    thread = threading.Thread(target=callback)
    thread.start()
    for at in range(0, len(numbers), 500):
        buffer.write(numbers[at : at + 500])
    buffer.end()
    is_done.set()
    thread.join(30)
    assert not thread.is_alive()
    assert buffer.played_ms * MS == 20_000
    unchanged = [s for s in samples(b"".join(out)) if s > EDGE]
    if buffer.underruns == 0:  # else there are edges among them
        assert unchanged[EDGE:-EDGE] == sorted(unchanged[EDGE:-EDGE])


# What was heard


def speaking(*segments: tuple[str, float], words: bool = False) -> PlaybackBuffer:
    """One utterance of segments, each with its ms of audio; its words share the time evenly."""
    buffer = PlaybackBuffer(RATE)
    at = 0.0
    for text, ms in segments:
        buffer.mark(SegmentStart("s", text))
        if words:
            parts = text.split()
            each = ms / 1000 / len(parts)
            timed = [
                Word(text=part, start=at + i * each, end=at + (i + 1) * each)
                for i, part in enumerate(parts)
            ]
            buffer.mark(Words(tuple(timed)))
        buffer.write(tone(ms))
        buffer.mark(SegmentEnd("s"))
        at += ms / 1000
    buffer.end()
    return buffer


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, ""),
        (80, ""),
        (120, "One,"),
        (380, "One, two"),
        (600, "One, two three."),
        (680, "One, two three."),
        (800, "One, two three. Four"),
        (1000, "One, two three. Four five."),
    ],
)
def test_heard_by_the_times_of_words(ms: float, text: str) -> None:
    buffer = speaking(("One, two three.", 600), ("Four five.", 400), words=True)
    played(buffer, ms)
    heard = buffer.heard()
    assert heard.text == text
    assert heard.ms == pytest.approx(ms)
    assert heard.is_all == (ms == 1000)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, ""),
        (100, ""),
        (200, "One,"),
        (500, "One, two"),
        (600, "One, two three."),
        (740, "One, two three."),
        (1000, "One, two three. Four five."),
    ],
)
def test_heard_by_samples_where_words_have_no_times(ms: float, text: str) -> None:
    buffer = speaking(("One, two three.", 600), ("Four five.", 400))
    played(buffer, ms)
    assert buffer.heard().text == text


def test_heard_of_a_segment_that_is_still_coming() -> None:
    buffer = PlaybackBuffer(RATE)
    buffer.mark(SegmentStart("s", "Nobody knows how long this will take to be said."))
    buffer.write(tone(1000))
    played(buffer, 960)
    assert buffer.heard().text == "Nobody knows"  # 15 characters a second


def test_words_of_the_second_utterance_count_from_its_start() -> None:
    buffer = PlaybackBuffer(RATE)
    for text in ("One.", "Two."):
        buffer.mark(Words((Word(text=text, start=0.0, end=0.4),)))
        buffer.write(tone(400))
        buffer.end()
    played(buffer, 400)
    assert buffer.heard().text == "One."
    played(buffer, 400)
    assert buffer.heard().text == "One. Two."


def test_text_without_spaces_and_words_from_a_dictionary() -> None:
    buffer = PlaybackBuffer(RATE)
    buffer.mark(SegmentStart("s", "你好世界"))
    buffer.mark(Words((Word(text="你好", start=0.0, end=0.5), Word(text="世界", start=0.5, end=1))))
    buffer.write(tone(1000))
    played(buffer, 500)
    assert buffer.heard().text == "你好"
    buffer.clear()
    buffer.mark(SegmentStart("s", "W3C says."))
    buffer.mark(Words((Word(text="double-u", start=0.0, end=0.4),)))
    buffer.write(tone(1000))
    played(buffer, 500)
    assert buffer.heard().text == "double-u"  # as it was said, since it was not written


def test_heard_begins_anew_after_an_interruption() -> None:
    buffer = speaking(("One, two three.", 600), words=True)
    played(buffer, 300)
    assert buffer.clear().text == "One, two"
    assert buffer.heard().text == ""
    buffer.mark(SegmentStart("s", "Four."))
    buffer.write(tone(300))
    buffer.end()
    played(buffer, 320)
    assert buffer.heard().text == "Four."
    assert buffer.heard().ms == pytest.approx(300)
    buffer.forget()
    assert buffer.heard().text == ""


def test_what_is_remembered_is_bounded() -> None:
    buffer = PlaybackBuffer(RATE)
    for number in range(2000):
        buffer.mark(SegmentStart("s", f"{number}."))
        buffer.write(tone(10))
        buffer.end()
        buffer.read(10 * MS)
    text = buffer.heard().text.split()
    assert (len(text), text[-1]) == (1000, "1999.")
