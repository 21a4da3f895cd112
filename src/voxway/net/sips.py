"""Between a transport and picows: how much is read at a time."""

from __future__ import annotations

import asyncio

from picows.picows import WSProtocol  # type: ignore[attr-defined]

SIP = 64 * 1024  # bytes


class Sips(asyncio.BufferedProtocol):
    """Reads little at a time. picows 2.3.1 doubles its buffer whenever one read has filled it, and
    never gives it back (2026-11-21, tests/net): megabytes for whoever talks fast, and as much still
    to be heard after a pause."""

    def __init__(self, whole: WSProtocol) -> None:
        self._whole = whole

    def get_buffer(self, sizehint: int) -> memoryview:
        buffer: memoryview = self._whole.get_buffer(sizehint)
        return buffer[:SIP]

    def buffer_updated(self, nbytes: int) -> None:
        self._whole.buffer_updated(nbytes)

    def eof_received(self) -> bool | None:
        is_kept: bool | None = self._whole.eof_received()
        return is_kept

    def connection_lost(self, exc: Exception | None) -> None:
        self._whole.connection_lost(exc)

    def pause_writing(self) -> None:
        self._whole.pause_writing()

    def resume_writing(self) -> None:
        self._whole.resume_writing()
