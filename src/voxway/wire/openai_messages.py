"""The messages of OpenAI's audio API over HTTP, as far as the gateway says and reads them."""

from __future__ import annotations

from msgspec import Struct


class SpeechMsg(Struct, frozen=True, omit_defaults=True):
    model: str
    input: str
    response_format: str
    voice: str | None = None
    speed: float | None = None


class FormMsg(
    Struct, frozen=True, omit_defaults=True, rename={"times": "timestamp_granularities[]"}
):
    model: str
    response_format: str
    language: str | None = None
    times: str | None = None


class WordMsg(Struct, frozen=True):
    word: str
    start: float
    end: float
    probability: float | None = None


class SegmentMsg(Struct, frozen=True):
    words: tuple[WordMsg, ...] | None = None


class TranscriptionMsg(Struct, frozen=True):
    """`words` stand beside the text at OpenAI, in the segments at whisper.cpp."""

    text: str
    language: str | None = None
    words: tuple[WordMsg, ...] | None = None
    segments: tuple[SegmentMsg, ...] | None = None
