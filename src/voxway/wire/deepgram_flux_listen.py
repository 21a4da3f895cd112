"""Deepgram's Flux recognition, `/v2/listen`: audio in binary frames, turns in JSON.

A turn is told by `TurnInfo` alone: its transcript is all of the turn, and `EndOfTurn` is its final.
There is no KeepAlive, which costs the socket (deepgram-python-sdk issue 649): silence keeps awake.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import assert_never

from .. import events as e
from ..errors import ProtocolError
from . import deepgram as dg
from . import deepgram_flux_messages as m
from .base import Address, Frame, Marks, Opening, Wire, dump, parser
from .deepgram_flux_query import LISTEN, listen_endpoint, read_listen, within
from .deepgram_flux_turns import Report, heard
from .policies import POLICIES

TRIGGERS: dict[str, e.Trigger] = {
    "model": "model",
    "timeout": "timeout",
    "manual": "manual",
}
KNOWN = {"Connected", "TurnInfo", "ConfigureFailure", "Warning", "Error"}
THRESHOLDS = m.Thresholds.__struct_fields__

_command = parser(m.ListenCommand)
_head = parser(m.Head)
_reply = parser(m.ListenReply)


class Server:
    """Deepgram's side."""

    def __init__(self, opening: Opening) -> None:
        self._options, self._tag = read_listen(opening)
        self._id = opening.request_id
        self._report = Report(opening.request_id)
        self._is_broken = self._is_connected = False
        self._early: list[e.Event] = []  # answers to who speaks before it is greeted

    def opening(self) -> Iterable[e.Event]:
        return (e.Start(self._options, self._tag),)

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        if isinstance(frame, bytes):
            if frame:
                yield e.Audio(frame)
            return
        try:
            message: m.ListenCommand = _command(frame)
        except ProtocolError as error:
            self._is_broken = True
            yield e.Malformed(error.message, error.error, error.param, is_fatal=True)
            return
        match message:
            case m.CloseStreamMsg():
                yield e.Finish()
            case m.ForceEndTurnMsg():
                yield e.Flush()
            case m.ListenConfigureMsg() as c:
                terms = (c.keyterms,) if isinstance(c.keyterms, str) else c.keyterms
                given = (("keyterm", terms), ("language_hint", c.language_hints))
                extra = {n: v for n, v in (*given, ("numerals", c.numerals)) if v is not None}
                yield e.Adjust(e.ListenOptions(turns=c.thresholds.turns(), extra=extra))
            case unmatched:
                assert_never(unmatched)

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Ready():
                self._is_connected = True
                yield dump(m.ListenConnectedMsg(self._id, self._report.next()))
                yield from chain.from_iterable(map(self.encode, self._early))
            case e.Adjusted() if not self._is_connected:
                self._early.append(event)
            case e.Turn():
                yield dump(self._report.turn(event))
            case e.Transcript():
                yield from map(dump, self._report.transcript(event))
            case e.Adjusted(options=options):
                terms = options.extra.get("keyterm", ())
                in_force = m.Thresholds.of(options.turns)
                yield dump(m.ListenConfiguredMsg(self._id, self._report.next(), in_force, terms))
            case e.Failed(param=param, message=text) if param in THRESHOLDS:
                told = m.ListenUnconfiguredMsg(
                    self._id, self._report.next(), "INVALID_THRESHOLD", text
                )
                yield dump(told)
            case e.Failed() if event.fatal or self._is_broken:
                code = "UNPARSABLE_CLIENT_MESSAGE" if self._is_broken else dg.name_of(event.code)
                yield dump(m.ListenErrorMsg(self._report.next(), code, event.message))
            case e.Failed(code=code, message=text) | e.Warning(code=code, message=text):
                # An error is the end to its clients (pipecat 1.14).
                yield dump(m.ListenWarningMsg(self._id, self._report.next(), code.upper(), text))

    def closing(self, code: int, reason: str) -> tuple[int, str]:
        return (1000, "") if reason == "client_closed" else dg.closing(dg.name_of(reason))


class Client:
    """The gateway to Deepgram."""

    def __init__(self, options: e.ListenOptions, address: Address) -> None:
        self._options = options
        self._is_open = False

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Audio(data=data) if data:
                yield data
            case e.Flush():
                yield dump(m.ForceEndTurnMsg())
            case e.Adjust(options=o):
                terms, hints = o.extra.get("keyterm"), o.extra.get("language_hint")
                given = (within(o.turns), terms, hints, o.extra.get("numerals"))
                yield dump(m.ListenConfigureMsg(*given))
            case e.Finish():
                yield dump(m.CloseStreamMsg())

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        if _head(frame).type not in KNOWN:
            return
        r: m.ListenReply = _reply(frame)
        match r.type:
            case "Connected":
                encoding, rate = self._options.encoding or "", self._options.sample_rate or 0
                yield e.Ready(encoding=encoding, sample_rate=rate)
            case "TurnInfo":
                yield from self._turn(r)
            case "ConfigureFailure" | "Warning":
                text = r.description or r.code or ""
                yield e.Warning((r.code or "provider_warning").lower(), text)
            case "Error":
                yield dg.failure(r.code, r.description)

    def _turn(self, r: m.ListenReply) -> Iterator[e.Event]:
        sure, at = r.end_of_turn_confidence, r.audio_window_end
        match r.event:
            case "StartOfTurn":
                self._is_open = True
                yield e.Turn("start", at=r.audio_window_start)
            case "TurnResumed":
                yield e.Turn("resumed", r.transcript, at=at)
            case "EndOfTurn":
                yield from self._ended(r)
                return
        if r.transcript and self._options.partials:
            yield heard(r, final=False)
        if r.event == "EagerEndOfTurn":
            yield e.Turn("eager_end", r.transcript, sure, at)

    def _ended(self, r: m.ListenReply) -> Iterator[e.Event]:
        # A turn that ended by itself while we asked for its end is not the answer: that comes.
        if r.transcript or r.trigger == "manual":
            yield heard(r, final=True)
        if self._is_open:
            self._is_open = False
            trigger = TRIGGERS.get(r.trigger or "", "model")
            yield e.Turn("end", r.transcript, r.end_of_turn_confidence, r.audio_window_end, trigger)


WIRE = Wire(
    task="stt",
    provider="deepgram",
    client=Client,
    endpoint=listen_endpoint,
    server=Server,
    paths=(LISTEN,),
    marks=Marks(types=frozenset({"ForceEndTurn", "CloseStream", "Configure"})),
    policy=POLICIES["deepgram_flux_listen"],
    refusal=dg.refusal,
    headers=dg.request_headers,
)
