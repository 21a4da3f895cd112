"""The receiver of one socket, for whoever has to know when it is gone, and of every bug."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager

from ..ear import Ear
from ..net.base import Socket
from ..wire.base import Frame


class Watched:
    """Everything that its ear is told happens in the `care` of its owner. `link` is the socket,
    once it is open; `gone` is set when there is none any more."""

    def __init__(self, ear: Ear, care: Callable[[], AbstractContextManager[None]]) -> None:
        self.ear = ear
        self.link: Socket | None = None
        self.gone = asyncio.Event()
        self._care = care

    def opened(self, socket: Socket) -> None:
        self.link = socket
        with self._care():
            self.ear.opened(socket)

    def frame(self, frame: Frame) -> None:
        with self._care():
            self.ear.frame(frame)

    def writable(self, writable: bool) -> None:
        with self._care():
            self.ear.writable(writable)

    def closed(self, code: int, reason: str) -> None:
        self.gone.set()
        with self._care():
            self.ear.closed(code, reason)
