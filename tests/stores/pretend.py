"""A Redis of a given clock, for the scripts of the slots, and lines to it that may break."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from voxway.stores.limits.line import Away, Call
from voxway.stores.limits.scripts import RELEASE, RENEW, RESERVE, TAKEN
from voxway.stores.limits.shared import Holdings, OnLoss, RedisSlots, Setting

T = TypeVar("T")


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of what never waits."""
    try:
        work.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("it waited")


class PretendRedis:
    """Owners of each key, with the ends of their leases in milliseconds."""

    def __init__(self) -> None:
        self.now = 0
        self.is_up = True
        self.answers_are_lost = False
        self.leases: dict[str, dict[str, int]] = {}

    def do(self, call: Call) -> int:
        args = list(call.args)
        if call.script == RENEW:
            lease = int(args.pop(0))
            for key in call.keys:
                for _ in range(int(args.pop(0))):
                    self._live(key)[str(args.pop(0))] = self.now + lease
            return 0
        leases = self._live(call.keys[0])
        if call.script == RESERVE:
            owner, limit, lease = str(args[0]), int(args[1]), int(args[2])
            if len(leases) >= limit and owner not in leases:
                return 0
            leases[owner] = self.now + lease
            return 1
        if call.script == RELEASE:
            leases.pop(str(args[0]), None)
            return 0
        assert call.script == TAKEN
        return len(leases)

    def _live(self, key: str) -> dict[str, int]:
        leases = self.leases.get(key, {})
        self.leases[key] = {owner: end for owner, end in leases.items() if end > self.now}
        return self.leases[key]


class PretendLine:
    """What `Line` promises, without a loop: calls are made at once, or fail, or are kept."""

    def __init__(self, redis: PretendRedis) -> None:
        self._redis = redis
        self._kept: list[Call] = []

    async def ask(self, call: Call, *, is_patient: bool = False) -> Any:
        if not self._redis.is_up:
            raise Away(may_have_heard=False)
        self.deliver()
        answer = self._redis.do(call)
        if self._redis.answers_are_lost:
            raise Away(may_have_heard=True)
        return answer

    def tell(self, call: Call) -> None:
        self._kept.append(call)
        self.deliver()

    def deliver(self) -> None:
        while self._redis.is_up and self._kept:
            self._redis.do(self._kept.pop(0))


class Replica:
    """A gateway as the limits see it."""

    def __init__(self, redis: PretendRedis, on_loss: OnLoss, lease: float) -> None:
        self._redis = redis
        self.incidents: list[str] = []
        self._line = PretendLine(redis)
        self._holdings = Holdings(lease)
        setting = Setting(self._line, "test", on_loss, self.incidents.append)
        self.slots = RedisSlots(setting, self._holdings)

    def beat(self) -> None:
        """What its line does every few seconds, and when Redis is back."""
        if self._redis.is_up:
            self._line.deliver()
            for call in self._holdings.calls():
                self._redis.do(call)
