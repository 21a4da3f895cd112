"""One stream of speech in a session: what waits to be said, what was asked for, what is told.

A socket has one, or one for each context of a client that keeps several on it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from msgspec import Struct, field, structs

from ..audio.formats import AudioFormat
from ..audio.length import Feed, measure
from ..events import Configure, Event, Flushed, SegmentStart, SpeakOptions, Words
from ..text.retelling import Retelling
from ..text.sentences import Segmenter


class Speech(Struct):
    """The text not yet handed on, the epoch, for every flush not yet answered whether the client
    asked for it, and for each utterance how to tell what is spoken. `changed` waits for the end of
    the utterance; `is_ending`: the client gives no more."""

    options: SpeakOptions
    format: AudioFormat
    segmenter: Segmenter = field(default_factory=Segmenter)
    retellings: deque[Retelling] = field(default_factory=lambda: deque([Retelling()]))
    epoch: int = 0
    pending: deque[bool] = field(default_factory=deque)
    has_text: bool = False  # since the last flush
    changed: Configure | None = None
    is_ending: bool = False
    measure: Feed = len  # tells how many seconds a piece of its audio is

    def __post_init__(self) -> None:
        self.measure = measure(self.format)

    @property
    def is_busy(self) -> bool:
        return bool(self.pending)

    def flush(self, *, is_asked: bool) -> None:
        """An utterance is complete."""
        self.pending.append(is_asked)
        self.has_text = False
        self.retellings.append(Retelling())

    def abort(self) -> None:
        """Forget all text and every utterance."""
        self.segmenter.clear()
        self.has_text = False
        self.pending.clear()
        self.retellings = deque([Retelling()])
        self.measure = measure(self.format)  # what comes next begins anew

    def answered(self) -> bool:
        """A flush has its answer; whether the client asked for it."""
        return self.pending.popleft() if self.pending else True

    def tell(self, event: Words | SegmentStart | Flushed) -> Iterator[Event]:
        """An event about words, in the words that were sent."""
        retelling = self.retellings[0]
        match event:
            case Words(words=words):
                told = retelling.tell(words)
            case SegmentStart(text=text):
                yield structs.replace(event, text=text and retelling.source(text))
                return
            case Flushed():
                told = retelling.rest()
                if len(self.retellings) > 1:
                    self.retellings.popleft()
        if told:
            yield Words(told, context=event.context)
        if isinstance(event, Flushed) and self.answered():
            yield event
