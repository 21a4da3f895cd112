"""The same client for programs without a loop of their own.

with Voxway("wss://speech.example.com", key) as vox:
    vox.speak("Good morning.").save("morning.wav")
    with vox.stt() as stt:
        for part in stt.stream(microphone()):
            print(part.text)

A loop runs in a thread from the beginning of the `with` block to its end, so that connections are
kept while the program does something else. Texts and audio are iterated in threads of their own.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Coroutine,
    Iterable,
    Iterator,
)
from concurrent.futures import Future
from os import PathLike
from queue import SimpleQueue
from types import TracebackType
from typing import Any, TypeVar, Unpack

from ..audio.formats import AudioFormat
from ..errors import ConfigError
from ..events import Flush, Transcript
from . import stt, tts, voxway
from .heard import Heard
from .metrics import Metrics
from .notices import State
from .playback import PlaybackBuffer
from .speaking import SpeechEvent
from .stt import HearingEvent
from .transcript import Assembly
from .tts import Chunk
from .voxway import Hearing, Speech, Voice

T = TypeVar("T")
# A path, audio as it comes, or one of the client's own sources.
Source = str | PathLike[str] | Iterable[bytes] | AsyncIterable[bytes]
Pieces = str | Iterable[str | Flush]
LATE = 5.0  # seconds that whatever is cancelled has to end


class _Loop:
    """One loop in a thread."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._readers: set[threading.Thread] = set()

    def start(self) -> None:
        if self._thread is not None:
            raise ConfigError("this client is in use already, or was")
        # A daemon, for those who forget the `with`: they can end all the same.
        self._thread = threading.Thread(target=self._run, name="voxway", daemon=True)
        self._thread.start()
        self._is_ready.wait()

    def stop(self) -> None:
        """End the loop and its thread, with all that runs there. A text or audio that never comes
        is not waited for: nobody can end the thread in which it is awaited."""
        if self._loop is not None and self._thread is not None:
            loop, self._loop = self._loop, None
            loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
            until = time.monotonic() + LATE
            for reader in self._readers:
                reader.join(max(0.0, until - time.monotonic()))

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it there, and wait. Ctrl-C here cancels it there."""
        if self._loop is None:
            work.close()
            raise ConfigError("use it inside of its `with` block")
        if threading.current_thread() is self._thread:
            work.close()
            raise ConfigError("a callback must not wait for what it is told of: use another thread")
        is_over = threading.Event()
        future = asyncio.run_coroutine_threadsafe(_watched(work, is_over), self._loop)
        try:
            return future.result()
        finally:
            if not future.done():
                future.cancel()
                is_over.wait(LATE)

    def each(self, items: AsyncGenerator[T, None]) -> Iterator[T]:
        """What it yields there. Left early, it is closed there."""
        try:
            while (item := self.call(_next(items))) is not None:
                yield item
        finally:
            if self._loop is not None:
                self.call(items.aclose())

    def text(self, text: Pieces) -> str | AsyncIterator[str | Flush]:
        """The same for the loop."""
        return text if isinstance(text, str) else self._read(text)

    def audio(self, source: Source) -> str | PathLike[str] | AsyncIterable[bytes]:
        """The same for the loop."""
        if isinstance(source, str | PathLike | AsyncIterable):
            return source
        return self._read(source)

    async def _read(self, items: Iterable[T]) -> AsyncIterator[T]:
        """What blocks while it waits, iterated where it holds up nobody."""
        wanted: SimpleQueue[Future[T | None] | None] = SimpleQueue()
        # Not one of the loop's own threads: its end, and that of the process, would wait for it.
        reader = threading.Thread(
            target=_give, args=(iter(items), wanted), name="voxway-reader", daemon=True
        )
        self._readers = {each for each in self._readers if each.is_alive()} | {reader}
        reader.start()
        try:
            while (item := await _next_of(wanted)) is not None:
                yield item
        finally:
            wanted.put(None)

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._is_ready.set()
        await self._stop.wait()


async def _watched(work: Coroutine[Any, Any, T], is_over: threading.Event) -> T:
    try:
        return await work
    finally:
        is_over.set()


async def _next(items: AsyncGenerator[T, None]) -> T | None:
    return await anext(items, None)


def _next_of(wanted: SimpleQueue[Future[T | None] | None]) -> asyncio.Future[T | None]:
    given: Future[T | None] = Future()
    given.set_running_or_notify_cancel()
    wanted.put(given)
    return asyncio.wrap_future(given)


def _give(iterator: Iterator[T], wanted: SimpleQueue[Future[T | None] | None]) -> None:
    """In a thread: one item for each that is wanted."""
    while (given := wanted.get()) is not None:
        with _Told(given):
            given.set_result(next(iterator, None))


class _Told:
    """What the block raises is told to whoever waits for it."""

    def __init__(self, given: Future[Any]) -> None:
        self._given = given

    def __enter__(self) -> None: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if error is not None:
            self._given.set_exception(error)
        return True


class Tts:
    """`voxway.client.Tts`, blocking."""

    def __init__(self, loop: _Loop, session: tts.Tts) -> None:
        self._loop = loop
        self._session = session

    def __enter__(self) -> Tts:
        self._loop.call(self._session.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def state(self) -> State:
        return self._session.state

    @property
    def sample_rate(self) -> int:
        return self._session.sample_rate

    @property
    def format(self) -> AudioFormat:
        return self._session.format

    @property
    def playback(self) -> PlaybackBuffer | None:
        return self._session.playback

    @property
    def metrics(self) -> Metrics:
        return self._session.metrics

    def ping(self) -> float:
        return self._loop.call(self._session.ping())

    def stream(self, text: Pieces) -> Iterator[Chunk]:
        return self._loop.each(self._session.stream(self._loop.text(text)))

    def events(self, text: Pieces) -> Iterator[SpeechEvent]:
        return self._loop.each(self._session.events(self._loop.text(text)))

    def say(self, text: Pieces) -> None:
        self._loop.call(self._session.say(self._loop.text(text)))

    def finished(self) -> None:
        self._loop.call(self._session.finished())

    def interrupt(
        self, *, then: Pieces | None = None, fade_ms: float = 0.0, close: bool = False
    ) -> Heard:
        again = None if then is None else self._loop.text(then)
        return self._loop.call(self._session.interrupt(then=again, fade_ms=fade_ms, close=close))

    def close(self) -> None:
        self._loop.call(self._session.aclose())


class Stt:
    """`voxway.client.Stt`, blocking."""

    def __init__(self, loop: _Loop, session: stt.Stt) -> None:
        self._loop = loop
        self._session = session

    def __enter__(self) -> Stt:
        self._loop.call(self._session.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def state(self) -> State:
        return self._session.state

    @property
    def format(self) -> AudioFormat:
        return self._session.format

    @property
    def transcript(self) -> Assembly:
        return self._session.transcript

    @property
    def metrics(self) -> Metrics:
        return self._session.metrics

    @property
    def dropped_ms(self) -> float:
        return self._session.dropped_ms

    def ping(self) -> float:
        return self._loop.call(self._session.ping())

    def stream(self, source: Source) -> Iterator[Transcript]:
        return self._loop.each(self._session.stream(self._loop.audio(source)))

    def events(self, source: Source) -> Iterator[HearingEvent]:
        return self._loop.each(self._session.events(self._loop.audio(source)))

    def send(self, audio: bytes) -> None:
        self._loop.call(self._session.send(audio))

    def put(self, audio: bytes) -> None:
        self._session.put(audio)

    def __iter__(self) -> Iterator[HearingEvent]:
        return self._loop.each(aiter(self._session))

    def finalize(self) -> Transcript:
        return self._loop.call(self._session.finalize())

    def finish(self, patience: float | None = None) -> Assembly:
        return self._loop.call(self._session.finish(patience))

    def close(self) -> None:
        self._loop.call(self._session.aclose())


class Voxway:
    """`voxway.client.Voxway`, blocking; what that takes, this takes."""

    def __init__(self, url: str = "", key: str = "", **how: Unpack[voxway.How]) -> None:
        self._inner = voxway.Voxway(url, key, **how)
        self._loop = _Loop()

    def __repr__(self) -> str:
        return repr(self._inner)

    def __enter__(self) -> Voxway:
        self._loop.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._loop.call(self._inner.aclose())
        finally:
            self._loop.stop()

    def tts(self, model: str = "", **how: Unpack[Voice]) -> Tts:
        return Tts(self._loop, self._inner.tts(model, **how))

    def stt(self, model: str = "", **how: Unpack[Hearing]) -> Stt:
        return Stt(self._loop, self._inner.stt(model, **how))

    def speak(self, text: Pieces, model: str = "", **how: Unpack[Voice]) -> Speech:
        return self._loop.call(self._inner.speak(self._loop.text(text), model, **how))

    def transcribe(
        self, source: Source | bytes, model: str = "", **how: Unpack[Hearing]
    ) -> Assembly:
        sound = source if isinstance(source, bytes) else self._loop.audio(source)
        return self._loop.call(self._inner.transcribe(sound, model, **how))
