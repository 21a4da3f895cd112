"""What ElevenLabs' speech sockets say, of either kind: messages, errors, alignments.

From elevenlabs 2.78, livekit-plugins-elevenlabs 1.8.9 and pipecat 1.14: what they send and read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pybase64
from msgspec import Struct, field

from .. import events as e
from ..audio.formats import AudioFormat
from ..errors import RULES, ProtocolError
from .alignment import Alignment, Reader, Speller
from .base import Frame, dump, parser


class InputMsg(Struct, frozen=True, omit_defaults=True):
    """All that a client says. `generator_config` is how the SDK spells it in later messages; the
    context has one name in the documentation and another in the SDK's types."""

    text: str | None = None
    context_id: str | None = None
    contextId: str | None = None
    flush: bool | None = None
    close_context: bool | None = None
    close_socket: bool | None = None
    voice_settings: dict[str, float | bool | None] | None = None
    generation_config: dict[str, Any] | None = None
    generator_config: dict[str, Any] | None = None
    pronunciation_dictionary_locators: list[dict[str, Any]] | None = None


class OutputMsg(Struct, frozen=True, omit_defaults=True):
    """All that is said to a client. `message` stands in errors alone: the SDK takes whatever has
    one for an error."""

    message: str | None = None
    error: str | None = None
    code: int | None = None
    contextId: str | None = None
    context_id: str | None = None
    audio: bytes | None = None
    isFinal: bool | None = None
    is_final: bool | None = None
    alignment: Alignment | None = None
    normalizedAlignment: Alignment | None = None

    @property
    def is_error(self) -> bool:
        return bool(self.error or self.message)

    @property
    def is_last(self) -> bool:
        return bool(self.isFinal or self.is_final)


class KeyMsg(Struct, frozen=True):
    """A first message, for the key that may be in it."""

    dashed: str | None = field(default=None, name="xi-api-key")
    xi_api_key: str | None = None
    authorization: str | None = None


read_input, read_output = parser(InputMsg), parser(OutputMsg)
_read_key = parser(KeyMsg)


def key_in(frame: Frame) -> str:
    """The key in a first message, or nothing."""
    try:
        found: KeyMsg = _read_key(frame)
    except ProtocolError:
        return ""
    key = (found.dashed or found.xi_api_key or found.authorization or "").strip()
    return key[7:].strip() if key[:7].lower() == "bearer " else key


DONE = ("", "client_closed")  # what ends a session well
NATIVE = {
    "auth_error": "invalid_api_key",
    "rate_limit": "max_active_conversations",
    "rate_limit_exceeded": "rate_limited",
    "idle_timeout_exceeded": "input_timeout_exceeded",
}
OURS = {native: ours for ours, native in NATIVE.items()} | {
    "voice_not_found": "config_error",
    "quota_exceeded": "rate_limit_exceeded",
}


def closing(code: int, reason: str) -> tuple[int, str]:
    """How either kind closes. What was cut short ends with its error."""
    return (1000, "") if reason == "client_closed" else (1008, NATIVE.get(reason, reason))


def failure(said: OutputMsg, context: str = "") -> e.Failed:
    """An error of ElevenLabs as one of ours."""
    native = said.error or "error"
    code = OURS.get(native, native if native in RULES else "provider_error")
    code = "auth_error" if native.startswith("auth") else code
    may_retry = RULES[code].retryable and native != "quota_exceeded"
    return e.Failed(code, said.message or native, may_retry, context=context)


def spaced(text: str) -> str:
    """A text as a message has it: its last word would be joined to the next one's first."""
    return text if text[-1:].isspace() else f"{text} "


def spoken(said: OutputMsg, reader: Reader, context: str = "") -> Iterator[e.Event]:
    """The words and the audio of a message. `alignment` has the words as they were sent."""
    data = said.audio or b""
    words = reader.read(said.alignment or said.normalizedAlignment, data)
    if said.is_last:
        words += reader.rest()
    if words:
        yield e.Words(words, context=context)
    if data:
        yield e.Audio(data, context=context)


class Teller:
    """What a client is told of one context; `name` is that context's, where there are several."""

    def __init__(self, format: AudioFormat, name: str | None = None) -> None:
        self._speller = Speller(format)
        self._name = name
        self._told = ""  # the last error

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Audio(data=data):
                yield self._frame(f'"{pybase64.b64encode_as_string(data)}"', self._speller.take())
                self._speller.sent(data)
            case e.Words(words=words):
                if silence := self._speller.expect(words):
                    yield self._frame('""', silence)
            case e.SegmentEnd() | e.Flushed():
                yield from self._late()
                if isinstance(event, e.Flushed):
                    self._speller.end()
            case e.Failed(code=code, message=message, param=param):
                self._told = code
                is_voice = param == "voice" and code == "config_error"
                native = "voice_not_found" if is_voice else NATIVE.get(code, code)
                yield dump(OutputMsg(message, native, 1008, self._name, self._name))
            case e.Ended(reason=reason) if self._name is None and reason not in DONE:
                if reason != self._told:
                    yield from self.encode(e.Failed(reason, f"ended: {reason.replace('_', ' ')}"))
            case e.Ended():
                yield from self._late()
                yield self._frame("null", None, is_final=True)

    def _late(self) -> Iterator[Frame]:
        if late := self._speller.take(is_late=True):
            yield self._frame('""', late)

    def _frame(self, audio: str, alignment: Alignment | None, is_final: bool = False) -> str:
        # The one hot message, as a template. Of the two names of a context livekit 1.8.9 reads
        # either, pipecat 1.14 `contextId` alone; the documentation has both of `isFinal`.
        final, aligned = dump(is_final), dump(alignment)
        frame = (
            f'{{"audio":{audio},"isFinal":{final},"normalizedAlignment":{aligned},'
            f'"alignment":{aligned}'
        )
        if self._name is None:
            return f"{frame}}}"
        name = dump(self._name)
        return f'{frame},"is_final":{final},"contextId":{name},"context_id":{name}}}'
