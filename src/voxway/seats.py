"""The sockets that a provider allows for one key, at a time: taken in turn, over all gateways that
count together."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from weakref import WeakValueDictionary

from .errors import LimitError
from .net.base import Receiver, Socket
from .stores.limits import Slots
from .wire.base import Frame

TIMEOUT = 10.0  # seconds that a session waits for a seat
POLL = 0.25  # seconds until it is tried again: another gateway's seats fall free unheard


class _Row:
    """Those of this process who want one of the same seats."""

    def __init__(self) -> None:
        self.queue = asyncio.Lock()  # fair: who came first is served first
        self.freed = asyncio.Event()


class Seats:
    """All of them, counted in `slots`."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._rows: WeakValueDictionary[str, _Row] = WeakValueDictionary()

    async def take(self, key: str, most: int, receiver: Receiver) -> Seated:
        """The receiver, on a seat that falls free with its socket. Raises LimitError if there is
        none for too long."""
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = _Row()
        owner = secrets.token_hex(8)
        is_taken = False
        try:
            async with asyncio.timeout(TIMEOUT), row.queue:
                await self._wait(key, most, owner, row)
            is_taken = True
        except TimeoutError:
            message = f"all {most} connections that the provider allows are in use"
            raise LimitError(message, retry_after=TIMEOUT) from None
        finally:
            if not is_taken:  # it may have been ours in the moment in which we gave up
                self._slots.release(key, owner)

        def free() -> None:
            self._slots.release(key, owner)
            row.freed.set()

        return Seated(receiver, free)

    async def _wait(self, key: str, most: int, owner: str, row: _Row) -> None:
        while True:
            row.freed.clear()
            try:
                return await self._slots.reserve(key, most, owner)
            except LimitError:
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL):
                        await row.freed.wait()


class Seated:
    """A receiver that gives its seat back when its socket is gone."""

    def __init__(self, receiver: Receiver, free: Callable[[], None]) -> None:
        self._receiver = receiver
        self._free: Callable[[], None] | None = free

    def opened(self, socket: Socket) -> None:
        self._receiver.opened(socket)

    def frame(self, frame: Frame) -> None:
        self._receiver.frame(frame)

    def writable(self, writable: bool) -> None:
        self._receiver.writable(writable)

    def closed(self, code: int, reason: str) -> None:
        self.release()
        self._receiver.closed(code, reason)

    def release(self) -> None:
        """Give it back; safe to call twice."""
        free, self._free = self._free, None
        if free is not None:
            free()
