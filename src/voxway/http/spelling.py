"""A text with the time of each of its characters, found as its words are told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from ..events import Word

REACH = 100  # characters that a voice may leave out between two words that it tells


Timed = tuple[str, float, float]  # a character, when it begins, when it ends


class Characters(Struct, frozen=True):
    """Seconds from the start of the audio."""

    characters: tuple[str, ...]
    character_start_times_seconds: tuple[float, ...]
    character_end_times_seconds: tuple[float, ...]


class Spelling:
    """Gives every character of the text once, in order. What stands between two words has the time
    between them."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._time = 0.0

    def take(self, words: Iterable[Word]) -> Characters | None:
        """The text up to the end of these words."""
        return _characters(self._take(words))

    def rest(self, end: float | None) -> Characters | None:
        """The text that is left, up to the end of the audio."""
        return _characters(self._rest(end))

    def whole(self, words: Iterable[Word], end: float | None) -> Characters | None:
        """All of it."""
        return _characters([*self._take(words), *self._rest(end)])

    def _take(self, words: Iterable[Word]) -> Iterator[Timed]:
        for word in words:
            found = self._text.find(word.text, self._at, self._at + REACH + len(word.text))
            if found >= 0:
                yield from self._spread(found, word.start)
                yield from self._spread(found + len(word.text), word.end)

    def _rest(self, end: float | None) -> list[Timed]:
        return self._spread(len(self._text), self._time if end is None else end)

    def _spread(self, until: int, end: float) -> list[Timed]:
        """The characters before `until` in the time before `end`."""
        start, end = self._time, max(self._time, end)
        chars = self._text[self._at : until]
        step = (end - start) / max(1, len(chars))
        self._at, self._time = until, end
        return [(c, start + i * step, start + (i + 1) * step) for i, c in enumerate(chars)]


def _characters(spelled: Iterable[Timed]) -> Characters | None:
    columns = tuple(zip(*spelled, strict=True))
    if not columns:
        return None
    chars, starts, ends = columns
    return Characters(chars, tuple(round(t, 3) for t in starts), tuple(round(t, 3) for t in ends))
