"""The one place where a bug of ours is caught, so that it costs a session and not the process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from .net.base import Receiver, Socket
from .wire.base import Frame

log = structlog.get_logger("voxway")


@contextmanager
def contained(session: str, on_bug: Callable[[], None]) -> Iterator[None]:
    """Run the block; log what escapes it, and call `on_bug`."""
    try:
        yield
    except Exception:
        log.exception("bug", session=session)
        on_bug()


class Guarded:
    """A receiver whose exceptions end its own session, with close code 1011."""

    def __init__(self, receiver: Receiver, session: str) -> None:
        self._receiver = receiver
        self._session = session
        self._socket: Socket | None = None

    def opened(self, socket: Socket) -> None:
        self._socket = socket
        with contained(self._session, self._give_up):
            self._receiver.opened(socket)

    def frame(self, frame: Frame) -> None:
        try:  # `contained` by hand: on the way of every frame it would cost a microsecond
            self._receiver.frame(frame)
        except Exception:
            log.exception("bug", session=self._session)
            self._give_up()

    def writable(self, writable: bool) -> None:
        with contained(self._session, self._give_up):
            self._receiver.writable(writable)

    def closed(self, code: int, reason: str) -> None:
        with contained(self._session, self._give_up):
            self._receiver.closed(code, reason)

    def run(self, call: Callable[[], None]) -> None:
        """Do something else with the same care."""
        with contained(self._session, self._give_up):
            call()

    def _give_up(self) -> None:
        if self._socket is not None:
            self._socket.close(1011, "internal error")
