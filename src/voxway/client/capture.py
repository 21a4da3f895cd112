"""Audio between a microphone, which never waits, and a socket, which may be slow or gone.

The queue stands at the producer's side, as Telnyx advises: it is bounded in seconds, and what is
done when it is full is the application's choice. Late captions are worse than a gap, so live audio
drops the oldest; every dropped millisecond is counted and told.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from threading import Condition, Lock
from typing import Any, Literal

from msgspec import Struct

from ..audio.formats import AudioFormat
from ..errors import ConfigError, GatewayError

SECONDS = 8.0  # Telnyx: 5 to 10
_COMPRESSED = 32_000  # bytes a second, more than any speech codec: there the bound is in bytes

Overflow = Literal["drop_oldest", "block", "raise"]
Preset = Literal["live", "steady", "blocks"]


class Size(Struct, frozen=True):
    """How much is sent at once: at least the first if more is to come, at most the second."""

    least: int
    most: int


class _Sizes(Struct, frozen=True):
    least: float
    most: float
    unit: Literal["s", "bytes"]


# `live`: as soon as there is anything worth a message, more at once when behind (SLNG's guide: 20
# to 100 ms). `steady`: the fewest messages within that. `blocks`: what Telnyx asks for.
PRESETS: dict[Preset, _Sizes] = {
    "live": _Sizes(0.02, 0.1, "s"),
    "steady": _Sizes(0.1, 0.1, "s"),
    "blocks": _Sizes(2048, 8192, "bytes"),
}


class Chunk(Struct, frozen=True):
    """Audio to send. `at`: seconds of the source before it, what was dropped of it included."""

    at: float
    data: bytes

    def __repr__(self) -> str:
        return f"Chunk({self.at}, <{len(self.data)} bytes>)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("at", self.at), ("bytes", len(self.data))]


class QueueFullError(GatewayError):
    """More audio came than is sent, and nothing may be dropped."""

    code = "backpressure"


class CaptureQueue:
    """Raw audio by the second; compressed audio, of which nothing can be left out, by the byte.

    `put` is for any thread, all that is async for one loop. `on_drop` is called in that loop with
    the milliseconds dropped since its last call.
    """

    def __init__(
        self,
        format: AudioFormat,
        seconds: float = SECONDS,
        overflow: Overflow = "drop_oldest",
        preset: Preset = "live",
        on_drop: Callable[[float], None] | None = None,
    ) -> None:
        if overflow == "drop_oldest" and not format.frame_bytes:
            raise ConfigError(
                f"overflow: {format.encoding} cannot go on after a gap: choose block or raise",
                param="overflow",
            )
        self._unit = format.frame_bytes or 1
        self._rate = format.sample_rate * format.frame_bytes or _COMPRESSED  # bytes a second
        self._is_timed = bool(format.frame_bytes)
        self._size = chunk_size(format, preset)
        self._most = max(self._size.least, self._whole(seconds * self._rate))
        self._overflow = overflow
        self._on_drop = on_drop
        self._lock = Lock()
        self._room = Condition(self._lock)
        self._pieces: deque[bytes] = deque()
        self._offset = 0  # bytes of the first piece that are gone
        self._held = 0  # bytes
        self._head = 0  # bytes of the source before what is held
        self._dropped = self._told = 0  # bytes
        self._is_closed = self._is_pushed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news, self._has_room = asyncio.Event(), asyncio.Event()

    # The producer's side

    def put(self, data: bytes) -> None:
        """More of the source. With `block` it waits, which the loop must not: there, use `feed`.

        Raises QueueFullError with `raise`; nothing of the data is taken then.
        """
        with self._lock:
            while data and not self._is_closed:
                data = self._take(data)
                if data and _is_loop():
                    raise RuntimeError("the queue is full, and put would stop the loop: use feed")
                if data:
                    self._room.wait()

    async def feed(self, data: bytes) -> None:
        """The same for the loop: it waits without holding others up."""
        self._loop = asyncio.get_running_loop()
        while True:
            with self._lock:
                if self._is_closed or not (data := self._take(data)):
                    return
                self._has_room.clear()
            await self._has_room.wait()

    def close(self) -> None:
        """The source has ended: what is held is still to be had."""
        with self._lock:
            self._is_closed = True
            self._room.notify_all()
            self._wake()

    def push(self) -> None:
        """What is held is to be had now, however little it is. For the loop."""
        with self._lock:
            self._is_pushed = True
            self._wake()

    def discard(self) -> None:
        """Forget what is held, uncounted, since nobody wants it any more. For the loop."""
        with self._lock:
            self._forget(self._held)
            self._freed()

    # The sender's side

    async def get(self) -> Chunk | None:
        """The next chunk, or None when the source has ended and all is sent. Nothing is lost if
        this is cancelled."""
        self._loop = asyncio.get_running_loop()
        self._tell()  # what happened before anybody asked
        while True:
            with self._lock:
                if chunk := self._next():
                    return chunk
                if self._is_closed:
                    return None
                self._news.clear()
            await self._news.wait()

    @property
    def depth_ms(self) -> float:
        """Audio that waits to be sent."""
        return self._ms(self._held)

    @property
    def dropped_ms(self) -> float:
        """Audio that was dropped since the beginning."""
        return self._ms(self._dropped)

    # All of this with the lock

    def _take(self, data: bytes) -> bytes:
        """What there is no room for."""
        room = self._most - self._held
        if len(data) <= room or self._overflow == "drop_oldest":
            self._append(data)
            if self._held > self._most:
                excess = -(-(self._held - self._most) // self._unit) * self._unit
                self._forget(excess)
                self._dropped += excess
            data = b""
        elif self._overflow == "raise":
            held, more = f"{self._held / self._rate:.1f} s", f"{self._ms(len(data)):.0f} ms"
            raise QueueFullError(f"{held} of audio wait to be sent, and {more} more came")
        else:
            self._append(data[:room])
            data = data[room:]
        self._wake()
        return data

    def _append(self, data: bytes) -> None:
        if data:
            self._pieces.append(data)
            self._held += len(data)

    def _next(self) -> Chunk | None:
        least = 1 if self._is_closed else self._unit if self._is_pushed else self._size.least
        if self._held < least:
            self._is_pushed = False
            return None
        size = min(self._size.most, self._held if self._is_closed else self._whole(self._held))
        at = self._head / self._rate if self._is_timed else 0.0
        chunk = Chunk(at, self._forget(size))
        self._freed()
        return chunk

    def _forget(self, size: int) -> bytes:
        """So many bytes off the front."""
        taken: list[bytes] = []
        self._held -= size
        self._head += size
        while size:
            piece = self._pieces[0][self._offset : self._offset + size]
            taken.append(piece)
            size -= len(piece)
            self._offset += len(piece)
            if self._offset == len(self._pieces[0]):
                self._pieces.popleft()
                self._offset = 0
        return b"".join(taken)

    def _freed(self) -> None:
        self._room.notify_all()
        self._has_room.set()  # only the loop frees room

    def _wake(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        """In the loop: there is news."""
        self._news.set()
        if self._is_closed:
            self._has_room.set()
        dropped, self._told = self._dropped - self._told, self._dropped
        if dropped and self._on_drop is not None:
            self._on_drop(self._ms(dropped))

    def _whole(self, size: float) -> int:
        return int(size) // self._unit * self._unit

    def _ms(self, size: int) -> float:
        return size / self._rate * 1000


def _is_loop() -> bool:
    """Whether this thread runs a loop right now."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def chunk_size(format: AudioFormat, preset: Preset) -> Size:
    """A preset in bytes of this format; compressed audio is always sent in blocks."""
    sizes = PRESETS[preset if format.frame_bytes else "blocks"]
    if sizes.unit == "bytes":
        unit = format.frame_bytes or 1
        return Size(round(sizes.least) // unit * unit, round(sizes.most) // unit * unit)
    return Size(format.bytes_for(sizes.least), format.bytes_for(sizes.most))
