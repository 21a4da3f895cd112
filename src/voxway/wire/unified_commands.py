"""What a client of the unified protocol says, read: strictly first, then tolerantly.

The strict reader is the quick one. What it refuses is looked at again: other letter case and the
names of earlier generations are accepted; what is still wrong is said with the field's name.
"""

from __future__ import annotations

from typing import Any, assert_never

import msgspec

from ..errors import ProtocolError
from ..events import ListenOptions, Options, Pronunciation, SpeakOptions, Start
from . import unified_messages as m
from .base import Task, invalid, parser
from .unified_turns import settings, turns_in

# Names that earlier generations of this protocol gave to the same messages.
ALIASES = {"input_text": "text", "speak": "text", "synthesize": "text", "start": "init"}
TYPES = frozenset(struct.__struct_config__.tag for struct in m.CommandMsg.__args__)


_command = msgspec.json.Decoder(m.CommandMsg).decode
_any = parser(Any)


def read_command(frame: str) -> m.CommandMsg:
    """The message in a text frame. Raises ProtocolError that names the field at fault."""
    try:
        message: m.CommandMsg = _command(frame)
        return message
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return _read_tolerantly(_any(frame))


def _read_tolerantly(message: object) -> m.CommandMsg:
    """Other letter case and earlier names are accepted; what is still wrong is said precisely."""
    lower = kind_of(message)
    known = ALIASES.get(lower, lower)
    if known not in TYPES:
        raise UnknownType(
            f"type: unknown message type {lower[:40]!r}; known are {', '.join(sorted(TYPES))}",
            param="type",
        )
    assert isinstance(message, dict)
    try:
        renamed: m.CommandMsg = msgspec.convert(message | {"type": known}, m.CommandMsg)
        return renamed
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None


def is_init(frame: str) -> bool:
    """Whether a frame, however wrong, was to configure the session."""
    try:
        return ALIASES.get(kind := kind_of(_any(frame)), kind) == "init"
    except ProtocolError:
        return False


class UnknownType(ProtocolError):
    """A well-formed message whose `type` this wire does not have."""


def kind_of(message: object) -> str:
    """The `type` of a message, in small letters. Raises ProtocolError if it has none."""
    if not isinstance(message, dict):
        kind = "array" if isinstance(message, list) else type(message).__name__
        raise ProtocolError(f"a message is a JSON object with a `type`, not {kind}", param="type")
    if "type" not in message:
        raise ProtocolError("type: the message has no `type`", param="type")
    if not isinstance(message["type"], str):
        raise ProtocolError("type: not a string", param="type")
    return message["type"].strip().lower()


KNOWN_INIT = frozenset(("type", *m.InitMsg.__struct_fields__))
KNOWN_CONFIG = frozenset(m.Config.__struct_fields__)


def unknown_options(frame: str) -> dict[str, Any]:
    """What an `init` asks for beyond what this wire names: the session says what becomes of it."""
    message = _any(frame)
    config = message.get("config") or {}
    extra = {key: value for key, value in message.items() if key not in KNOWN_INIT}
    return extra | {key: value for key, value in config.items() if key not in KNOWN_CONFIG}


def reference(given: m.Pronunciation | None, where: str) -> Pronunciation | None:
    """The vocabulary's form of a reference to a dictionary."""
    if given is None:
        return None
    if (given.name is None) == (given.dictionary_id is None):
        raise ProtocolError(
            f"{where}: give either `name` or `dictionary_id`",
            code="invalid_pronunciation",
            param=where,
        )
    return Pronunciation(name=given.name, dictionary_id=given.dictionary_id)


def start_from(message: m.InitMsg, task: Task, extra: dict[str, Any]) -> Start:
    """The vocabulary's form of `init`."""
    c = message.config
    # Of these the catalog says which model takes them.
    named = {
        name: value for name in ("seed", "bit_rate") if (value := getattr(c, name)) is not None
    }
    partials = (c.enable_partials, c.enable_partial_transcripts)
    options: Options
    if task == "tts":
        options = SpeakOptions(
            voice=message.voice or message.voice_id,
            language=c.language or message.language,
            encoding=c.encoding or message.encoding,
            sample_rate=c.sample_rate or message.sample_rate,
            speed=c.speed,
            word_timestamps=c.enable_word_timestamps,
            pronunciation=reference(c.pronunciation, "config.pronunciation"),
            extra=extra | named,
        )
    else:
        options = ListenOptions(
            language=c.language or message.language,
            encoding=c.encoding or message.encoding,
            sample_rate=c.sample_rate or message.sample_rate,
            partials=next((p for p in partials if p is not None), True),
            vad_events=c.enable_vad,
            word_timestamps=c.enable_word_timestamps,
            diarization=c.enable_diarization,
            turns=turns_in(c) if c.enable_turns else None,
            extra=extra,
        )
    return Start(options, message.context_id or "")


def named(p: Pronunciation | None) -> m.Pronunciation | None:
    return None if p is None else m.Pronunciation("rewrite", p.name, p.dictionary_id)


def init_from(options: Options | None) -> m.InitMsg:
    """The `init` that asks for these."""
    match options:
        case SpeakOptions() as o:
            config = m.Config(
                language=o.language,
                encoding=o.encoding,
                sample_rate=o.sample_rate,
                speed=o.speed,
                enable_word_timestamps=o.word_timestamps,
                pronunciation=named(o.pronunciation),
                seed=o.extra.get("seed"),
                bit_rate=o.extra.get("bit_rate"),
            )
            return m.InitMsg(voice=o.voice, config=config)
        case ListenOptions() as o:
            config = m.Config(
                language=o.language,
                encoding=o.encoding,
                sample_rate=o.sample_rate,
                enable_partials=o.partials,
                enable_vad=o.vad_events,
                enable_diarization=o.diarization,
                enable_word_timestamps=o.word_timestamps,
                enable_turns=o.turns is not None,
                **settings(o.turns),
            )
            return m.InitMsg(config=config)
        case None:
            return m.InitMsg()
        case unmatched:
            assert_never(unmatched)
