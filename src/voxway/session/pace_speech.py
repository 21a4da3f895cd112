"""Pacing a voice: utterances in their order, within the provider's budgets. See `pace`."""

from __future__ import annotations

from collections.abc import Iterator

from ..events import (
    Audio,
    Clear,
    Cleared,
    Configure,
    Ended,
    Event,
    Failed,
    Finish,
    Flush,
    Flushed,
    KeepAlive,
    Ready,
    SegmentStart,
    SpeakOptions,
    Start,
    Text,
    Warning,
    Words,
)
from ..wire.policies import Policy
from .lane import Lane, Lingering
from .pace import (
    TIMED_OUT,
    Allowance,
    Dial,
    Door,
    HangUp,
    Lose,
    Say,
    Setbacks,
    Step,
    Tell,
    delays,
    may_pass,
)
from .spending import Spending

UNUSED = 30.0  # seconds that a socket without any context is kept for the next one


class SpeechPacer:
    """One socket's worth of contexts. Without `retries`, what goes wrong is told at once."""

    def __init__(self, policy: Policy, *, retries: bool = True) -> None:
        self._policy = policy
        self._at_lost, self._at_full = delays(retries=retries)
        self._lanes: dict[str, Lane] = {}
        self._lingering = Lingering()
        self._door = Door.SHUT
        self._said_at = self._kept_at = self._opened_at = 0.0
        self._is_ready = self._is_lost = False
        self._setbacks = Setbacks()
        self._spending = Spending(policy)

    @property
    def waiting(self) -> int:
        return sum(lane.waiting for lane in self._lanes.values())

    def adopt(self, policy: Policy, characters: Allowance | None = None) -> None:
        self._policy = policy
        self._spending.adopt(policy, characters)

    def has_room(self, now: float) -> bool:
        taken = len(self._lanes) + self._lingering.count(now)
        return not self._is_lost and taken < self._policy.contexts

    def command(self, command: Event, now: float) -> Iterator[Step]:
        """Something the session wants said."""
        context = command.context
        if self._is_lost:
            return
        match command:
            case Start(options=SpeakOptions() as options):
                yield from self._begin(context, options, now)
            case Clear():
                yield from self._clear(self._lanes[context], context, now)
            case Finish():
                yield from self._leave(context, now)
            case Text(text=text) if not text.strip():
                return
            case _:
                self._lanes[context].hold(command)
                yield from self._pump(now)

    def passes(self, audio: Audio, now: float) -> bool:
        return False

    def epoch_heard(self, context: str) -> int | None:
        if (lane := self._lanes.get(context)) is None:
            return None
        if not lane.unconfirmed:
            lane.is_heard = True
        return lane.epoch

    def opened(self, now: float) -> Iterator[Step]:
        """The socket is there."""
        self._door = Door.OPEN
        self._opened_at = self._said_at = self._kept_at = now
        for context, lane in self._lanes.items():
            yield Say(Start(lane.options, context=context))
        if not self._policy.says_ready:
            yield from self._ready()
        yield from self._pump(now)

    def event(self, event: Event, now: float) -> Iterator[Step]:  # noqa: C901 - a case an event
        """Something the provider said."""
        lane = self._lanes.get(event.context)
        match event:
            case Ready():
                yield from self._ready(event)
                yield from self._pump(now)
            case Ended():
                return  # its close follows, and says as much
            case Failed():
                yield from self._failed(event, lane, now)
            case Cleared() if self._policy.clear == "filtered":
                self._lingering.ended(event.context)
                yield from self._pump(now)
            case _ if lane is None:
                if isinstance(event, Warning):
                    yield Tell(event)
            case Cleared():
                if lane.unconfirmed:  # else nobody asked for it
                    lane.unconfirmed -= 1
                    lane.epoch += 1
                yield Tell(event, lane.epoch)
            case Flushed():
                # Else it is of what was aborted, or failed and is said again.
                if lane.pending and not lane.unconfirmed:
                    yield Tell(event, lane.epoch)
                    yield from self._spoken(lane, now)
            case _:
                if isinstance(event, Words | SegmentStart) and not lane.unconfirmed:
                    lane.is_heard = True
                yield Tell(event, lane.epoch)

    def closed(self, code: int, now: float) -> Iterator[Step]:
        """The socket is gone, and it was not us."""
        if self._is_lost:
            return
        message = f"the backend closed the connection ({code})"
        was_wanted = self._is_wanted()
        self._shut()
        for context, lane in self._lanes.items():
            if lane.pending and self._policy.per_utterance and code == 1000:
                lane.answered()
                self._setbacks.over()
                yield Tell(Flushed(context=context), lane.epoch)
            elif not lane.said or not lane.is_heard:
                lane.retry()
            elif context and self._policy.contexts > 1:  # the others go on elsewhere
                lane.abort()
                failed = Failed("backend_error", message, True, True, context=context)
                yield Tell(failed, lane.epoch)
            else:
                yield from self.lose(message)
                return
        if was_wanted and self._is_wanted() and not self._setbacks.another(self._at_lost, now):
            yield from self.lose(message)
        else:
            yield from self._pump(now)

    def tick(self, now: float) -> Iterator[Step]:
        """Time passes."""
        if self._is_lost:
            return
        yield from self._pump(now)
        held = (lane.held[0] for lane in self._lanes.values() if lane.held)
        if not all(self._spending.allows(event, now) for event in held):
            yield Tell(KeepAlive())  # it waits, but it is not forgotten
        if self._door is not Door.OPEN:
            return
        policy = self._policy
        if self._is_unused(now):
            yield from self._hang_up()
        elif policy.keepalive and now - self._kept_at >= policy.keepalive_after:
            self._kept_at = now
            yield Say(KeepAlive())

    def lose(self, message: str) -> Iterator[Step]:
        if not self._is_lost:
            self._is_lost = True
            yield from self._hang_up()
            yield Lose(message)

    # The provider

    def _ready(self, ready: Ready | None = None) -> Iterator[Step]:
        if not self._is_ready:
            self._is_ready = True
            yield Tell(ready or Ready())

    def _failed(self, failed: Failed, lane: Lane | None, now: float) -> Iterator[Step]:
        if failed.code in TIMED_OUT:
            return
        # It is of one context, or of the socket with all that it carries.
        one = lane if failed.context else None
        lanes = [one] if one is not None else list(self._lanes.values())
        setbacks = one.setbacks if one is not None else self._setbacks
        is_heard = any(each.said and each.is_heard for each in lanes)
        if is_heard or not may_pass(failed) or not setbacks.another(self._at_full, now):
            yield Tell(failed, lane.epoch if lane is not None else 0)
            for each in lanes:
                each.is_heard |= bool(each.said)  # that is not said again
            if lane is not None and lane.pending and self._policy.per_utterance:
                yield Tell(Flushed(context=failed.context), lane.epoch)
                yield from self._spoken(lane, now)
            return
        if one is None:
            yield from self._hang_up()
        elif one.options != one.before:
            yield from self._say(Configure(one.before, context=failed.context), now)
        for each in lanes:
            each.retry()

    def _spoken(self, lane: Lane, now: float) -> Iterator[Step]:
        """An utterance is out."""
        lane.answered()
        self._setbacks.over()
        if self._policy.per_utterance:
            yield from self._hang_up()
        yield from self._pump(now)

    # The session

    def _begin(self, context: str, options: SpeakOptions, now: float) -> Iterator[Step]:
        self._lanes[context] = Lane(options, options)
        if self._door is Door.OPEN:
            yield from self._say(Start(options, context=context), now)
        elif self._door is Door.SHUT:
            yield from self._dial()

    def _clear(self, lane: Lane, context: str, now: float) -> Iterator[Step]:
        was_said = bool(lane.said)
        lane.abort()
        if self._policy.clear == "acked" and self._door is Door.OPEN:
            lane.unconfirmed += 1
            yield from self._say(Clear(context=context), now)
        else:
            lane.epoch += 1
            if was_said:
                yield from self._abandon(context, now)
        yield from self._pump(now)

    def _leave(self, context: str, now: float) -> Iterator[Step]:
        lane = self._lanes.pop(context, None)
        if lane is None:
            return
        if self._policy.contexts == 1:
            yield from self._hang_up()
        elif lane.said and self._door is Door.OPEN:
            yield from self._abandon(context, now)
            yield from self._pump(now)

    def _abandon(self, context: str, now: float) -> Iterator[Step]:
        """Nobody wants what the provider was told."""
        if self._policy.clear == "filtered":
            if self._policy.lingers:
                self._lingering.add(context, now + self._policy.lingers)
            yield from self._say(Clear(context=context), now)
        else:
            yield from self._hang_up()

    # What may be said, and when

    def _pump(self, now: float) -> Iterator[Step]:
        """Give what may be given, on a socket if there has to be one."""
        for context, lane in self._lanes.items():
            while lane.held and self._may(lane, lane.held[0], now):
                if self._begins(lane, lane.held[0]) and self._is_spent(now):
                    yield from self._move()
                else:
                    yield from self._give(lane, context, now)
        if self._door is Door.SHUT and self._is_wanted() and now >= self._setbacks.until:
            yield from self._dial()

    def _may(self, lane: Lane, event: Event, now: float) -> bool:
        policy = self._policy
        if isinstance(event, Configure):
            return policy.configures or not self._is_speaking()
        if isinstance(event, Flush) and not lane.has_text:
            # There is nothing to speak: the answer is ours, in its turn, and not before `Ready`.
            return self._is_ready and not lane.pending
        if self._door is not Door.OPEN or (lane.pending and policy.is_serial):
            return False
        if not self._spending.allows(event, now):
            return False
        if not self._begins(lane, event):
            return True
        if now < lane.setbacks.until or (self._is_spent(now) and not self._can_leave(now)):
            return False
        return policy.contexts == 1 or bool(lane.said) or self._in_use(now) < policy.contexts

    def _begins(self, lane: Lane, event: Event) -> bool:
        """Whether another utterance begins with it."""
        return isinstance(event, Text) and not lane.has_text

    def _is_spent(self, now: float) -> bool:
        """Whether the socket is too old for another utterance, or has no flush left for it."""
        begun = sum(lane.has_text for lane in self._lanes.values())
        has_flush = self._spending.has_flush(now, begun)
        is_old = self._is_old(now) and not any(lane.is_stuck for lane in self._lanes.values())
        return self._door is Door.OPEN and (is_old or not has_flush)

    def _can_leave(self, now: float) -> bool:
        """Whether nothing would be missed on another socket. What may never end moves from an old
        one; for want of a flush it would move for ever."""
        can_move = all(lane.can_move for lane in self._lanes.values())
        return can_move if self._is_old(now) else not self._is_speaking()

    def _give(self, lane: Lane, context: str, now: float) -> Iterator[Step]:
        event = lane.take()
        match event:
            case Flush() if not lane.has_text:
                # Made under the epoch that the session is in, which the provider may not be yet.
                yield Tell(Flushed(0.0, context=context), lane.epoch + lane.unconfirmed)
                return
            case Configure(options=options) if not self._policy.configures:
                if options != lane.options:
                    lane.note(event)
                    yield from self._hang_up()
                return
        event, rest = self._spending.spend(event, now)
        lane.put_back(rest)
        lane.note(event)
        if self._door is Door.OPEN:
            yield from self._say(event, now)

    def _say(self, event: Event, now: float) -> Iterator[Step]:
        self._said_at = now
        # Where each context has a time of its own, what is said in another keeps none awake.
        if self._policy.contexts == 1:
            self._kept_at = now
        yield Say(event)

    # The socket

    def _dial(self) -> Iterator[Step]:
        self._door = Door.DIALLING
        self._spending.begin_anew()
        yield Dial(next(iter(self._lanes.values())).options)

    def _move(self) -> Iterator[Step]:
        """Leave the socket; what was begun on it begins anew on the next."""
        for lane in self._lanes.values():
            lane.retry()
        yield from self._hang_up()

    def _hang_up(self) -> Iterator[Step]:
        was_there = self._door is not Door.SHUT
        self._shut()
        if was_there:
            yield HangUp()

    def _shut(self) -> None:
        self._door = Door.SHUT
        self._lingering.clear()
        for lane in self._lanes.values():
            lane.confirm()

    def _is_unused(self, now: float) -> bool:
        idle = self._policy.idle if self._lanes else UNUSED
        is_idle = bool(idle) and now - self._said_at >= idle
        return not self._is_busy() and (is_idle or self._is_old(now))

    def _is_old(self, now: float) -> bool:
        return bool(self._policy.life) and now - self._opened_at >= self._policy.life

    def _is_wanted(self) -> bool:
        """Whether there is something to do for a socket."""
        return self._is_busy() or (bool(self._lanes) and not self._is_ready)

    def _is_busy(self) -> bool:
        return any(lane.is_busy for lane in self._lanes.values())

    def _is_speaking(self) -> bool:
        return any(lane.said for lane in self._lanes.values())

    def _in_use(self, now: float) -> int:
        """Contexts that the provider counts."""
        speaking = sum(bool(lane.said) for lane in self._lanes.values())
        return speaking + self._lingering.count(now)
