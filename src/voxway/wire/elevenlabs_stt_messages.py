"""What ElevenLabs' realtime Scribe says: its messages, its error codes.

From elevenlabs 2.78, livekit-plugins-elevenlabs 1.8.9 and pipecat 1.14: what they send and read.
"""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from .. import events as e
from ..errors import RULES
from .base import parser
from .elevenlabs_stt_options import Query


class AudioChunkMsg(Struct, tag="input_audio_chunk", tag_field="message_type", frozen=True):
    audio_base_64: bytes
    commit: bool = False
    sample_rate: int | None = None
    previous_text: str | UnsetType | None = UNSET


class CommitMsg(Struct, tag="commit", tag_field="message_type", frozen=True):
    """The short form, in the documentation alone."""


class SessionStartedMsg(Struct, tag="session_started", tag_field="message_type", frozen=True):
    session_id: str
    config: Query


class PartialMsg(Struct, tag="partial_transcript", tag_field="message_type", frozen=True):
    """All since the last commit."""

    text: str


class CommittedMsg(Struct, tag="committed_transcript", tag_field="message_type", frozen=True):
    text: str


class TimedWord(Struct, frozen=True):
    """A word, or the `spacing` between two."""

    text: str | None = None
    start: float | None = None
    end: float | None = None
    type: str | None = None
    logprob: float | None = None
    speaker_id: str | UnsetType | None = UNSET


class TimestampedMsg(
    Struct, tag="committed_transcript_with_timestamps", tag_field="message_type", frozen=True
):
    """The same commit again, if times or languages were asked for; words only for times."""

    text: str
    language_code: str | None
    words: tuple[TimedWord, ...] | None


class WarningMsg(Struct, tag="warning", tag_field="message_type", frozen=True):
    warning: str


class ErrorMsg(Struct, frozen=True):
    """Its type is the code."""

    message_type: str
    error: str


class ReplyMsg(Struct, frozen=True):
    """Any of what the provider says: types that we do not know are ignored."""

    message_type: str = ""
    session_id: str = ""
    text: str = ""
    language_code: str | None = None
    words: tuple[TimedWord, ...] | None = None
    warning: str = ""
    error: str = ""


read_command = parser(AudioChunkMsg | CommitMsg)
read_reply = parser(ReplyMsg)

NATIVE = {
    "auth_error": "auth_error",
    "forbidden": "auth_error",
    "rate_limit": "rate_limited",
    "rate_limit_exceeded": "quota_exceeded",
    "quota_exceeded": "quota_exceeded",
    "payload_too_large": "chunk_size_exceeded",
    "idle_timeout_exceeded": "insufficient_audio_activity",
    "max_connection_duration_exceeded": "session_time_limit_exceeded",
    "backpressure": "queue_overflow",
    "not_ready": "resource_exhausted",
    "draining": "resource_exhausted",
    "invalid_request": "input_error",
    "config_error": "invalid_request",
    "model_not_found": "invalid_request",
    "provider_error": "transcriber_error",
    "backend_error": "transcriber_error",
    "backend_connection_failed": "transcriber_error",
}
OURS = {
    "error": "provider_error",
    "auth_error": "auth_error",
    "unaccepted_terms": "auth_error",
    "rate_limited": "rate_limit",
    "quota_exceeded": "rate_limit_exceeded",
    "chunk_size_exceeded": "payload_too_large",
    "insufficient_audio_activity": "idle_timeout_exceeded",
    "session_time_limit_exceeded": "max_connection_duration_exceeded",
    "queue_overflow": "backpressure",
    "resource_exhausted": "rate_limit",
    "input_error": "invalid_request",
    "invalid_request": "config_error",
    "transcriber_error": "provider_error",
}


def failure(said: ReplyMsg) -> e.Failed | None:
    """An error of ElevenLabs as one of ours, if the message is one."""
    code = OURS.get(said.message_type)
    if code is None:
        return None
    may_retry = RULES[code].retryable and said.message_type != "quota_exceeded"
    return e.Failed(code, said.error or said.message_type, may_retry)
