"""ElevenLabs' realtime Scribe: `/v1/speech-to-text/realtime`. Audio is base64 in JSON.

A *commit* ends a segment: the client's, or where the strategy is not `manual` that of a pause.
Partials tell all since the last one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from .. import events as e
from ..errors import ProtocolError
from . import elevenlabs_stt_messages as m
from .base import Address, Frame, Marks, Opening, Wire, dump
from .elevenlabs_stt_options import PATH, endpoint, format_of, options_in
from .elevenlabs_stt_words import timestamped, transcript
from .policies import POLICIES

LEAST, MOST = 0.3, 90.0  # seconds that a commit is of: fewer are refused, so many are committed
SILENCE = {"mulaw": b"\xff"}  # else zeros


class Server:
    """ElevenLabs' side. `previous_text` is nothing to us."""

    def __init__(self, opening: Opening) -> None:
        self._config, self._options = options_in(opening)
        format = format_of(self._options)
        self._least, self._most = format.bytes_for(LEAST), format.bytes_for(MOST)
        self._uncommitted = 0  # bytes
        self._segments: list[e.Transcript] = []  # since the last commit
        self._is_first = True
        self._told = ""  # the last error

    def opening(self) -> Iterable[e.Event]:
        return (e.Start(self._options),)

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        message = m.read_command(frame)
        if isinstance(message, m.CommitMsg):
            yield from self._commit()
            return
        if message.previous_text and not self._is_first:
            raise ProtocolError("previous_text goes with the first audio", param="previous_text")
        self._is_first = False
        data = message.audio_base_64
        if data:
            self._uncommitted += len(data)
            yield e.Audio(data)
        if message.commit or self._uncommitted >= self._most:
            yield from self._commit()
        elif not data:
            yield e.KeepAlive()

    def _commit(self) -> Iterator[e.Event]:
        if self._uncommitted < self._least:
            # The provider then ends the session (livekit 1.8.9). Nothing is lost by going on.
            yield e.Malformed(f"commit of less than {LEAST} s of audio", param="commit")
            return
        self._uncommitted = 0
        yield e.Flush()

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Ready(session_id=id):
                yield dump(m.SessionStartedMsg(id, self._config))
            case e.Transcript():
                yield from map(dump, self._transcript(event))
            case e.Warning(message=message):
                yield dump(m.WarningMsg(message))
            case e.Failed(code=code, message=message, param=param):
                self._told = code
                native = "commit_throttled" if param == "commit" else m.NATIVE.get(code, "error")
                yield dump(m.ErrorMsg(native, message))
            case e.Ended(reason=reason) if reason not in ("", "client_closed", self._told):
                message = f"ended: {reason.replace('_', ' ')}"
                yield dump(m.ErrorMsg(m.NATIVE.get(reason, "error"), message))

    def _transcript(self, t: e.Transcript) -> Iterator[Struct]:
        is_manual = self._config.commit_strategy == "manual"
        segments = [*self._segments, t]
        text = " ".join(segment.text for segment in segments if segment.text)
        if not t.final or (is_manual and not t.from_finalize):
            self._segments = segments if t.final else self._segments
            if text:
                yield m.PartialMsg(text)
            return
        self._segments = []
        if not t.from_finalize:  # a pause has committed
            self._uncommitted = 0
        if text or t.from_finalize:
            yield m.CommittedMsg(text)
            yield from timestamped(text, segments, self._config)

    def closing(self, code: int, reason: str) -> tuple[int, str]:
        return (1000, "") if reason == "client_closed" else (1008, m.NATIVE.get(reason, "error"))


class Client:
    """The gateway to ElevenLabs. Silence fills up a commit that would be too short; times are told
    without it."""

    def __init__(self, options: e.ListenOptions, address: Address) -> None:
        self._options = options
        self._format = format_of(options)
        self._sent = self._committed = 0  # bytes
        self._silences: list[tuple[float, float]] = []  # (when, how long), seconds
        self._commits = 0  # without an answer yet

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Audio(data=data):
                self._sent += len(data)
                yield self._chunk(data)
            case e.Flush():
                silence = self._fill()
                self._sent += len(silence)
                self._committed = self._sent
                self._commits += 1
                yield self._chunk(silence, commit=True)
            case e.KeepAlive():
                yield self._chunk(b"")

    def _chunk(self, data: bytes, commit: bool = False) -> str:
        return dump(m.AudioChunkMsg(data, commit, self._format.sample_rate))

    def _fill(self) -> bytes:
        least = self._format.bytes_for(LEAST)
        missing = max(0, least - (self._sent - self._committed))
        if missing:
            at, seconds = self._format.seconds(self._sent), self._format.seconds(missing)
            self._silences.append((at, seconds))
        return SILENCE.get(self._format.encoding, b"\0") * missing

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        said: m.ReplyMsg = m.read_reply(frame)
        match said.message_type:
            case "session_started":
                encoding, rate = self._format.encoding, self._format.sample_rate
                yield e.Ready(said.session_id, encoding=encoding, sample_rate=rate)
            case "partial_transcript" if said.text and self._options.partials:
                yield e.Transcript(said.text, False)
            case "committed_transcript_with_timestamps":  # each commit is also told without
                yield from self._heard(said)
            case "commit_throttled":
                # A pause was faster than our commit: its own was the answer, or there is nothing.
                if self._commits:
                    yield from self._heard(m.ReplyMsg())
            case "warning":
                yield e.Warning("provider_warning", said.warning)
            case _:
                if failed := m.failure(said):
                    yield failed

    def _heard(self, said: m.ReplyMsg) -> Iterator[e.Transcript]:
        # Which commit is answered is not told: the first after ours answers it.
        answers = self._commits > 0
        self._commits -= answers
        if not answers:
            self._committed = self._sent
            if not said.text:
                return
        yield transcript(said, self._silences, answers=answers)


WIRE = Wire(
    task="stt",
    provider="elevenlabs",
    client=Client,
    endpoint=endpoint,
    server=Server,
    paths=(PATH,),
    names_model="model_id",
    marks=Marks(fields=frozenset({"message_type"})),
    policy=POLICIES["elevenlabs_stt"],
    is_polite=True,
)
