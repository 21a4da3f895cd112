"""What is said on Telnyx's sockets. A `Reply` is any message of the server's as it is read."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from ..events import Word
from . import telnyx
from .base import parser


class CommandMsg(Struct, frozen=True):
    type: str


class TimedWord(Struct, frozen=True, omit_defaults=True):
    word: str
    start: float
    end: float
    confidence: float | None = None

    def heard(self) -> Word:
        return Word(text=self.word, start=self.start, end=self.end, confidence=self.confidence)


class TranscriptMsg(Struct, tag="transcript", frozen=True, omit_defaults=True):
    """Null is no number to livekit: a `confidence` that is not known is left out."""

    transcript: str
    is_final: bool
    confidence: float | None = None
    speech_final: bool | None = None
    utterance_end: bool = False
    start_time: float | None = None
    duration: float | None = None
    words: tuple[TimedWord, ...] = ()


class HearingReply(telnyx.Reply, frozen=True):
    transcript: str | None = None
    is_final: bool = False
    confidence: float | None = None
    speech_final: bool | None = None
    utterance_end: bool = False
    start_time: float | None = None
    duration: float | None = None
    words: tuple[TimedWord, ...] | None = None


class SpeakMsg(Struct, frozen=True, omit_defaults=True):
    """All that a client of speech says. The first is " ", with the settings; "" is the end."""

    text: str | None = None
    flush: bool = False
    force: bool = False
    voice_settings: dict[str, Any] | None = None


class FinalMsg(Struct, tag="final", frozen=True):
    audio: None
    text: str
    is_final: bool = field(name="isFinal")


class SpeechReply(telnyx.Reply, frozen=True):
    audio: bytes | None = None
    is_final: bool | None = field(name="isFinal", default=None)


read_command, read_hearing = parser(CommandMsg), parser(HearingReply)
read_speak, read_speech = parser(SpeakMsg), parser(SpeechReply)
