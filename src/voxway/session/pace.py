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

from ..events import Audio, Event
from ..wire.policies import Policy


class Say(Struct, frozen=True):
    """Say this on the socket."""

    event: Event


class Tell(Struct, frozen=True):
    """Hand this to the session, as made under this epoch of its context."""

    event: Event
    epoch: int = 0


class Dial(Struct, frozen=True):
    """Connect anew. A socket that is still there is left."""


class HangUp(Struct, frozen=True):
    """Say farewell and close the socket; nothing of it is heard any more."""


class Lose(Struct, frozen=True):
    """The connection is gone, and it cannot be helped."""

    message: str


Step = Say | Tell | Dial | HangUp | Lose


class Door(Enum):
    """How the socket stands."""

    SHUT = auto()
    DIALLING = auto()
    OPEN = auto()


class Pacer(Protocol):
    """What a line needs of it; there is one for speech and one for recognition."""

    @property
    def waiting(self) -> int:
        """About how many bytes are held."""
        ...

    def adopt(self, policy: Policy) -> None:
        """Another backend answers: from now on by its policy."""
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


class Budget:
    """So many of something in any minute; 0: no limit."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._spent: list[tuple[float, int]] = []

    def allows(self, amount: int, now: float) -> bool:
        """Whether so much may be spent now. More than the whole is allowed when nothing was."""
        if not self._per_minute:
            return True
        self._spent = [(at, n) for at, n in self._spent if now - at < 60.0]
        spent = sum(n for _, n in self._spent)
        return not spent or spent + amount <= self._per_minute

    def spend(self, amount: int, now: float) -> None:
        if self._per_minute:
            self._spent.append((now, amount))


def pieces(text: str, longest: int) -> Iterator[str]:
    """A text in parts of at most `longest` characters (0: any), cut at white space where there is
    some, so that no word is broken that need not be."""
    while longest and len(text) > longest:
        cut = max(text.rfind(mark, 0, longest) for mark in (". ", "? ", "! "))
        cut = cut + 1 if cut > 0 else text.rfind(" ", 0, longest)
        cut = cut if cut > 0 else longest
        yield text[:cut].rstrip()
        text = text[cut:].lstrip()
    if text:
        yield text
