"""Forced alignment against the voice's own word times, and on human speech."""

from __future__ import annotations

import pytest

from speech import clip
from voxway.engines.align import Aligner
from voxway.engines.hibari import HibariVoice
from voxway.events import SpeakOptions

from .conftest import at_16k

TEXTS = [
    "Please call Stella, and ask her to bring these things with her from the store.",
    "The total comes to $42.50, including tax, said Dr. Kowalczyk.",
    "In 1969, two men walked on the moon for the first time.",
]


@pytest.fixture(scope="module")
def aligner() -> Aligner:
    return Aligner()


def test_it_agrees_with_the_voice(voice: HibariVoice, aligner: Aligner) -> None:
    near = total = 0
    for text in TEXTS:
        options = SpeakOptions(word_timestamps=True, extra={"seed": 1})
        [item] = list(voice.speak(text, options))
        found = aligner.align(at_16k(item.pcm), text)
        assert [word.text for word in found] == [word.text for word in item.words]
        for ours, theirs in zip(found, item.words, strict=True):
            near += abs(ours.start - theirs.start) <= 0.12
            total += 1
    assert near / total >= 0.85


def test_human_speech(aligner: Aligner) -> None:
    pcm, text = clip("austen-0870.wav")
    words = {word.text: word for word in aligner.align(pcm, text)}
    # The reference alignment that comes with the clip.
    assert words["mister"].start == pytest.approx(0.37, abs=0.05)
    assert words["dashwood"].end == pytest.approx(1.58, abs=0.05)
    assert words["power"].start == pytest.approx(5.75, abs=0.06)


@pytest.mark.parametrize("text", ["a b c 你好 d", "你好 世界", "word " * 200, "hello [noise]", ""])
def test_whatever_the_text_words_are_kept_in_order_and_within(text: str, aligner: Aligner) -> None:
    for pcm in (b"", bytes(3_200), clip("goforward.raw")[0]):
        words = aligner.align(pcm, text)
        assert [word.text for word in words] == text.split()
        edges = [edge for word in words for edge in (word.start, word.end)]
        assert edges == sorted(edges)
        assert not edges or edges[-1] <= len(pcm) / 32_000


def test_it_does_not_learn_without_bound() -> None:
    aligner = Aligner(max_learned=3)
    pcm, text = clip("goforward.raw")
    for i in range(4):
        aligner.align(pcm, f"{text} 1{i} 2{i}")
    assert len(aligner._learned) <= 5
