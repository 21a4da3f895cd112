"""OpenAI's realtime transcription, `/v1/realtime?intent=transcription`: audio in base64 in JSON.

Who connects is greeted before it has said a word. A piece of speech ends where the client commits
it or, unless it turned that off, where its speaker does. Most errors leave the session open.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from msgspec import Struct

from .. import events as e
from ..audio.formats import AudioFormat
from ..errors import ConfigError, ProtocolError
from . import openai_realtime_messages as m
from .base import Frame, Marks, Opening, Wire, dump
from .openai_realtime_client import LEAST, PATH, Client, endpoint
from .openai_realtime_errors import EMPTY, error_of, refusal, request_headers
from .openai_realtime_items import Items
from .openai_realtime_session import Configuration, Input, as_input
from .policies import POLICIES


class Query(Struct, frozen=True):
    model: str | None = None
    intent: str = "transcription"


class Server:
    """OpenAI's side."""

    def __init__(self, opening: Opening) -> None:
        query, _ = opening.read(Query)
        if query.intent != "transcription":
            text = f"intent {query.intent[:20]!r}: there is nothing but transcription here"
            raise ConfigError(text, param="intent")
        self._config = Configuration(query.model)
        self._items = Items(opening.request_id or "1")
        self._asides: deque[Struct] = deque()
        self._is_started = self._is_old = self._is_updating = False
        self._format = AudioFormat("linear16", 24_000)
        self._heard = self._uncommitted = 0  # bytes
        self._completed_at = 0.0  # seconds of audio
        self._cause: str | None = None

    def opening(self) -> Iterable[e.Event]:
        return (self._aside(self._items.session("session.created", self._config.input)),)

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        if isinstance(frame, bytes):
            raise ProtocolError("a binary frame: audio comes in base64")
        self._cause = None
        try:
            message = m.read_command(frame)
        except ProtocolError:
            self._cause = m.read_cause(frame).event_id
            raise
        self._cause = message.event_id or None
        match message:
            case m.UpdateMsg(session=session):
                yield from self._update(session.audio.input)
            case m.OldUpdateMsg(session=old):
                self._is_old = True
                yield from self._update(as_input(old))
            case m.AppendMsg(audio=data) if data:
                yield from self._start()
                self._heard += len(data)
                self._uncommitted += len(data)
                yield e.Audio(data)
            case m.CommitMsg():
                yield from self._commit()
            case m.ClearMsg():
                yield from self._clear()

    def _aside(self, *messages: Struct) -> e.Event:
        self._asides += messages
        return e.Aside()

    def _start(self) -> Iterator[e.Event]:
        if not self._is_started:
            self._is_started = True
            self._format = self._config.format
            yield e.Start(self._config.options())

    def _update(self, given: Input) -> Iterator[e.Event]:
        if not self._is_started:
            self._config.change(given)
            self._is_updating = True
            yield from self._start()
        elif self._config.change_later(given):
            yield e.Adjust(e.ListenOptions(turns=self._config.turns))
        else:
            yield self._aside(self._updated())

    def _updated(self) -> m.SessionMsg:
        if self._is_old:
            return self._items.old_session(self._config.in_force)
        return self._items.session("session.updated", self._config.in_force)

    def _commit(self) -> Iterator[e.Event]:
        seconds = self._format.seconds(self._uncommitted)
        if seconds < LEAST:
            text = f"buffer too small: {seconds * 1000:.0f} ms of audio, {LEAST * 1000:.0f} needed"
            raise ProtocolError(text, param=EMPTY)
        self._uncommitted = 0
        yield self._aside(*self._items.committed())
        yield e.Flush()

    def _clear(self) -> Iterator[e.Event]:
        if self._uncommitted:
            # What was heard of it already cannot be taken back, but it is not told.
            self._uncommitted = 0
            self._items.cleared()
            yield e.Flush()
        yield self._aside(self._items.buffer("cleared"))

    def encode(self, event: e.Event) -> Iterator[Frame]:
        yield from map(dump, self._messages(event))

    def _messages(self, event: e.Event) -> Iterator[Struct]:
        match event:
            case e.Aside() if not self._is_updating:
                while self._asides:
                    yield self._asides.popleft()
            case e.Ready(model=model) if self._is_updating:
                self._is_updating = False
                self._config.answering = model
                yield self._updated()
                yield from self._messages(e.Aside())
            case e.Adjusted():
                yield self._updated()
            case e.Transcript():
                yield from self._transcript(event)
            case e.Turn(phase="start", at=at) if self._config.detection:
                yield self._items.started(self._now if at is None else at)
            case e.Turn(phase="end", trigger="model" | "timeout", at=at) if self._config.detection:
                self._uncommitted = 0
                yield self._items.stopped(self._now if at is None else at)
                yield from self._items.committed()
                yield from self._completed()
            case e.Failed(code=code, message=text, param=param):
                yield m.ErrorMsg(self._items.event(), error_of(code, text, param, self._cause))

    def _transcript(self, t: e.Transcript) -> Iterator[Struct]:
        yield from self._items.heard(t.text, final=t.final)
        if t.from_finalize:
            yield from self._completed()

    def _completed(self) -> Iterator[Struct]:
        since, self._completed_at = self._completed_at, self._now
        yield from self._items.completed(self._now - since)

    @property
    def _now(self) -> float:
        """Seconds of audio."""
        return self._format.seconds(self._heard)

    def closing(self, code: int, reason: str) -> tuple[int, str]:
        return (1000, "") if reason == "client_closed" else (code, reason)


WIRE = Wire(
    task="stt",
    provider="openai",
    client=Client,
    endpoint=endpoint,
    server=Server,
    paths=(PATH,),
    marks=Marks(types=m.TYPES),
    policy=POLICIES["openai_realtime"],
    refusal=refusal,
    headers=request_headers,
)
