"""The unified protocol's messages, declared: one struct each, told apart by `type`.

A field that must always be on the wire has no default, since defaults are left out. Unknown fields
are ignored, unknown types are not.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from ..events import Usage


class Message(Struct, frozen=True, omit_defaults=True, tag_field="type"):
    """Base of every message: told apart by its `type`."""


class Pronunciation(Struct, frozen=True, omit_defaults=True):
    """Which dictionary to speak by: one of `name` and `dictionary_id`."""

    mode: Literal["rewrite"]
    name: str | None = None
    dictionary_id: str | None = None


class Config(Struct, frozen=True, omit_defaults=True):
    """`init.config`: how to speak or how to listen. Unknown fields are left alone."""

    language: str | None = None
    encoding: str | None = None
    sample_rate: int | None = None
    speed: float | None = None
    enable_partials: bool | None = None
    enable_partial_transcripts: bool | None = None
    enable_vad: bool = False
    enable_diarization: bool = False
    enable_word_timestamps: bool = False
    enable_turns: bool = False
    eot_threshold: float | None = None
    eager_eot_threshold: float | None = None
    eot_timeout_ms: float | None = None
    seed: int | None = None
    bit_rate: int | None = None
    pronunciation: Pronunciation | None = None
    audio_transport: Literal["binary", "json"] | None = None
    terminal: Literal["both", "audio_end", "flushed"] | None = None


class InitMsg(Message, tag="init", frozen=True):
    model: str | None = None  # advisory: the URL decides
    voice: str | None = None
    voice_id: str | None = None
    language: str | None = None
    context_id: str | None = None
    encoding: str | None = None  # here in the first generation's `start`
    sample_rate: int | None = None
    config: Config = Config()


class TextMsg(Message, tag="text", frozen=True):
    text: str
    flush: bool = False
    partial: bool = True
    pronunciation: Pronunciation | None = None


class AudioMsg(Message, tag="audio", frozen=True):
    data: bytes


class FlushMsg(Message, tag="flush", frozen=True):
    pass


class FinalizeMsg(Message, tag="finalize", frozen=True):
    pass


class ClearMsg(Message, tag="clear", frozen=True):
    pass


class CancelMsg(Message, tag="cancel", frozen=True):
    pass


class StopMsg(Message, tag="stop", frozen=True):
    pass


class ConfigureMsg(Message, tag="configure", frozen=True):
    voice: str | None = None
    voice_id: str | None = None
    language: str | None = None
    speed: float | None = None
    eot_threshold: float | None = None
    eager_eot_threshold: float | None = None
    eot_timeout_ms: float | None = None


class CloseMsg(Message, tag="close", frozen=True):
    pass


class KeepAliveMsg(Message, tag="keepalive", frozen=True):
    pass


class PingMsg(Message, tag="ping", frozen=True):
    pass


class ReadyMsg(Message, tag="ready", frozen=True):
    session_id: str
    slng_request_id: str | None = None
    model_id: str | None = None
    encoding: str | None = None
    sample_rate: int | None = None
    capabilities: tuple[str, ...] = ()
    accepts_partial_text: bool = False
    context_id: str | None = None


class AudioChunkMsg(Message, tag="audio_chunk", frozen=True):
    data: bytes
    sequence: int | None = None
    duration_ms: int | None = None
    context_id: str | None = None


class TimedWord(Struct, frozen=True, omit_defaults=True):
    word: str
    start: float
    end: float
    confidence: float | None = None
    speaker: int | None = None


class WordsMsg(Message, tag="word_timestamps", frozen=True):
    words: tuple[TimedWord, ...]


class SegmentStartMsg(Message, tag="segment_start", frozen=True):
    segment_id: str
    text: str | None = None


class SegmentEndMsg(Message, tag="segment_end", frozen=True):
    segment_id: str


class FlushedMsg(Message, tag="flushed", frozen=True):
    pass


class ClearedMsg(Message, tag="cleared", frozen=True):
    pass


class AudioEndMsg(Message, tag="audio_end", frozen=True):
    duration: float | None = None
    context_id: str | None = None


class PartialMsg(Message, tag="partial_transcript", frozen=True):
    transcript: str
    confidence: float | None = None
    language: str | None = None
    text: str | None = None  # the transcript again, for clients that read it there


class FinalMsg(Message, tag="final_transcript", frozen=True):
    transcript: str
    confidence: float | None = None
    language: str | None = None
    duration: float | None = None
    start: float | None = None
    words: tuple[TimedWord, ...] = ()
    from_finalize: bool = False
    text: str | None = None


class SpeechStartedMsg(Message, tag="speech_started", frozen=True):
    timestamp: float


class UtteranceEndMsg(Message, tag="utterance_end", frozen=True):
    last_word_end: float | None = None


class TurnStartMsg(Message, tag="turn_start", frozen=True):
    timestamp: float | None = None


class TurnEagerEndMsg(Message, tag="turn_eager_end", frozen=True):
    """The turn seems to be over; `turn_resumed` takes it back."""

    transcript: str
    confidence: float | None = None
    timestamp: float | None = None


class TurnResumedMsg(Message, tag="turn_resumed", frozen=True):
    timestamp: float | None = None


class TurnEndMsg(Message, tag="turn_end", frozen=True):
    """`transcript` is all that was said in the turn."""

    transcript: str
    trigger: Literal["model", "timeout", "manual"]
    confidence: float | None = None
    timestamp: float | None = None


class WarningMsg(Message, tag="warning", frozen=True):
    code: str
    message: str
    option: str | None = None
    model: str | None = None


class ErrorMsg(Message, tag="error", frozen=True):
    code: str
    message: str
    retryable: bool
    param: str | None = None
    retry_after: float | None = None  # seconds
    context_id: str | None = None


class SessionEndedMsg(Message, tag="session_ended", frozen=True):
    reason: str
    usage: Usage | None = None
    context_id: str | None = None


class PongMsg(Message, tag="pong", frozen=True):
    pass


CommandMsg = (
    InitMsg
    | TextMsg
    | AudioMsg
    | FlushMsg
    | FinalizeMsg
    | ClearMsg
    | CancelMsg
    | StopMsg
    | ConfigureMsg
    | CloseMsg
    | KeepAliveMsg
    | PingMsg
)
ReplyMsg = (
    ReadyMsg
    | AudioChunkMsg
    | WordsMsg
    | SegmentStartMsg
    | SegmentEndMsg
    | FlushedMsg
    | ClearedMsg
    | AudioEndMsg
    | PartialMsg
    | FinalMsg
    | SpeechStartedMsg
    | UtteranceEndMsg
    | TurnStartMsg
    | TurnEagerEndMsg
    | TurnResumedMsg
    | TurnEndMsg
    | WarningMsg
    | ErrorMsg
    | SessionEndedMsg
    | PongMsg
)
