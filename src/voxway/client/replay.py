"""What a recognizer was given and has not written down yet, for as long as it may be asked again.

Two clocks: a connection's counts the seconds of audio sent on it, the source's counts what the
source gave, also what was dropped and what another connection heard. An application sees the
source's alone. Pure: who sends calls `sent`, who reads calls `heard`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence
from math import inf
from typing import Any

from msgspec import Struct, structs

from ..audio.formats import AudioFormat
from ..events import Event, SpeechStarted, Transcript, Turn, UtteranceEnd, Word
from .capture import Chunk

SECONDS = 10.0
EXACT = 0.005  # seconds: times come rounded


class Stretch(Struct, frozen=True):
    """A part of the source, in its seconds."""

    start: float
    end: float


class Replay(Struct, frozen=True):
    """What a new connection is to be given first: audio, and a None for each finalize that has no
    answer yet. `stretch` is what that audio covers; `gap` is what was sent before and not kept,
    so that nobody will ever write it down."""

    audio: tuple[bytes | None, ...]
    stretch: Stretch | None
    gap: Stretch | None

    def __repr__(self) -> str:
        return f"Replay(<{len(self.audio)} chunks>, {self.stretch}, {self.gap})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("chunks", len(self.audio)), ("stretch", self.stretch), ("gap", self.gap)]


class ReplayBuffer:
    """The audio since the last final, at most `seconds` of it (0: none is sent again). Compressed
    audio cannot be taken up in its middle, and is not kept."""

    def __init__(self, format: AudioFormat, seconds: float = SECONDS) -> None:
        self._unit = format.frame_bytes
        self._rate = format.sample_rate
        self._most = round(seconds * self._rate) if self._unit else 0  # samples
        self._kept: deque[_Kept | None] = deque()  # None is a finalize without an answer
        self._size = 0  # samples kept
        self._end = 0  # on the source's clock: the sample after the last that was sent
        self._final = 0  # what is before that is written down
        self._lost_to = 0  # what is before that and not written down was not kept
        self._resumed = 0  # what was written down when this connection began
        self._clock = 0  # samples sent on this connection
        self._pieces: list[tuple[int, int]] = []  # from this on the connection's: the source's

    @property
    def kept_ms(self) -> float:
        return self._size / self._rate * 1000

    # What is sent

    def sent(self, chunk: Chunk) -> Stretch | None:
        """This goes out now. What of the source was dropped just before it, if anything."""
        if not self._unit:
            return None
        at, before = round(chunk.at * self._rate), self._end
        self._count(at, len(chunk.data) // self._unit)
        self._keep(_Kept(at, chunk.data))
        return self._stretch(before, at) if at > before else None

    def finalize(self) -> None:
        """A finalize goes out now."""
        self._kept.append(None)

    def again(self) -> Replay:
        """There is a new connection: what it is to be given before anything else."""
        is_torn = self._lost_to > self._final
        gap = self._stretch(self._final, self._lost_to) if is_torn else None
        self._final = self._resumed = max(self._final, self._lost_to)
        self._clock = 0
        self._pieces.clear()
        audio = [kept for kept in self._kept if kept is not None]
        for kept in audio:
            self._count(kept.at, self._samples(kept))
        stretch = self._stretch(audio[0].at, self._end) if audio else None
        again = tuple(None if kept is None else kept.data for kept in self._kept)
        return Replay(again, stretch, gap)

    # What is heard

    def heard(self, event: Transcript) -> Transcript | None:
        """The same on the source's clock, without words that were written down before this
        connection; None if nothing else is in it. A final takes its audio out of the buffer."""
        event = self._moved(event)
        fresh = self._fresh(event)
        if event.final:
            if event.from_finalize:
                self._finalized()
            else:
                self._forget(self._position(ends_at(event)))
        return fresh

    def placed(self, event: Event) -> Event:
        """The same on the source's clock, for what else tells a time."""
        match event:
            case SpeechStarted(at=at):
                return structs.replace(event, at=self.at(at))
            case UtteranceEnd(last_word_end=float() as end):
                return structs.replace(event, last_word_end=self._until(end))
            case _:
                return event

    def turn(self, event: Turn) -> Turn:
        """The same on the source's clock."""
        return event if event.at is None else structs.replace(event, at=self.at(event.at))

    def at(self, seconds: float) -> float:
        """A time on the connection's clock, on the source's."""
        near = (seconds + EXACT) * self._rate
        return self._placed(seconds, bisect_right(self._pieces, near, key=_start))

    def _until(self, seconds: float) -> float:
        """The same for an end: just before a gap and not after it."""
        near = (seconds - EXACT) * self._rate
        return self._placed(seconds, bisect_left(self._pieces, near, key=_start))

    def _placed(self, seconds: float, index: int) -> float:
        if not self._pieces:
            return seconds
        since, source = self._pieces[max(0, index - 1)]
        return max(0.0, (source - since) / self._rate + seconds)

    # Bookkeeping

    def _count(self, at: int, samples: int) -> None:
        is_new = not self._pieces or at != self._pieces[-1][1] + self._clock - self._pieces[-1][0]
        if is_new:
            self._pieces.append((self._clock, at))
        self._clock += samples
        self._end = max(self._end, at + samples)

    def _keep(self, kept: _Kept) -> None:
        self._kept.append(kept)
        self._size += self._samples(kept)
        while self._size > self._most:
            index, oldest = next((i, k) for i, k in enumerate(self._kept) if k is not None)
            excess = min(self._samples(oldest), self._size - self._most)
            self._cut(index, oldest, excess)
            self._lost_to = oldest.at + excess

    def _cut(self, index: int, kept: _Kept, samples: int) -> None:
        """Forget the beginning of one."""
        self._size -= samples
        if samples == self._samples(kept):
            del self._kept[index]
        else:
            data = kept.data[samples * self._unit :]
            self._kept[index] = _Kept(kept.at + samples, data)

    def _forget(self, position: float) -> None:
        """All before is written down; a finalize stays until its own answer."""
        self._final = max(self._final, int(min(position, self._end)))
        while self._kept and (first := self._kept[0]) is not None and first.at < self._final:
            self._cut(0, first, min(self._samples(first), self._final - first.at))

    def _finalized(self) -> None:
        """The first finalize has its answer: all that was sent before it is written down."""
        if None not in self._kept:
            return
        while (first := self._kept.popleft()) is not None:
            self._size -= self._samples(first)
            self._final = max(self._final, first.at + self._samples(first))

    def _position(self, seconds: float | None) -> float:
        return inf if seconds is None else round(seconds * self._rate)

    def _moved(self, event: Transcript) -> Transcript:
        if not self._pieces or self._pieces == [(0, 0)]:
            return event
        words = tuple(
            structs.replace(word, start=self.at(word.start), end=self._until(word.end))
            for word in event.words
        )
        if event.start is None:
            return structs.replace(event, words=words)
        start, duration = self.at(event.start), event.duration
        if duration is not None:
            duration = max(0.0, self._until(event.start + duration) - start)
        return structs.replace(event, start=start, duration=duration, words=words)

    def _fresh(self, event: Transcript) -> Transcript | None:
        """What of it was not written down before this connection."""
        known = self._resumed / self._rate
        if not known or (event.from_finalize and not event.text):
            return event
        if not event.words:
            end = ends_at(event)
            is_known = end is not None and end <= known + EXACT
            return _emptied(event) if is_known else event
        words = [word for word in event.words if (word.start + word.end) / 2 > known - EXACT]
        if len(words) == len(event.words):
            return event
        return _with(event, words) if words else _emptied(event)

    def _samples(self, kept: _Kept) -> int:
        return len(kept.data) // self._unit

    def _stretch(self, start: int, end: int) -> Stretch:
        return Stretch(start / self._rate, end / self._rate)


class _Kept(Struct, frozen=True):
    """`at` is its first sample on the source's clock."""

    at: int
    data: bytes

    def __repr__(self) -> str:
        return f"_Kept({self.at}, <{len(self.data)} bytes>)"


def _start(piece: tuple[int, int]) -> int:
    return piece[0]


def ends_at(event: Transcript) -> float | None:
    """Where it ends; None if it tells no time."""
    if event.start is not None and event.duration is not None:
        return event.start + event.duration
    return event.words[-1].end if event.words else None


def _emptied(event: Transcript) -> Transcript | None:
    """An answer to a finalize is one even if it says nothing new."""
    return _with(event, ()) if event.from_finalize else None


def _with(event: Transcript, words: Sequence[Word]) -> Transcript:
    text = " ".join(word.text for word in words)
    if event.start is None or event.duration is None or not words:
        return structs.replace(event, text=text, words=tuple(words))
    end = event.start + event.duration
    start = max(event.start, words[0].start)
    return structs.replace(
        event, text=text, words=tuple(words), start=start, duration=max(0.0, end - start)
    )
