"""Limits that several processes share through Redis.

What to do while Redis is away is the operator's choice: let everybody in, let nobody in, or let
each process count for itself what it lets in.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Protocol

from msgspec import Struct

from ...config import OnLoss as OnLoss
from ...errors import GatewayError
from ...limits import MINUTE, Standing
from .line import Away, Call, Observer
from .memory import (
    Clock,
    MemoryBudgets,
    MemoryRates,
    budget_used_up,
    rate_used_up,
    slots_used_up,
)
from .scripts import ADMIT, GIVE_BACK, GRANT, RELEASE, RENEW, RESERVE, TAKEN

RENEWED = 500  # leases in one call, so that Redis never works long at one
CREDIT = 5.0  # seconds in which what was reserved of a budget is spent, or given back
# What was granted at the end of a second may be spent so much later, and is to count for a minute.
BUDGET_WINDOW = round(MINUTE + CREDIT) + 1


class Asked(Protocol):
    """Whoever answers calls: `line.Line`."""

    async def ask(self, call: Call, *, is_patient: bool = False) -> Any: ...

    def tell(self, call: Call) -> None: ...


class Setting(Struct, frozen=True):
    """What the shared limits of one process have in common."""

    line: Asked
    prefix: str
    on_loss: OnLoss
    observer: Observer

    def counts_itself(self) -> bool:
        """Whether a decision without Redis is by what this process knows; else all are let in.
        Raises GatewayError if nobody is."""
        self.observer("unchecked")
        if self.on_loss == "fail_closed":
            raise GatewayError(
                "the limits cannot be checked at the moment", code="not_ready", retry_after=1.0
            )
        return self.on_loss == "local"


class Holdings:
    """The slots that this process holds, by what Redis calls them."""

    def __init__(self, lease: float) -> None:
        self.lease = round(lease * 1000)
        self._owners: dict[str, set[str]] = {}

    def add(self, name: str, owner: str) -> None:
        self._owners.setdefault(name, set()).add(owner)

    def remove(self, name: str, owner: str) -> bool:
        """Whether it was held."""
        owners = self._owners.get(name, set())
        if owner not in owners:
            return False
        owners.remove(owner)
        if not owners:
            del self._owners[name]
        return True

    def count(self, name: str) -> int:
        return len(self._owners.get(name, ()))

    def calls(self) -> list[Call]:
        """What renews all leases."""
        calls: list[Call] = []
        names: list[str] = []
        args: list[str | int] = [self.lease]
        for name, owners in self._owners.items():
            names.append(name)
            args += [len(owners), *owners]
            if len(args) > RENEWED:
                calls.append(Call(RENEW, tuple(names), tuple(args)))
                names, args = [], [self.lease]
        if names:
            calls.append(Call(RENEW, tuple(names), tuple(args)))
        return calls


class RedisSlots:
    """Slots as leases: they end by themselves if the process does not renew them."""

    def __init__(self, setting: Setting, holdings: Holdings) -> None:
        self._setting = setting
        self._line = setting.line
        self._holdings = holdings

    async def reserve(self, key: str, limit: int, owner: str) -> None:
        name = self._name(key)
        try:
            call = Call(RESERVE, (name,), (owner, limit, self._holdings.lease))
            is_in = bool(await self._line.ask(call, is_patient=True))
        except asyncio.CancelledError:
            self._line.tell(Call(RELEASE, (name,), (owner,)))
            raise
        except Away as away:
            is_in = self._is_in_without(name, limit, owner, away)
        if not is_in:
            raise slots_used_up(limit)
        self._holdings.add(name, owner)

    def release(self, key: str, owner: str) -> None:
        name = self._name(key)
        if self._holdings.remove(name, owner):
            self._line.tell(Call(RELEASE, (name,), (owner,)))

    async def taken(self, key: str) -> int:
        name = self._name(key)
        try:
            return int(await self._line.ask(Call(TAKEN, (name,), ())))
        except Away:
            return self._holdings.count(name)

    def _is_in_without(self, name: str, limit: int, owner: str, away: Away) -> bool:
        is_in = False
        try:
            is_in = not self._setting.counts_itself() or self._holdings.count(name) < limit
        finally:
            if not is_in and away.may_have_heard:
                self._line.tell(Call(RELEASE, (name,), (owner,)))
        return is_in

    def _name(self, key: str) -> str:
        return f"{self._setting.prefix}:slots:{key}"


class RedisRates:
    """When the requests of each key came, by Redis' clock."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._without = MemoryRates()

    async def admit(self, key: str, per_minute: int) -> Standing:
        name = f"{self._setting.prefix}:rates:{key}"
        try:
            call = Call(ADMIT, (name,), (per_minute, round(MINUTE * 1000)))
            is_in, left, reset = await self._setting.line.ask(call)
        except Away:
            if self._setting.counts_itself():
                return await self._without.admit(key, per_minute)
            return Standing(per_minute, per_minute, 0.0)
        if not is_in:
            raise rate_used_up(per_minute, reset / 1000)
        return Standing(per_minute, left, reset / 1000)


class _Credit(Struct, eq=False):
    """What is left of a grant, which was made in a `second` of Redis' clock."""

    left: int
    second: int
    until: float


class RedisBudgets:
    """Budgets of which each process fetches a batch at a time, and spends it by itself."""

    def __init__(self, setting: Setting, clock: Clock = time.monotonic) -> None:
        self._setting = setting
        self._clock = clock
        self._credits: dict[str, list[_Credit]] = {}
        self._without = MemoryBudgets(clock)

    async def reserve(self, key: str, amount: int, per_minute: int, batch: int = 0) -> None:
        amount = min(amount, per_minute)
        spent = self._spend(key, amount)
        missing = amount - sum(part for _, part in spent)
        is_enough = not missing
        try:
            if missing:
                await self._fetch(key, missing, per_minute, batch)
                is_enough = True
        finally:
            if not is_enough:
                for credit, part in spent:
                    credit.left += part

    def lapsed(self) -> list[Call]:
        """What gives back that which was not spent in time."""
        now = self._clock()
        calls: list[Call] = []
        for key, credits in list(self._credits.items()):
            calls += [
                Call(GIVE_BACK, (self._name(key),), (credit.second, credit.left))
                for credit in credits
                if credit.left and credit.until <= now
            ]
            self._credits[key] = [c for c in credits if c.left and c.until > now]
            if not self._credits[key]:
                del self._credits[key]
        return calls

    def _spend(self, key: str, amount: int) -> list[tuple[_Credit, int]]:
        """Take what is there, up to an amount: so much of each credit."""
        now = self._clock()
        spent = []
        for credit in self._credits.get(key, ()):
            part = min(credit.left, amount) if credit.until > now else 0
            if part:
                credit.left -= part
                amount -= part
                spent.append((credit, part))
        return spent

    async def _fetch(self, key: str, amount: int, per_minute: int, batch: int) -> None:
        """Get an amount to spend at once, and the rest of a batch to keep."""
        until = self._clock() + CREDIT
        call = Call(GRANT, (self._name(key),), (amount, batch, per_minute, BUDGET_WINDOW))
        try:
            granted, second = await self._setting.line.ask(call)
        except Away:
            if self._setting.counts_itself():
                await self._without.reserve(key, amount, per_minute)
            return
        if not granted:
            raise budget_used_up(amount, per_minute, float(second))
        if granted > amount:
            credits = self._credits.setdefault(key, [])
            credits.append(_Credit(granted - amount, second, until))

    def _name(self, key: str) -> str:
        return f"{self._setting.prefix}:budgets:{key}"
