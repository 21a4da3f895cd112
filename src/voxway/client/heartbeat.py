"""Whether a connection still lives. Pure: the time is an argument.

Whatever comes is a sign of life. Where nothing does, the server is pinged; if that is not answered
either, the connection is taken for lost, though its socket does not say so. On a thin line a ping
waits behind all the audio before it: each false alarm doubles the patience, and each answer says
how much is needed.
"""

from __future__ import annotations

LONGEST = 60.0  # seconds


class Heartbeat:
    """`interval` (seconds) is the silence after which a ping is due, and the patience at first."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._patience = interval
        self._heard_at = 0.0
        self._pinged_at: float | None = None

    def opened(self, now: float) -> None:
        """There is a new connection."""
        self._heard_at, self._pinged_at = now, None

    def heard(self, now: float) -> None:
        """Something came."""
        self._heard_at, self._pinged_at = now, None

    def answered(self, seconds: float, now: float) -> None:
        """A ping was answered after so long."""
        self.heard(now)
        self._patience = max(self._interval, min(2 * seconds, LONGEST))

    def is_due(self, now: float) -> bool:
        """Whether to ping now, which is then counted as done."""
        if self._pinged_at is not None or now - self._heard_at < self._interval:
            return False
        self._pinged_at = now
        return True

    def is_missed(self, now: float) -> bool:
        """Whether the connection is to be taken for lost; there is more patience with the next."""
        if self._pinged_at is None or now - self._pinged_at < self._patience:
            return False
        self._pinged_at = None
        self._patience = max(self._interval, min(2 * self._patience, LONGEST))
        return True
