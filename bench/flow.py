"""Streams of audio at the pace of speech: a pump that sends stamped frames on many sockets, and a
gauge that reads the stamps where they come out."""

from __future__ import annotations

import asyncio
import time
from binascii import a2b_base64

from voxway.net.base import Socket
from voxway.wire.base import Frame

PERIOD = 0.02  # seconds of audio in a frame
SLOTS = 20  # the sockets are spread over the period, as streams of strangers are
STAMP = 8  # bytes at the start of a frame: nanoseconds of the monotonic clock
JSON_HEAD = '{"type":"audio_chunk","data":"'


class Pump:
    """Sends one frame a period on each socket, from `start` to `stop`."""

    def __init__(self, sockets: list[Socket], size: int) -> None:
        self._slots = [sockets[slot::SLOTS] for slot in range(SLOTS)]
        self._silence = bytes(size - STAMP)
        self._slot = 0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.sent = 0

    def start(self) -> None:
        self._due = asyncio.get_running_loop().time()
        self._pump()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _pump(self) -> None:
        for socket in self._slots[self._slot]:
            socket.send(time.monotonic_ns().to_bytes(STAMP, "little") + self._silence)
            self.sent += 1
        self._slot = (self._slot + 1) % SLOTS
        self._due += PERIOD / SLOTS
        self._timer = asyncio.get_running_loop().call_at(self._due, self._pump)


class Gauge:
    """Counts stamped frames and how long each was under way."""

    def __init__(self) -> None:
        self.frames = 0
        self.delays: list[float] = []

    def reset(self) -> None:
        self.frames, self.delays = 0, []

    def read(self, frame: Frame) -> None:
        if isinstance(frame, bytes):
            stamp = frame[:STAMP]
        elif frame.startswith(JSON_HEAD):
            head = len(JSON_HEAD)
            stamp = a2b_base64(frame[head : head + 12])[:STAMP]
        else:
            return
        self.frames += 1
        self.delays.append((time.monotonic_ns() - int.from_bytes(stamp, "little")) / 1e9)
