"""Tell the times of words that were spoken for the words that were sent.

Text is spoken rewritten, and voices report times word by word, in their own spelling and in events
cut anywhere. So each reported word is looked up, by its letters, in what is expected next; the
words spoken for one replaced word or phrase are held back until all of them are there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from msgspec import Struct, structs

from ..events import Word

LOOKAHEAD = 8  # words that a voice may skip


class Unit(Struct, frozen=True):
    """A piece of the text as written and as spoken; both are cut at the same white space."""

    written: str
    spoken: str
    is_changed: bool


class _Expected(Struct, frozen=True):
    """One word to be spoken."""

    letters: str
    unit: Unit


class Retelling:
    """The words of one utterance: those expected, and those held back."""

    def __init__(self) -> None:
        self._expected: deque[_Expected] = deque()
        self._sources: dict[str, str] = {}
        self._held: list[Word] = []
        self._held_unit: Unit | None = None

    def expect(self, text: str, source: str, units: Iterable[Unit]) -> None:
        """This will be spoken next: `text`, for `source`."""
        self._sources[text.strip()] = source.strip()
        for unit in units:
            words = filter(None, map(_letters, unit.spoken.split()))
            self._expected.extend(_Expected(letters, unit) for letters in words)

    def source(self, text: str) -> str:
        """A sentence as it was sent."""
        return self._sources.get(text.strip(), text)

    def tell(self, words: Sequence[Word]) -> tuple[Word, ...]:
        """These were spoken: the words to tell now, as they were sent."""
        return tuple(told for word in words for told in self._tell(word))

    def rest(self) -> tuple[Word, ...]:
        """Nothing more will be spoken: what was held back."""
        return tuple(self._release())

    def _tell(self, word: Word) -> Iterator[Word]:
        unit = self._find(_letters(word.text))
        if unit is not self._held_unit:
            yield from self._release()
        if unit is None or not unit.is_changed:
            yield word
            return
        self._held.append(word)
        self._held_unit = unit
        if not self._expected or self._expected[0].unit is not unit:
            yield from self._release()

    def _release(self) -> Iterator[Word]:
        held, unit = self._held, self._held_unit
        self._held, self._held_unit = [], None
        if held and unit is not None:
            yield from _spread(unit, held)

    def _find(self, letters: str) -> Unit | None:
        """The unit that a spoken word belongs to; what was expected up to it is past. A word that
        is not expected ("nine" for "9") belongs to what stands next."""
        expected = self._expected
        if not expected:
            return None
        unit = expected[0].unit
        for skipped in range(min(LOOKAHEAD, len(expected))):
            if (taken := self._taken(letters, skipped)) is not None:
                for _ in range(skipped):
                    expected.popleft()
                unit = expected[0].unit
                self._take(taken)
                break
        return unit

    def _taken(self, letters: str, skipped: int) -> int | None:
        """How many letters of what is expected after `skipped` words a spoken word takes; a word
        that skips others must be found whole."""
        word = self._expected[skipped].letters
        if word == letters or (not skipped and word.startswith(letters)):
            return len(letters)
        if letters and not skipped and letters.startswith(word):
            ahead = "".join(e.letters for e in list(self._expected)[:LOOKAHEAD])
            return len(letters) if ahead.startswith(letters) else None
        return None

    def _take(self, count: int) -> None:
        while count:
            first = self._expected.popleft()
            if len(first.letters) > count:
                self._expected.appendleft(_Expected(first.letters[count:], first.unit))
            count -= min(count, len(first.letters))


def _spread(unit: Unit, spoken: Sequence[Word]) -> Iterator[Word]:
    """The written words of a unit in the time of those spoken for them, each by its length."""
    pieces = unit.written.split()
    words = [piece for piece in pieces if _letters(piece)] or pieces
    start, end = spoken[0].start, max(word.end for word in spoken)
    edges = [0, *accumulate(1 + len(_letters(word)) for word in words)]
    scale = (end - start) / edges[-1]
    for i, text in enumerate(words):
        last = i == len(words) - 1
        yield structs.replace(
            spoken[0],
            text=text,
            start=round(start + edges[i] * scale, 3) if i else start,
            end=end if last else round(start + edges[i + 1] * scale, 3),
        )


def _letters(word: str) -> str:
    return "".join(char for char in word.lower() if char.isalnum())
