"""When a lost connection is tried again, and when it is not. Pure: time and chance are arguments.

Two schedules are published: in SLNG's WebSocket guide (1 s, doubling up to 30 s) and in Telnyx's
production patterns (250 ms to 5 s, with up to 500 ms at random). Whether at all is for the one
table of errors to say.
"""

from __future__ import annotations

from itertools import islice

from msgspec import Struct

from ..backoff import doubling
from ..errors import GatewayError

JITTER = 0.5  # seconds: at most so much is added to each delay, so that not all come back at once
STABLE = 10.0  # seconds


class Retry(Struct, frozen=True, kw_only=True):
    """A schedule: the delays before each next attempt, the last for all that follow. They count
    anew after a connection of `stable` seconds. After `attempts` in a row it is given up (None:
    never), or after `first_attempts` if there was no connection yet."""

    delays: tuple[float, ...]
    jitter: float = JITTER
    stable: float = STABLE
    attempts: int | None = None
    first_attempts: int | None = 5


SLNG = Retry(delays=tuple(islice(doubling(1.0, 30.0), 6)))
TELNYX = Retry(delays=(0.25, 0.5, 1.0, 2.0, 5.0))
NEVER = Retry(delays=(0.0,), attempts=1, first_attempts=1)


class Backoff:
    """Where one session stands in its schedule."""

    def __init__(self, retry: Retry) -> None:
        self._retry = retry
        self._failures = 0
        self._was_open = False
        self._open_since: float | None = None

    @property
    def attempt(self) -> int:
        """Which attempt in a row the present one is."""
        return self._failures + 1

    def opened(self, now: float) -> None:
        """The connection is there, and ready."""
        self._was_open, self._open_since = True, now

    def failed(self, error: GatewayError, now: float, chance: float) -> float | None:
        """The connection was lost or not had: seconds until the next attempt, None for never.
        `chance` is from 0 to 1."""
        opened, self._open_since = self._open_since, None
        if opened is not None and now - opened >= self._retry.stable:
            self._failures = 0
        self._failures += 1
        retry = self._retry
        most = retry.attempts if self._was_open else retry.first_attempts
        if not error.rule.retryable or (most is not None and self._failures >= most):
            return None
        delay = retry.delays[min(self._failures, len(retry.delays)) - 1]
        return max(delay, error.retry_after or 0.0) + chance * retry.jitter
