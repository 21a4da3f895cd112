"""Which words of a speech were heard by a listener who was played so much of it.

Times are seconds on one clock, that of the audio in the order in which it is played.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from math import inf

from msgspec import Struct

from ..events import Word

MAX_SEGMENTS, MAX_WORDS = 1_000, 10_000  # what is remembered: an hour of speech
EXACT = 0.005  # seconds: times come rounded

# Characters a second, of a sentence of which nobody knows yet how long it is.
PACE = 15.0


class Heard(Struct, frozen=True):
    """`text` as it was written, as far as it was heard; `ms` of audio. `is_all`: nothing of what
    was said was left unheard."""

    text: str
    ms: float
    is_all: bool


class _Segment(Struct):
    start: float
    text: str | None
    end: float | None = None


class Script:
    """What is said when, as the events tell it that come with the audio."""

    def __init__(self) -> None:
        self._segments: deque[_Segment] = deque(maxlen=MAX_SEGMENTS)
        self._words: deque[Word] = deque(maxlen=MAX_WORDS)

    def begin(self, text: str | None, at: float) -> None:
        """A segment begins; the one before it has ended."""
        self.end(at)
        self._segments.append(_Segment(at, text))

    def end(self, at: float) -> None:
        """The last audio of the segment has come."""
        if self._segments and self._segments[-1].end is None:
            self._segments[-1].end = at

    def words(self, words: Iterable[Word], base: float) -> None:
        """Words whose times count from `base`."""
        self._words.extend(
            Word(text=word.text, start=word.start + base, end=word.end + base) for word in words
        )

    def heard(self, until: float, known: float) -> str:
        """The text up to `until`; `known` is the end of the audio that has come so far. A word
        counts if half of it was heard."""
        segments = list(self._segments) or [_Segment(-inf, None)]
        ends = [segment.start for segment in segments[1:]] + [inf]
        parts = [
            _heard(segment, self._between(segment.start, end), until, known)
            for segment, end in zip(segments, ends, strict=True)
            if segment.start < until
        ]
        return " ".join(part for part in parts if part)

    def _between(self, start: float, end: float) -> list[Word]:
        return [word for word in self._words if start <= _middle(word) < end]


def _middle(word: Word) -> float:
    return (word.start + word.end) / 2


def _heard(segment: _Segment, words: Sequence[Word], until: float, known: float) -> str:
    text = (segment.text or "").strip()
    if text and segment.end is not None and until >= segment.end - EXACT:
        return text
    if words:
        return _up_to(text, [word.text for word in words if _middle(word) <= until])
    end = segment.end or max(known, segment.start + len(text) / PACE)
    share = (until - segment.start) / (end - segment.start) if end > segment.start else 1.0
    return _cut(text, min(1.0, share))


def _up_to(text: str, words: Sequence[str]) -> str:
    """The beginning of `text` that has these words, or they alone if it is another."""
    at = 0
    for word in words:
        found = text.find(word, at)
        if found < 0:
            return " ".join(words)
        at = found + len(word)
    return text[:at]


def _cut(text: str, share: float) -> str:
    """That share of the text, in whole words where it has any."""
    at = int(share * len(text))
    if at < len(text) and not text[at].isspace() and " " in text:
        at = text.rfind(" ", 0, at) + 1
    return text[:at].rstrip()
