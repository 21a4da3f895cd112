"""Deepgram's text-to-speech socket, `/v1/speak` (Aura): commands in JSON, audio in binary frames.

The URL is the whole configuration, and audio has no header. Answers do not name what they answer:
each `Flush` has one `Flushed`, each `Clear` one `Cleared`, in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import assert_never

from .. import events as e
from ..errors import ProtocolError
from . import deepgram as dg
from . import deepgram_messages as m
from .base import Address, Frame, Marks, Opening, Wire, dump, parser
from .deepgram_query import SPEAK, read_speak, speak_endpoint
from .policies import POLICIES

POLICY = POLICIES["deepgram_speak"]
LONGEST = POLICY.text_characters
KNOWN = {"Metadata", "Flushed", "Cleared", "Warning", "Error", "error"}

_command = parser(m.SpeakCommand)
_head = parser(m.Head)
_reply = parser(m.SpeakReply)


class Server:
    """Deepgram's side. A frame that it does not understand costs the socket."""

    def __init__(self, opening: Opening) -> None:
        self._options, self._asked = read_speak(opening)
        self._request_id = opening.request_id
        self._sequence = 0  # of Flushed and Cleared together
        self._fault = ""  # what the client did that closes the socket

    def opening(self) -> Iterable[e.Event]:
        return (e.Start(self._options, self._asked.tag),)

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        if isinstance(frame, bytes):
            yield self._bad("MESSAGE-0000", "a binary frame: text to speak comes in JSON")
            return
        try:
            message: m.SpeakCommand = _command(frame)
        except ProtocolError as error:
            yield self._bad("DATA-0000", error.message, error.param)
            return
        match message:
            case m.SpeakMsg(text=text) if len(text) > LONGEST:
                reason = f"text of {len(text)} characters is over {LONGEST}"
                yield self._bad("BIG-0001", reason, "text")
            case m.SpeakMsg(text=text):
                yield e.Text(text)
            case m.FlushMsg():
                yield e.Flush()
            case m.ClearMsg():
                yield e.Clear()
            case m.CloseMsg():
                yield e.Finish()
            case unmatched:
                assert_never(unmatched)

    def _bad(self, fault: str, message: str, param: str | None = None) -> e.Malformed:
        self._fault = fault
        return e.Malformed(message, dg.OURS[fault], param, is_fatal=True)

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Audio(data=data):
                yield data
            case e.Ready(model=model, request_id=request_id):
                id, name = self._request_id or request_id, self._asked.model or model
                yield dump(m.ModelMsg(id, name, dg.MODEL_VERSION, dg.model_uuid(name)))
            case e.Flushed():
                yield dump(m.FlushedMsg(self._next()))
            case e.Cleared():
                yield dump(m.ClearedMsg(self._next()))
            case e.Warning(code=code, message=message):
                yield dump(m.WarningMsg(code, message, code, message))
            case e.Failed(code=code, message=message):
                yield dump(m.SpeakErrorMsg(message, message, self._name(code)))

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence - 1

    def _name(self, reason: str) -> str:
        if self._fault and reason == dg.OURS[self._fault]:
            return self._fault
        return "BIG-0001" if reason == "payload_too_large" else dg.name_of(reason)

    def closing(self, code: int, reason: str) -> tuple[int, str]:
        return (1000, "") if reason == "client_closed" else dg.closing(self._name(reason))


class Client:
    """The gateway to Deepgram."""

    def __init__(self, options: e.SpeakOptions, address: Address) -> None:
        self._options = options

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Text(text=text, partial=partial):
                # Texts are joined as they come: a sentence needs a space after it. At the bound
                # it goes without, for one character more would close the socket.
                needs_space = not partial and len(text) < LONGEST
                yield dump(m.SpeakMsg(f"{text} " if needs_space else text))
            case e.Flush():
                yield dump(m.FlushMsg())
            case e.Clear() | e.Cancel():
                yield dump(m.ClearMsg())
            case e.Finish():
                yield dump(m.CloseMsg())

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        if isinstance(frame, bytes):
            yield e.Audio(frame)
            return
        if _head(frame).type not in KNOWN:
            return
        r = _reply(frame)
        match r.type:
            case "Metadata":
                encoding, rate = self._options.encoding or "", self._options.sample_rate or 0
                yield e.Ready("", r.request_id, r.model_name, encoding, rate)
            case "Flushed":
                yield e.Flushed()
            case "Cleared":
                yield e.Cleared()
            case "Warning":
                yield e.Warning(r.code or r.warn_code or "", r.description or r.warn_msg or "")
            case "Error" | "error":
                yield dg.failure(r.code or r.err_code, r.description or r.message or r.err_msg)


WIRE = Wire(
    task="tts",
    provider="deepgram",
    client=Client,
    endpoint=speak_endpoint,
    server=Server,
    paths=(SPEAK,),
    marks=Marks(types=frozenset({"Speak", "Flush", "Clear", "Close"})),
    policy=POLICY,
    refusal=dg.refusal,
    headers=dg.request_headers,
)
