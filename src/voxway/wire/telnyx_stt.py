"""Telnyx recognition, `/v2/speech-to-text/transcription`: a face for many engines. The URL is the
whole configuration; audio comes in binary frames.

Facts: developers.telnyx.com and telnyx 4.189 (2026), livekit-plugins-telnyx 1.8.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .. import events as e
from ..errors import ProtocolError
from . import telnyx
from .base import Address, Endpoint, Frame, Marks, Opening, Wire, dump
from .policies import POLICIES
from .telnyx_messages import (
    CommandMsg,
    HearingReply,
    TimedWord,
    TranscriptMsg,
    read_command,
    read_hearing,
)
from .telnyx_query import listen_options_of, listen_query_of

PATH = "/v2/speech-to-text/transcription"


class Server:
    """Telnyx's side. livekit sends a WAV header and then audio, and never says that it is done."""

    def __init__(self, opening: Opening) -> None:
        self._options = listen_options_of(opening)

    def opening(self) -> Iterable[e.Event]:
        return (e.Start(self._options),)

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        if isinstance(frame, bytes):
            if frame:
                yield e.Audio(frame)
            return
        match _type(frame):
            case "Finalize":
                yield e.Flush()
            case "CloseStream":
                yield e.Finish()
            case "KeepAlive":
                yield e.KeepAlive()
            case _:
                yield e.Malformed("a text frame that is no command", is_ignorable=True)

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Transcript() as t if t.final or self._options.partials:
                if t.text or t.from_finalize:
                    yield dump(_transcript(t))
            case e.UtteranceEnd():
                yield dump(TranscriptMsg("", True, utterance_end=True))
            case e.Failed(code=code, message=message, param=param):
                yield dump(telnyx.error_message(code, message, param))

    def closing(self, code: int, reason: str) -> tuple[int, str]:
        return telnyx.closing(code, reason)


def _type(frame: str) -> str:
    try:
        return str(read_command(frame).type)
    except ProtocolError:
        return ""


def _transcript(t: e.Transcript) -> TranscriptMsg:
    return TranscriptMsg(
        t.text,
        t.final,
        t.confidence,
        t.is_endpoint if t.final else False,
        start_time=t.start,
        duration=t.duration,
        words=tuple(TimedWord(w.text, w.start, w.end, w.confidence) for w in t.words),
    )


class Client:
    """The gateway to Telnyx."""

    def __init__(self, options: e.ListenOptions, address: Address) -> None:
        self._finalizing = 0  # without an answer yet, which is not marked as such

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Audio(data=data) if data:
                yield data
            case e.Flush():  # of the engines only Deepgram's hears this; the others ignore it
                self._finalizing += 1
                yield dump(CommandMsg("Finalize"))
            case e.KeepAlive():
                yield dump(CommandMsg("KeepAlive"))
            case e.Finish():
                yield dump(CommandMsg("CloseStream"))

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        reply: HearingReply = read_hearing(frame)
        yield from reply.failures()
        if reply.utterance_end:
            yield e.UtteranceEnd()
        elif reply.transcript or (reply.is_final and self._finalizing):
            is_answer = reply.is_final and self._finalizing > 0
            self._finalizing -= is_answer
            yield e.Transcript(
                (reply.transcript or "").strip(),
                reply.is_final,
                is_answer,
                reply.confidence,
                start=reply.start_time,
                duration=reply.duration,
                words=tuple(word.heard() for word in reply.words or ()),
                is_endpoint=reply.speech_final is not False,
            )


def endpoint(options: e.ListenOptions, address: Address) -> Endpoint:
    url = address.join(PATH, **listen_query_of(options, address))
    return Endpoint(url, telnyx.key_headers(address))


WIRE = Wire(
    task="stt",
    provider="telnyx",
    client=Client,
    endpoint=endpoint,
    server=Server,
    paths=(PATH,),
    marks=Marks(types=frozenset({"Finalize", "CloseStream", "KeepAlive"})),
    policy=POLICIES["telnyx_stt"],
    refusal=telnyx.refusal,
    headers=telnyx.request_headers,
    is_polite=True,
    quiet=6.0,
)
