"""What a recognizer was given, for as long as it may have to be given again; and its two clocks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from math import inf

from msgspec import structs

from ..audio.formats import AudioFormat
from ..events import Transcript

KEPT = 30.0  # seconds of audio that can be given again
LONG = 1.0  # seconds of a chunk that is worth cutting
EXACT = 0.005  # seconds: times come rounded


class Tape:
    """Raw audio is kept since the last final. Compressed audio cannot be taken up in its middle: of
    it only is known that there was some. `clock` is the seconds of audio on this socket."""

    def __init__(self, format: AudioFormat) -> None:
        self._format = format
        self._rate = format.frame_bytes * format.sample_rate  # bytes a second
        # In the order in which they were said; None is a finalize without an answer.
        self._kept: deque[bytes | None] = deque()
        self._marks = 0
        # Seconds of the client's audio: before what is kept, with it, before what has no final.
        self._from = self._given = self._final = 0.0
        self._silences: list[tuple[float, float]] = []  # (when on the clock, seconds)
        self._offset = 0.0
        self.clock = 0.0
        self.chunk = 0.0  # seconds of the audio that was given last
        self.has_audio = False  # on this socket
        self.is_cut = False  # if the stream went on elsewhere, it would not be understood

    @property
    def has_new(self) -> bool:
        """Whether there was audio since the last final."""
        return len(self._kept) > self._marks

    @property
    def is_open(self) -> bool:
        """Whether there was audio since the last final and the last finalize."""
        return bool(self._kept) and self._kept[-1] is not None

    @property
    def is_torn(self) -> bool:
        """Whether audio without a final was too much to be kept."""
        return self._from > self._final + EXACT

    def audio(self, data: bytes) -> None:
        """It is given now."""
        self.has_audio = True
        if self._rate:
            self.chunk = seconds = len(data) / self._rate
            self._given += seconds
            self.clock += seconds
            self._kept.append(data)
            if self._given - self._from > KEPT:
                self._trim()
        else:
            self.is_cut = True
            if not self.is_open:
                self._kept.append(b"")

    def mark(self) -> None:
        """A finalize is said now."""
        self._kept.append(None)
        self._marks += 1

    def silence(self, seconds: float) -> None:
        """So much is put in now, which is not the client's."""
        if self._silences and sum(self._silences[-1]) >= self.clock - EXACT:
            at, before = self._silences.pop()
            self._silences.append((at, before + seconds))
        else:
            self._silences.append((self.clock, seconds))
        self.clock += seconds
        self.has_audio = True

    def finalized(self) -> None:
        """The first finalize has its answer: all that was before it is written down."""
        while (data := self._kept.popleft()) is not None:
            self._from += self._seconds(data)
        self._marks -= 1
        self._final = self._from

    def heard(self, final: Transcript) -> None:
        """This, by the client's clock, is written down."""
        end = inf if final.start is None else final.start + (final.duration or 0.0)
        # What comes before the answer to a finalize is of what was given before it.
        while self._kept and (data := self._kept[0]) is not None:
            if self._from + self._seconds(data) > end + EXACT:
                if self._from < end:
                    self._cut(0, end - self._from)
                break
            self._kept.popleft()
            self._from += self._seconds(data)
        self._final = max(self._final, min(end, self._from))

    def again(self) -> Iterator[bytes | None]:
        """Another socket: what it is to hear first, with a None for each finalize."""
        self._offset, self.clock, self.has_audio = self._from, 0.0, False
        self._silences.clear()
        for data in self._kept:
            if data:
                self.has_audio = True
                self.clock += self._seconds(data)
            if data != b"":
                yield data

    def ours(self, at: float) -> float:
        """A time on the socket's clock, in seconds of the client's audio."""
        silent = sum(min(seconds, at - when) for when, seconds in self._silences if when < at)
        return max(0.0, self._offset + at - silent)

    def on_our_clock(self, event: Transcript) -> Transcript:
        if not (self._offset or self._silences):
            return event
        words = tuple(
            structs.replace(word, start=self.ours(word.start), end=self.ours(word.end))
            for word in event.words
        )
        if event.start is None:
            return structs.replace(event, words=words)
        start, duration = self.ours(event.start), event.duration
        if duration is not None:
            duration = self.ours(event.start + duration) - start
        return structs.replace(event, start=start, duration=duration, words=words)

    def _trim(self) -> None:
        while (excess := self._given - self._from - KEPT) > 0.0:
            at, data = next((at, data) for at, data in enumerate(self._kept) if data is not None)
            seconds = self._seconds(data)
            if seconds > excess:
                if seconds > LONG:
                    self._cut(at, excess)
                return
            del self._kept[at]
            self._from += seconds

    def _cut(self, at: int, seconds: float) -> None:
        """Forget the beginning of a chunk."""
        size = self._format.bytes_for(seconds)
        self._kept[at] = (self._kept[at] or b"")[size:]
        self._from += size / self._rate

    def _seconds(self, data: bytes) -> float:
        return len(data) / self._rate if self._rate else 0.0
