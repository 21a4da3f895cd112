"""What a provider takes of text: so much in a message and in a minute, so many flushes a socket."""

from __future__ import annotations

from msgspec import structs

from ..events import Event, Flush, Text
from ..wire.policies import Policy
from .pace import Allowance, Budget, pieces


class Spending:
    """The budgets of one socket at a time."""

    def __init__(self, policy: Policy) -> None:
        self._longest = policy.text_characters
        self._flushes = Budget(policy.flushes_per_minute)
        self._characters: Allowance = Budget(policy.characters_per_minute)

    def adopt(self, policy: Policy, characters: Allowance | None) -> None:
        """Another backend answers. `characters` are shared with others, if given."""
        self._longest = policy.text_characters
        self._flushes.per_minute = policy.flushes_per_minute
        if characters is not None:
            self._characters = characters
        elif isinstance(self._characters, Budget):
            self._characters.per_minute = policy.characters_per_minute

    def begin_anew(self) -> None:
        """There is another socket."""
        self._flushes = Budget(self._flushes.per_minute)

    def has_flush(self, now: float, begun: int) -> bool:
        """Whether there is one for another utterance, beside those for what has begun."""
        return self._flushes.allows(1, now, reserved=begun)

    def allows(self, event: Event, now: float) -> bool:
        """Whether the first message of it may be said now, as far as characters go."""
        if not isinstance(event, Text):
            return True
        size = min(len(event.text), self._longest or len(event.text))
        return self._characters.allows(size + 1, now)  # a space comes with it

    def spend(self, event: Event, now: float) -> tuple[Event, list[Event]]:
        """What may be said of it in one message, which is spent, and what is left."""
        rest: list[Event] = []
        if isinstance(event, Flush):
            self._flushes.spend(1, now)
        elif isinstance(event, Text):
            if 0 < self._longest < len(event.text):
                first, *more = pieces(event.text, self._longest)
                rest = [structs.replace(event, text=piece) for piece in more]
                event = structs.replace(event, text=first)
            self._characters.spend(len(event.text) + 1, now)
        return event, rest
