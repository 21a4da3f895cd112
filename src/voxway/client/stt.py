"""A recognizer: audio in, live or from a file; its words out, none twice and none unnoticed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from types import TracebackType
from typing import Any

from msgspec import Struct

from ..audio.formats import AudioFormat
from ..errors import ConfigError, UpstreamError
from ..events import (
    Audio,
    Ended,
    Event,
    Finish,
    Flush,
    ListenOptions,
    Ready,
    SpeechStarted,
    Transcript,
    Turn,
    Turns,
    UtteranceEnd,
    Warning,
)
from ..session.pace import Pacer
from ..session.pace_hearing import HearingPacer
from . import notices
from .capture import SECONDS, CaptureQueue, Overflow, Preset
from .lifeline import Lifeline, loop_time
from .metrics import Metrics
from .notices import State, Warned
from .observing import Observers
from .owner import Manner
from .replay import SECONDS as REPLAY
from .replay import ReplayBuffer, Stretch, ends_at
from .service import Route
from .sources import AnySource, fitting
from .transcript import Assembly
from .turns import TurnTaking

HearingEvent = Transcript | SpeechStarted | UtteranceEnd | Turn


class Listening(Struct, frozen=True, kw_only=True):
    """How audio is sent. `queue`: seconds of it that may wait, and what is done when more comes
    (`overflow`); `chunks`: how much is sent at once; `replay`: seconds of it that are kept to be
    sent again when a connection was lost (0: none). `patience`: seconds without a word after which
    the rest is not waited for any more."""

    queue: float = SECONDS
    overflow: Overflow = "drop_oldest"
    chunks: Preset = "live"
    replay: float = REPLAY
    patience: float = 10.0


class Stt:
    """One session with a recognizer: one stream of audio. `transcript` is what came of it."""

    def __init__(
        self, route: Route, options: ListenOptions, manner: Manner, listening: Listening
    ) -> None:
        self.format = AudioFormat(options.encoding or "linear16", options.sample_rate or 16_000)
        self.transcript = Assembly()
        self._policy = route.policy
        self._listening = listening
        self._observers = Observers(route, options, manner)
        self._line = Lifeline(route, options, self, manner, self._observers.note)
        self._replay = ReplayBuffer(self.format, listening.replay)
        self._turns = TurnTaking(options.turns or Turns())
        self._queue = CaptureQueue(
            self.format, listening.queue, listening.overflow, listening.chunks, self._dropped
        )
        self._events: deque[HearingEvent] = deque()
        self._answers: deque[asyncio.Future[Transcript]] = deque()  # to finalizes
        self._sending: asyncio.Task[None] | None = None
        self._feeding: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._progress_at = 0.0
        self._has_sent = self._is_finishing = self._is_over = False
        self._was_connected = self._is_holding = False

    async def __aenter__(self) -> Stt:
        """Connect. Raises GatewayError if that cannot be."""
        self._line.open()
        is_there = False
        try:
            await self._line.wait_for(State.READY)
            is_there = True
        finally:
            if not is_there:
                await self.aclose()
        self._sending = asyncio.create_task(self._send())
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
    def metrics(self) -> Metrics:
        """What this session is like, in numbers."""
        return self._observers.metrics

    @property
    def dropped_ms(self) -> float:
        """Audio that was dropped because more came than was sent."""
        return self._queue.dropped_ms

    async def ping(self) -> float:
        """Seconds to the server and back. Raises GatewayError."""
        return await self._line.ping()

    async def aclose(self) -> None:
        """End the session at once. What was not heard by then never is: the transcript says so."""
        if not self._is_over:
            is_cut = self._has_sent or self._is_holding or self._queue.depth_ms > 0
            self._end("closed before its end" if is_cut else "")
        await asyncio.gather(*map(ended, filter(None, (self._sending, self._feeding))))
        await self._line.close()

    # Listening

    async def stream(self, source: AnySource) -> AsyncGenerator[Transcript, None]:
        """What is said in the audio, while it comes: partials, each replacing the one before, and
        finals. Ends when all is written down; leave it early, and the session ends.

        A file is converted to what the session was configured for; raw audio has to be that.
        Raises GatewayError, also for audio that cannot be what it is said to be.
        """
        events = self.events(source)
        try:
            async for event in events:
                if isinstance(event, Transcript):
                    yield event
        finally:
            await events.aclose()

    async def events(self, source: AnySource) -> AsyncGenerator[HearingEvent, None]:
        """The same with the beginnings and ends of speech and of turns, if they were asked for.
        Times are seconds of the source."""
        if self._feeding is not None:
            raise ConfigError("a session listens to one stream: open another")
        self._line.check()
        self._feeding = asyncio.create_task(self._feed(fitting(source, self.format)))
        self._feeding.add_done_callback(lambda _: self._news.set())
        try:
            async for event in self:
                yield event
            if self._is_fed():
                self._feeding.result()
        finally:
            await self.aclose()

    async def send(self, audio: bytes) -> None:
        """Hear this next. Waits while the queue is full if that is what it does then. Raises
        GatewayError."""
        self._line.check()
        await self._queue.feed(audio)
        self._line.check()

    def put(self, audio: bytes) -> None:
        """The same from another thread, as the callback of a device."""
        self._queue.put(audio)

    async def __aiter__(self) -> AsyncGenerator[HearingEvent, None]:
        """What is heard of what is sent, to the end of the session. Raises GatewayError."""
        while True:
            while self._events:
                yield self._events.popleft()
            if self._line.error is not None:
                raise self._line.error
            if self._is_over or self._is_fed():
                return
            await self._wait()

    async def finalize(self) -> Transcript:
        """Have written down now what was sent so far. Raises GatewayError."""
        while self._is_holding or self._queue.depth_ms > 0 or not self._may_send():
            self._queue.push()
            self._line.check()
            await self._wait()
        answer: asyncio.Future[Transcript] = asyncio.get_running_loop().create_future()
        self._answers.append(answer)
        self._replay.finalize()
        self._line.say(Flush())
        return await answer

    async def finish(self, patience: float | None = None) -> Assembly:
        """No more audio: send what waits, have it written down, and end the session. If no word
        comes for so many seconds, it is ended all the same, and the transcript marked incomplete.
        Raises GatewayError."""
        self._line.check()
        patience = self._listening.patience if patience is None else patience
        self._queue.close()
        if self._feeding is not None and self._feeding is not asyncio.current_task():
            self._feeding.cancel()
        finishing = asyncio.create_task(self._finish())
        self._progress_at = loop_time()
        try:
            while not finishing.done():
                left = self._progress_at + patience - loop_time()
                if left <= 0:
                    self._end(f"no word for {patience:g} s")
                    break
                await asyncio.wait({finishing}, timeout=left)
        finally:
            failure = await ended(finishing)
        if failure is not None:
            raise failure
        await self._line.close()
        return self.transcript

    async def _finish(self) -> None:
        """Drain, finalize, wait for the finals, close: in this order."""
        if self._sending is not None:
            await asyncio.wait({self._sending})
        await self._until(self._may_send)
        if self._has_sent:
            # The end of the stream alone would do, but gives what is outstanding little time.
            await self.finalize()
        self._is_finishing = True
        self._line.say(Finish())
        await self._until(lambda: self._is_over)

    # The audio

    async def _feed(self, source: AsyncIterable[bytes]) -> None:
        async for data in source:
            await self._queue.feed(data)
            if self._is_over:
                return
        await self.finish()

    async def _send(self) -> None:
        while not self._line.is_closed:
            # Asked for first, so that what is stale is dropped from the queue and not from here.
            await self._until(self._may_send)
            chunk = await self._queue.get()
            if chunk is None:
                return
            self._is_holding = True
            await self._until(self._may_send)
            self._is_holding, self._has_sent = False, True
            self._progress_at = loop_time()
            if missed := self._replay.sent(chunk):
                self._miss(missed)
            self._line.say(Audio(chunk.data))
            self._news.set()

    def _may_send(self) -> bool:
        is_open = self._line.state is State.READY
        return self._line.has_begun and (self._line.is_writable or not is_open)

    def _dropped(self, ms: float) -> None:
        self._observers.note(notices.Dropped(ms / 1000))

    def _miss(self, gap: Stretch) -> None:
        self.transcript.miss(gap)
        self._observers.note(notices.Gap(gap.start, gap.end))

    # Waiting

    async def _wait(self) -> None:
        self._news.clear()
        await self._news.wait()

    async def _until(self, is_so: Callable[[], bool]) -> None:
        """Raises GatewayError if the session ends before."""
        while not is_so():
            self._line.check()
            await self._wait()

    def _is_fed(self) -> bool:
        feeding = self._feeding
        return feeding is not None and feeding.done() and not feeding.cancelled()

    def _end(self, incomplete: str = "") -> None:
        """The session has given all that it will."""
        self._is_over = True
        if incomplete:
            self.transcript.mark_incomplete(incomplete)
        self._queue.close()  # for whom it was full
        self._line.stop()
        for answer in self._answers:
            if not answer.done():
                answer.set_exception(self._line.error or UpstreamError("the session has ended"))
        self._answers.clear()
        self._news.set()

    # Owner of the line

    def pacer(self) -> Pacer:
        return HearingPacer(self._policy, self.format, retries=False)

    def began(self, ready: Ready) -> None:
        if self._was_connected:
            self._turns.began(loop_time())
            self._resume()
        self._was_connected = True
        self._news.set()

    def _resume(self) -> None:
        if self._has_sent and not self.format.frame_bytes:
            message = f"the connection was lost, and {self.format.encoding} cannot go on amid it"
            raise UpstreamError(message, code="backend_error")
        replay = self._replay.again()
        if replay.gap is not None:
            self._miss(replay.gap)
        for data in replay.audio:
            self._line.say(Flush() if data is None else Audio(data))
        if replay.stretch is not None:
            self._observers.note(notices.Replayed(replay.stretch.start, replay.stretch.end))
        if self._is_finishing:
            self._line.say(Finish())

    def told(self, event: Event, epoch: int) -> None:
        self._progress_at = loop_time()
        match event:
            case Transcript():
                self._heard(event)
            case SpeechStarted() | UtteranceEnd():
                self._deliver(self._replay.placed(event))
            case Turn():
                self._turn(self._turns.told(self._replay.turn(event)))
            case Warning(code=code, message=message, option=option):
                self._observers.note(Warned(code, message, option))
            case Ended():
                self._end()

    def _heard(self, event: Transcript) -> None:
        self.metrics.heard(event, self._progress_at)
        fresh = self._replay.heard(event)
        if fresh is not None and (fresh.text or not fresh.from_finalize):
            self._deliver(fresh)
            if fresh.final:
                self._turns.wrote(fresh.text, ends_at(fresh))
        if event.from_finalize:
            self._turn(self._turns.finalized())
        if event.from_finalize and self._answers:
            answer = self._answers.popleft()
            if not answer.done():  # else whoever asked has gone
                answer.set_result(fresh or event)

    def _turn(self, turn: Turn | None) -> None:
        if turn is not None:
            self._deliver(turn)

    def _deliver(self, event: Event) -> None:
        self.transcript.add(event)
        last = self._events[-1] if self._events else None
        if _is_partial(last) and (_is_partial(event) or isinstance(event, Transcript)):
            self._events.pop()  # nobody has seen it, and this replaces it
        if isinstance(event, HearingEvent):
            self._events.append(event)
        self._news.set()

    def lost(self) -> None: ...

    def failed(self, error: BaseException) -> None:
        self._end(getattr(error, "message", type(error).__name__))

    def writable(self) -> None:
        self._news.set()

    def tick(self, now: float) -> None:
        self._observers.note(notices.Queued(self._queue.depth_ms / 1000))
        if self._line.state is State.READY:
            self._turn(self._turns.silent(now))


async def ended(task: asyncio.Task[Any]) -> BaseException | None:
    """Cancel a task, and wait until it is no more. What it failed with, if it did."""
    task.cancel()
    await asyncio.wait({task})
    return None if task.cancelled() else task.exception()


def _is_partial(event: Event | None) -> bool:
    return isinstance(event, Transcript) and not event.final
