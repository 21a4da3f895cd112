"""An engine worker without an engine: it says that it is ready, and its audio comes from a pump."""

from __future__ import annotations

from voxway.net.base import Acceptance, Request, Socket
from voxway.wire.base import Frame

from .flow import Gauge

READY = '{"type":"ready","session_id":"synthetic"}'


class Stream:
    """One session: greets, and lets the gauge read what audio it is sent."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._socket: Socket | None = None

    def opened(self, socket: Socket) -> None:
        self._socket = socket
        self._upstream.sockets.append(socket)

    def frame(self, frame: Frame) -> None:
        if isinstance(frame, bytes):
            self._upstream.gauge.read(frame)
        elif self._socket is not None and '"init"' in frame:
            self._socket.send(READY)

    def writable(self, writable: bool) -> None: ...

    def closed(self, code: int, reason: str) -> None:
        if self._socket is not None:
            self._upstream.sockets.remove(self._socket)


class Upstream:
    """Takes every connection. `sockets` are the open ones."""

    def __init__(self, gauge: Gauge) -> None:
        self.gauge = gauge
        self.sockets: list[Socket] = []

    async def accept(self, request: Request) -> Acceptance:
        return Acceptance(Stream(self))
