"""What the gateway says to OpenAI's realtime transcription.

Pieces of speech are completed in any order there: they are told in that of their audio.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET, Struct

from .. import events as e
from ..audio.formats import AudioFormat
from . import openai_realtime_messages as m
from . import openai_realtime_session as config
from .base import Address, Endpoint, Frame, dump
from .openai_realtime_errors import EMPTY, failure

PATH = "/v1/realtime"
LEAST = 0.1  # seconds that can be committed
NATIVE: dict[str, config.Name] = {encoding: name for name, (encoding, _) in config.FORMATS.items()}


class Piece(Struct):
    """One item. `text` is None as long as it is not complete."""

    start: float | None = None
    end: float | None = None
    is_ours: bool = False  # we committed it
    has_turn: bool = False
    deltas: str = ""
    text: str | None = None


class Client:
    """The gateway to OpenAI."""

    def __init__(self, options: e.ListenOptions, address: Address) -> None:
        self._options = options
        self._model = address.model
        self._pieces: dict[str, Piece] = {}
        self._commits = 0  # without an answer yet
        self._format = AudioFormat(options.encoding or "linear16", options.sample_rate or 24_000)
        self._sent = self._committed = 0  # bytes
        self._silences: list[tuple[float, float]] = []  # (when, how long), seconds

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Start():
                yield updated(self._input())
            case e.Adjust(options=options):
                detection = config.Input(turn_detection=config.detection_for(options.turns))
                yield dump(
                    m.UpdateMsg(
                        session=config.Session("transcription", config.AudioConfig(detection))
                    )
                )
            case e.Audio(data=data) if data:
                yield self._append(data)
            case e.Flush():
                # Less cannot be committed. Times are told without what is put in.
                missing = LEAST - self._format.seconds(self._sent - self._committed)
                if silence := self._format.silence(max(0.0, missing)):
                    self._silences.append((self._format.seconds(self._sent), missing))
                    yield self._append(silence)
                self._committed = self._sent
                self._commits += 1
                yield dump(m.CommitMsg())

    def _append(self, data: bytes) -> str:
        self._sent += len(data)
        return dump(m.AppendMsg(audio=data))

    def _ours(self, ms: float) -> float:
        """A time in the audio as it was given to us, in seconds."""
        at = ms / 1000
        silent = sum(min(seconds, at - when) for when, seconds in self._silences if when < at)
        return max(0.0, round(at - silent, 3))

    def _input(self) -> config.Input:
        o = self._options
        name = NATIVE.get(o.encoding or "", "audio/pcm")
        format = config.Format(name, 24_000 if name == "audio/pcm" else UNSET)
        language = o.language.split("-")[0] if o.language and o.language != "multi" else None
        asked = config.Transcription(self._model, language, o.extra.get("prompt"))
        return config.Input(format, asked, config.detection_for(o.turns))

    def decode(self, frame: Frame) -> Iterator[e.Event]:  # noqa: C901 - one case a message
        r: m.Reply = m.read_reply(frame)
        match r.type:
            case "session.updated":
                encoding, rate = self._options.encoding or "", self._options.sample_rate or 0
                yield e.Ready(encoding=encoding, sample_rate=rate)
            case "input_audio_buffer.speech_started":
                yield from self._started(r.item_id, self._ours(r.audio_start_ms))
            case "input_audio_buffer.speech_stopped":
                self._piece(r.item_id).end = end = self._ours(r.audio_end_ms)
                if self._options.vad_events:
                    yield e.UtteranceEnd(end)
            case "input_audio_buffer.committed":
                piece = self._piece(r.item_id)
                # What is committed without its speaker having stopped is what we committed.
                if piece.end is None and self._commits:
                    self._commits -= 1
                    piece.is_ours = True
                else:
                    self._committed = self._sent
            case m.DELTA:
                piece = self._piece(r.item_id)
                piece.deltas += r.delta or ""
                if piece.deltas and self._options.partials:
                    yield e.Transcript(piece.deltas, False, start=piece.start)
            case m.COMPLETED | m.FAILED:
                self._piece(r.item_id).text = (r.transcript or "").strip()
                if r.type == m.FAILED:
                    yield e.Warning("provider_warning", (r.error or m.Error()).message)
                yield from self._completed()
            case "error":
                yield from self._failed(r.error or m.Error())

    def _piece(self, id: str) -> Piece:
        return self._pieces.setdefault(id, Piece())

    def _started(self, id: str, at: float) -> Iterator[e.Event]:
        piece = self._piece(id)
        piece.start, piece.has_turn = at, True
        yield e.Turn("start", at=at)
        if self._options.vad_events:
            yield e.SpeechStarted(at)

    def _completed(self) -> Iterator[e.Event]:
        """All pieces from the first on that are complete."""
        while self._pieces:
            id, piece = next(iter(self._pieces.items()))
            if piece.text is None:
                return
            del self._pieces[id]
            if piece.text or piece.is_ours:
                duration = None
                if piece.start is not None and piece.end is not None:
                    duration = max(0.0, round(piece.end - piece.start, 3))
                yield e.Transcript(
                    piece.text,
                    True,
                    piece.is_ours,
                    start=piece.start,
                    duration=duration,
                    is_endpoint=not piece.is_ours,
                )
            if piece.has_turn:
                trigger: e.Trigger = "manual" if piece.is_ours else "model"
                yield e.Turn("end", piece.text, at=piece.end, trigger=trigger)

    def _failed(self, error: m.Error) -> Iterator[e.Event]:
        if error.code == EMPTY:
            if self._commits:
                self._commits -= 1
                yield e.Transcript("", True, from_finalize=True)
            return
        yield failure(error)


def updated(input: config.Input) -> str:
    return dump(m.UpdateMsg(session=config.Session("transcription", config.AudioConfig(input))))


def endpoint(options: e.ListenOptions, address: Address) -> Endpoint:
    key = {"Authorization": f"Bearer {address.key}"} if address.key else {}
    return Endpoint(address.join(PATH, intent="transcription"), key)
