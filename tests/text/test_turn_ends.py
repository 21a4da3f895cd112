"""Turns out of what was said and how long it was silent since."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxway.events import Event, Transcript, Turn, Turns
from voxway.text.turns import Follower, confidence, patience

EAGER = Turns(threshold=0.7, eager_threshold=0.5, timeout=5.0)


def partial(text: str, start: float) -> Transcript:
    return Transcript(text, False, start=start, duration=0.1)


def final(text: str, start: float, end: float, *, asked: bool = False) -> Transcript:
    return Transcript(text, True, asked, start=start, duration=end - start)


def turns(events: Iterable[Event]) -> list[tuple[str, str, str]]:
    return [(e.phase, e.text, e.trigger) for e in events if isinstance(e, Turn)]


def follow(asked: Turns, *heard: Transcript | float) -> list[tuple[str, str, str]]:
    """What is told of transcripts, and of silence up to a time."""
    follower, told = Follower(asked), list[Event]()
    for each in heard:
        told += follower.hear(each) if isinstance(each, Transcript) else follower.silent(each)
    return turns(told)


START, END = ("start", "", ""), ("end", "Well.", "model")


@pytest.mark.parametrize(
    ("heard", "told"),
    [
        ((), []),
        ((9.0,), []),
        ((partial("We", 0.0), 9.0), [START]),  # a partial awaits its final
        ((partial("We", 0.0), final("Well.", 0.0, 1.0), 1.5), [START]),
        ((final("Well.", 0.0, 1.0), 1.7), [START, ("eager_end", "Well.", "")]),
        ((final("Well.", 0.0, 1.0), 1.7, 1.8), [START, ("eager_end", "Well.", "")]),
        ((final("Well.", 0.0, 1.0), 2.1), [START, END]),
        ((final("Well.", 0.0, 1.0), 2.1, 9.0), [START, END]),
        # What does not end as a sentence is waited for twice as long.
        ((final("Well", 0.0, 1.0), 2.1), [START]),
        ((final("Well", 0.0, 1.0), 2.3), [START, ("eager_end", "Well", "")]),
        ((final("Well", 0.0, 1.0), 3.2), [START, ("end", "Well", "model")]),
        (
            (final("Well.", 0.0, 1.0), 1.7, partial("I", 1.9), final("I do.", 1.9, 2.5), 3.6),
            [
                START,
                ("eager_end", "Well.", ""),
                ("resumed", "Well.", ""),
                ("end", "Well. I do.", "model"),
            ],
        ),
        # Nobody had to look in between: the next start tells how long it was silent.
        ((final("Well.", 0.0, 1.0), partial("I", 2.2)), [START, END, START]),
        ((final("Well.", 0.0, 1.0), partial("I", 1.5)), [START]),
        ((partial("We", 0.0), final("", 0.0, 1.0), 3.9), [START, ("end", "", "model")]),
        ((final("Well.", 0.0, 1.0, asked=True), 9.0), [START, ("end", "Well.", "manual")]),
        ((Transcript("", True, from_finalize=True),), []),
        ((final("Well.", 0.0, 1.0), Transcript("", True, True)), [START, (*END[:2], "manual")]),
    ],
)
def test_turns(heard: tuple[Transcript | float, ...], told: list[tuple[str, str, str]]) -> None:
    assert follow(EAGER, *heard) == told


def test_nothing_is_foretold_unless_it_is_asked_for() -> None:
    assert follow(Turns(), final("Well.", 0.0, 1.0), 1.9, 2.1) == [START, END]


def test_a_turn_ends_at_its_timeout_however_unsure() -> None:
    asked = Turns(threshold=1.0, timeout=2.0)
    assert follow(asked, final("Well.", 0.0, 1.0), 2.9) == [START]
    assert follow(asked, final("Well.", 0.0, 1.0), 3.0) == [START, ("end", "Well.", "timeout")]


def test_what_is_changed_holds_from_then_on() -> None:
    follower = Follower(EAGER)
    [*_] = follower.hear(final("Well.", 0.0, 1.0))
    follower.adjust(Turns(threshold=0.99))
    assert turns(follower.silent(2.1)) == [("eager_end", "Well.", "")]
    follower.adjust(Turns(threshold=0.7))
    assert turns(follower.silent(2.1)) == [END]


@given(silence=st.floats(0, 60), text=st.sampled_from(["", "Well", "Well,", "Well."]))
def test_confidence_grows_with_the_silence_and_is_never_certain(silence: float, text: str) -> None:
    assert 0.0 <= confidence(silence, text) <= 1.0
    assert confidence(silence, text) <= confidence(silence + 0.5, text)
    assert confidence(silence, text) <= confidence(silence, "Well.")
    assert confidence(5.0, "Well.") < 1.0


@given(threshold=st.floats(0.01, 0.99), text=st.sampled_from(["Well", "Well."]))
def test_patience_is_what_it_takes_to_be_so_sure(threshold: float, text: str) -> None:
    assert confidence(patience(threshold, text), text) == pytest.approx(threshold, abs=0.001)


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from(["", "a", "b."]), st.booleans()), max_size=12)
)
def test_turns_follow_each_other_in_order(said: list[tuple[bool, str, bool]]) -> None:
    """Whatever is heard: start, then foretold and taken back, then one end, which has the text."""
    heard: list[Transcript | float] = []
    at = 0.0
    for is_final, text, is_asked in said:
        heard += [Transcript(text, is_final, is_final and is_asked, start=at, duration=0.5), at + 1]
        at += 1.0
    phases = [phase for phase, _, _ in follow(EAGER, *heard, at + 9.0)]
    may_follow = {
        "": {"start"},
        "start": {"eager_end", "end"},
        "eager_end": {"resumed", "end"},
        "resumed": {"eager_end", "end"},
        "end": {"start"},
    }
    for before, after in zip(["", *phases], phases, strict=False):
        assert after in may_follow[before]
