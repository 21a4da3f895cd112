"""What was said to a voice and what came of it: every sentence once, whatever is lost. Pure.

The audio of a voice does not say whose it is: utterances are spoken in their order, and each ends
with one terminal. Where a connection breaks off amid one, its sentences up to there are known by
their segments. The rest is said again, and as much of that is left out as was heard already.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from msgspec import Struct, structs

from ..audio.formats import AudioFormat
from ..audio.slicing import Framer
from ..events import (
    Audio,
    Event,
    Flush,
    Flushed,
    SegmentEnd,
    SegmentStart,
    Text,
    Word,
    Words,
)
from ..text.sentences import speakable
from .cutting import messages
from .heard import PACE
from .notices import Abandoned, Notice, Resent

EXACT = 0.005  # seconds: times come rounded
SpeechEvent = Audio | Words | SegmentStart | SegmentEnd | Flushed
OF_SPEECH = (Audio, Words, SegmentStart, SegmentEnd, Flushed)


class Utterance(Struct, eq=False):
    """The text up to one flush. Characters: `said` of it on this connection, `done` when their
    audio has come to its end. Bytes: `got` of audio handed on, `base` when those characters ended,
    `skip` still to be left out. `losses`: how many connections broke off when it had its turn."""

    id: str
    text: str = ""
    is_complete: bool = False
    is_wanted: bool = True
    losses: int = 0
    was_said: bool = False  # on an earlier connection
    said: int = 0
    is_flushed: bool = False  # on this connection
    done: int = 0
    got: int = 0
    base: int = 0
    skip: int = 0
    segments: int = 0
    segment: str | None = None  # the one under way, as we named it
    segment_end: int = 0  # where its text ends, or `done` if that is not known
    told_until: float = 0.0  # the end of the last word that was told, seconds
    origin: float = 0.0  # where this connection began with it, seconds

    @property
    def rest(self) -> str:
        """What was not heard, or not to its end."""
        return self.text[self.done :]


class Speaking:
    """The utterances of one session, in their order."""

    def __init__(self, resends: int | None) -> None:
        self.epoch = 0  # of this connection: how often it was told to be silent
        self._resends = resends
        self._utterances: deque[Utterance] = deque()
        self._count = 0
        self._format = AudioFormat("linear16", 24_000)
        self._framer = Framer(self._format)

    def __len__(self) -> int:
        return len(self._utterances)

    @property
    def unsaid(self) -> int:
        """Characters that the server does not have yet."""
        return sum(len(each.text) - max(each.said, each.done) for each in self._utterances)

    @property
    def owed(self) -> float:
        """About how many seconds of audio are still to come of what was said."""
        return sum(max(0, each.said - each.done) for each in self._utterances) / PACE

    @property
    def is_owed(self) -> bool:
        """Whether the server has to give the end of an utterance."""
        return any(each.is_flushed for each in self._utterances)

    def add(self) -> Utterance:
        """Another utterance, which may grow."""
        self._count += 1
        utterance = Utterance(f"u{self._count}")
        self._utterances.append(utterance)
        return utterance

    # Connections

    def began(self, format: AudioFormat) -> None:
        """A new connection, that knows nothing."""
        self.epoch = 0
        self._format, self._framer = format, Framer(format)

    def lost(self) -> None:
        """The connection is gone: what was said on it is not to be expected."""
        self._utterances = deque(each for each in self._utterances if each.is_wanted)
        if front := self._front():
            front.losses += 1
        for each in self._utterances:
            each.said, each.is_flushed = 0, False

    def next(self) -> Iterator[Event | Notice]:
        """The commands that say the next text, and the notices that belong to it; nothing if all is
        said. A `Flushed` among them is for the application: the utterance ends without a word of
        the server's, since nothing of it can be said, or not again."""
        for utterance in self._utterances:
            if utterance.is_flushed:
                continue
            is_first = not utterance.said
            if is_first and utterance.losses and not self._again(utterance):
                yield Abandoned(utterance.id, utterance.rest)
                yield from self._end(utterance)
                return
            at = max(utterance.said, utterance.done)
            text = utterance.text[at:].strip()
            if not text and not utterance.is_complete:
                return
            if is_first and utterance.was_said and text:
                yield Resent(utterance.id, text, self._seconds(utterance.skip))
            yield from self._say(utterance, text)
            return

    def _again(self, utterance: Utterance) -> bool:
        """Prepare to say it once more, if that may be."""
        if self._resends is not None and utterance.losses > self._resends:
            return False
        heard = utterance.got - utterance.base
        if heard and not self._format.frame_bytes:
            return False  # compressed audio cannot be joined in its middle
        utterance.skip = heard
        utterance.origin = self._seconds(utterance.base)
        return True

    def _say(self, utterance: Utterance, text: str) -> Iterator[Event | Notice]:
        if utterance.is_complete and not utterance.said and not speakable(utterance.rest):
            yield from self._end(utterance)
            return
        if text:
            utterance.was_said = True
            *parts, last = messages(text)
            yield from (Text(part) for part in parts)
            yield Text(last, partial=False)
            utterance.said = len(utterance.text)
        if utterance.is_complete:
            utterance.is_flushed = True
            yield Flush()

    def _end(self, utterance: Utterance) -> Iterator[SpeechEvent]:
        """It is over."""
        self._utterances.remove(utterance)
        yield Flushed(self._seconds(utterance.got), context=utterance.id)

    # What the server says

    def told(self, event: Event, epoch: int) -> Iterator[SpeechEvent]:
        """What of it is news, named and timed as the application knows it."""
        if not isinstance(event, OF_SPEECH) or epoch != self.epoch:
            return
        if (utterance := self._front()) is None:
            return
        for told in self._heard(event, utterance):
            if utterance.is_wanted:
                yield told

    def _heard(self, event: Event, utterance: Utterance) -> Iterator[SpeechEvent]:
        match event:
            case Audio(data=data):
                for piece in self._framer.feed(data):
                    yield from self._audio(utterance, piece)
            case SegmentStart(text=text):
                yield from self._segment(utterance, text)
            case SegmentEnd():
                yield from self._segment_over(utterance)
            case Words(words=words):
                yield from self._words(utterance, words)
            case Flushed() if utterance.is_flushed:
                yield from self._segment_over(utterance)
                self._framer.clear()
                yield from self._end(utterance)

    def _audio(self, utterance: Utterance, data: bytes) -> Iterator[SpeechEvent]:
        if utterance.skip:
            skipped = min(utterance.skip, len(data))
            utterance.skip -= skipped
            data = data[skipped:]
        if data:
            if utterance.segment is None:
                yield from self._segment(utterance, None)
            utterance.got += len(data)
            yield Audio(data, context=utterance.id)

    def _segment(self, utterance: Utterance, text: str | None) -> Iterator[SpeechEvent]:
        """A sentence begins; one that began on an earlier connection was told."""
        found = utterance.text.find(text, utterance.done) if text else -1
        utterance.segment_end = found + len(text or "") if found >= 0 else utterance.done
        if utterance.segment is None:
            utterance.segments += 1
            utterance.segment = f"{utterance.id}.{utterance.segments}"
            told = text if text is not None else utterance.rest
            yield SegmentStart(utterance.segment, told, context=utterance.id)

    def _segment_over(self, utterance: Utterance) -> Iterator[SpeechEvent]:
        if utterance.segment is not None:
            yield SegmentEnd(utterance.segment, context=utterance.id)
        utterance.segment = None
        utterance.skip = 0  # if it was shorter this time, that is all there is of it
        if utterance.segment_end > utterance.done:
            utterance.done, utterance.base = utterance.segment_end, utterance.got

    def _words(self, utterance: Utterance, words: tuple[Word, ...]) -> Iterator[SpeechEvent]:
        new: list[Word] = []
        for word in words:
            start, end = utterance.origin + word.start, utterance.origin + word.end
            if end > utterance.told_until + EXACT:
                new.append(structs.replace(word, start=start, end=end))
                utterance.told_until = end
        if new:
            if utterance.segment is None:
                yield from self._segment(utterance, None)
            yield Words(tuple(new), context=utterance.id)

    # What the application does not want

    def clear(self) -> bool:
        """Forget all; whether the server has to be told."""
        was_said = any(each.said for each in self._utterances)
        self._utterances.clear()
        self._silence(was_said)
        return was_said

    def drop(self, utterances: set[str]) -> bool:
        """Forget these; whether the server has to be told. What it has of others is then to be
        said again."""
        front = self._front()
        is_front = front is not None and front.id in utterances
        for each in [each for each in self._utterances if each.id in utterances]:
            if is_front or not each.said:
                self._utterances.remove(each)
            else:
                each.is_wanted = False  # it comes after what is wanted
        if is_front:
            for each in self._utterances:
                each.said, each.is_flushed, each.was_said = 0, False, False
        self._silence(is_front)
        return is_front

    def _front(self) -> Utterance | None:
        """Whose turn it is at the server."""
        return next((each for each in self._utterances if each.said), None)

    def _silence(self, is_told: bool) -> None:
        self.epoch += is_told
        self._framer.clear()

    def _seconds(self, size: int) -> float:
        return self._format.seconds(size)
