"""One context of a voice's socket, as its pacer keeps it: what waits, and what was said."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from msgspec import Struct, field

from ..events import Configure, Event, Flush, SpeakOptions, Text
from .pace import Setbacks


class Lane(Struct):
    """`held` waits. `said` is what has no answer yet, to be said again if the socket is lost before
    any of it was heard. `options` are in force for what is said next, `before` for what was said
    first. `unconfirmed` counts the aborts that the provider has not confirmed."""

    options: SpeakOptions
    before: SpeakOptions
    held: deque[Event] = field(default_factory=deque)
    said: deque[Event] = field(default_factory=deque)
    waiting: int = 0  # characters held
    pending: int = 0  # flushes said
    has_text: bool = False  # said since the last flush
    is_heard: bool = False  # some of what was said
    unconfirmed: int = 0
    epoch: int = 0
    setbacks: Setbacks = field(default_factory=Setbacks)

    @property
    def is_busy(self) -> bool:
        return bool(self.said or self.held)

    @property
    def can_move(self) -> bool:
        """Whether its socket can be left: an utterance that is complete is waited for."""
        return not self.said or not (self.pending or self.is_heard)

    @property
    def is_stuck(self) -> bool:
        """Whether it cannot go elsewhere, nor come to an end unless its client says more."""
        return self.is_heard and bool(self.said) and not self.pending

    def hold(self, event: Event) -> None:
        self.held.append(event)
        self.waiting += _size(event)

    def put_back(self, events: Iterable[Event]) -> None:
        """These wait before all else."""
        events = list(events)
        self.held.extendleft(reversed(events))
        self.waiting += sum(map(_size, events))

    def take(self) -> Event:
        """The first of what waits."""
        event = self.held.popleft()
        self.waiting -= _size(event)
        return event

    def note(self, event: Event) -> None:
        """It is said now."""
        match event:
            case Flush():
                self.pending += 1
                self.has_text = False
            case Text():
                self.has_text = True
            case Configure(options=options):
                self.options = options
                if not self.said:
                    self.before = options
                    return
        self.said.append(event)

    def answered(self) -> None:
        """The oldest utterance is out."""
        self.pending -= 1
        self.is_heard = False
        self.setbacks.over()
        while self.said:
            event = self.said.popleft()
            if isinstance(event, Configure):
                self.before = event.options
            elif isinstance(event, Flush):
                break
        while self.said and isinstance(event := self.said[0], Configure):
            self.before = event.options
            self.said.popleft()

    def abort(self) -> None:
        """Nothing is wanted any more but the changes that wait."""
        self.held = deque(event for event in self.held if isinstance(event, Configure))
        self.waiting = 0
        self.setbacks.over()
        self._forget()
        self.before = self.options

    def retry(self) -> None:
        """What was said waits again."""
        self.options = self.before
        self.put_back(self.said)
        self._forget()

    def _forget(self) -> None:
        self.said.clear()
        self.pending = 0
        self.has_text = self.is_heard = False

    def confirm(self) -> None:
        """No answer to an abort comes from a socket that is gone."""
        self.epoch += self.unconfirmed
        self.unconfirmed = 0


class Lingering:
    """Aborted contexts that the provider counts still: whose, and until when at most."""

    def __init__(self) -> None:
        self._each: list[tuple[str, float]] = []

    def add(self, context: str, until: float) -> None:
        self._each.append((context, until))

    def ended(self, context: str) -> None:
        """The provider says so of one."""
        for each in self._each:
            if each[0] == context:
                self._each.remove(each)
                return

    def count(self, now: float) -> int:
        self._each = [(whose, until) for whose, until in self._each if now < until]
        return len(self._each)

    def clear(self) -> None:
        self._each.clear()


def _size(event: Event) -> int:
    return len(event.text) if isinstance(event, Text) else 0
