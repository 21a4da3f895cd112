"""The messages of Deepgram's sockets, but for what was heard: see `deepgram_results`.

What we write is whole. Of what we read nothing but the type is needed.
"""

from __future__ import annotations

from msgspec import Struct


class Message(Struct, tag_field="type", frozen=True, omit_defaults=True):
    """Base of all messages; their types are in PascalCase."""


class Head(Struct, frozen=True):
    """What tells whether a message is known, before anything else of it is looked at."""

    type: str = ""


# Speech: commands, answers


class SpeakMsg(Message, tag="Speak", frozen=True):
    text: str


class FlushMsg(Message, tag="Flush", frozen=True):
    pass


class ClearMsg(Message, tag="Clear", frozen=True):
    pass


class CloseMsg(Message, tag="Close", frozen=True):
    pass


SpeakCommand = SpeakMsg | FlushMsg | ClearMsg | CloseMsg


class ModelMsg(Message, tag="Metadata", frozen=True):
    request_id: str
    model_name: str
    model_version: str
    model_uuid: str


class FlushedMsg(Message, tag="Flushed", frozen=True):
    sequence_id: int


class ClearedMsg(Message, tag="Cleared", frozen=True):
    sequence_id: int


class WarningMsg(Message, tag="Warning", frozen=True):
    """The second pair is that of older servers. livekit-plugins-deepgram 1.8 reads `warn_msg`
    alone, deepgram-sdk 7.17 the first pair."""

    code: str
    description: str
    warn_code: str
    warn_msg: str


class SpeakErrorMsg(Message, tag="Error", frozen=True):
    description: str
    message: str
    code: str


class SpeakReply(Struct, frozen=True):
    """Any answer of Deepgram's."""

    type: str = ""
    request_id: str = ""
    model_name: str = ""
    code: str | None = None
    description: str | None = None
    message: str | None = None
    warn_code: str | None = None
    warn_msg: str | None = None
    err_code: str | None = None
    err_msg: str | None = None


# Recognition: commands, answers


class KeepAliveMsg(Message, tag="KeepAlive", frozen=True):
    pass


class FinalizeMsg(Message, tag="Finalize", frozen=True):
    channel: int | None = None


class CloseStreamMsg(Message, tag="CloseStream", frozen=True):
    pass


class ConfigureMsg(Message, tag="Configure", frozen=True):
    keyterms: tuple[str, ...] | None = None
    features: dict[str, bool] | None = None


ListenCommand = KeepAliveMsg | FinalizeMsg | CloseStreamMsg | ConfigureMsg


class SpeechStartedMsg(Message, tag="SpeechStarted", frozen=True):
    channel: tuple[int, int]
    timestamp: float


class UtteranceEndMsg(Message, tag="UtteranceEnd", frozen=True):
    channel: tuple[int, int]
    last_word_end: float


class StreamMsg(Message, tag="Metadata", frozen=True):
    """The last message. `created` is in ISO 8601. `aligned_words` is ours: the times of words were
    found by the gateway, since the model behind gives none."""

    transaction_key: str
    request_id: str
    sha256: str
    created: str
    duration: float
    channels: int
    aligned_words: bool = False


class ConfigureFailureMsg(Message, tag="ConfigureFailure", frozen=True):
    request_id: str
    code: str
    description: str


class ListenErrorMsg(Message, tag="Error", frozen=True):
    """`message` is that of the client, if it could not be read."""

    variant: str
    description: str
    message: str
