"""What Cartesia says on its sockets. A `Reply` is any of them as it is read.

Requests are in `cartesia_request`; what clients say to recognition are bare words.
"""

from __future__ import annotations

from msgspec import Struct

from .. import events as e
from . import cartesia
from .base import Timings, parser


class OutputMsg(Struct, frozen=True, omit_defaults=True):
    """All but audio and errors. livekit takes any true `done` as the end of the context."""

    type: str
    done: bool
    status_code: int
    context_id: str
    word_timestamps: Timings | None = None
    flush_done: bool | None = None
    flush_id: int | None = None


class SpeechReply(cartesia.Reply, frozen=True):
    context_id: str | None = None
    data: bytes = b""
    word_timestamps: Timings | None = None


def done(name: str) -> OutputMsg:
    return OutputMsg("done", True, 200, name)


class TimedWord(Struct, frozen=True):
    word: str
    start: float
    end: float

    def spoken(self) -> e.Word:
        return e.Word(text=self.word, start=self.start, end=self.end)


class TranscriptMsg(Struct, tag="transcript", frozen=True, omit_defaults=True):
    is_final: bool
    request_id: str
    text: str
    duration: float | None = None
    language: str | None = None
    words: tuple[TimedWord, ...] = ()


class AnswerMsg(Struct, frozen=True):
    """To `finalize`: flush_done, to `close`: done."""

    type: str
    request_id: str


class HearingReply(cartesia.Reply, frozen=True):
    is_final: bool = False
    text: str = ""
    duration: float | None = None
    language: str | None = None
    words: tuple[TimedWord, ...] | None = None


read_speech, read_hearing = parser(SpeechReply), parser(HearingReply)
