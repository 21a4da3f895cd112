"""Wyoming over TCP: bytes of a connection in, whole events out, with bounds on size and time.

What is no event is answered with one that says so, and the connection is closed: nobody knows
where the next would begin.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from ..errors import GatewayError, LimitError, ProtocolError
from ..wire.base import Frame
from ..wire.wyoming import refusal
from ..wire.wyoming_frames import Frames
from .base import CLOSE_TIMEOUT, HANDSHAKE_TIMEOUT, Receiver
from .front import Turnstile

Make = Callable[[str], Receiver]  # given the address of the peer


class Connection(asyncio.Protocol):
    """One connection, and the `Socket` of its receiver, whose frames are events: `Packet` in, bytes
    out. The first event has to come, and each that has begun to be whole, in HANDSHAKE_TIMEOUT."""

    def __init__(self, make: Make, turnstile: Turnstile, all: set[Connection]) -> None:
        self._make = make
        self._turnstile = turnstile
        self._all = all
        self._frames = Frames()
        self._receiver: Receiver | None = None
        self._peer = ""
        self._timer: asyncio.TimerHandle | None = None
        self._is_closing = False
        self._is_paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        name = transport.get_extra_info("peername")
        self._peer = str(name[0]) if name else ""
        self._all.add(self)
        if not self._turnstile.connected(self._peer):
            self.refuse(LimitError("too many connections from this address"))
            return
        self._receiver = self._make(self._peer)
        self._receiver.opened(self)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.discard(self)
        self._rest()
        self._is_closing = True
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            self._turnstile.disconnected(self._peer)
            receiver.closed(1006, "")

    def data_received(self, data: bytes) -> None:
        try:
            for packet in self._frames.feed(b"" if self._is_closing else data):
                self._rest()
                self._hear(packet)
                if self._is_closing:
                    return
        except ProtocolError as error:
            self.refuse(error)
        if not self._is_paused:
            self._wait_for_the_rest()

    def pause_writing(self) -> None:
        if self._receiver is not None:
            self._receiver.writable(False)

    def resume_writing(self) -> None:
        if self._receiver is not None:
            self._receiver.writable(True)

    # Socket

    def send(self, frame: Frame) -> None:
        if not self._is_closing:
            self._transport.write(cast(bytes, frame))

    def close(self, code: int = 1000, reason: str = "") -> None:
        if self._is_closing:
            return
        self._rest()
        self._is_closing = True
        # Closed with something unread, TCP would take back the answer: the rest is read, and lost.
        self._transport.resume_reading()
        if self._transport.can_write_eof():
            self._transport.write_eof()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(CLOSE_TIMEOUT, self._transport.abort)

    def pause(self) -> None:
        if not self._is_paused and not self._is_closing:
            self._is_paused = True
            self._rest()  # it is we who wait
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._is_paused and not self._is_closing:
            self._is_paused = False
            self._transport.resume_reading()
            self._wait_for_the_rest()

    def refuse(self, error: GatewayError) -> None:
        """Tell why, and close."""
        self.send(refusal(error))
        self.close()

    def cut(self) -> None:
        """End it now; what was sent still goes out."""
        self._is_closing = True
        self._transport.close()

    def _hear(self, packet: Any) -> None:
        if self._receiver is not None:
            self._receiver.frame(packet)

    def _wait_for_the_rest(self) -> None:
        if self._frames.is_partial and self._timer is None and not self._is_closing:
            self._wait()

    def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(HANDSHAKE_TIMEOUT, self._too_slow)

    def _too_slow(self) -> None:
        self._timer = None
        message = f"no whole event came within {HANDSHAKE_TIMEOUT:g} s"
        self.refuse(GatewayError(message, code="idle_timeout_exceeded"))

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
