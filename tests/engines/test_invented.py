"""What nobody said is not written down; what somebody said is, however polite."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec import Struct

from voxway.engines.align import Aligner
from voxway.engines.invented import without_invented
from voxway.events import Word

from .conftest import Hear, Say, text_of

SOUND = (np.sin(np.arange(16_000) / 8) * 8_000).astype("<i2").tobytes()
SILENCE = bytes(32_000)


class Aligned(Struct, frozen=True):
    """What an aligner would say."""

    words: list[Word]

    def align(self, pcm: bytes, text: str) -> list[Word]:
        return self.words

    def fits(self, pcm: bytes, text: str) -> bool:
        return True


def over(start: float, end: float) -> list[Word]:
    return [Word(text="you.", start=start, end=end)]


@pytest.mark.parametrize(
    ("text", "words", "kept"),
    [
        ("It is done. Thank you.", over(1.5, 1.8), "It is done."),
        ("It is done. Thank you.", over(0.5, 0.8), "It is done. Thank you."),
        ("Thank you.", over(1.5, 1.8), "Thank you."),
        ("It is done.", over(1.5, 1.8), "It is done."),
    ],
)
def test_only_a_stock_phrase_without_sound_is_left_out(
    text: str, words: list[Word], kept: str
) -> None:
    assert without_invented(text, SOUND + SILENCE, Aligned(words)) == kept


@pytest.mark.parametrize(
    "sentence",
    [
        "Please call Stella, and ask her to bring these things.",
        "Please call Stella, and ask her to bring these things with her from the store.",
        "Good morning to all of you. And welcome to the show.",
    ],
)
def test_sentences_that_the_recognizer_would_end_politely(
    say: Say, hear: Hear, sentence: str
) -> None:
    assert "thank" not in text_of(hear(say(sentence))).lower()


@pytest.mark.parametrize(
    "sentence",
    ["That is all for today. Thank you.", "Please leave a message. Thank you.", "Thank you."],
)
def test_real_thanks_are_kept(say: Say, hear: Hear, sentence: str) -> None:
    assert text_of(hear(say(sentence))).lower().rstrip(".! ").endswith("thank you")


@pytest.mark.parametrize(
    "phrase", ["Good morning.", "Very good.", "Come on.", "Over there.", "How are you today?"]
)
@pytest.mark.parametrize("rest", ["", " It is a quarter past nine."])
def test_what_is_written_twice_was_said_twice(say: Say, phrase: str, rest: str) -> None:
    twice, once = f"{phrase} {phrase}{rest}", f"{phrase}{rest}"
    aligner = Aligner()
    assert without_invented(twice, say(once), aligner) == once
    assert without_invented(twice, say(twice), aligner) == twice
    assert without_invented(f"{phrase} {twice}", say(once), aligner) == once
    assert without_invented(once, say(once), aligner) == once
