"""The messages of Flux speech, from deepgram-sdk 7.17: what is mandatory there has no default."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from .deepgram_messages import CloseMsg, FlushMsg, Head, Message, SpeakMsg

__all__ = ["CloseMsg", "FlushMsg", "Head", "SpeakMsg"]


class Offset(Struct, frozen=True):
    """How much of the session's audio was played, in ms."""

    type: Literal["time_ms"]
    value: int


class InterruptMsg(Message, tag="Interrupt", frozen=True):
    playback_offset: Offset | None = None


class ConfigureMsg(Message, tag="Configure", frozen=True):
    speed: float | None = None


SpeakCommand = SpeakMsg | FlushMsg | InterruptMsg | ConfigureMsg | CloseMsg


class ConnectedMsg(Message, tag="Connected", frozen=True):
    request_id: str
    model_name: str
    model_version: str
    model_uuids: tuple[str, ...]


class SpeechStartedMsg(Message, tag="SpeechStarted", frozen=True):
    speech_id: str


class FlushedMsg(Message, tag="Flushed", frozen=True):
    speech_id: str


class Controls(Struct, frozen=True):
    pronunciations_applied: int
    breaks_applied: int
    pronunciation_warnings: int


class SpeechMetadataMsg(Message, tag="SpeechMetadata", frozen=True):
    """The end of a turn: all its audio is out."""

    speech_id: str
    audio_duration_ms: int
    input_character_count: int
    billable_character_count: int
    controls_applied: Controls


class Metadata(Struct, frozen=True):
    """The same of a turn that was interrupted."""

    speech_id: str
    audio_duration_ms: int
    input_character_count: int
    billable_character_count: int
    controls_applied: Controls


class SpeechInterruptedMsg(Message, tag="SpeechInterrupted", frozen=True):
    """The texts are only there if the client said how much it had played."""

    audio_played_ms: int
    metadata: Metadata
    text_spoken: str | None = None
    text_remaining: str | None = None


class Applied(Struct, frozen=True, omit_defaults=True):
    speed: float | None = None


class ConfiguredMsg(Message, tag="ConfigureSuccess", frozen=True):
    applied: Applied


class UnconfiguredMsg(Message, tag="ConfigureFailure", frozen=True):
    code: str
    description: str
    field: Literal["speed"] | None = None
    value: float | None = None


class SessionMetadataMsg(Message, tag="SessionMetadata", frozen=True):
    total_audio_duration_ms: int
    total_input_character_count: int
    total_billable_character_count: int


class WarningMsg(Message, tag="Warning", frozen=True):
    code: str
    description: str


class ErrorMsg(Message, tag="Error", frozen=True):
    code: str
    description: str


class Reply(Struct, frozen=True):
    """Any answer of Deepgram's."""

    type: str = ""
    request_id: str = ""
    model_name: str = ""
    audio_duration_ms: float = 0.0
    code: str | None = None
    description: str | None = None
