"""The AsyncAPI document: every WebSocket route with its messages, from the structs themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from msgspec import Struct
from msgspec.json import schema_components

from .. import __version__
from ..routes import ROUTES
from ..wire import legacy
from ..wire import unified_messages as m
from ..wire.unified import Style

Json = dict[str, Any]
Kinds = tuple[type[Struct], ...]

DESCRIPTION = (
    "Speech and recognition over WebSockets. The path decides the model. Messages are JSON objects "
    "in text frames, told apart by `type`; audio may come and go as binary frames. Unknown fields "
    "are ignored. A key is sent as `Authorization: Bearer KEY`, or as `?token=KEY`."
)
BOTH: Kinds = (m.InitMsg, m.CloseMsg, m.KeepAliveMsg, m.PingMsg, m.StopMsg, m.FlushMsg)
COMMANDS: dict[str, Kinds] = {
    "tts": (*BOTH, m.TextMsg, m.ClearMsg, m.CancelMsg, m.ConfigureMsg),
    "stt": (*BOTH, m.AudioMsg, m.FinalizeMsg, m.ConfigureMsg),
}
ALWAYS: Kinds = (m.WarningMsg, m.ErrorMsg, m.SessionEndedMsg, m.PongMsg)
SPEECH: Kinds = (*ALWAYS, m.AudioChunkMsg, m.FlushedMsg, m.ClearedMsg)
REPLIES: dict[tuple[str, bool], Kinds] = {  # by task, and whether it is the first generation
    ("tts", False): (
        *SPEECH,
        m.ReadyMsg,
        m.WordsMsg,
        m.SegmentStartMsg,
        m.SegmentEndMsg,
        m.AudioEndMsg,
    ),
    ("stt", False): (
        *ALWAYS,
        m.ReadyMsg,
        m.PartialMsg,
        m.FinalMsg,
        m.SpeechStartedMsg,
        m.UtteranceEndMsg,
        m.TurnStartMsg,
        m.TurnEagerEndMsg,
        m.TurnResumedMsg,
        m.TurnEndMsg,
    ),
    ("tts", True): (*SPEECH, legacy.ReadyMsg, legacy.AudioEndMsg),
    ("stt", True): (*ALWAYS, legacy.ReadyMsg, legacy.TranscriptMsg, legacy.FinalTranscriptMsg),
}
AUDIO = "BinaryAudio"
# Query parameters of every route.
QUERY: Json = {
    "type": "object",
    "properties": {
        "token": {"type": "string", "description": "The key, where headers cannot be set."},
        "audio": {"enum": ["binary", "json"], "description": "How speech shall come."},
        "region": {"type": "string"},
        "world-part": {"type": "string"},
        "language": {"type": "string"},
    },
}


def document(host: str, *, secure: bool) -> Json:
    """The whole document, for a gateway at this address."""
    kinds = {kind for table in (COMMANDS, REPLIES) for kinds in table.values() for kind in kinds}
    channels = {name_of(shape, style): (shape, style, old) for shape, style, old in ROUTES}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "voxway", "version": __version__, "description": DESCRIPTION},
        "defaultContentType": "application/json",
        "servers": {"here": {"host": host, "protocol": "wss" if secure else "ws"}},
        "channels": {
            name: _channel(shape, style, old) for name, (shape, style, old) in channels.items()
        },
        "operations": {
            key: operation
            for name, (_, style, old) in channels.items()
            for key, operation in _operations(name, style, old)
        },
        "components": {
            "messages": {_name(kind): _message(kind) for kind in sorted(kinds, key=_name)}
            | {AUDIO: _binary()},
            "schemas": _schemas(kinds),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def name_of(shape: re.Pattern[str], style: Style) -> str:
    """A channel's name: bridge_tts, stt, tts_first_generation, ..."""
    if "websocket-stream" in shape.pattern:
        return f"{style.task}_first_generation"
    return f"bridge_{style.task}" if style.is_bridge else style.task


def address_of(shape: re.Pattern[str]) -> str:
    """A route's pattern with `{model}` in place of what fits it."""
    plain = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"{\1}", shape.pattern)
    return plain.replace("(slng/)?", "").removesuffix("/?")


def _channel(shape: re.Pattern[str], style: Style, is_legacy: bool) -> Json:
    names = [*_commands(style), *_replies(style, is_legacy)]
    return {
        "address": address_of(shape),
        "parameters": {"model": {"description": "The model's id; slashes may be percent-encoded."}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {"ws": {"method": "GET", "query": QUERY}},
    }


def _operations(name: str, style: Style, is_legacy: bool) -> Iterable[tuple[str, Json]]:
    """What the gateway receives and sends on a channel."""
    channel = f"#/channels/{name}"
    for action, names in (("receive", _commands(style)), ("send", _replies(style, is_legacy))):
        messages = [{"$ref": f"{channel}/messages/{message}"} for message in names]
        yield (
            f"{name}_{action}",
            {"action": action, "channel": {"$ref": channel}, "messages": messages},
        )


def _commands(style: Style) -> list[str]:
    """The messages of the client. Audio to a recognizer comes best as it is."""
    return [*map(_name, COMMANDS[style.task]), *([AUDIO] if style.task == "stt" else [])]


def _replies(style: Style, is_legacy: bool) -> list[str]:
    names = [*map(_name, REPLIES[style.task, is_legacy])]
    return [*names, AUDIO] if style.task == "tts" and not is_legacy else names


def _name(kind: type[Struct]) -> str:
    is_legacy = kind.__module__ == legacy.__name__
    return ("First" if is_legacy else "") + kind.__name__.removesuffix("Msg")


def _message(kind: type[Struct]) -> Json:
    prefix = "First" if kind.__module__ == legacy.__name__ else ""
    return {
        "name": kind.__struct_config__.tag,
        "title": _name(kind),
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{prefix}{kind.__name__}"},
    }


def _binary() -> Json:
    return {
        "name": "audio",
        "title": "A binary frame of audio in the configured encoding",
        "contentType": "application/octet-stream",
        "payload": {"type": "string", "format": "binary"},
    }


def _schemas(kinds: Iterable[type[Struct]]) -> Json:
    """Both generations use some names for different things: the first has a prefix."""
    schemas: Json = {}
    for prefix, is_legacy in (("", False), ("First", True)):
        of_one = [k for k in kinds if (k.__module__ == legacy.__name__) is is_legacy]
        template = f"#/components/schemas/{prefix}{{name}}"
        _, named = schema_components(of_one, ref_template=template)
        schemas |= {f"{prefix}{name}": schema for name, schema in named.items()}
    return schemas
