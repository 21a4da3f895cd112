"""Where sentences end, as tables; and that no word is ever lost, as properties."""

# ruff: noqa: RUF001 (marks of other scripts look like ours)

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxway.text.sentences import Segmenter, speakable

WHOLE = [
    "Dr. Smith met Mr. Jones and Mrs. Brown in St. Louis.",
    "Some fruit, e.g. apples, i.e. Granny Smith, etc. are sold.",
    "The U.S. Army came at 5 p.m. on Friday.",
    "See No. 5 of Vol. 3 on p. 12.",
    "J. K. Rowling wrote it.",
    "J.R.R. Tolkien and George W. Bush never met.",
    "Pi is 3.14 and e is 2.718.",
    "Well... maybe he did.",
    "Well… maybe he did.",
    '"Really?" he said.',
    '"Stop!" she cried.',
    "Go to voxway.dev or mail me@voxway.dev for 1.2.3 of it.",
    "Visit https://voxway.dev/a?b=c!d now.",
    "He works at Apple Inc. Cupertino, as people say.",
    "Wait . . . what?",
    "1. First of all",
    "He arrived (at last.) and left.",
    "On Jan. 5 we met.",
    "He paid in z.B. Euro.",
    "Prof. Dr. Ing. Meier",
    "Hear Sammy Davis Jr. Live",
]

SPLIT = [
    ("Hello there. How are you?", ["Hello there.", "How are you?"]),
    ("What?! No way! Yes.", ["What?!", "No way!", "Yes."]),
    ("He lives in the U.S. The house is big.", ["He lives in the U.S.", "The house is big."]),
    (
        "Come at 5 p.m. Bring wine, etc. Then go.",
        ["Come at 5 p.m.", "Bring wine, etc.", "Then go."],
    ),
    ("Is it so? No. I do not think so.", ["Is it so?", "No.", "I do not think so."]),
    ("It was in 1999. Then it ended.", ["It was in 1999.", "Then it ended."]),
    ('She said "Go." He went.', ['She said "Go."', "He went."]),
    ("(It rained.) We stayed.", ["(It rained.)", "We stayed."]),
    ("So do I. He agreed.", ["So do I.", "He agreed."]),
    ("Take vitamin C. It helps.", ["Take vitamin C.", "It helps."]),
    ("He paused... Then he spoke.", ["He paused...", "Then he spoke."]),
    ("He paused… Then he spoke.", ["He paused…", "Then he spoke."]),
    ("hello there. how are you. fine", ["hello there.", "how are you.", "fine"]),
    ("First line\nsecond line\n\nthird", ["First line", "second line", "third"]),
    ("No end.\nDr.\r\nSmith", ["No end.", "Dr.", "Smith"]),
    ("你好。你好吗？很好！", ["你好。", "你好吗？", "很好！"]),
    ("「行くぞ。」彼は言った。", ["「行くぞ。」", "彼は言った。"]),
    ("यह घर है। वह पेड़ है।", ["यह घर है।", "वह पेड़ है।"]),
    ("كيف حالك؟ أنا بخير.", ["كيف حالك؟", "أنا بخير."]),
    ("¿Qué tal? ¡Muy bien! Adiós.", ["¿Qué tal?", "¡Muy bien!", "Adiós."]),
    ("It is 5. Five is odd.", ["It is 5.", "Five is odd."]),
    ("Wow!!!!!!!!!!!! Yes.", ["Wow!!!!!!!!!!!!", "Yes."]),
    ("**Bold.** Next.", ["**Bold.**", "Next."]),
    ("One of the Bros. The rest", ["One of the Bros.", "The rest"]),
    ("In the U.S. “The end” came.", ["In the U.S.", "“The end” came."]),
    ("Done. — Next one.", ["Done.", "— Next one."]),
]


def segmented(text: str, *cuts: int, max_chars: int = 220) -> list[str]:
    segmenter = Segmenter(max_chars)
    edges = [0, *sorted(cuts), len(text)]
    out = [
        sentence
        for begin, end in itertools.pairwise(edges)
        for sentence in segmenter.feed(text[begin:end])
    ]
    return out + segmenter.flush()


@pytest.mark.parametrize("text", WHOLE)
def test_what_is_one_sentence(text: str) -> None:
    assert segmented(text) == [text]


@pytest.mark.parametrize(("text", "sentences"), SPLIT)
def test_what_is_several_sentences(text: str, sentences: list[str]) -> None:
    assert segmented(text) == sentences
    assert segmented(text, *range(len(text))) == sentences


EARLY = [
    (["Hello", "?", " "], [[], [], ["Hello?"]]),
    (["Hello", ".", " ", "W"], [[], [], [], ["Hello."]]),
    (["Hello", "\n"], [[], ["Hello"]]),
    (["你好。", "你"], [[], ["你好。"]]),
    (['"Why?"', " ", "H"], [[], [], ['"Why?"']]),
    (["In the U.S.", " The", " end"], [[], [], ["In the U.S."]]),
    (["Dr.", " Who", " is it? "], [[], [], ["Dr. Who is it?"]]),
    (["3.", "14 is it. N"], [[], ["3.14 is it."]]),
]


@pytest.mark.parametrize(("chunks", "given_out"), EARLY)
def test_a_sentence_comes_as_early_as_it_is_certain(
    chunks: list[str], given_out: list[list[str]]
) -> None:
    segmenter = Segmenter()
    assert [segmenter.feed(chunk) for chunk in chunks] == given_out


def test_clear_forgets_and_flush_empties() -> None:
    segmenter = Segmenter()
    segmenter.feed("Gone")
    segmenter.clear()
    assert segmenter.flush() == []
    segmenter.feed("Kept")
    assert segmenter.flush() == ["Kept"]
    assert segmenter.flush() == []


LONG = [
    ("aaaa bbbb; cccc, dddd", 16, ["aaaa bbbb;", "cccc, dddd"]),
    ("aaaa bbbb, cccc dddd", 16, ["aaaa bbbb,", "cccc dddd"]),
    ("aaaa bbbb cccc dddd", 16, ["aaaa bbbb cccc", "dddd"]),
    ("aa bbbbbbbbbbbbbbbbbbbb", 16, ["aa", "bbbbbbbbbbbbbbbb", "bbbb"]),
    ("aaaa — bbbb cccc dddd", 16, ["aaaa —", "bbbb cccc dddd"]),
    ("x" * 20, 8, ["x" * 8, "x" * 8, "x" * 4]),
    ("xxxxxxxe\u0301yy", 8, ["xxxxxxx", "e\u0301yy"]),
    ("xxxxxx👩\u200d👩yy", 8, ["xxxxxx", "👩\u200d👩yy"]),
    ("xxxxxxx👍🏽yy", 8, ["xxxxxxx", "👍🏽yy"]),
    ("xxxxxxx🇩🇪yy", 8, ["xxxxxxx", "🇩🇪yy"]),
    ("xxxxxxx\ud83d\ude00yy", 8, ["xxxxxxx", "\ud83d\ude00yy"]),
    ("\u0301" * 80, 40, ["\u0301" * 40, "\u0301" * 40]),
    ("short", 8, ["short"]),
    ("  ", 8, []),
]


@pytest.mark.parametrize(("text", "max_chars", "pieces"), LONG)
def test_long_text_is_cut_where_one_would_breathe(
    text: str, max_chars: int, pieces: list[str]
) -> None:
    assert segmented(text, max_chars=max_chars) == pieces


SPEAKABLE = {"a": True, "7": True, "你": True, "…": False, "🙂 —": False, "": False, "¿é?": True}


@pytest.mark.parametrize(("text", "expected"), SPEAKABLE.items())
def test_speakable(text: str, expected: bool) -> None:
    assert speakable(text) is expected


MARKS = ". ! ? ... … 。 ？ । , ; : — \" ” ) ( '"
WORDS = "Dr. U.S. e.g. etc. p.m. No. 5 3.14 J. K. The I he Hello voxway.dev 1.2.3 你好 🇩🇪 e\u0301 a"
BLANKS = [" ", "  ", "\t", "\r\n", "\n", "\n\n"]
PROSE = st.lists(st.sampled_from([*MARKS.split(), *WORDS.split(), *BLANKS]), max_size=60).map(
    "".join
)
ANY_TEXT = st.one_of(PROSE, st.text(max_size=120))


@given(ANY_TEXT, st.lists(st.integers(0, 200)), st.sampled_from([8, 40, 220]))
def test_nothing_is_lost_or_doubled_and_chunks_do_not_matter(
    text: str, cuts: list[int], max_chars: int
) -> None:
    cuts = [min(cut, len(text)) for cut in cuts]
    sentences = segmented(text, *cuts, max_chars=max_chars)
    assert "".join("".join(sentences).split()) == "".join(text.split())
    assert all(sentence and sentence == sentence.strip() for sentence in sentences)
    assert max(map(len, sentences), default=0) <= max_chars
    assert sentences == segmented(text, max_chars=max_chars)


@given(st.lists(st.text("abcDE.!?,;'", min_size=1, max_size=12), max_size=80), st.integers(1, 9))
def test_words_stay_whole(words: list[str], step: int) -> None:
    text = " ".join(words)
    sentences = segmented(text, *range(0, len(text), step), max_chars=40)
    assert " ".join(sentences).split() == text.split()
