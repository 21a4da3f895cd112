"""The connection of one session, and the one after it: dialled, watched, lost and dialled again.

A pacer stands between it and the socket, as in the gateway: it knows what the server needs, when to
leave and when to come back. What is lost nevertheless is tried again by the schedule; its owner
then says again what was not heard. Nothing is said before the server is ready.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import assert_never

from ..ear import Ear
from ..errors import ConfigError, GatewayError, UpstreamError
from ..events import Audio, Event, Failed, Malformed, Options, Ready, Start
from ..net import pico
from ..net.base import UpgradeRefused
from ..session.pace import Dial, HangUp, Lose, Pacer, Say, Step, Tell
from . import failures, notices
from .failures import UnreachableError
from .heartbeat import Heartbeat
from .notices import Notice, State
from .owner import Manner, Owner
from .proxies import proxy_for
from .reconnect import Backoff
from .service import Route
from .watched import Watched

CONNECT_TIMEOUT = 10.0  # seconds
READY_TIMEOUT = 20.0  # seconds: an engine may have to start
TICK = 0.25  # seconds
GONE_TIMEOUT = 5.0  # seconds for all sockets to be closed


class Lifeline:
    """See the module. All of it runs on one loop; `error` says why it is closed, if it was not
    our wish."""

    def __init__(
        self,
        route: Route,
        options: Options,
        owner: Owner,
        manner: Manner,
        note: Callable[[Notice], None],
    ) -> None:
        self.state = State.RESTING
        self.error: BaseException | None = None
        self.is_writable = False
        self._route = route
        self._options = options
        self._owner = owner
        self._heartbeat = Heartbeat(manner.heartbeat)
        self._pinging: asyncio.Task[None] | None = None
        self._note = note
        self._backoff = Backoff(manner.retry)
        self._pacer: Pacer | None = None
        self._steps: deque[Step] = deque()
        self._is_performing = self._has_begun = self._was_entered = False
        self._ear: Ear | None = None
        self._sockets: set[Watched] = set()
        self._dialling: asyncio.Task[None] | None = None
        self._again: asyncio.TimerHandle | None = None
        self._ticking: asyncio.TimerHandle | None = None
        self._called_at = self._opened_at = 0.0
        self._news = asyncio.Event()

    @property
    def is_closed(self) -> bool:
        return self.state is State.CLOSED

    @property
    def has_begun(self) -> bool:
        """Whether something may be said: to the server, or to the pacer that will call it."""
        return self._has_begun

    @property
    def is_waited_for(self) -> bool:
        """Whether it is the server's turn: it has all that it is to have."""
        is_free = self._pacer is not None and not self._pacer.waiting
        return is_free and self.state is State.READY

    def open(self) -> None:
        """Begin. Whether it succeeds is told to the owner. Raises ConfigError the second time."""
        if self._was_entered:
            raise ConfigError("a session is entered once: open another")
        self._was_entered = True
        self._loop = asyncio.get_running_loop()
        self._ticking = self._loop.call_later(TICK, self._tick)
        self._begin()

    def check(self) -> None:
        """Raises what ended it, or ConfigError if it is not there to be used."""
        if self.error is not None:
            raise self.error
        if self.is_closed:
            raise ConfigError("this session is closed: open another")
        if not self._was_entered:
            raise ConfigError("a session is used inside of its `async with` block")

    def say(self, event: Event) -> None:
        """Give the server a command, at once or when the pacer thinks fit."""
        if self._pacer is None:
            return
        now = self._loop.time()
        if isinstance(event, Audio) and self._ear is not None and self._pacer.passes(event, now):
            self._ear.say(event)
        else:
            self._perform(self._pacer.command(event, now))

    def lose(self, error: GatewayError) -> None:
        """Take the connection for lost, though its socket does not say so."""
        if self._pacer is not None:
            self._lost(error)

    def stop(self) -> None:
        """End it; `close` waits for that."""
        self._finish()

    async def ping(self) -> float:
        """Seconds until the server answered. Raises GatewayError if there is no connection, or not
        any more."""
        link = next((each.link for each in self._sockets if each.ear is self._ear), None)
        if not isinstance(link, pico.Link):
            raise UnreachableError("there is no connection to ping")
        seconds = await link.ping()
        self._heartbeat.answered(seconds, loop_time())
        self._note(notices.Pinged(seconds))
        return seconds

    async def _beat(self) -> None:
        with suppress(UpstreamError):  # it was lost meanwhile, which is seen to elsewhere
            await self.ping()

    async def wait_for(self, *states: State) -> None:
        """Until it is in one of these states, or closed. Raises what closed it."""
        while self.state not in states:
            if self.error is not None:
                raise self.error
            if self.is_closed:
                return
            self._news.clear()
            await self._news.wait()

    async def close(self) -> None:
        """End it, and wait until nothing of it is left."""
        self._finish()
        if tasks := [each for each in (self._dialling, self._pinging) if each is not None]:
            for each in tasks:
                each.cancel()
            await asyncio.wait(tasks)
        if gone := [asyncio.create_task(socket.gone.wait()) for socket in self._sockets]:
            _, late = await asyncio.wait(gone, timeout=GONE_TIMEOUT)
            for task in late:
                task.cancel()

    # From one connection to the next

    def _begin(self) -> None:
        with self._care():
            self._again = None
            self._pacer = self._owner.pacer()
            self._perform(self._pacer.command(Start(self._options), self._loop.time()))

    def _lost(self, error: GatewayError, code: int | None = None, reason: str = "") -> None:
        now, error = self._loop.time(), failures.hushed(error, self._route.secrets)
        left = self._let_go()
        seconds = left if code is None else now - self._opened_at
        wait = self._backoff.failed(error, now, random.random())
        self._note(notices.Lost(error.error, error.message, code, reason, seconds, wait))
        if wait is None:
            self._fail(error)
            return
        self._change(State.WAITING)
        self._again = self._loop.call_later(wait, self._begin)
        self._owner.lost()

    def _fail(self, error: BaseException) -> None:
        if not self.is_closed:
            self.error = error
            self._finish()
            self._owner.failed(error)

    def _finish(self) -> None:
        if seconds := self._let_go():
            self._note(notices.Closed(seconds))
        for timer in (self._again, self._ticking):
            if timer is not None:
                timer.cancel()
        self._again = self._ticking = None
        self._change(State.CLOSED)

    def _let_go(self) -> float:
        """Nothing of this connection counts any more. For how long it was open."""
        self._pacer, self._has_begun = None, False
        self._steps.clear()
        return self._leave()

    def _change(self, state: State) -> None:
        if state is not self.state and not self.is_closed:
            self.state = state
            self._news.set()
            self._note(notices.StateChanged(state))

    def _tick(self) -> None:
        with self._care():
            now = self._loop.time()
            self._ticking = self._loop.call_later(TICK, self._tick)
            if self._pacer is not None:
                self._perform(self._pacer.tick(now))
            is_late = self._ear is not None and now - self._opened_at > READY_TIMEOUT
            if is_late and self.state is State.CONNECTING:
                self._lost(UnreachableError(f"not ready within {READY_TIMEOUT:g} s"))
            elif self._ear is not None and self._heartbeat.is_missed(now):
                self._lost(UnreachableError("the server does not answer a ping"))
            elif self._ear is not None and self._heartbeat.is_due(now):
                self._pinging = self._loop.create_task(self._beat())
            self._owner.tick(now)

    @contextmanager
    def _care(self) -> Iterator[None]:
        """What escapes us would escape into the loop, or vanish in the transport: it fails the
        session, and whoever uses it sees it."""
        is_well = False
        try:
            yield
            is_well = True
        except GatewayError as error:
            self._fail(error)
        finally:
            if not is_well and isinstance(bug := sys.exception(), Exception):
                self._fail(bug)

    # The pacer's steps

    def _perform(self, steps: Iterable[Step]) -> None:
        """Take the steps in their order, whatever is commanded or comes meanwhile."""
        self._steps.extend(steps)
        if self._is_performing:
            return
        self._is_performing = True
        try:
            while self._steps:
                self._take(self._steps.popleft())
        finally:
            self._is_performing = False

    def _take(self, step: Step) -> None:
        match step:
            case Say(event=event):
                if self._ear is not None:
                    self._ear.say(event)
            case Tell(event=event, epoch=epoch):
                self._tell(event, epoch)
            case Dial(options=options):
                self._change(State.CONNECTING)
                self._dialling = self._loop.create_task(self._connect(options))
            case HangUp():
                if seconds := self._leave():
                    self._note(notices.Closed(seconds))
                self._change(State.RESTING)
            case Lose(message=message):
                self._lost(UnreachableError(message))
            case unmatched:
                assert_never(unmatched)

    def _tell(self, event: Event, epoch: int) -> None:
        match event:
            case Ready():
                self._ready()
                self._owner.began(event)
            case Failed(code=code, param=param):
                error = failures.hushed(failures.failed(event), self._route.secrets)
                self._note(notices.Erred(code, error.message, param, error.rule.retryable))
                if failures.ends_session(event):
                    self._lost(error)
                else:
                    self._owner.told(event, epoch)
            case _:
                self._owner.told(event, epoch)

    def _ready(self) -> None:
        now = self._loop.time()
        self._has_begun = True
        self._backoff.opened(now)
        self._change(State.READY)
        self._note(notices.Opened(now - self._called_at))

    def _leave(self) -> float:
        """Part from the socket that is there or on its way. For how long it was open."""
        ear, self._ear = self._ear, None
        self.is_writable = False
        if self._pinging is not None:
            self._pinging.cancel()
        if ear is not None:
            ear.leave()
            return self._loop.time() - self._opened_at
        if self._dialling is not None and self._dialling is not asyncio.current_task(self._loop):
            self._dialling.cancel()
        return 0.0

    async def _connect(self, options: Options) -> None:
        self._called_at = self._loop.time()
        self._note(notices.Attempt(self._backoff.attempt))
        with self._care():
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT):
                    await self._dial(options)
            except TimeoutError:
                self._lost(self._unreachable(f"no answer within {CONNECT_TIMEOUT:g} s"))
            except UpgradeRefused as error:
                self._lost(failures.refused(error.status, error.body, error.retry_after))
            except UpstreamError as error:
                refusal = isinstance(error.__cause__, ConnectionRefusedError)
                self._lost(self._unreachable("connection refused" if refusal else error.message))
            except GatewayError as error:
                self._lost(error)

    def _unreachable(self, reason: str) -> UnreachableError:
        return UnreachableError(f"no {self._route.whom}: {reason}")

    async def _dial(self, options: Options) -> None:
        route = self._route
        ear = Ear(self, route.codec(options))
        socket = Watched(ear, self._care)
        self._sockets = {each for each in self._sockets if not each.gone.is_set()} | {socket}
        is_there = False
        self._dialled = ear
        try:
            endpoint = route.endpoint(options)
            proxy = proxy_for(endpoint.url)
            through = proxy.url if proxy is not None else None
            await pico.dial(endpoint, socket, route.tls(), None, through)
            is_there = True
        finally:
            if not is_there:
                socket.gone.set()

    # Listener of its ear

    def opened(self) -> None:
        self._ear = self._dialled
        self._opened_at = self._loop.time()
        self._heartbeat.opened(self._opened_at)
        self.is_writable = True
        if self._pacer is None:
            return
        if self._has_begun:
            self._ready()
        self._perform(self._pacer.opened(self._opened_at))

    def event(self, event: Event) -> None:
        self._heartbeat.heard(self._loop.time())
        if self._pacer is None:
            return
        if isinstance(event, Malformed):
            self._lost(UpstreamError(f"the server broke its protocol: {event.message}"))
        else:
            self._hear(event, self._pacer)

    def _hear(self, event: Event, pacer: Pacer) -> None:
        if not isinstance(event, Audio):
            self._perform(pacer.event(event, self._loop.time()))
        elif (epoch := pacer.epoch_heard(event.context)) is not None:
            self._owner.told(event, epoch)

    def closed(self, code: int, reason: str) -> None:
        self._ear = None
        self.is_writable = False
        if self._pacer is None:
            return
        error = failures.closed(code, reason)
        steps = list(self._pacer.closed(code, self._loop.time()))
        if any(isinstance(step, Lose) for step in steps):
            self._lost(error, code, reason)
            return
        self._perform(steps)
        if self.state is State.READY and not self._route.policy.per_utterance:
            # Nothing was lost with it, but the next word should not wait for a connection.
            self._lost(error, code, reason)
            return
        self._note(notices.Closed(loop_time() - self._opened_at))
        if self.state is State.READY:
            self._change(State.RESTING)

    def writable(self, writable: bool) -> None:
        self.is_writable = writable
        if writable:
            self._owner.writable()


def loop_time() -> float:
    """Seconds, on the clock of the running loop."""
    return asyncio.get_running_loop().time()
