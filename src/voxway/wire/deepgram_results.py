"""What Deepgram heard: a transcript as its `Results`, and back.

Clients index these fields without asking whether they are there, so what we write is whole. Of
what we read nothing is needed.
"""

from __future__ import annotations

import hashlib
import re

from msgspec import UNSET, Struct, UnsetType

from ..audio.formats import AudioFormat
from ..events import ListenOptions, Transcript, Word
from .deepgram import MODEL_VERSION, model_uuid
from .deepgram_messages import Message, StreamMsg

CHANNEL = (0, 1)  # the first of one

_around = re.compile(r"^\W+|\W+$")


class Timed(Struct, frozen=True):
    """A word: bare in `word`, as it is written in `punctuated_word`."""

    word: str = ""
    start: float = 0.0
    end: float = 0.0
    confidence: float | None = None
    punctuated_word: str | None = None
    speaker: int | UnsetType | None = UNSET


class Alternative(Struct, frozen=True):
    transcript: str = ""
    confidence: float | None = None
    words: tuple[Timed, ...] = ()
    languages: tuple[str, ...] | UnsetType | None = UNSET


class Channel(Struct, frozen=True):
    alternatives: tuple[Alternative, ...] = ()


class ModelInfo(Struct, frozen=True):
    name: str
    version: str
    arch: str


class About(Struct, frozen=True):
    request_id: str
    model_info: ModelInfo
    model_uuid: str


class ResultsMsg(Message, tag="Results", frozen=True):
    channel_index: tuple[int, int]
    duration: float
    start: float
    is_final: bool
    speech_final: bool
    channel: Channel
    metadata: About
    from_finalize: bool


class ListenReply(Struct, frozen=True):
    """Any answer of Deepgram's. `channel` is numbers in some, and what was heard in others."""

    type: str = ""
    start: float = 0.0
    duration: float = 0.0
    is_final: bool | None = None
    speech_final: bool | None = None
    from_finalize: bool | None = None
    channel: Channel | tuple[int, ...] = ()
    timestamp: float = 0.0
    last_word_end: float = -1.0
    variant: str | None = None
    code: str | None = None
    description: str | None = None
    message: str | None = None


class Report:
    """What a stream was told so far. `model` is the name by which the client knows it."""

    def __init__(self, options: ListenOptions, model: str, request_id: str) -> None:
        self._about = About(request_id, ModelInfo(model, MODEL_VERSION, model), model_uuid(model))
        self._is_multi = options.language == "multi"
        self._format = AudioFormat(options.encoding or "wav", options.sample_rate or 0)
        self._size = 0
        self._sha256 = hashlib.sha256()
        self._told = 0.0  # seconds up to the end of the last final

    def hear(self, data: bytes) -> None:
        self._size += len(data)
        self._sha256.update(data)

    def results(self, t: Transcript) -> ResultsMsg:
        """Where a recognizer gives no times, all that was heard since the last final is meant."""
        start = self._told if t.start is None else t.start
        until_now = max(0.0, self._format.seconds(self._size) - start)
        duration = until_now if t.duration is None else t.duration
        if t.final:
            self._told = start + duration
        sure = float(bool(t.text)) if t.confidence is None else t.confidence
        words = tuple(_timed(word, sure) for word in t.words)
        languages = (t.language,) if t.language and self._is_multi else UNSET
        return ResultsMsg(
            CHANNEL,
            round(duration, 3),
            round(start, 3),
            t.final,
            t.final and t.is_endpoint,
            Channel((Alternative(t.text, sure, words, languages),)),
            self._about,
            t.from_finalize,
        )

    def summary(self, created: str, *, is_aligned: bool = False) -> StreamMsg:
        duration = round(self._format.seconds(self._size) or self._told, 3)
        id, digest = self._about.request_id, self._sha256.hexdigest()
        return StreamMsg("deprecated", id, digest, created, duration, 1, is_aligned)


def transcript(reply: ListenReply, *, answers: bool) -> Transcript:
    """`answers`: this is what a finalize gave."""
    channel = reply.channel if isinstance(reply.channel, Channel) else Channel()
    said = channel.alternatives[0] if channel.alternatives else Alternative()
    return Transcript(
        said.transcript,
        bool(reply.is_final),
        answers,
        said.confidence,
        said.languages[0] if said.languages else None,
        reply.start,
        reply.duration,
        tuple(map(_word, said.words)),
        bool(reply.speech_final),
    )


def _timed(word: Word, sure: float) -> Timed:
    return Timed(
        _around.sub("", word.text).lower() or word.text,
        round(word.start, 3),
        round(word.end, 3),
        sure if word.confidence is None else word.confidence,
        word.text,
        UNSET if word.speaker is None else word.speaker,
    )


def _word(timed: Timed) -> Word:
    return Word(
        text=timed.punctuated_word or timed.word,
        start=timed.start,
        end=timed.end,
        confidence=timed.confidence,
        speaker=None if timed.speaker is UNSET else timed.speaker,
    )
