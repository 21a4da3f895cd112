"""The messages of OpenAI's realtime transcription, from openai 3.52: what is mandatory there is so
here."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from .base import parser
from .openai_realtime_session import AudioConfig, Detection, OldSession, Session, Transcription

TRANSCRIPTION = "conversation.item.input_audio_transcription"
DELTA, COMPLETED, FAILED = (f"{TRANSCRIPTION}.{what}" for what in ("delta", "completed", "failed"))


class Command(Struct, frozen=True, tag_field="type", kw_only=True, omit_defaults=True):
    event_id: str | UnsetType | None = UNSET


class UpdateMsg(Command, tag="session.update", frozen=True):
    session: Session


class OldUpdateMsg(Command, tag="transcription_session.update", frozen=True):
    """Of the beta."""

    session: OldSession


class AppendMsg(Command, tag="input_audio_buffer.append", frozen=True):
    audio: bytes


class CommitMsg(Command, tag="input_audio_buffer.commit", frozen=True):
    pass


class ClearMsg(Command, tag="input_audio_buffer.clear", frozen=True):
    pass


class Cause(Struct, frozen=True):
    """Of whatever a client said: its own name for it."""

    event_id: str | None = None


class Told(Struct, frozen=True, omit_defaults=True):
    """A session as its client sees it."""

    type: str
    object: str
    id: str
    audio: AudioConfig


class OldTold(Struct, frozen=True):
    """The same in the beta, which knows no objects."""

    object: str
    id: str
    input_audio_format: str
    input_audio_transcription: Transcription | None
    turn_detection: Detection | None


class SessionMsg(Struct, frozen=True):
    """`session.created` and `session.updated`."""

    type: str
    event_id: str
    session: Told | OldTold


class BufferMsg(Struct, frozen=True, omit_defaults=True):
    """What became of the audio buffer. An item is a piece of speech."""

    type: str
    event_id: str
    item_id: str | UnsetType = UNSET
    previous_item_id: str | UnsetType | None = UNSET
    audio_start_ms: int | UnsetType = UNSET
    audio_end_ms: int | UnsetType = UNSET


class Part(Struct, frozen=True):
    type: str
    transcript: str | None


class Item(Struct, frozen=True):
    id: str
    object: str
    type: str
    status: str
    role: str
    content: tuple[Part, ...]


class ItemMsg(Struct, frozen=True):
    type: str
    event_id: str
    previous_item_id: str | None
    item: Item


class DeltaMsg(Struct, frozen=True, tag_field="type", tag=DELTA):
    event_id: str
    item_id: str
    content_index: int
    delta: str


class Usage(Struct, frozen=True):
    type: str
    seconds: float


class CompletedMsg(Struct, frozen=True, tag_field="type", tag=COMPLETED):
    event_id: str
    item_id: str
    content_index: int
    transcript: str
    usage: Usage


class Error(Struct, frozen=True):
    type: str = ""
    code: str | None = None
    message: str = ""
    param: str | None = None
    event_id: str | None = None


class ErrorMsg(Struct, frozen=True, tag_field="type", tag="error"):
    event_id: str
    error: Error


class Reply(Struct, frozen=True):
    """Any answer of OpenAI's."""

    type: str = ""
    item_id: str = ""
    delta: str | None = None
    transcript: str | None = None
    audio_start_ms: float = 0.0
    audio_end_ms: float = 0.0
    error: Error | None = None


COMMANDS = (UpdateMsg, OldUpdateMsg, AppendMsg, CommitMsg, ClearMsg)
TYPES = frozenset(str(struct.__struct_config__.tag) for struct in COMMANDS)
read_command = parser(UpdateMsg | OldUpdateMsg | AppendMsg | CommitMsg | ClearMsg)
read_cause = parser(Cause)
read_reply = parser(Reply)
