"""Cartesia recognition in turns, `/stt/turns/websocket` (ink-2): each message tells all of a turn.

There is no finalize: silence is what ends a turn. The thresholds are of how likely somebody speaks,
so that the confidence in an end is what is left of one. Facts: cartesia 4.2, pipecat 1.14.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .. import events as e
from ..audio.formats import AudioFormat, encoding_named
from . import cartesia
from . import cartesia_turns_messages as m
from .base import Address, Endpoint, Frame, Marks, Opening, Wire, dump
from .policies import POLICIES

PATH = "/stt/turns/websocket"
RAW = tuple(cartesia.NATIVE)
DEFAULT = e.Turns(threshold=0.8, eager_threshold=0.6, timeout=5.6)
QUICK = 0.64  # seconds: the shortest timeout, where nobody wants to know of turns
MARGIN, PIECE = 1.0, 0.1  # seconds of silence: beyond the timeout, and in a frame


class Server:
    """Cartesia's side. Its URL is the configuration."""

    def __init__(self, opening: Opening) -> None:
        query, extra = opening.read(m.Query)
        asked = m.Settings(
            query.turn_start_threshold,
            query.turn_eager_end_threshold,
            query.turn_end_threshold,
            query.turn_end_timeout_ms,
        )
        self._options = e.ListenOptions(
            encoding=query.encoding and encoding_named(query.encoding, RAW, "encoding"),
            sample_rate=query.sample_rate,
            turns=asked.turns(DEFAULT),
            extra={**extra, "keyterm": query.keyterm} if query.keyterm else extra,
        )
        self._id = opening.request_id
        self._said = ""  # the finals of the turn

    def opening(self) -> Iterable[e.Event]:
        return (e.Start(self._options),)

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        if isinstance(frame, bytes):
            if frame:
                yield e.Audio(frame)
            return
        match m.read_command(frame):
            case m.CloseMsg():
                yield e.Finish()
            case m.ConfigMsg(turn=settings):
                yield e.Adjust(e.ListenOptions(turns=settings.turns()))

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Ready():
                yield dump(m.PlainMsg("connected", self._id))
            case e.Transcript(text=text, final=final) if text:
                now = f"{self._said} {text}".strip()
                self._said = now if final else self._said
                yield dump(m.TurnMsg("turn.update", self._id, now))
            case e.Turn(phase="start"):
                self._said = ""
                yield dump(m.PlainMsg("turn.start", self._id))
            case e.Turn(phase="resumed"):
                yield dump(m.PlainMsg("turn.resume", self._id))
            case e.Turn(phase=phase, text=text):
                yield dump(m.TurnMsg(f"turn.{phase}", self._id, text or self._said))
                self._said = "" if phase == "end" else self._said
            case e.Failed():
                yield dump(cartesia.error_message(event, self._id))

    def closing(self, code: int, reason: str) -> tuple[int, str]:
        return cartesia.closing(code, reason)


class Client:
    """The gateway to Cartesia. Times are not told. A finalize is as much silence as ends a turn,
    whose end is the answer."""

    def __init__(self, options: e.ListenOptions, address: Address) -> None:
        self._options = options
        self._format = AudioFormat(options.encoding or "linear16", options.sample_rate or 16_000)
        self._timeout = timeout(options)
        self._is_open = self._is_asked = False

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Audio(data=data) if data:
                yield data
            case e.Flush():
                self._is_asked = True
                piece = self._format.silence(PIECE)
                yield from [piece] * round((self._timeout + MARGIN) / PIECE)
            case e.Adjust(options=options):
                self._timeout = timeout(options)
                yield dump(m.ConfigMsg(m.within(options.turns)))
            case e.Finish():
                yield dump(m.CloseMsg())

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        reply: m.Reply = m.read_reply(frame)
        text = reply.transcript.strip()
        match reply.type:
            case "connected":
                yield e.Ready(encoding=self._format.encoding, sample_rate=self._format.sample_rate)
            case "turn.start":
                self._is_open = True
                yield e.Turn("start")
            case "turn.update" if text and self._options.partials:
                yield e.Transcript(text, False)
            case "turn.eager_end":
                yield e.Turn("eager_end", text)
            case "turn.resume":
                yield e.Turn("resumed")
            case "turn.end":
                yield from self._ended(text)
            case "error":
                yield reply.failure()

    def _ended(self, text: str) -> Iterator[e.Event]:
        is_answer, self._is_asked = self._is_asked, False
        if text or is_answer:
            yield e.Transcript(text, True, is_answer, is_endpoint=not is_answer)
        if self._is_open:
            self._is_open = False
            yield e.Turn("end", text, trigger="manual" if is_answer else "model")


def timeout(options: e.ListenOptions) -> float:
    """Seconds of silence that end a turn."""
    if options.turns is None:
        return QUICK
    return options.turns.timeout or DEFAULT.timeout or 0.0


def endpoint(options: e.ListenOptions, address: Address) -> Endpoint:
    asked = m.within(options.turns or e.Turns(timeout=QUICK))
    url = address.join(
        PATH,
        model=address.model,
        encoding=cartesia.NATIVE.get(options.encoding or "", "pcm_s16le"),
        sample_rate=options.sample_rate or 16_000,
        turn_eager_end_threshold=asked.eager_end_threshold,
        turn_end_threshold=asked.end_threshold,
        turn_end_timeout_ms=asked.end_timeout_ms,
        keyterm=options.extra.get("keyterm"),
    )
    return Endpoint(url, cartesia.key_headers(address))


WIRE = Wire(
    task="stt",
    provider="cartesia",
    client=Client,
    endpoint=endpoint,
    server=Server,
    paths=(PATH,),
    marks=Marks(types=frozenset({"config"})),
    policy=POLICIES["cartesia_turns"],
    refusal=cartesia.refusal,
    headers=cartesia.request_headers,
)
