"""The same client for programs without a loop of their own.

with Voxway("wss://speech.example.com", key) as vox:
    vox.speak("Good morning.").save("morning.wav")
    with vox.stt() as stt:
        for part in stt.stream(microphone()):
            print(part.text)

A loop runs in a thread from the beginning of the `with` block to its end, so that connections are
kept while the program does something else. Texts and audio are iterated in threads of that loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Coroutine,
    Iterable,
    Iterator,
)
from os import PathLike
from types import TracebackType
from typing import Any, TypeVar, Unpack

from ..errors import ConfigError
from ..events import Flush, Transcript
from . import stt, tts, voxway
from .heard import Heard
from .metrics import Metrics
from .notices import State
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

    def start(self) -> None:
        if self._thread is not None:
            raise ConfigError("this client is in use already, or was")
        # A daemon, for those who forget the `with`: they can end all the same.
        self._thread = threading.Thread(target=self._run, name="voxway", daemon=True)
        self._thread.start()
        self._is_ready.wait()

    def stop(self) -> None:
        """End the loop and its thread, with all that runs there."""
        if self._loop is not None and self._thread is not None:
            loop, self._loop = self._loop, None
            loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it there, and wait. Ctrl-C here cancels it there."""
        if self._loop is None:
            work.close()
            raise ConfigError("use it inside of its `with` block")
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


async def _threaded(items: Iterable[T]) -> AsyncIterator[T]:
    """What blocks while it waits, iterated where it holds up nobody."""
    iterator = iter(items)
    while (item := await asyncio.to_thread(next, iterator, None)) is not None:
        yield item


def _text(text: Pieces) -> str | AsyncIterator[str | Flush]:
    return text if isinstance(text, str) else _threaded(text)


def _audio(source: Source) -> str | PathLike[str] | AsyncIterable[bytes]:
    if isinstance(source, str | PathLike | AsyncIterable):
        return source
    return _threaded(source)


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
    def metrics(self) -> Metrics:
        return self._session.metrics

    def stream(self, text: Pieces) -> Iterator[Chunk]:
        return self._loop.each(self._session.stream(_text(text)))

    def events(self, text: Pieces) -> Iterator[SpeechEvent]:
        return self._loop.each(self._session.events(_text(text)))

    def say(self, text: Pieces) -> None:
        self._loop.call(self._session.say(_text(text)))

    def finished(self) -> None:
        self._loop.call(self._session.finished())

    def interrupt(
        self, *, then: Pieces | None = None, fade_ms: float = 0.0, close: bool = False
    ) -> Heard:
        again = None if then is None else _text(then)
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
    def transcript(self) -> Assembly:
        return self._session.transcript

    @property
    def metrics(self) -> Metrics:
        return self._session.metrics

    def stream(self, source: Source) -> Iterator[Transcript]:
        return self._loop.each(self._session.stream(_audio(source)))

    def events(self, source: Source) -> Iterator[HearingEvent]:
        return self._loop.each(self._session.events(_audio(source)))

    def send(self, audio: bytes) -> None:
        self._loop.call(self._session.send(audio))

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
        return self._loop.call(self._inner.speak(_text(text), model, **how))

    def transcribe(
        self, source: Source | bytes, model: str = "", **how: Unpack[Hearing]
    ) -> Assembly:
        sound = source if isinstance(source, bytes) else _audio(source)
        return self._loop.call(self._inner.transcribe(sound, model, **how))
