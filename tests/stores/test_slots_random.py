"""Whatever is opened, closed, killed, cut off or restarted, in whatever order: the slots taken are
the sockets open, and those of the dead for as long as their leases last."""

from __future__ import annotations

import asyncio
import itertools
import secrets

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from stores.pretend import PretendRedis, Replica, at_once
from stores.racing import QUICK
from voxway.errors import GatewayError, LimitError
from voxway.stores.limits import Limits, in_redis
from voxway.stores.limits.line import Terms
from voxway.stores.limits.memory import MemorySlots
from voxway.stores.limits.shared import OnLoss

LIMIT = 3
KEYS = ("one", "other")
LEASE, BEAT = Terms().lease, Terms().beat
REPLICAS = range(3)

replicas = st.sampled_from(REPLICAS)
keys = st.sampled_from(KEYS)


class Alone(RuleBasedStateMachine):
    """One process that keeps its slots in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.slots = MemorySlots()
        self.names = itertools.count()
        self.open: list[tuple[str, str]] = []

    def count(self, key: str) -> int:
        return sum(key == of for of, _ in self.open)

    @rule(key=keys)
    def open_one(self, key: str) -> None:
        owner = f"s{next(self.names)}"
        is_room = self.count(key) < LIMIT
        try:
            at_once(self.slots.reserve(key, LIMIT, owner))
        except LimitError:
            assert not is_room
        else:
            assert is_room
            self.open.append((key, owner))

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def close_one(self, data: st.DataObject) -> None:
        key, owner = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        self.slots.release(key, owner)
        self.slots.release(key, owner)

    @invariant()
    def slots_are_open_sockets(self) -> None:
        for key in KEYS:
            assert at_once(self.slots.taken(key)) == self.count(key)


class Together(RuleBasedStateMachine):
    """Three processes with one Redis. The machine keeps its own account of who has a lease."""

    on_loss: OnLoss = "fail_closed"

    def __init__(self) -> None:
        super().__init__()
        self.redis = PretendRedis()
        self.replicas = {n: self.start(n) for n in REPLICAS}
        self.names = itertools.count()
        self.beat_at = dict.fromkeys(REPLICAS, BEAT)
        self.open: dict[str, tuple[int, str]] = {}  # by owner: where, and the key
        self.dead: dict[str, tuple[str, float]] = {}  # the key, and when the lease ends
        self.unheard: dict[str, tuple[int, str]] = {}  # closed, and Redis was not told yet
        self.renewed: dict[str, float] = {}

    def start(self, replica: int) -> Replica:
        return Replica(self.redis, self.on_loss, LEASE)

    @property
    def now(self) -> float:
        return self.redis.now / 1000

    def count(self, key: str) -> int:
        return sum(key == of for _, of in self.open.values())

    def ghosts(self, key: str) -> int:
        return sum(key == of and end > self.now for of, end in self.dead.values())

    def reserve(self, replica: int, key: str) -> bool:
        owner = f"s{next(self.names)}"
        try:
            at_once(self.replicas[replica].slots.reserve(key, LIMIT, owner))
        except GatewayError:
            return False
        self.open[owner] = replica, key
        if self.redis.is_up:
            self.renewed[owner] = self.now
        return True

    @precondition(lambda self: self.redis.is_up)
    @rule(replica=replicas, key=keys)
    def open_one(self, replica: int, key: str) -> None:
        is_room = self.count(key) + self.ghosts(key) < LIMIT
        assert self.reserve(replica, key) == is_room

    @precondition(lambda self: not self.redis.is_up)
    @rule(replica=replicas, key=keys)
    def open_without_redis(self, replica: int, key: str) -> None:
        own = sum(at == (replica, key) for at in self.open.values())
        assert self.reserve(replica, key) == (self.on_loss == "local" and own < LIMIT)

    @precondition(lambda self: self.redis.is_up)
    @rule(replica=replicas, key=keys)
    def open_and_hear_nothing(self, replica: int, key: str) -> None:
        self.redis.answers_are_lost = True
        is_in = self.reserve(replica, key)
        self.redis.answers_are_lost = False
        assert not (is_in and self.on_loss == "fail_closed")
        if is_in:  # counted here, told with the next beat
            self.beat(replica)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def close_one(self, data: st.DataObject) -> None:
        owner = data.draw(st.sampled_from(sorted(self.open)))
        replica, key = self.open.pop(owner)
        self.replicas[replica].slots.release(key, owner)
        if not self.redis.is_up:
            self.unheard[owner] = replica, key

    @rule(replica=replicas)
    def kill(self, replica: int) -> None:
        for known in (self.open, self.unheard):
            for owner, (where, key) in list(known.items()):
                if where == replica:
                    del known[owner]
                    self.dead[owner] = key, self.renewed.get(owner, -LEASE) + LEASE
        self.replicas[replica] = self.start(replica)

    @rule(seconds=st.floats(0.0, BEAT))
    def pass_time(self, seconds: float) -> None:
        until = self.redis.now + round(seconds * 1000)
        while self.redis.now < until:
            due = min(REPLICAS, key=self.beat_at.__getitem__)
            self.redis.now = min(until, round(self.beat_at[due] * 1000))
            if self.now >= self.beat_at[due]:
                self.beat_at[due] = self.now + BEAT
                self.beat(due)

    def beat(self, replica: int) -> None:
        if self.redis.is_up:
            self.replicas[replica].beat()
            for owner, (where, _) in self.open.items():
                if where == replica:
                    self.renewed[owner] = self.now

    @precondition(lambda self: self.redis.is_up)
    @rule()
    def lose_redis(self) -> None:
        self.redis.is_up = False

    @precondition(lambda self: not self.redis.is_up)
    @rule(forgot=st.booleans())
    def find_redis(self, forgot: bool) -> None:
        self.redis.is_up = True
        if forgot:
            self.redis.leases.clear()
            self.dead.clear()
        self.unheard.clear()
        for replica in REPLICAS:
            self.beat(replica)

    @invariant()
    def slots_are_open_sockets(self) -> None:
        for key in KEYS:
            if self.redis.is_up:
                taken = {at_once(replica.slots.taken(key)) for replica in self.replicas.values()}
                assert taken == {self.count(key) + self.ghosts(key)}
            if self.on_loss == "fail_closed":
                assert self.count(key) <= LIMIT


class TogetherAndAlone(Together):
    """The same where each goes on by itself while Redis is away."""

    on_loss = "local"


class WithRedis(RuleBasedStateMachine):
    """Three processes with a real Redis; fewer steps, since leases take their time."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.key = f"random-{secrets.token_hex(4)}"
        self.names = itertools.count()
        self.open: list[tuple[int, str]] = []
        self.has_killed = False
        self.replicas: dict[int, tuple[Limits, asyncio.Task[None]]] = {}
        for replica in REPLICAS:
            self.runner.run(self.start(replica))

    async def start(self, replica: int) -> None:
        limits = in_redis(self.url, "fail_closed", terms=QUICK)
        self.replicas[replica] = limits, asyncio.create_task(limits.run())

    @rule(replica=replicas)
    def open_one(self, replica: int) -> None:
        owner, is_room = f"s{next(self.names)}", len(self.open) < LIMIT
        try:
            self.runner.run(self.replicas[replica][0].slots.reserve(self.key, LIMIT, owner))
        except LimitError:
            assert not is_room
        else:
            assert is_room
            self.open.append((replica, owner))

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def close_one(self, data: st.DataObject) -> None:
        replica, owner = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        self.replicas[replica][0].slots.release(self.key, owner)

    @precondition(lambda self: self.open and not self.has_killed)
    @rule(data=st.data())
    def kill(self, data: st.DataObject) -> None:
        self.has_killed = True
        victim = data.draw(st.sampled_from(self.open))[0]
        self.runner.run(self.stop(victim))
        self.open = [(replica, owner) for replica, owner in self.open if replica != victim]
        self.runner.run(asyncio.sleep(QUICK.lease))
        self.runner.run(self.start(victim))

    async def stop(self, replica: int) -> None:
        task = self.replicas[replica][1]
        task.cancel()
        await asyncio.wait([task])

    @invariant()
    def slots_are_open_sockets(self) -> None:
        # In the order of the line of whoever closed last.
        for limits, _ in self.replicas.values():
            self.runner.run(limits.slots.taken(self.key))
        taken = self.runner.run(self.replicas[0][0].slots.taken(self.key))
        assert taken == len(self.open)

    def teardown(self) -> None:
        for replica in REPLICAS:
            self.runner.run(self.stop(replica))
        self.runner.close()


def test_with_redis(redis_url: str) -> None:
    WithRedis.url = redis_url
    run_state_machine_as_test(WithRedis, settings=settings(max_examples=4, stateful_step_count=40))


MANY = settings(max_examples=150, stateful_step_count=100)  # over 10,000 steps

TestAlone = Alone.TestCase
TestAlone.settings = settings(max_examples=30, stateful_step_count=50)
TestTogether = Together.TestCase
TestTogether.settings = MANY
TestTogetherAndAlone = TogetherAndAlone.TestCase
TestTogetherAndAlone.settings = MANY
