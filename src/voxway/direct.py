"""A session without a client socket: commands in and events out, for HTTP requests.

It is the same relay with the same session; only its client speaks the vocabulary itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from .errors import RULES, GatewayError
from .events import Ended, Event, Failed
from .net.base import Receiver
from .wire.base import Frame

MAX_WAITING = 256  # events not yet taken before the upstream is paused


class Plain:
    """The codec between two who speak the vocabulary: a frame is an event."""

    def opening(self) -> tuple[Event, ...]:
        return ()

    def closing(self, code: int, reason: str) -> tuple[int, str]:
        return code, reason

    def decode(self, frame: Any) -> tuple[Event, ...]:
        return (frame,)

    def encode(self, event: Event) -> tuple[Any, ...]:
        return (event,)


class Direct:
    """The client's end of such a session. Iterate it for what comes back, until `Ended`."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._receiver: Receiver | None = None
        self._is_paused = False
        self._has_room = asyncio.Event()
        self._has_room.set()

    def open(self, receiver: Receiver) -> None:
        """Connect it to a relay whose codec is `Plain`."""
        self._receiver = receiver
        receiver.opened(self)

    def say(self, command: Event) -> None:
        """Give the session a command."""
        if self._receiver is not None:
            frame: Any = command
            self._receiver.frame(frame)

    async def room(self) -> None:
        """Wait while the session takes no more. For audio, which may come faster than is wanted."""
        await self._has_room.wait()

    async def __aiter__(self) -> AsyncIterator[Event]:
        while (event := await self._events.get()) is not None:
            if self._is_paused and self._events.qsize() < MAX_WAITING // 2:
                self._is_paused = False
                if self._receiver is not None:
                    self._receiver.writable(True)
            yield event

    def leave(self) -> None:
        """Go away, finished or not. Safe to call twice."""
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.closed(1000, "")
            self._events.put_nowait(None)
            self._has_room.set()

    # Socket, as the relay sees it

    def send(self, frame: Frame) -> None:
        event: Any = frame
        self._events.put_nowait(event)
        if not self._is_paused and self._events.qsize() > MAX_WAITING:
            self._is_paused = True
            if self._receiver is not None:
                self._receiver.writable(False)

    def close(self, code: int = 1000, reason: str = "") -> None:
        # The relay closes from within one of its own callbacks: it must return first.
        asyncio.get_running_loop().call_soon(self.leave)

    def pause(self) -> None:
        self._has_room.clear()

    def resume(self) -> None:
        self._has_room.set()


def failure(event: Failed | Ended | None) -> GatewayError:
    """How a session went wrong, as the exception that an HTTP answer is made from. None: it ended
    without a word."""
    match event:
        case Failed(code=code, message=message, param=param, retry_after=wait):
            return GatewayError(message, code=code, param=param, retry_after=wait)
        case Ended(reason=reason) if reason in RULES:
            return GatewayError(f"the session ended: {reason}", code=reason)
        case _:
            return GatewayError("the session ended before its work was done", code="backend_error")
