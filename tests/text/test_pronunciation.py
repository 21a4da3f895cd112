"""Rules find whole words and nothing else, and times made for what is said fit what was sent."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxway.errors import ProtocolError
from voxway.events import Word
from voxway.text.pronunciation import Rewriter, Rewritten, Rule, checked, content_hash
from voxway.text.retelling import Retelling


def rewriter(**rules: str) -> Rewriter:
    return Rewriter([Rule(match, replace) for match, replace in rules.items()])


def said(text: str, *rules: tuple[str, str]) -> str:
    return Rewriter(Rule(*rule) for rule in rules).rewrite(text).text


def spoken(text: str, start: float = 0.0) -> list[Word]:
    """A voice that takes one second a word, and times each word that can be heard."""
    words = [word for word in text.split() if any(map(str.isalnum, word))]
    return [Word(text=w, start=start + i, end=start + i + 1) for i, w in enumerate(words)]


def times(words: Sequence[Word]) -> list[tuple[str, float, float]]:
    return [(word.text, word.start, word.end) for word in words]


@pytest.mark.parametrize(
    ("text", "rule", "expected"),
    [
        ("AWS, paws and laws", ("AWS", "A W S"), "A W S, paws and laws"),
        ("SQL, sql and Sql", ("sql", "sequel"), "sequel, sequel and sequel"),
        ("SQL, sql and Sql", ("SQL", "sequel"), "sequel, sql and Sql"),
        ("It IS us, not the US", ("US", "U S"), "It IS us, not the U S"),
        ("AWS-based (AWS) \u201cAWS\u201d/AWS.", ("AWS", "x"), "x-based (x) \u201cx\u201d/x."),
        ("AWS_KEY, AWS2 and 2AWS", ("AWS", "x"), "AWS_KEY, AWS2 and 2AWS"),
        ("C++ and C++, not C++filt", ("C++", "see plus"), "see plus and see plus, not C++filt"),
        (".NET 8, not ASP.NET", (".NET", "dot net"), "dot net 8, not ASP.NET"),
        ("E.g. this, e.g. that", ("e.g.", "for example"), "for example this, for example that"),
        ("New \u00a0 York and\tNew\tYork", ("New York", "Nyu"), "Nyu and\tNyu"),
        ("New Yorker, NewYork", ("New York", "Nyu"), "New Yorker, NewYork"),
        ("R&D & more", ("&", "and"), "R and D and more"),
        ("50% of it", ("%", "percent"), "50 percent of it"),
        ("Acme\u2122 and B\u2122C", ("\u2122", ""), "Acme and B C"),
        ("Acme's, Acme\u2019ll", ("Acme", "Ackmee"), "Ackmee's, Ackmee\u2019ll"),
        ("can, can't, CAN\u2019T, can'ts", ("can", "ken"), "ken, can't, CAN\u2019T, ken'ts"),
        ("it's s, we'll ll", ("s", "ess"), "it's ess, we'll ll"),
        ("'s", ("s", "ess"), "'ess"),
    ],
)
def test_whole_words_only(text: str, rule: tuple[str, str], expected: str) -> None:
    assert said(text, rule) == expected


@pytest.mark.parametrize(
    ("text", "rule", "expected"),
    [
        ("caf\u00e9 cafe\u0301 cafe", ("caf\u00e9", "x"), "x x cafe"),
        ("cafe\u0301 e\u0301tat", ("tat", "x"), "cafe\u0301 e\u0301tat"),
        ("cafe\u0301", ("cafe", "x"), "cafe\u0301"),
        ("\u0915\u093f \u0915", ("\u0915", "x"), "\u0915\u093f x"),
        ("\u041c\u041a\u0421 \u043c\u043a\u0441", ("\u043c\u043a\u0441", "x"), "x x"),
        ("STRASSE Stra\u00dfe", ("stra\u00dfe", "x"), "STRASSE x"),
        ("\u0130stanbul istanbul", ("\u0130stanbul", "x"), "x istanbul"),
        ("AWS\u3092\u4f7f\u3046", ("AWS", "x"), "x\u3092\u4f7f\u3046"),
        ("\u6771\u4eac\u90fd\u306b", ("\u6771\u4eac", "x"), "x\u90fd\u306b"),
        ("\u30a2\u30de\u30be\u30f3\u306f", ("\u30a2\u30de", "x"), "\u30a2\u30de\u30be\u30f3\u306f"),
        ("AWS\ub294 \uc11c\uc6b8\uc740", ("AWS", "x"), "x\ub294 \uc11c\uc6b8\uc740"),
        ("AWS\ub294 \uc11c\uc6b8\uc740", ("\uc11c\uc6b8", "x"), "AWS\ub294 \uc11c\uc6b8\uc740"),
    ],
)
def test_words_of_every_script(text: str, rule: tuple[str, str], expected: str) -> None:
    assert said(text, rule) == expected


def test_the_longest_match_wins_and_its_output_is_left_alone() -> None:
    rules = ("york", "jork"), ("New York", "Nyu York"), ("New York City", "the city"), ("the", "!")
    assert said("New York City, new york, New York", *rules) == "the city, new jork, Nyu York"


def test_an_exact_spelling_goes_before_any_letter_case() -> None:
    rules = ("us", "uss"), ("US", "U S")
    assert said("US and us and Us", *rules) == "U S and uss and uss"
    assert said("US and us and Us", *reversed(rules)) == "U S and uss and uss"


def test_replacements_side_by_side_do_not_grow_together() -> None:
    assert said("A&B", ("A", "ay"), ("&", "and"), ("B", "bee")) == "ay and bee"


def test_no_rules_no_change() -> None:
    assert Rewriter().rewrite("As it is.") == Rewritten("As it is.", "As it is.")


def test_a_thousand_rules_are_fast() -> None:
    rules = [Rule(f"word{i} of many", f"say {i}") for i in range(1000)]
    began = time.perf_counter()
    rewritten = Rewriter(rules).rewrite("this and that, word999 of many " * 100)
    assert rewritten.text == "this and that, say 999 " * 100
    assert time.perf_counter() - began < 1.0


# Times


def test_the_words_said_for_one_word_are_told_as_one() -> None:
    rewritten = rewriter(AWS="A W S").rewrite("Use AWS, please.")
    words = rewritten.source_words(spoken(rewritten.text))
    assert times(words) == [("Use", 0, 1), ("AWS,", 1, 4), ("please.", 4, 5)]


def test_a_phrase_shares_its_time_by_length() -> None:
    rewritten = rewriter(**{"New York": "Nyuyork"}).rewrite("In New  York.")
    words = rewritten.source_words(spoken(rewritten.text))
    assert times(words) == [("In", 0, 1), ("New", 1, 1.444), ("York.", 1.444, 2)]


def test_a_part_of_a_word_is_told_as_the_whole_word() -> None:
    rewritten = rewriter(AWS="A W S").rewrite("an AWS-based (AWS) thing")
    words = rewritten.source_words(spoken(rewritten.text))
    assert times(words) == [("an", 0, 1), ("AWS-based", 1, 4), ("(AWS)", 4, 7), ("thing", 7, 8)]


def test_a_symbol_that_is_said_has_a_time_and_a_word_left_out_has_none() -> None:
    rewritten = rewriter(**{"&": "and", "pst": ""}).rewrite("pst, R & D")
    words = rewritten.source_words(spoken(rewritten.text))
    assert times(words) == [("R", 0, 1), ("&", 1, 2), ("D", 2, 3)]


def test_a_voice_may_spell_otherwise_and_leave_words_out() -> None:
    rewritten = rewriter(AWS="A W S").rewrite("It costs $9 at AWS, I am told.")
    words = rewritten.source_words(spoken("it costs nine dollars at a w s am told extra"))
    told = " ".join(word.text for word in words)
    assert told == "it costs nine dollars at AWS, am told extra"


def test_a_voice_may_run_words_together_and_tear_them_apart() -> None:
    rewritten = rewriter(AWS="A W S").rewrite("on AWS don't stop")
    assert [w.text for w in rewritten.source_words(spoken("on AWS don t stop"))] == [
        *("on", "AWS", "don", "t", "stop")
    ]
    assert [w.text for w in rewritten.source_words(spoken("onAW S don't stop"))] == [
        *("onAW", "AWS", "don't", "stop")
    ]


def test_the_rest_of_a_word_may_come_later() -> None:
    rewritten = rewriter(AWS="A W S").rewrite("Use AWS")
    retelling = Retelling()
    retelling.expect(rewritten.text, rewritten.source, rewritten.units())
    assert times(retelling.tell(spoken("Use A W"))) == [("Use", 0, 1)]
    assert times(retelling.tell(spoken("S", 3.0))) == [("AWS", 1, 4)]
    assert retelling.rest() == ()


def test_what_is_never_completed_is_told_at_the_end() -> None:
    rewritten = rewriter(AWS="A W S").rewrite("Use AWS")
    retelling = Retelling()
    retelling.expect(rewritten.text, rewritten.source, rewritten.units())
    assert times(retelling.tell(spoken("Use A W"))) == [("Use", 0, 1)]
    assert times(retelling.rest()) == [("AWS", 1, 3)]


def test_sentences_are_known_by_what_was_sent() -> None:
    retelling = Retelling()
    rewritten = rewriter(AWS="A W S").rewrite("AWS.")
    retelling.expect(rewritten.text, rewritten.source, rewritten.units())
    assert retelling.source("A W S.") == "AWS."
    assert retelling.source("other") == "other"


# Properties

WORDS = "AWS aws New York C++ .NET e.g. & R&D can't paws \u6771\u4eac caf\u00e9 stop, $9 (AWS) - x"
TEXTS = st.lists(st.sampled_from(WORDS.split(" ")), max_size=12).map(" ".join)
RULES = [
    Rule("aws", "a w s"),
    Rule("New York", "Nyu Yok"),
    Rule("C++", "see plus plus"),
    Rule(".NET", "dot net"),
    Rule("&", "and"),
    Rule("\u6771\u4eac", "Tokyo"),
    Rule("stop", "halt"),
]
ALL = Rewriter(RULES)


@given(st.text())
def test_a_text_without_a_match_is_untouched(text: str) -> None:
    assert rewriter(**{"\ue000\ue001": "x"}).rewrite(text) == Rewritten(text, text)


@given(st.one_of(TEXTS, st.text()))
def test_the_spans_cover_every_difference(text: str) -> None:
    rewritten = ALL.rewrite(text)
    at = source_at = 0
    for span in rewritten.spans:
        assert rewritten.text[at : span.start] == text[source_at : span.source_start]
        assert span.source_end > span.source_start
        at, source_at = span.end, span.source_end
    assert rewritten.text[at:] == text[source_at:]


@given(st.lists(TEXTS, max_size=5))
def test_sentence_by_sentence_is_the_same_as_all_at_once(texts: list[str]) -> None:
    sentences = [f"{text}." for text in texts]
    apart = [ALL.rewrite(sentence).text for sentence in sentences]
    assert ALL.rewrite(" ".join(sentences)).text == " ".join(apart)


@given(st.one_of(TEXTS, st.text()))
def test_times_are_told_for_the_words_as_sent_in_order(text: str) -> None:
    rewritten = ALL.rewrite(text)
    words = rewritten.source_words(spoken(rewritten.text))
    sent = [word for word in text.split() if any(map(str.isalnum, word)) or "&" in word]
    assert [word.text for word in words] == sent
    assert all(a.start < a.end <= b.start for a, b in pairwise(words))


@given(TEXTS, st.text(), st.data())
def test_any_voice_cut_anywhere_is_told_in_order(
    text: str, other: str, data: st.DataObject
) -> None:
    rewritten = ALL.rewrite(text)
    retelling = Retelling()
    retelling.expect(rewritten.text, rewritten.source, rewritten.units())
    heard = spoken(f"{rewritten.text} {other}")
    heard = [word for word in heard if data.draw(st.booleans())]
    told: list[Word] = []
    for word in heard:
        told += retelling.tell([word])
    told += retelling.rest()
    assert all(a.end <= b.start for a, b in pairwise(told))


# Rules


def test_rules_are_brought_to_their_normal_form() -> None:
    [rule] = checked([Rule(" New \u00a0 York ", " Nyu  cafe\u0301 ")])
    assert rule == Rule("New York", "Nyu caf\u00e9")
    assert checked([Rule("aws", ""), Rule("AWS", "x")]) == (Rule("aws", ""), Rule("AWS", "x"))


@pytest.mark.parametrize(
    ("rules", "param", "words"),
    [
        ([], "rules", "0 rules: a dictionary has 1 to 1000"),
        ([Rule("x", "y")] * 1001, "rules", "1001 rules"),
        ([Rule("a", "b"), Rule("  ", "x")], "rules[1].match", "match is empty"),
        ([Rule("x" * 101, "y")], "rules[0].match", "match of 101 characters is over 100"),
        ([Rule("x", "y" * 201)], "rules[0].replace", "replace of 201 characters is over 200"),
        ([Rule("a b", "x"), Rule("a  b", "y")], "rules[1].match", "the same as rule 0"),
        ([Rule("a\tb", "x")], "rules[0].match", "control character"),
        ([Rule("a", "x\x00")], "rules[0].replace", "control character"),
    ],
)
def test_a_bad_rule_is_named(rules: list[Rule], param: str, words: str) -> None:
    with pytest.raises(ProtocolError, match=r"^rules.*: ") as caught:
        checked(rules)
    assert (caught.value.error, caught.value.param) == ("invalid_pronunciation", param)
    assert words in caught.value.message


def test_the_hash_is_of_what_the_rules_say() -> None:
    rules = [Rule("a", "b"), Rule("c", "d")]
    assert content_hash(rules) == content_hash(reversed(rules))
    assert content_hash(rules) != content_hash([Rule("a", "b"), Rule("c", "e")])
    assert content_hash([Rule("a", "b")]).startswith("sha256:")
