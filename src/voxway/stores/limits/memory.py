"""Limits of one process alone, kept in its memory. Nothing here ever waits."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from itertools import accumulate

from ...errors import LimitError
from ...limits import MINUTE, Standing

Clock = Callable[[], float]


def slots_used_up(limit: int) -> LimitError:
    """What one is told who wants a slot more than there are. Nobody knows when one falls free."""
    return LimitError(f"{limit} concurrent connections are in use", retry_after=1.0)


def rate_used_up(per_minute: int, wait: float) -> LimitError:
    """What one is told whose minute is full."""
    return LimitError(f"over {per_minute} requests a minute", retry_after=wait)


def budget_used_up(amount: int, per_minute: int, wait: float) -> LimitError:
    """What one is told who wants more than is left of a budget."""
    return LimitError(f"{amount} more would be over {per_minute} a minute", retry_after=wait)


class MemorySlots:
    """Who holds the slots of each key."""

    def __init__(self) -> None:
        self._owners: dict[str, set[str]] = {}

    async def reserve(self, key: str, limit: int, owner: str) -> None:
        owners = self._owners.get(key, set())
        if owner not in owners and len(owners) >= limit:
            raise slots_used_up(limit)
        self._owners.setdefault(key, owners).add(owner)

    def release(self, key: str, owner: str) -> None:
        owners = self._owners.get(key, set())
        owners.discard(owner)
        if not owners:
            self._owners.pop(key, None)

    async def taken(self, key: str) -> int:
        return len(self._owners.get(key, ()))


class MemoryRates:
    """When the requests of each key came: as many times as fit in a minute."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._times: dict[str, deque[float]] = {}
        self._sweep_at = clock() + MINUTE

    async def admit(self, key: str, per_minute: int) -> Standing:
        now = self._clock()
        if now >= self._sweep_at:
            self._sweep(now)
        times = self._times.get(key)
        if times is None:
            times = self._times[key] = deque()
        while times and times[0] <= now - MINUTE:
            times.popleft()
        if len(times) >= per_minute:
            raise rate_used_up(per_minute, times[0] + MINUTE - now if times else MINUTE)
        times.append(now)
        return Standing(per_minute, per_minute - len(times), times[0] + MINUTE - now)

    def _sweep(self, now: float) -> None:
        """Forget who has not come for a minute."""
        self._sweep_at = now + MINUTE
        for key in [
            k for k, times in self._times.items() if not times or times[-1] <= now - MINUTE
        ]:
            del self._times[key]


class _Spent:
    """What one key spent in the last minute."""

    def __init__(self) -> None:
        self.total = 0
        self.parts: deque[tuple[float, int]] = deque()

    def forget(self, before: float) -> None:
        while self.parts and self.parts[0][0] <= before:
            self.total -= self.parts.popleft()[1]

    def freed(self, amount: int) -> float:
        """When at least so much will have been forgotten."""
        forgotten = accumulate(part for _, part in self.parts)
        last = next(i for i, total in enumerate(forgotten) if total >= amount)
        return self.parts[last][0] + MINUTE


class MemoryBudgets:
    """What was spent of each key's budget, and when."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._spent: dict[str, _Spent] = {}

    async def reserve(self, key: str, amount: int, per_minute: int, batch: int = 0) -> None:
        now = self._clock()
        amount = min(amount, per_minute)
        spent = self._spent.setdefault(key, _Spent())
        spent.forget(now - MINUTE)
        if (over := spent.total + amount - per_minute) > 0:
            raise budget_used_up(amount, per_minute, spent.freed(over) - now)
        spent.parts.append((now, amount))
        spent.total += amount
