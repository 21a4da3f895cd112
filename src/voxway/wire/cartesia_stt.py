"""Cartesia recognition, `/stt/websocket` (ink): audio in binary frames, bare words for commands.

Texts are what was heard since the last final; finals are joined as they are, with their spaces.
Facts: cartesia 4.2, livekit-plugins-cartesia 1.8, pipecat 1.14.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from .. import events as e
from ..audio.formats import encoding_named
from ..errors import ProtocolError
from . import cartesia
from .base import Address, Endpoint, Frame, Marks, Opening, Wire, dump
from .cartesia_messages import AnswerMsg, HearingReply, TimedWord, TranscriptMsg, read_hearing
from .policies import POLICIES

PATH = "/stt/websocket"
RAW = tuple(cartesia.NATIVE)
FINALIZE, CLOSE, DONE = "finalize", "close", "done"  # pipecat closes by the older `done`


class Query(Struct, frozen=True):
    model: str | None = None
    encoding: str | None = None
    sample_rate: int | None = None
    language: str | None = None
    keyterm: tuple[str, ...] = ()
    cartesia_version: str | None = None


class Server:
    """Cartesia's side. Its URL is the configuration."""

    def __init__(self, opening: Opening) -> None:
        query, extra = opening.read(Query)
        self._options = e.ListenOptions(
            language=query.language,
            encoding=query.encoding and encoding_named(query.encoding, RAW, "encoding"),
            sample_rate=query.sample_rate,
            word_timestamps=True,
            extra={**extra, "keyterm": query.keyterm} if query.keyterm else extra,
        )
        self._request_id = opening.request_id
        self._told = 0.0  # seconds up to the end of the last final
        self._has_text = False

    def opening(self) -> Iterable[e.Event]:
        return (e.Start(self._options),)

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        if isinstance(frame, bytes):
            if frame:
                yield e.Audio(frame)
        elif frame.strip() == FINALIZE:
            yield e.Flush()
        elif frame.strip() in (CLOSE, DONE):
            yield e.Finish()
        else:
            raise ProtocolError(f"{frame[:40]!r} is none of finalize, close", param="type")

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Transcript() as t:
                if t.text:
                    yield dump(self._transcript(t))
                if t.from_finalize:
                    yield dump(AnswerMsg("flush_done", self._request_id))
            case e.Failed():
                yield dump(cartesia.error_message(event, self._request_id))
            case e.Ended(reason="client_closed"):
                yield dump(AnswerMsg("done", self._request_id))

    def _transcript(self, t: e.Transcript) -> TranscriptMsg:
        text = f" {t.text}" if self._has_text else t.text
        words = tuple(TimedWord(w.text, round(w.start, 3), round(w.end, 3)) for w in t.words)
        duration, language = None, t.language or self._options.language
        if t.final:
            # Clients tell the time by adding these up, so silence counts, and partials do not.
            end = (self._told if t.start is None else t.start) + (t.duration or 0.0)
            duration = round(max(0.0, end - self._told), 3) or None
            self._has_text, self._told = True, max(end, self._told)
        return TranscriptMsg(t.final, self._request_id, text, duration, language, words)

    def closing(self, code: int, reason: str) -> tuple[int, str]:
        return cartesia.closing(code, reason)


class Client:
    """The gateway to Cartesia. What a `finalize` brings are finals like others; the answer to it
    comes after them, without a text."""

    def __init__(self, options: e.ListenOptions, address: Address) -> None:
        self._heard = 0.0  # seconds up to the end of the last final

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Audio(data=data) if data:
                yield data
            case e.Flush():
                yield FINALIZE
            case e.Finish():
                yield CLOSE

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        reply: HearingReply = read_hearing(frame)
        match reply.type:
            case "transcript":
                yield from self._transcript(reply)
            case "flush_done":
                yield e.Transcript("", True, from_finalize=True)
            case "done":
                yield e.Ended("client_closed")
            case "error":
                yield reply.failure()

    def _transcript(self, reply: HearingReply) -> Iterator[e.Event]:
        start = None if reply.duration is None else self._heard
        if reply.is_final:
            self._heard += reply.duration or 0.0
        if text := reply.text.strip():
            yield e.Transcript(
                text,
                reply.is_final,
                language=reply.language,
                start=start,
                duration=reply.duration,
                words=tuple(w.spoken() for w in reply.words or ()),
            )


def endpoint(options: e.ListenOptions, address: Address) -> Endpoint:
    url = address.join(
        PATH,
        model=address.model,
        encoding=cartesia.NATIVE.get(options.encoding or "", "pcm_s16le"),
        sample_rate=options.sample_rate,
        language=options.language.split("-")[0] if options.language else None,
        keyterm=options.extra.get("keyterm"),
        min_volume=options.extra.get("min_volume"),
        max_silence_duration_secs=options.extra.get("max_silence_duration_secs"),
    )
    return Endpoint(url, cartesia.key_headers(address))


WIRE = Wire(
    task="stt",
    provider="cartesia",
    client=Client,
    endpoint=endpoint,
    server=Server,
    paths=(PATH,),
    marks=Marks(words=frozenset({FINALIZE, CLOSE, DONE})),
    policy=POLICIES["cartesia_stt"],
    refusal=cartesia.refusal,
    headers=cartesia.request_headers,
)
