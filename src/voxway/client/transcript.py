"""A transcript put together from what comes: what is settled, and what still changes.

The rules are those of Telnyx's production patterns: a partial replaces only the partial before it,
a final is never replaced, the end of an utterance closes a segment and is no text. Settled and
changing text are kept apart, so nothing is shown twice when a final follows its partials.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from ..events import Event, Transcript, UtteranceEnd
from ..text.subtitles import cues, joined, speaker_name, srt, turns, vtt
from .replay import EXACT, Stretch


class TimedWord(Struct, frozen=True, omit_defaults=True):
    """A word in the JSON document: seconds from the start of the source."""

    word: str
    start: float
    end: float
    confidence: float | None = None
    speaker: int | None = None


class Segment(Struct, frozen=True, omit_defaults=True):
    """A final in the JSON document."""

    text: str
    start: float | None = None
    end: float | None = None
    language: str | None = None
    confidence: float | None = None
    words: tuple[TimedWord, ...] = ()


class Document(Struct, frozen=True):
    """The transcript as JSON. `incomplete` says why there may be more that was said; `gaps` is
    what nobody heard."""

    text: str
    segments: tuple[Segment, ...]
    gaps: tuple[Stretch, ...] = ()
    incomplete: str | None = None


class Assembly:
    """One stream's transcript. `partial` is the text that still changes, and empty in between."""

    def __init__(self) -> None:
        self.partial = ""
        self.incomplete: str | None = None
        self._finals: list[Transcript] = []
        self._breaks: set[int] = set()  # segments end an utterance before these finals
        self._gaps: list[Stretch] = []
        self._end = 0.0  # seconds: what is before is settled

    @property
    def finals(self) -> tuple[Transcript, ...]:
        """What is settled, in order."""
        return tuple(self._finals)

    def add(self, event: Event) -> bool:
        """Take an event in, whatever it is. Whether there is something else to show."""
        match event:
            case Transcript(final=True):
                return self._settle(event)
            case Transcript():
                return self._try(event)
            case UtteranceEnd():
                self._close()
        return False

    def miss(self, gap: Stretch) -> None:
        """This part of the source was heard by nobody."""
        self._gaps.append(gap)

    def mark_incomplete(self, reason: str) -> None:
        """The end did not come as it should: there may be more that was said."""
        self.incomplete = self.incomplete or reason

    def text(self, *, speakers: bool = False) -> str:
        """What is settled: a line for each utterance, or for each turn of a speaker."""
        lines = [line for final in self._finals for line in _turns(final)] if speakers else None
        return "\n".join(self._utterances() if lines is None else lines)

    def srt(self, *, speakers: bool = False) -> str:
        """SubRip."""
        return srt(cues(self._finals, speakers=speakers))

    def vtt(self, *, speakers: bool = False) -> str:
        """WebVTT."""
        return vtt(cues(self._finals, speakers=speakers))

    def document(self) -> Document:
        """All that is known, as a value."""
        segments = tuple(map(_segment, self._finals))
        return Document(self.text(), segments, tuple(self._gaps), self.incomplete)

    def json(self) -> str:
        """The same as text."""
        return msgspec.json.encode(self.document()).decode()

    def _settle(self, final: Transcript) -> bool:
        changes = bool(final.text or self.partial)
        self.partial = ""
        if final.text:
            self._finals.append(final)
            self._end = max(self._end, _span(final)[1] or 0.0)
        return changes

    def _try(self, partial: Transcript) -> bool:
        start = _span(partial)[0]
        if start is not None and start < self._end - EXACT:
            return False  # of a segment that is settled by now
        changes = partial.text != self.partial
        self.partial = partial.text
        return changes

    def _close(self) -> None:
        self._breaks.add(len(self._finals))

    def _utterances(self) -> list[str]:
        lines: list[str] = []
        for number, final in enumerate(self._finals):
            if lines and number not in self._breaks and not self._finals[number - 1].is_endpoint:
                lines[-1] = f"{lines[-1]} {final.text}"
            else:
                lines.append(final.text)
        return lines


def _turns(final: Transcript) -> list[str]:
    if not final.words:
        return [final.text]
    return [f"{speaker_name(speaker)}: {joined(words)}" for speaker, words in turns(final.words)]


def _span(event: Transcript) -> tuple[float | None, float | None]:
    """Its start and end, as far as it tells them."""
    words, start = event.words, event.start
    if start is None and words:
        start = words[0].start
    if event.start is not None and event.duration is not None:
        return start, event.start + event.duration
    return start, words[-1].end if words else None


def _segment(final: Transcript) -> Segment:
    start, end = _span(final)
    words = tuple(
        TimedWord(w.text, round(w.start, 3), round(w.end, 3), w.confidence, w.speaker)
        for w in final.words
    )
    return Segment(final.text, _ms(start), _ms(end), final.language, final.confidence, words)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
