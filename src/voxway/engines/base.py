"""What an engine is to the worker that hosts it: plain, blocking compute, called in a thread.

A *voice* yields speech sentence by sentence; an *ear* hears one stream of audio per `Hearing` and
says what it made of it. Neither knows of sockets, sessions or other streams.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from msgspec import Struct

from ..events import ListenOptions, Reply, SpeakOptions, Word


class Spoken(Struct, frozen=True):
    """One sentence of speech: linear16 mono PCM at the voice's rate, and the times of its words
    in seconds from the start of this PCM (empty if the voice does not tell)."""

    text: str
    pcm: bytes
    words: tuple[Word, ...] = ()


class Voice(Protocol):
    """A text-to-speech model. Safe to call from several threads at once."""

    sample_rate: int

    def speak(self, text: str, options: SpeakOptions) -> Iterator[Spoken]:
        """Speech for `text`, one item a sentence, each as soon as it is there."""
        ...


class Hearing(Protocol):
    """One stream of audio being heard. One caller at a time."""

    def feed(self, pcm: bytes) -> list[Reply]:
        """Take linear16 mono PCM at the ear's rate (any length, whole samples); give what is new:
        SpeechStarted, Transcript (partial, final), UtteranceEnd."""
        ...

    def finalize(self) -> list[Reply]:
        """Give all that was heard up to now as finals. The last item is a final Transcript with
        `from_finalize`, with empty text when nothing was outstanding. The stream goes on."""
        ...

    def close(self) -> None:
        """Free the stream. Safe to call twice."""
        ...


class Ear(Protocol):
    """A speech-to-text model."""

    sample_rate: int

    def listen(self, options: ListenOptions) -> Hearing:
        """Open one stream."""
        ...
