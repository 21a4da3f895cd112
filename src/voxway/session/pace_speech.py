"""Pacing a voice: utterances in their order, within the provider's budgets. See `pace`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from msgspec import Struct, field, structs

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
    SpeakOptions,
    Start,
    Text,
)
from ..wire.policies import Policy
from .pace import Budget, Dial, Door, HangUp, Lose, Say, Step, Tell, pieces

ATTEMPTS = 3  # at an utterance of which nothing was heard yet


class Lane(Struct):
    """One context: what waits, what was said and not answered yet (to say it again if the socket
    is lost before any of it was heard), the aborts that were not confirmed yet."""

    options: SpeakOptions
    held: deque[Event] = field(default_factory=deque)
    said: deque[Text | Flush] = field(default_factory=deque)
    pending: int = 0  # flushes among them
    has_text: bool = False  # since the last flush
    is_heard: bool = False  # some of what was said
    attempts: int = 0
    unconfirmed: int = 0
    epoch: int = 0

    @property
    def is_busy(self) -> bool:
        return bool(self.said or self.held)

    def forget(self) -> None:
        """Nothing is under way any more."""
        self.said.clear()
        self.pending, self.attempts = 0, 0
        self.has_text = self.is_heard = False

    def answered(self) -> None:
        """The oldest utterance is out."""
        self.pending -= 1
        self.is_heard, self.attempts = False, 0
        while self.said and not isinstance(self.said.popleft(), Flush):
            pass

    def confirm(self) -> None:
        """No answer to an abort comes from a socket that is gone."""
        self.epoch += self.unconfirmed
        self.unconfirmed = 0

    def retry(self) -> None:
        """What was said waits again."""
        self.held.extendleft(reversed(self.said))
        attempts = self.attempts + 1
        self.forget()
        self.attempts = attempts


class SpeechPacer:
    """One socket's worth of contexts."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._lanes: dict[str, Lane] = {}
        self._door = Door.SHUT
        self._said_at = self._opened_at = 0.0
        self._is_ready = False
        self._flushes = Budget(policy.flushes_per_minute)
        self._characters = Budget(policy.characters_per_minute)

    @property
    def waiting(self) -> int:
        held = (event for lane in self._lanes.values() for event in lane.held)
        return sum(len(event.text) for event in held if isinstance(event, Text))

    def adopt(self, policy: Policy) -> None:
        self._policy = policy

    def command(self, command: Event, now: float) -> Iterator[Step]:
        """Something the session wants said."""
        context = command.context
        match command:
            case Start(options=options):
                yield from self._begin(context, options, now)
            case Clear():
                yield from self._clear(self._lanes[context], context, now)
            case Finish():
                yield from self._leave(context)
            case Text(text=text):
                held = self._lanes[context].held
                for piece in pieces(text, self._policy.text_characters):
                    held.append(structs.replace(command, text=piece))
                yield from self._pump(now)
            case _:
                self._lanes[context].held.append(command)
                yield from self._pump(now)

    def passes(self, audio: Audio, now: float) -> bool:
        return False

    def epoch_heard(self, context: str) -> int | None:
        if (lane := self._lanes.get(context)) is None:
            return None
        lane.is_heard = True
        return lane.epoch

    def opened(self, now: float) -> Iterator[Step]:
        """The socket is there."""
        self._door = Door.OPEN
        self._opened_at = self._said_at = now
        for context, lane in self._lanes.items():
            yield Say(Start(lane.options, context=context))
        if not self._policy.says_ready:
            yield from self._ready()
        yield from self._pump(now)

    def event(self, event: Event, now: float) -> Iterator[Step]:
        """Something the provider said."""
        lane = self._lanes.get(event.context)
        match event:
            case Ready():
                yield from self._ready(event)
                yield from self._pump(now)
            case Ended():
                return  # its close follows, and says as much
            case Failed(code="idle_timeout_exceeded") if not self._is_busy():
                return  # it did not want to wait any longer: we come back when there is need
            case _ if lane is None:
                if isinstance(event, Failed):
                    yield Tell(event)
            case Cleared():
                lane.unconfirmed = max(0, lane.unconfirmed - 1)
                lane.epoch += 1
                yield Tell(event, lane.epoch)
            case Flushed():
                yield Tell(event, lane.epoch)
                if not lane.unconfirmed and lane.pending:
                    lane.answered()
                    yield from self._spoken(now)
            case _:
                yield Tell(event, lane.epoch)

    def closed(self, code: int, now: float) -> Iterator[Step]:
        """The socket is gone, and it was not us."""
        self._door = Door.SHUT
        for context, lane in self._lanes.items():
            lane.confirm()
            if lane.pending and self._policy.per_utterance and code == 1000:
                lane.answered()
                yield Tell(Flushed(context=context), lane.epoch)
            elif lane.said and (lane.is_heard or lane.attempts + 1 >= ATTEMPTS):
                yield Lose(f"the backend closed the connection ({code})")
                return
            else:
                lane.retry()
        yield from self._pump(now)

    def tick(self, now: float) -> Iterator[Step]:
        """Time passes."""
        yield from self._pump(now)
        if self._door is not Door.OPEN:
            return
        policy, quiet = self._policy, now - self._said_at
        is_old = policy.life and now - self._opened_at >= policy.life
        if not self._is_busy() and (is_old or (policy.idle and quiet >= policy.idle)):
            yield from self._hang_up()
        elif policy.keepalive == "message" and quiet >= policy.keepalive_after:
            self._said_at = now
            yield Say(KeepAlive())

    def _begin(self, context: str, options: object, now: float) -> Iterator[Step]:
        assert isinstance(options, SpeakOptions)
        self._lanes[context] = Lane(options)
        if self._door is Door.SHUT:
            yield from self._dial()
        elif self._door is Door.OPEN:
            yield from self._say(Start(options, context=context), now)

    def _ready(self, ready: Ready | None = None) -> Iterator[Step]:
        if not self._is_ready:
            self._is_ready = True
            yield Tell(ready or Ready())

    def _pump(self, now: float) -> Iterator[Step]:
        """Give what may be given."""
        for context, lane in self._lanes.items():
            while lane.held and self._may(lane, lane.held[0], now):
                if self._is_spent(lane, now):
                    yield from self._hang_up()
                    break
                yield from self._give(lane, context, lane.held.popleft(), now)
        if self._door is Door.SHUT and any(lane.held for lane in self._lanes.values()):
            yield from self._dial()

    def _may(self, lane: Lane, event: Event, now: float) -> bool:
        if isinstance(event, Configure):
            return self._policy.configures or not lane.said
        if isinstance(event, Flush) and not lane.has_text:
            # There is nothing to speak: the answer is ours, in its turn, and not before `Ready`.
            return self._is_ready and not lane.pending
        if self._door is not Door.OPEN or (lane.pending and self._policy.is_serial):
            return False
        if isinstance(event, Text) and not self._characters.allows(len(event.text), now):
            return False
        return not (self._is_spent(lane, now) and self._is_speaking())

    def _is_spent(self, lane: Lane, now: float) -> bool:
        """Whether another utterance would be one flush too many for this socket."""
        is_new = bool(lane.held) and isinstance(lane.held[0], Text) and not lane.has_text
        return is_new and self._door is Door.OPEN and not self._flushes.allows(1, now)

    def _give(self, lane: Lane, context: str, event: Event, now: float) -> Iterator[Step]:
        match event:
            case Flush() if not lane.has_text:
                # Made under the epoch that the session is in, which the provider may not be yet.
                yield Tell(Flushed(0.0, context=context), lane.epoch + lane.unconfirmed)
            case Flush():
                lane.pending += 1
                lane.has_text = False
                lane.said.append(event)
                self._flushes.spend(1, now)
                yield from self._say(event, now)
            case Text(text=text):
                lane.has_text = True
                lane.said.append(event)
                self._characters.spend(len(text), now)
                yield from self._say(event, now)
            case Configure(options=options):
                lane.options = options
                if not self._policy.configures:
                    yield from self._hang_up()
                elif self._door is Door.OPEN:
                    yield from self._say(event, now)
            case _:
                yield from self._say(event, now)

    def _spoken(self, now: float) -> Iterator[Step]:
        """An utterance is out."""
        if self._policy.per_utterance:
            yield from self._hang_up()
        yield from self._pump(now)

    def _clear(self, lane: Lane, context: str, now: float) -> Iterator[Step]:
        lane.held = deque(event for event in lane.held if isinstance(event, Configure))
        was_said = bool(lane.said)
        lane.forget()
        if self._policy.clear == "acked" and self._door is Door.OPEN:
            lane.unconfirmed += 1
            yield from self._say(Clear(context=context), now)
            return
        lane.epoch += 1
        if was_said and self._policy.clear == "filtered":
            yield from self._say(Clear(context=context), now)
        elif was_said:
            yield from self._hang_up()
        yield from self._pump(now)

    def _leave(self, context: str) -> Iterator[Step]:
        lane = self._lanes.pop(context, None)
        if not self._lanes:
            yield from self._hang_up()
        elif lane is not None and self._door is Door.OPEN:
            yield Say(Clear(context=context))

    def _say(self, event: Event, now: float) -> Iterator[Step]:
        self._said_at = now
        yield Say(event)

    def _dial(self) -> Iterator[Step]:
        self._door = Door.DIALLING
        self._flushes = Budget(self._policy.flushes_per_minute)
        yield Dial()

    def _hang_up(self) -> Iterator[Step]:
        for lane in self._lanes.values():
            lane.confirm()
        if self._door is not Door.SHUT:
            self._door = Door.SHUT
            yield HangUp()

    def _is_speaking(self) -> bool:
        return any(lane.said for lane in self._lanes.values())

    def _is_busy(self) -> bool:
        return any(lane.is_busy for lane in self._lanes.values())
