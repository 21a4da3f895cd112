"""Words that come one by one, as what was said; and the time of a stream with silence put in."""

from __future__ import annotations

from msgspec import structs

from ..events import Transcript, Word
from .kyutai import seconds


class Clock:
    """The server's time, in seconds of what it was given, and that of the client's audio in it."""

    def __init__(self) -> None:
        self._now = 0.0
        self._pads: list[tuple[float, float]] = []  # (when, how long) silence was put in

    def hear(self, seconds: float) -> None:
        """So much of the client's audio is given."""
        self._now += seconds

    def pad(self, seconds: float) -> None:
        """So much silence is put in."""
        self._pads.append((self._now, seconds))
        self._now += seconds

    def ours(self, at: float) -> float:
        at = seconds(at)
        return max(0.0, at - sum(min(long, at - when) for when, long in self._pads if when < at))


class Segment:
    """The words since the last final, by the client's clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.words: list[Word] = []
        self.is_whole = False  # the last word has an end

    def add(self, text: str, start: float) -> None:
        self.end(start)  # if it had none so far
        at = max(self._clock.ours(start), self.words[-1].end if self.words else 0.0)
        self.words.append(Word(text=text, start=at, end=at))
        self.is_whole = False

    def end(self, stop: float) -> None:
        """The last word is over."""
        if self.words and not self.is_whole:
            last = self.words[-1]
            self.words[-1] = structs.replace(last, end=max(last.start, self._clock.ours(stop)))
            self.is_whole = True

    def transcript(self, *, final: bool = False, from_finalize: bool = False) -> Transcript:
        words = tuple(self.words)
        return Transcript(
            " ".join(word.text for word in words),
            final,
            from_finalize,
            start=words[0].start if words else None,
            duration=words[-1].end - words[0].start if words else None,
            words=words,
        )

    def take(self, *, from_finalize: bool = False) -> Transcript:
        """The final; the next words are of another."""
        final = self.transcript(final=True, from_finalize=from_finalize)
        self.words, self.is_whole = [], False
        return final


def timed(heard: Transcript) -> tuple[Word, ...]:
    """The words of a final; where they have no times, as if they were all as long."""
    if heard.words:
        return heard.words
    texts, start = heard.text.split(), heard.start or 0.0
    each = (heard.duration or 0.0) / max(1, len(texts))
    return tuple(
        Word(text=text, start=start + n * each, end=start + (n + 1) * each)
        for n, text in enumerate(texts)
    )
