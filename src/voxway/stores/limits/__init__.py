"""Who may come in, how often, and how much may be sent on: counted in one process, or by several
together in Redis.

Concurrency is counted in leases, which end by themselves when a process dies; rates by the times of
the last minute's requests, so that no minute ever sees more than its number; and the budgets that
providers give by batches that each process spends by itself.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from ...errors import ConfigError
from ...limits import Standing
from .memory import MemoryBudgets, MemoryRates, MemorySlots

if TYPE_CHECKING:
    from .line import Incident, Observer, Terms
    from .shared import OnLoss


class Slots(Protocol):
    """Concurrent connections by key. An owner is whatever holds one: the id of a session."""

    async def reserve(self, key: str, limit: int, owner: str) -> None:
        """Take one slot. Raises LimitError if there is none left."""
        ...

    def release(self, key: str, owner: str) -> None:
        """Let it go; nothing happens if it was not held."""
        ...

    async def taken(self, key: str) -> int: ...


class Rates(Protocol):
    """Requests by key, so many in any minute."""

    async def admit(self, key: str, per_minute: int) -> Standing:
        """Count one request. Raises LimitError that says when the next one may come."""
        ...


class Budgets(Protocol):
    """Amounts by key, so much in any minute: what a provider takes of all of us together."""

    async def reserve(self, key: str, amount: int, per_minute: int, batch: int = 0) -> None:
        """Spend an amount, fetching a `batch` if none is there. An amount over a whole minute's
        budget needs all of it. Raises LimitError that says when there will be enough."""
        ...


class Limits(Struct, frozen=True):
    """All the limits of a process. `run` is to run as long as they are used."""

    slots: Slots
    rates: Rates
    budgets: Budgets
    run: Callable[[], Coroutine[None, None, None]]


def in_memory() -> Limits:
    """Limits of this process alone."""
    return Limits(MemorySlots(), MemoryRates(), MemoryBudgets(), _nothing_to_do)


async def _nothing_to_do() -> None:
    await asyncio.Event().wait()


def _unobserved(incident: Incident) -> None: ...


def in_redis(
    url: str,
    on_loss: OnLoss = "local",
    observer: Observer = _unobserved,
    *,
    prefix: str = "voxway",
    terms: Terms | None = None,
) -> Limits:
    """Limits that all processes with this Redis share. The observer is told when Redis is `lost`
    and `back`, and of each decision that was made without it. Raises ConfigError."""
    try:
        from .line import Line, Terms
    except ImportError as error:
        raise ConfigError(
            "redis_url needs the redis package: pip install 'voxway[redis]'", param="redis_url"
        ) from error
    from .shared import Holdings, RedisBudgets, RedisRates, RedisSlots, Setting

    terms = terms or Terms()
    holdings = Holdings(terms.lease)
    # One slot stands for the process itself: so there is always something to write, and a Redis
    # that cannot be written to is not taken for one that is back.
    holdings.add(f"{prefix}:slots:replicas", f"{os.getpid()}-{secrets.token_hex(4)}")
    try:
        line = Line(url, lambda: [*holdings.calls(), *budgets.lapsed()], observer, terms)
    except ValueError:  # whose text has the address in it, and so a password
        raise ConfigError(
            "redis_url is not like redis://HOST:PORT/0, rediss://... or unix:///PATH",
            param="redis_url",
        ) from None
    setting = Setting(line, prefix, on_loss, observer)
    budgets = RedisBudgets(setting)
    return Limits(RedisSlots(setting, holdings), RedisRates(setting), budgets, line.run)
