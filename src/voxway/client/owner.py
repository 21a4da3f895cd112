"""What a lifeline is told by its session, and what it tells it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from ..events import Event, Ready
from ..session.pace import Pacer
from .metrics import Measurement
from .notices import Notice
from .reconnect import TELNYX, Retry

HEARTBEAT = 10.0  # seconds


class Manner(Struct, frozen=True):
    """How connections are kept. `heartbeat`: after so many seconds without a word the server is
    pinged, and after as many without an answer it is taken for lost. The callbacks are called on
    the loop, a little after."""

    retry: Retry = TELNYX
    heartbeat: float = HEARTBEAT
    on_notice: Callable[[Notice], None] | None = None
    on_measurement: Callable[[Measurement], None] | None = None


class Owner(Protocol):
    """The session that has it."""

    def pacer(self) -> Pacer:
        """A new one, for a new connection."""
        ...

    def began(self, ready: Ready) -> None:
        """Speak now: nothing that was said on an earlier connection is known on this one."""
        ...

    def told(self, event: Event, epoch: int) -> None: ...

    def lost(self) -> None:
        """The connection is gone; there will be another."""
        ...

    def failed(self, error: BaseException) -> None:
        """There will be none."""
        ...

    def writable(self) -> None:
        """There is room again for what is sent."""
        ...

    def tick(self, now: float) -> None: ...
