"""Where utterances end: by sentence, by paragraph, or when the application says so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxway.client.cutting import MAX_TEXT, Cutter, FlushPolicy, messages

TEXT = "One is here. Two is there.\n\nThree goes on. And four.\n \n\nFive ends"


def utterances(policy: FlushPolicy, pieces: list[str]) -> list[str]:
    cutter = Cutter(policy)
    said = [each for piece in pieces for each in cutter.feed(piece)] + list(cutter.flush())
    whole, part = [], []
    for each in said:
        part.append(each.text)
        if each.ends:
            whole.append(" ".join(filter(None, part)))
            part = []
    assert not part
    return [utterance for utterance in whole if utterance]


def test_slng_flush_after_each_sentence_for_low_latency() -> None:
    sentences = ["One is here.", "Two is there.", "Three goes on.", "And four.", "Five ends"]
    assert utterances("sentence", [TEXT]) == sentences


def test_slng_flush_after_a_paragraph_for_quality() -> None:
    paragraphs = ["One is here. Two is there.", "Three goes on. And four.", "Five ends"]
    assert utterances("paragraph", [TEXT]) == paragraphs


def test_manual_flush_only_at_the_end() -> None:
    assert len(utterances("manual", [TEXT])) == 1


def test_a_sentence_is_given_as_soon_as_it_is_complete() -> None:
    cutter = Cutter("sentence")
    assert [said.text for said in cutter.feed("Really? Y")] == ["Really?"]
    assert [said.text for said in cutter.feed("es. No")] == ["Yes."]


@pytest.mark.parametrize("policy", ["sentence", "paragraph", "manual"])
@given(data=st.data())
def test_chunks_make_no_difference(policy: FlushPolicy, data: st.DataObject) -> None:
    text = data.draw(st.text("ab.!? \n", max_size=60))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert utterances(policy, pieces) == utterances(policy, [text])


@given(st.text("abc ", max_size=1700))
def test_messages_are_small_and_whole(text: str) -> None:
    parts = list(messages(text))
    assert "".join(parts) == text
    assert all(0 < len(part) <= MAX_TEXT for part in parts)
