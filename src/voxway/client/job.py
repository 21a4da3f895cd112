"""One text that is spoken: what came of it and is not taken yet, and how much of it was."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable

from ..audio.formats import AudioFormat
from ..events import Audio, Flush, Flushed, SegmentEnd, SegmentStart, Words
from .heard import Heard, Script
from .playback import PlaybackBuffer
from .speaking import SpeechEvent

# A text at once, or as it grows; a `Flush` ends an utterance, for the policy `manual`.
Pieces = str | Iterable[str | Flush] | AsyncIterable[str | Flush]


class Job:
    """`utterances` are those that are not over. Without `playback` it keeps `events` until they are
    taken; `got` and `taken` are seconds of audio."""

    def __init__(self, playback: PlaybackBuffer | None = None) -> None:
        self.events: deque[SpeechEvent] = deque()
        self.utterances: set[str] = set()
        self.abandoned = 0  # utterances that were not heard to their end
        self.got = self.taken = 0.0
        self.is_complete = False  # there is no more text
        self._was_left = False  # before its end
        self.error: BaseException | None = None
        self.news = asyncio.Event()
        self._playback = playback
        self._script = Script()
        self._base = 0.0  # where the utterance that is spoken began

    @property
    def is_over(self) -> bool:
        return self.is_complete and not self.utterances

    @property
    def waiting(self) -> float:
        """Seconds of audio that nobody has taken."""
        return 0.0 if self._playback is not None else self.got - self.taken

    def tell(self, event: SpeechEvent, format: AudioFormat) -> None:
        """It came."""
        if isinstance(event, Flushed):
            self.utterances.discard(event.context)
        if self._playback is not None:
            _play(self._playback, event)
            return
        match event:
            case Audio(data=data):
                self.got += format.seconds(len(data))
            case Words(words=words):
                self._script.words(words, self._base)
            case SegmentStart(text=text):
                self._script.begin(text, self.got)
            case SegmentEnd():
                self._script.end(self.got)
            case Flushed():
                self._base = self.got
        self.events.append(event)
        self.news.set()

    def take(self, format: AudioFormat) -> SpeechEvent | None:
        """The next of what came."""
        if not self.events:
            return None
        event = self.events.popleft()
        if isinstance(event, Audio):
            self.taken += format.seconds(len(event.data))
        return event

    def stop(self, error: BaseException | None = None) -> None:
        """Nothing more comes, and what came is void unless it failed."""
        self.is_complete, self.error = True, self.error or error
        self.utterances.clear()
        if error is None:
            self.events.clear()
        self.news.set()

    def leave(self) -> None:
        """Nobody takes the rest, if there is one; a feed that is cut off says nothing more."""
        self._was_left = not self._is_taken
        self.is_complete = True

    def heard(self) -> Heard:
        """What was taken, which somebody may have heard."""
        text = self._script.heard(self.taken, self.got)
        return Heard(text, self.taken * 1000, self._is_taken and not self._was_left)

    @property
    def _is_taken(self) -> bool:
        return self.is_over and not self.events


def _play(playback: PlaybackBuffer, event: SpeechEvent) -> None:
    match event:
        case Audio(data=data):
            playback.write(data)
        case Flushed():
            playback.end()
        case _:
            playback.mark(event)


async def pieces(text: Pieces) -> AsyncIterator[str | Flush]:
    """The text as it comes."""
    if isinstance(text, str):
        yield text
    elif isinstance(text, AsyncIterable):
        async for piece in text:
            yield piece
    else:
        for piece in text:
            yield piece
