"""Deepgram's Flux speech, `/v2/speak`: a turn is what is said up to a `Flush`.

`Flushed` is an acknowledgement and may come before audio: `SpeechMetadata` is the turn's end. Who
is interrupted may say how much was played, and learns which of the text that was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import assert_never

from msgspec import Struct

from .. import events as e
from ..audio.formats import AudioFormat
from ..errors import ProtocolError
from . import deepgram as dg
from . import deepgram_flux_speak_messages as m
from .base import Frame, Marks, Opening, Wire, dump, parser
from .deepgram_flux_query import SPEAK, read_speak, speak_endpoint
from .deepgram_flux_speak_client import Client
from .deepgram_flux_speech import Session, refused_speed, warning
from .policies import POLICIES

_command = parser(m.SpeakCommand)


class Server:
    """Deepgram's side. A frame that it does not understand costs the socket."""

    def __init__(self, opening: Opening) -> None:
        self._options, asked = read_speak(opening)
        self._id, self._model = opening.request_id, asked.model or opening.model
        self._tag = ",".join(asked.tag)
        encoding, rate = self._options.encoding or "", self._options.sample_rate or 0
        self._session = Session(opening.request_id, AudioFormat(encoding, rate))
        self._offset: m.Offset | None = None
        self._aside: deque[Struct] = deque()
        self._fault = ""  # what the client did that closes the socket
        self._is_refused = False  # the last configuration

    def opening(self) -> Iterable[e.Event]:
        return (e.Start(self._options, self._tag),)

    def decode(self, frame: Frame) -> Iterator[e.Event]:  # noqa: C901 - one case a message
        try:
            if isinstance(frame, bytes):
                raise ProtocolError("a binary frame: text to speak comes in JSON")
            message: m.SpeakCommand = _command(frame)
        except ProtocolError as error:
            self._fault = "MESSAGE-0000" if isinstance(frame, bytes) else "DATA-0000"
            yield e.Malformed(error.message, dg.OURS[self._fault], error.param, is_fatal=True)
            return
        match message:
            case m.SpeakMsg(text=text):
                self._session.say(text)
                yield e.Text(text)
            case m.FlushMsg() if self._session.has_text:
                self._session.flush()
                yield e.Flush()
            case m.FlushMsg():
                yield self._answered(warning("NO_ACTIVE_SPEECH"))
            case m.InterruptMsg(playback_offset=offset):
                if fault := self._session.refuses(offset):
                    yield self._answered(warning(fault))
                else:
                    self._offset = offset
                    yield e.Clear()
            case m.ConfigureMsg(speed=speed):
                refused = refused_speed(speed)
                if refused is None:
                    self._is_refused = False
                    yield e.Configure(e.SpeakOptions(speed=speed))
                yield self._answered(refused or m.ConfiguredMsg(m.Applied(speed)))
            case m.CloseMsg():
                yield e.Finish()
            case unmatched:
                assert_never(unmatched)

    def _answered(self, message: Struct) -> e.Aside:
        self._aside.append(message)
        return e.Aside()

    def encode(self, event: e.Event) -> Iterator[Frame]:
        if isinstance(event, e.Audio):
            if (started := self._session.begin()) is not None:
                yield dump(started)
            self._session.audio(event.data)
            yield event.data
        else:
            yield from map(dump, self._messages(event))

    def _messages(self, event: e.Event) -> Iterator[Struct]:  # noqa: C901 - one case an event
        match event:
            case e.Ready(model=model, request_id=id):
                name = self._model or model
                yield m.ConnectedMsg(self._id or id, name, dg.MODEL_VERSION, (dg.model_uuid(name),))
            case e.Words(words=words):
                self._session.words(words)
            case e.Flushed():
                yield from self._session.end()
            case e.Cleared():
                if (interrupted := self._session.interrupt(self._offset)) is not None:
                    yield interrupted
            case e.Aside() if self._aside:
                message = self._aside.popleft()
                if not (self._is_refused and isinstance(message, m.ConfiguredMsg)):
                    yield message
            case e.Warning(code=code, message=text):
                yield m.WarningMsg(code.upper(), text)
            case e.Failed(message=text, param="speed"):
                self._is_refused = True
                yield m.UnconfiguredMsg("SPEED_NOT_SUPPORTED", text, "speed")
            case e.Failed(code=code, message=text):
                yield m.ErrorMsg(self._name(code), text)
            case e.Ended(reason="client_closed"):
                yield self._session.totals()

    def _name(self, reason: str) -> str:
        is_own = self._fault and reason == dg.OURS[self._fault]
        return self._fault if is_own else dg.name_of(reason)

    def closing(self, code: int, reason: str) -> tuple[int, str]:
        return (1000, "") if reason == "client_closed" else dg.closing(self._name(reason))


WIRE = Wire(
    task="tts",
    provider="deepgram",
    client=Client,
    endpoint=speak_endpoint,
    server=Server,
    paths=(SPEAK,),
    marks=Marks(types=frozenset({"Speak", "Flush", "Interrupt", "Configure", "Close"})),
    policy=POLICIES["deepgram_flux_speak"],
    refusal=dg.refusal,
    headers=dg.request_headers,
)
