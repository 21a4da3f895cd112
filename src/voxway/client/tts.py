"""A voice: text in, as it is written; speech out, each sentence once, until somebody interrupts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Any

from msgspec import Struct, structs

from ..audio.formats import AudioFormat
from ..errors import ConfigError, UpstreamError
from ..events import (
    Audio,
    Clear,
    Cleared,
    Event,
    Flush,
    Flushed,
    Ready,
    SpeakOptions,
    Warning,
)
from ..session.pace import Pacer
from ..session.pace_speech import SpeechPacer
from .cutting import Cutter, FlushPolicy
from .failures import UnreachableError
from .heard import Heard
from .job import Job, Pieces, pieces
from .lifeline import Lifeline, loop_time
from .metrics import Metrics
from .notices import Abandoned, FirstAudio, Notice, State, Underrun, Warned
from .observing import Observers
from .owner import Manner
from .playback import PlaybackBuffer
from .service import Route
from .speaking import Speaking, SpeechEvent, Utterance

MAX_TEXT = 20_000  # characters that wait to be said before more is asked for


class Chunk(Struct, frozen=True):
    """Speech, in the session's format. `start`: seconds since the beginning of its text."""

    data: bytes
    start: float

    def __repr__(self) -> str:
        return f"Chunk({len(self.data)} bytes, start={self.start:.3f})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("bytes", len(self.data)), ("start", self.start)]


class Delivery(Struct, frozen=True, kw_only=True):
    """How a voice is used. `resends`: how often an utterance is said again when its connection was
    lost (None: as often as need be). `ahead`: seconds of speech that may wait to be heard before
    more text is said. `stall`: seconds in which a voice that owes something has to give a sign."""

    flush: FlushPolicy = "sentence"
    resends: int | None = 1
    ahead: float = 30.0
    stall: float = 20.0


class Tts:
    """One session with a voice. `playback`, if there is one, takes what `say` speaks."""

    def __init__(
        self,
        route: Route,
        options: SpeakOptions,
        manner: Manner,
        delivery: Delivery,
        playback: PlaybackBuffer | None = None,
    ) -> None:
        self.playback = playback
        self.format = AudioFormat(options.encoding or "linear16", options.sample_rate or 24_000)
        self._policy = route.policy
        self._delivery = delivery
        self._observers = Observers(route, options, manner)
        self._line = Lifeline(route, options, self, manner, self._observers.note)
        self._speaking = Speaking(delivery.resends)
        self._jobs: dict[str, Job] = {}  # by utterance
        self._growing: set[Job] = set()  # whose text is still taken
        self._last: Job | None = None
        self._abandoned = 0  # utterances, since `finished` told of them
        self._unconfirmed = 0  # aborts
        self._asked: dict[str, float] = {}  # when, of utterances without audio
        self._turn_at = 0.0  # when the last utterance ended
        self._underruns = self._starved = 0.0  # of the playback, as told
        self._sign_at = 0.0  # when the server gave a sign, or was asked for one
        self._news = asyncio.Event()

    async def __aenter__(self) -> Tts:
        """Connect. Raises GatewayError if that cannot be."""
        self._line.open()
        is_there = False
        try:
            await self._line.wait_for(State.READY)
            is_there = True
        finally:
            if not is_there:
                await self.aclose()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    @property
    def state(self) -> State:
        return self._line.state

    @property
    def sample_rate(self) -> int:
        """Hz of what comes."""
        return self.format.sample_rate

    @property
    def metrics(self) -> Metrics:
        """What this session is like, in numbers."""
        return self._observers.metrics

    async def ping(self) -> float:
        """Seconds to the server and back. Raises GatewayError."""
        return await self._line.ping()

    async def aclose(self) -> None:
        """End the session at once; what is not spoken yet never is."""
        self._stop()
        await self._line.close()

    # Speaking

    async def stream(self, text: Pieces) -> AsyncGenerator[Chunk, None]:
        """The speech of a text, while that may still be written. Leave it early, and the rest is
        not spoken; an interruption ends it. Raises GatewayError."""
        at = 0.0
        events = self.events(text)
        try:
            async for event in events:
                if isinstance(event, Audio):
                    yield Chunk(event.data, at)
                    at += self.format.seconds(len(event.data))
        finally:
            await events.aclose()

    async def events(self, text: Pieces) -> AsyncGenerator[SpeechEvent, None]:
        """The same with all that is known of it: sentences, the times of words (from the start of
        the utterance), the end of each. `context` names the utterance."""
        job = self._last = Job()
        # No TaskGroup: it must not stay open over a `yield`, where it would cancel the caller.
        feeding = asyncio.create_task(self._feed(job, text))
        feeding.add_done_callback(lambda _: job.news.set())
        try:
            self._line.check()
            while True:
                job.news.clear()
                while (event := job.take(self.format)) is not None:
                    self._pump()
                    yield event
                if job.error is not None:
                    raise job.error
                if feeding.done():
                    feeding.result()
                if job.is_over:
                    break
                await job.news.wait()
            _complain(job.abandoned)
        finally:
            job.leave()
            feeding.cancel()
            await asyncio.wait({feeding})
            self._abandon(job)

    async def say(self, text: Pieces) -> None:
        """Have it played by `playback`. Returns when all of the text is taken; `finished` waits for
        its sound. Raises GatewayError."""
        if self.playback is None:
            raise ConfigError("say: this voice has no playback; use stream", param="playback")
        self._line.check()
        await self._feed(Job(self.playback), text)
        self._line.check()

    async def finished(self) -> None:
        """Until all that was said has come, and has been played. Raises GatewayError."""
        while self._jobs or not (self.playback is None or self.playback.is_idle):
            await self._wait()
        self._line.check()
        abandoned, self._abandoned = self._abandoned, 0
        _complain(abandoned)

    async def interrupt(
        self, *, then: Pieces | None = None, fade_ms: float = 0.0, close: bool = False
    ) -> Heard:
        """Be silent: what was said and not heard is dropped, here and at the server. `fade_ms` lets
        what is buffered fade out, `then` is played instead, `close` ends the session.

        Gives what was heard: played by `playback`, or else taken from the last stream.
        """
        if self.playback is not None:
            heard = self.playback.fade(fade_ms) if fade_ms else self.playback.clear()
            if self._jobs or self._growing:  # there was more to come
                heard = structs.replace(heard, is_all=False)
        else:
            heard = self._last.heard() if self._last is not None else Heard("", 0.0, True)
        if self._last is not None:
            self._last.stop()
            self._last = None  # what was heard of it is told
        if self._speaking.clear():
            self._silence()
        self._stop()
        if close:
            await self.aclose()
        elif then is not None:
            await self.say(then)
        return heard

    # The text

    async def _feed(self, job: Job, text: Pieces) -> None:
        cutter = Cutter(self._delivery.flush)
        utterance: Utterance | None = None
        self._growing.add(job)
        try:
            async for piece in pieces(text):
                for said in cutter.flush() if isinstance(piece, Flush) else cutter.feed(piece):
                    utterance = self._add(job, utterance, said.text, ends=said.ends)
                while self._speaking.unsaid > MAX_TEXT and not job.is_complete:
                    await self._wait()
                if job.is_complete:  # it was interrupted
                    return
        except asyncio.CancelledError:
            cutter = Cutter(self._delivery.flush)  # what is half a sentence is not said
            raise
        finally:
            self._growing.discard(job)
            for said in cutter.flush():
                utterance = self._add(job, utterance, said.text, ends=said.ends)
            job.is_complete = True

    def _add(
        self, job: Job, utterance: Utterance | None, text: str, *, ends: bool
    ) -> Utterance | None:
        """Say a sentence; gives the utterance if it goes on."""
        if self._line.is_closed:
            job.stop(self._line.error)
        if job.is_complete or not (text or utterance):
            return None
        if utterance is None:
            utterance = self._speaking.add()
            self._asked[utterance.id] = loop_time()
            self._jobs[utterance.id] = job
            job.utterances.add(utterance.id)
        utterance.text = f"{utterance.text} {text}".strip()
        utterance.is_complete = ends
        self._pump()
        return None if ends else utterance

    def _pump(self) -> None:
        """Say what may be said: not too far ahead of what is heard."""
        while self._line.has_begun and self._may_speak():
            items = list(self._speaking.next())
            if not items:
                return
            for item in items:
                self._do(item)

    def _may_speak(self) -> bool:
        waiting = self._speaking.owed + sum(job.waiting for job in set(self._jobs.values()))
        if self.playback is not None:
            waiting += self.playback.buffered_ms / 1000
        return waiting < self._delivery.ahead

    def _do(self, item: Event | Notice) -> None:
        match item:
            case Abandoned(utterance=id):
                self._jobs[id].abandoned += 1
                self._abandoned += 1
                self._observers.note(item)
            case Notice():
                self._observers.note(item)
            case Flushed():
                self._deliver(item)
            case _:
                self._sign_at = loop_time()
                self._line.say(item)

    # What becomes of it

    def _deliver(self, event: SpeechEvent) -> None:
        if job := self._jobs.get(event.context):
            job.tell(event, self.format)
        match event:
            case Audio(context=utterance) if utterance in self._asked:
                since = max(self._turn_at, self._asked.pop(utterance))
                self._observers.note(FirstAudio(utterance, loop_time() - since))
            case Flushed(context=utterance):
                self._turn_at = loop_time()
                self._asked.pop(utterance, None)
                self._jobs.pop(utterance, None)
                self._news.set()

    def _abandon(self, job: Job) -> None:
        """Nobody wants the rest."""
        if job.utterances and self._speaking.drop(job.utterances):
            self._silence()
        for utterance in job.utterances:
            self._jobs.pop(utterance, None)
            self._asked.pop(utterance, None)
        job.utterances.clear()
        self._pump()

    def _silence(self) -> None:
        self._unconfirmed += self._policy.clear == "acked"
        self._sign_at = loop_time()
        self._line.say(Clear())

    def _stop(self, error: BaseException | None = None) -> None:
        for job in self._growing.union(self._jobs.values()):
            job.stop(error)
        self._jobs.clear()
        self._asked.clear()
        self._news.set()

    async def _wait(self) -> None:
        """Until there is news. Raises GatewayError."""
        self._line.check()
        self._news.clear()
        await self._news.wait()

    # Owner of the line

    def pacer(self) -> Pacer:
        return SpeechPacer(self._policy, retries=False)

    def began(self, ready: Ready) -> None:
        self.format = AudioFormat(
            ready.encoding or self.format.encoding, ready.sample_rate or self.format.sample_rate
        )
        if self.playback is not None and self.playback.sample_rate != self.format.sample_rate:
            raise ConfigError(
                f"the voice speaks at {self.format.sample_rate} Hz, and playback takes "
                f"{self.playback.sample_rate} Hz",
                param="sample_rate",
            )
        self._speaking.began(self.format)
        self._pump()

    def told(self, event: Event, epoch: int) -> None:
        self._sign_at = loop_time()
        match event:
            case Cleared():
                self._unconfirmed = 0
            case Warning(code=code, message=message, option=option):
                self._observers.note(Warned(code, message, option))
            case _:
                for told in self._speaking.told(event, epoch):
                    self._deliver(told)
                if isinstance(event, Flushed):
                    self._pump()

    def lost(self) -> None:
        self._speaking.lost()
        self._unconfirmed = 0

    def failed(self, error: BaseException) -> None:
        self._stop(error)

    def writable(self) -> None: ...

    def tick(self, now: float) -> None:
        is_owed = self._unconfirmed or self._speaking.is_owed
        if is_owed and self._line.is_waited_for and now - self._sign_at > self._delivery.stall:
            message = f"the voice has given no sign for {self._delivery.stall:g} s"
            self._line.lose(UnreachableError(message))
        self._pump()
        if self.playback is not None:
            self._watch(self.playback)
            self._news.set()

    def _watch(self, playback: PlaybackBuffer) -> None:
        """Playback goes on without telling."""
        if playback.underruns > self._underruns:
            seconds = playback.starved_ms / 1000
            self._observers.note(Underrun(seconds - self._starved))
            self._underruns, self._starved = playback.underruns, seconds


def _complain(abandoned: int) -> None:
    if abandoned:
        message = f"{abandoned} utterances were lost with their connection, and not said again"
        raise UpstreamError(message, code=UnreachableError.code)
