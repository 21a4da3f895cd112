"""One connection to Redis: what is asked at the same moment goes and comes in one round trip.

Whoever asks waits for the answer or for `Away`, and for no longer than about two timeouts. While
Redis is away nobody waits at all. Once it is back, and before anything else is asked of it, it is
told what this process holds; and if it was restarted, those who want a slot wait until the other
replicas have told it, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import redis.asyncio as redis
import structlog
from msgspec import Struct
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from ...backoff import doubling

log = structlog.get_logger("voxway")

LOST = (RedisError, OSError)  # a TimeoutError is an OSError
MOST = 500  # calls in one round trip

Incident = Literal["lost", "back", "unchecked"]
Observer = Callable[[Incident], None]


class Terms(Struct, frozen=True, kw_only=True):
    """All times, in seconds. A lease is renewed at each `beat`, and is lost to a process that
    misses them for the time of a `lease`."""

    lease: float = 14.0
    beat: float = 4.0
    pulse: float = 1.0  # at most, until a lost connection is noticed
    timeout: float = 0.5
    retry: tuple[float, float] = (0.05, 0.5)  # between attempts to connect: at first, at most
    settle: float = 2.0  # until each replica has told a restarted Redis what it holds


class Call(Struct, frozen=True):
    """A script, and what it is given."""

    script: str
    keys: tuple[str, ...]
    args: tuple[str | int, ...]


class Away(Exception):
    """Redis did not answer. If it `may_have_heard`, it may have done what it was asked for."""

    def __init__(self, *, may_have_heard: bool) -> None:
        super().__init__("redis is away")
        self.may_have_heard = may_have_heard


class _Ask(Struct, eq=False):
    """A call that somebody waits for."""

    call: Call
    answer: asyncio.Future[Any]
    is_patient: bool
    is_retried: bool = False


class Line:
    """`holdings` gives the calls that tell what this process holds. Raises ValueError for what is
    no address."""

    def __init__(
        self,
        url: str,
        holdings: Callable[[], list[Call]],
        observer: Observer,
        terms: Terms,
    ) -> None:
        parse_url(url)
        self._url = url
        self._holdings = holdings
        self._observer = observer
        self._terms = terms
        self._asks: deque[_Ask] = deque()
        self._tells: deque[tuple[float, Call]] = deque()
        self._has_work = asyncio.Event()
        self._server = ""  # the run of Redis that knows what we hold
        self._settled_at = 0.0
        self._lost_at: float | None = None

    @property
    def is_away(self) -> bool:
        return self._lost_at is not None

    async def ask(self, call: Call, *, is_patient: bool = False) -> Any:
        """The answer to a call. Raises Away. Who is patient waits until Redis knows everything."""
        if self.is_away:
            raise Away(may_have_heard=False)
        ask = _Ask(call, asyncio.get_running_loop().create_future(), is_patient)
        self._asks.append(ask)
        self._has_work.set()
        return await ask.answer

    def tell(self, call: Call) -> None:
        """Make a call whose answer does not matter: as soon as it can be made, or not at all if a
        lease has run out meanwhile."""
        self._tells.append((time.monotonic(), call))
        self._has_work.set()

    async def run(self) -> None:
        """Carry the calls, until cancelled."""
        delays = self._delays()
        while True:
            client = self._client()
            is_greeted = False
            try:
                await self._greet(client)
                is_greeted = True
                delays = self._delays()
                await self._serve(client)
            except LOST as error:
                # A connection may have gone stale. That no other can be had is what counts.
                if not is_greeted:
                    self._lose(error)
                elif isinstance(error, ResponseError):
                    log.warning("redis refused a call", error=str(error))
            except asyncio.CancelledError:
                await self._leave(client)
                raise
            finally:
                await client.aclose()
            if not is_greeted:
                await asyncio.sleep(next(delays))

    def _client(self) -> redis.Redis:
        return redis.Redis.from_url(
            self._url,
            protocol=2,
            socket_connect_timeout=self._terms.timeout,
            # `_send` bounds it. A bound of the client's own is kept with `asyncio.wait_for`, which
            # before Python 3.12 may swallow a cancellation.
            socket_timeout=None,
            retry=Retry(NoBackoff(), 0),
        )

    def _delays(self) -> Iterator[float]:
        return doubling(*self._terms.retry)

    async def _greet(self, client: redis.Redis) -> None:
        """Find out which Redis this is, and tell it all that it should know of us."""
        async with asyncio.timeout(self._terms.timeout):
            info = await client.info("server")
        server, settle = str(info.get("run_id", "")), self._terms.settle
        is_young = float(info.get("uptime_in_seconds", settle)) < settle
        if server != self._server and (self._server or is_young):
            self._settled_at = time.monotonic() + settle
        await self._exchange(client, [], is_beat=True)
        self._server = server
        if self._lost_at is not None:
            log.warning("redis back", seconds=round(time.monotonic() - self._lost_at, 3))
            self._lost_at = None
            self._observer("back")

    async def _serve(self, client: redis.Redis) -> None:
        """Carry the calls until the connection is lost."""
        beat_at = time.monotonic() + self._terms.beat
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._patience()):
                    await self._has_work.wait()
            self._has_work.clear()
            now = time.monotonic()
            is_beat = now >= beat_at
            if is_beat:
                beat_at = now + self._terms.beat
            await self._exchange(client, self._due(now), is_beat=is_beat)

    def _patience(self) -> float:
        """How long to wait for somebody to say something."""
        rest = self._settled_at - time.monotonic() if self._asks else 0.0
        return min(rest, self._terms.pulse) if rest > 0.0 else self._terms.pulse

    def _due(self, now: float) -> list[_Ask]:
        """Those whose turn it is."""
        due: list[_Ask] = []
        later: deque[_Ask] = deque()
        for ask in self._asks:
            if not ask.answer.done():  # else its asker has gone
                can_go = len(due) < MOST and not (ask.is_patient and now < self._settled_at)
                (due if can_go else later).append(ask)
        self._asks = later
        if len(due) == MOST:
            self._has_work.set()
        return due

    async def _exchange(self, client: redis.Redis, asks: list[_Ask], *, is_beat: bool) -> None:
        """One round trip."""
        tells = [self._tells.popleft() for _ in range(min(MOST, len(self._tells)))]
        if self._tells:
            self._has_work.set()
        calls = [call for _, call in tells]
        if is_beat:
            calls += self._holdings()
        first = len(calls)
        answers: list[Any] | None = None
        try:
            answers = await self._send(client, [*calls, *(ask.call for ask in asks)])
        finally:
            if answers is None:
                self._tells.extendleft(reversed(tells))
                self._ask_again(asks)
        for ask, answer in zip(asks, answers[first:], strict=True):
            if isinstance(answer, RedisError):
                _fail(ask)
            elif not ask.answer.done():
                ask.answer.set_result(answer)
        for answer in answers:
            if isinstance(answer, RedisError):
                raise answer

    async def _send(self, client: redis.Redis, calls: Sequence[Call]) -> list[Any]:
        async with asyncio.timeout(self._terms.timeout):
            if not calls:
                await client.ping()
                return []
            pipeline = client.pipeline(transaction=False)
            for call in calls:
                pipeline.eval(call.script, len(call.keys), *call.keys, *call.args)
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
            return answers

    def _ask_again(self, asks: Sequence[_Ask]) -> None:
        """Put back what was not answered; the second time it is given up."""
        for ask in reversed(asks):
            if ask.is_retried:
                _fail(ask)
            else:
                ask.is_retried = True
                self._asks.appendleft(ask)

    def _lose(self, error: Exception) -> None:
        now = time.monotonic()
        if self._lost_at is None:
            self._lost_at = now
            log.warning("redis lost", error=f"{type(error).__name__}: {error}")
            self._observer("lost")
        while self._asks:
            _fail(self._asks.popleft())
        while self._tells and self._tells[0][0] < now - self._terms.lease:
            self._tells.popleft()

    async def _leave(self, client: redis.Redis) -> None:
        while self._asks:
            _fail(self._asks.popleft())
        with contextlib.suppress(*LOST):
            await self._exchange(client, [], is_beat=False)


def _fail(ask: _Ask) -> None:
    if not ask.answer.done():
        ask.answer.set_exception(Away(may_have_heard=True))
