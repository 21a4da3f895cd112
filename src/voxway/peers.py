"""The upstream end of a session: a socket that is dialled when the configuration is known.

What the session says before the socket is open is kept in order and sent then. What comes back is
stamped with the epoch it was made under: one more for every abort that the upstream has confirmed.
"""

from __future__ import annotations

from typing import Protocol

from .events import Audio, Cleared, Event, Malformed, Text
from .net.base import Socket
from .wire.base import Codec, Frame, decode

# What may wait for the upstream to open: half a minute of 16 kHz audio.
MAX_WAITING = 1024 * 1024  # bytes


class Side(Protocol):
    """What an upstream needs of its relay."""

    def from_upstream(self, event: Event, epoch: int) -> None: ...

    def upstream_lost(self, message: str) -> None: ...

    def upstream_writable(self, writable: bool) -> None: ...


class Upstream:
    """Receiver of the upstream socket, and the way to say something to it."""

    def __init__(self, codec: Codec, side: Side) -> None:
        self._codec = codec
        self._side = side
        self._socket: Socket | None = None
        self._waiting: list[Event] = []
        self._waiting_size = 0
        self._epochs: dict[str, int] = {}
        self._done = False

    def send(self, event: Event) -> None:
        """Say it now, or once the socket is open."""
        if self._socket is not None:
            for frame in self._codec.encode(event):
                self._socket.send(frame)
        elif not self._done:
            self._waiting.append(event)
            before, self._waiting_size = self._waiting_size, self._waiting_size + weight(event)
            if before < MAX_WAITING <= self._waiting_size:
                self._side.upstream_writable(False)

    def close(self) -> None:
        """Let go of the upstream; nothing of it is heard any more."""
        self._done = True
        self._waiting.clear()
        if self._socket is not None:
            self._socket.close()

    def pause(self) -> None:
        if self._socket is not None:
            self._socket.pause()

    def resume(self) -> None:
        if self._socket is not None:
            self._socket.resume()

    # Receiver

    def opened(self, socket: Socket) -> None:
        self._socket = socket
        if self._done:
            socket.close()
            return
        waiting, self._waiting = self._waiting, []
        if self._waiting_size >= MAX_WAITING:
            self._side.upstream_writable(True)
        for event in waiting:
            self.send(event)

    def frame(self, frame: Frame) -> None:
        for event in decode(self._codec, frame):
            if self._done:
                return
            if isinstance(event, Malformed):
                self._side.upstream_lost(f"the backend broke its protocol: {event.message}")
                return
            if isinstance(event, Cleared):
                self._epochs[event.context] = self._epochs.get(event.context, 0) + 1
            self._side.from_upstream(event, self._epochs.get(event.context, 0))

    def writable(self, writable: bool) -> None:
        if not self._done:
            self._side.upstream_writable(writable)

    def closed(self, code: int, reason: str) -> None:
        self._socket = None
        if not self._done:
            self._done = True
            self._side.upstream_lost(f"the backend closed the connection ({code})")


def weight(event: Event) -> int:
    """About how many bytes an event keeps in memory."""
    match event:
        case Audio(data=data):
            return len(data) + 64
        case Text(text=text):
            return len(text) + 64
        case _:
            return 64
