"""Deepgram's speech-to-text socket, `/v1/listen` (Nova): audio in binary frames, results in JSON.

Interim results replace each other until their final; `speech_final` says that a pause ended it.
What the socket heard is summed up once, in the `Metadata` before it closes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import assert_never

from msgspec import structs

from .. import events as e
from ..audio.sniff import ENOUGH, container
from ..errors import ProtocolError
from . import deepgram as dg
from . import deepgram_messages as m
from .base import Address, Frame, Marks, Opening, Wire, dump, parser
from .deepgram_query import LISTEN, listen_endpoint, read_listen
from .deepgram_results import CHANNEL, ListenReply, Report, transcript
from .policies import POLICIES

NO_KEYTERMS, NO_FEATURES = "CONFIGURE_KEYTERMS_NOT_SUPPORTED", "CONFIGURE_INTERNAL_ERROR"
KNOWN = {"Results", "SpeechStarted", "UtteranceEnd", "Metadata", "Error"}

_command = parser(m.ListenCommand)
_head = parser(m.Head)
_reply = parser(ListenReply)


class Server:
    """Deepgram's side. Where the URL names no encoding, the first audio tells which it is."""

    def __init__(self, opening: Opening) -> None:
        self._is_aligned = False
        self._opening = opening
        self._options, self._asked = read_listen(opening)
        self._report = Report(self._options, self._asked.model, opening.request_id)
        # Audio that is too short to tell what it is; None once that is known.
        self._unknown: bytes | None = None if self._options.encoding else b""
        self._unread = ""  # the last message that could not be read

    def opening(self) -> Iterable[e.Event]:
        return (self._start(),) if self._unknown is None else ()

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        if isinstance(frame, bytes):
            # An empty one is how a stream was closed before there was CloseStream.
            yield from self._hear(frame) if frame else (e.Finish(),)
            return
        try:
            message: m.ListenCommand = _command(frame)
        except ProtocolError as error:
            self._unread = frame[:1000]
            text = f"Could not deserialize last text message: {error.message}"
            raise ProtocolError(text, param=error.param) from None
        match message:
            case m.KeepAliveMsg():
                yield e.KeepAlive()
            case m.FinalizeMsg():
                yield from self._begin(None)
                yield e.Flush()
            case m.CloseStreamMsg():
                yield e.Finish()
            case m.ConfigureMsg(keyterms=keyterms):
                fault = NO_FEATURES if keyterms is None else NO_KEYTERMS
                raise ProtocolError("this stream stays as its URL configured it", param=fault)
            case unmatched:
                assert_never(unmatched)

    def _hear(self, data: bytes) -> Iterator[e.Event]:
        self._report.hear(data)
        if self._unknown is not None:
            data = self._unknown = self._unknown + data
            if len(data) < ENOUGH:
                return
            kind = container(data)
            if kind is None:
                text = "audio in no known container: name its encoding and sample_rate"
                yield e.Malformed(text, param="encoding", is_fatal=True)
                return
            yield from self._begin("opus" if kind == "ogg" else kind)
        yield e.Audio(data)

    def _begin(self, encoding: str | None) -> Iterator[e.Event]:
        if self._unknown is not None:
            self._unknown = None
            self._options = structs.replace(self._options, encoding=encoding)
            yield self._start()

    def _start(self) -> e.Start:
        return e.Start(self._options, self._asked.tag)

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Transcript() if event.final or self._options.partials:
                yield dump(self._report.results(event))
            case e.SpeechStarted(at=at) if self._asked.has_vad:
                yield dump(m.SpeechStartedMsg(CHANNEL, round(at, 3)))
            case e.UtteranceEnd(last_word_end=end) if "utterance_end_ms" in self._options.extra:
                yield dump(m.UtteranceEndMsg(CHANNEL, -1.0 if end is None else round(end, 3)))
            case e.Failed(code=code, message=text, param=param):
                yield dump(self._error(code, text, param or ""))
            case e.Ended(reason="client_closed"):
                created, aligned = self._opening.created, self._is_aligned
                yield dump(self._report.summary(created, is_aligned=aligned))
            case e.Ready(capabilities=able):
                self._is_aligned = "aligned_words" in able

    def _error(self, code: str, text: str, param: str) -> m.Message:
        if param in (NO_KEYTERMS, NO_FEATURES):
            return m.ConfigureFailureMsg(self._opening.request_id, param, text)
        unread, self._unread = self._unread, ""
        is_clients = code in ("invalid_request", "config_error")
        return m.ListenErrorMsg("SchemaError" if is_clients else dg.name_of(code), text, unread)

    def closing(self, code: int, reason: str) -> tuple[int, str]:
        return (1000, "") if reason == "client_closed" else dg.closing(dg.name_of(reason))


class Client:
    """The gateway to Deepgram."""

    def __init__(self, options: e.ListenOptions, address: Address) -> None:
        self._options = options
        self._finalizing = 0  # without an answer yet
        self._is_finishing = False

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Audio(data=data) if data:  # no data would close the stream
                yield data
            case e.Flush():
                self._finalizing += 1
                yield dump(m.FinalizeMsg())
            case e.KeepAlive():
                yield dump(m.KeepAliveMsg())
            case e.Finish():
                self._is_finishing = True
                yield dump(m.CloseStreamMsg())

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        if _head(frame).type not in KNOWN:
            return
        r = _reply(frame)
        match r.type:
            case "Results":
                answers = bool(r.from_finalize and self._finalizing)
                self._finalizing -= answers
                heard = transcript(r, answers=answers)
                # An empty final is a boundary; only as an answer it says something.
                if answers or (heard.text and (heard.final or self._options.partials)):
                    yield heard
            case "SpeechStarted":
                yield e.SpeechStarted(r.timestamp)
            case "UtteranceEnd":
                yield e.UtteranceEnd(r.last_word_end if r.last_word_end >= 0.0 else None)
            case "Metadata" if self._is_finishing:
                yield e.Ended("client_closed")
            case "Error":
                yield dg.failure(r.variant or r.code, r.description or r.message)


WIRE = Wire(
    task="stt",
    provider="deepgram",
    client=Client,
    endpoint=listen_endpoint,
    server=Server,
    paths=(LISTEN,),
    marks=Marks(types=frozenset({"KeepAlive", "Finalize", "CloseStream", "Configure"})),
    policy=POLICIES["deepgram_listen"],
    refusal=dg.refusal,
    headers=dg.request_headers,
)
