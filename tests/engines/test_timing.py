"""From the times of spoken words to those of written ones."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voxway.engines.timing import shifted, spread, transfer, words_in
from voxway.events import Word


def words(*items: tuple[str, float, float]) -> list[Word]:
    return [Word(text=text, start=start, end=end) for text, start, end in items]


def test_words_in() -> None:
    assert words_in("He said — “U.S.!” …") == ["He", "said", "“U.S.!”"]


def test_spread_gives_time_by_length() -> None:
    assert spread(["a", "abc"], 0.0, 6.0) == words(("a", 0.0, 2.0), ("abc", 2.0, 6.0))
    assert spread([], 0.0, 6.0) == []


SPOKEN = words(
    ("Doctor", 0.1, 0.4), ("Smith,", 0.4, 0.8), ("nine", 1.0, 1.2), ("dollars", 1.2, 2.0)
)


def test_transfer_maps_what_was_expanded() -> None:
    assert transfer(["Dr.", "Smith", "$9"], SPOKEN, 0.0, 2.0) == words(
        ("Dr.", 0.1, 0.4), ("Smith", 0.4, 0.8), ("$9", 1.0, 2.0)
    )


def test_transfer_fills_gaps_between_neighbours() -> None:
    spoken = words(("one", 1.0, 2.0), ("three", 3.0, 4.0))
    timed = transfer(["zero", "one", "two", "three", "four"], spoken, 0.5, 5.0)
    assert [(word.start, word.end) for word in timed] == [
        (0.5, 1.0),
        (1.0, 2.0),
        (2.0, 3.0),
        (3.0, 4.0),
        (4.0, 5.0),
    ]


@given(st.lists(st.tuples(st.text(max_size=3), st.floats(-5, 9), st.floats(-5, 9))))
def test_shifted_is_in_order_and_within(items: list[tuple[str, float, float]]) -> None:
    moved = shifted(words(*items), 1.0, 5.0)
    assert [word.text for word in moved] == [text for text, _, _ in items]
    starts = [word.start for word in moved]
    assert starts == sorted(starts)
    assert all(0 <= word.start <= word.end <= 5.0 for word in moved)
