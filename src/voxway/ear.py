"""The receiver of one socket that we dialled, between its frames and the events that they are."""

from __future__ import annotations

from typing import Protocol

from .events import Event, Finish
from .net.base import Socket
from .wire.base import Codec, Frame, decode


class Listener(Protocol):
    """Who wants the socket. Nothing is told any more once it has left it."""

    def opened(self) -> None: ...

    def event(self, event: Event) -> None: ...

    def closed(self, code: int, reason: str) -> None:
        """It was open, and it was not us who closed it."""
        ...

    def writable(self, writable: bool) -> None: ...


class Ear:
    """One socket, for as long as its listener wants it."""

    def __init__(self, listener: Listener, codec: Codec) -> None:
        self._listener: Listener | None = listener
        self._codec = codec
        self._socket: Socket | None = None

    def say(self, event: Event) -> None:
        if self._socket is not None:
            for frame in self._codec.encode(event):
                self._socket.send(frame)

    def pause(self) -> None:
        if self._socket is not None:
            self._socket.pause()

    def resume(self) -> None:
        if self._socket is not None:
            self._socket.resume()

    def leave(self) -> None:
        """Part politely: sessions that linger count against the provider's limits."""
        self._listener = None
        if self._socket is not None:
            self.say(Finish(abort=True))
            self._socket.close()

    def opened(self, socket: Socket) -> None:
        self._socket = socket
        if self._listener is None:
            socket.close()
        else:
            self._listener.opened()

    def frame(self, frame: Frame) -> None:
        for event in decode(self._codec, frame):
            if self._listener is None:
                return
            self._listener.event(event)

    def writable(self, writable: bool) -> None:
        if self._listener is not None:
            self._listener.writable(writable)

    def closed(self, code: int, reason: str) -> None:
        was_open, self._socket = self._socket is not None, None
        listener, self._listener = self._listener, None
        if listener is not None and was_open:  # else whoever dials hears of it
            listener.closed(code, reason)
