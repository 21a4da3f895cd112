"""What a connection to a provider is given, and when: the common part.

A provider has limits and habits; a session should know none of them. Between the two stands a
*pacer*: commands of the session in, steps out, by the provider's row of the policy table. It holds
what must wait, keeps the socket alive, leaves it before it is closed on us, and opens it again.

Pure: the time (seconds, monotonic) is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum, auto
from typing import Protocol

from msgspec import Struct

from ..events import Audio, Event, Failed, Options
from ..wire.policies import Policy

# Seconds until the next attempt; after as many as these it is given up.
LOST = (0.0, 0.5)  # at a socket that was lost
FULL = (0.5, 1.0, 2.0, 4.0)  # at a provider that has no room

SENTENCE_ENDS = (". ", "? ", "! ", "\u3002", "\uff01", "\uff1f")  # the last ones are CJK's
# What may pass by itself, if one comes back later.
PASSING = ("rate_limit", "rate_limit_exceeded", "backpressure", "not_ready", "draining")
# The socket's time is up. It is closed next, and opened again if there is need.
TIMED_OUT = ("idle_timeout_exceeded", "max_connection_duration_exceeded")


class Say(Struct, frozen=True):
    """Say this on the socket."""

    event: Event


class Tell(Struct, frozen=True):
    """Hand this to the session, as made under this epoch of its context."""

    event: Event
    epoch: int = 0


class Dial(Struct, frozen=True):
    """Connect, for these options."""

    options: Options


class HangUp(Struct, frozen=True):
    """Say farewell and close the socket; nothing of it is heard any more."""


class Lose(Struct, frozen=True):
    """The connection is gone, and it cannot be helped. Nothing follows."""

    message: str


Step = Say | Tell | Dial | HangUp | Lose


class Door(Enum):
    """How the socket stands."""

    SHUT = auto()
    DIALLING = auto()
    OPEN = auto()


class Allowance(Protocol):
    """So many of something in any minute."""

    def allows(self, amount: int, now: float) -> bool:
        """Whether so much may be spent now."""
        ...

    def spend(self, amount: int, now: float) -> None: ...


class Pacer(Protocol):
    """What a line needs of it; there is one for speech and one for recognition."""

    @property
    def waiting(self) -> int:
        """About how many bytes are held."""
        ...

    def adopt(self, policy: Policy, characters: Allowance | None = None) -> None:
        """Another backend answers: from now on by its policy. `characters` are those that it takes
        of all who have the same key; else it takes as many of each socket."""
        ...

    def has_room(self, now: float) -> bool:
        """Whether the socket can carry one context more."""
        ...

    def command(self, command: Event, now: float) -> Iterable[Step]: ...

    def passes(self, audio: Audio, now: float) -> bool:
        """Whether audio for the provider goes through as it is, at once: then it is counted."""
        ...

    def epoch_heard(self, context: str) -> int | None:
        """Audio of the provider came: the epoch of its context, if there is such a one."""
        ...

    def opened(self, now: float) -> Iterable[Step]: ...

    def event(self, event: Event, now: float) -> Iterable[Step]: ...

    def closed(self, code: int, now: float) -> Iterable[Step]: ...

    def tick(self, now: float) -> Iterable[Step]: ...

    def lose(self, message: str) -> Iterable[Step]:
        """The connection is of no use any more."""
        ...


def delays(*, retries: bool) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """LOST and FULL, or for whoever comes back in a way of its own: none."""
    return (LOST, FULL) if retries else ((), ())


class Setbacks:
    """What went wrong in a row, and when it may be tried again."""

    def __init__(self) -> None:
        self._count = 0
        self.until = 0.0

    def another(self, delays: tuple[float, ...], now: float) -> bool:
        """Count one; whether it may be tried once more."""
        if self._count >= len(delays):
            return False
        self.until = now + delays[self._count]
        self._count += 1
        return True

    def over(self) -> None:
        self._count, self.until = 0, 0.0


MINUTE = 61.0  # seconds: what is a minute apart here may be less there


class Budget:
    """So many of something in any minute; 0: no limit."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._spent: list[tuple[float, int]] = []

    def allows(self, amount: int, now: float, reserved: int = 0) -> bool:
        """Whether so much may be spent now. More than the whole is allowed when nothing was."""
        if not self.per_minute:
            return True
        self._spent = [(at, n) for at, n in self._spent if now - at < MINUTE]
        spent = reserved + sum(n for _, n in self._spent)
        return not spent or spent + amount <= self.per_minute

    def spend(self, amount: int, now: float) -> None:
        if self.per_minute:
            self._spent.append((now, amount))


def pieces(text: str, longest: int) -> Iterator[str]:
    """A text in parts of at most `longest` characters (0: any), cut after a sentence or else at
    white space where there is some, so that no word is broken that need not be."""
    while longest and len(text) > longest:
        ends = [text.rfind(mark, 0, longest) for mark in SENTENCE_ENDS]
        cut = max(ends) + 1 or text.rfind(" ", 0, longest + 1)
        cut = cut if cut > 0 else longest
        if piece := text[:cut].rstrip():
            yield piece
        text = text[cut:].lstrip()
    if text:
        yield text


def may_pass(failed: Failed) -> bool:
    return failed.retryable and failed.code in PASSING
