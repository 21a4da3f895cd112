"""How the text of one session is said: by which dictionary, and what waits while one is fetched.

Looking a dictionary up is I/O, which a session leaves to its relay. Until the answer is there, what
is to be spoken waits in its order; all else, an abort above all, goes past it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from msgspec import structs

from ..errors import GatewayError
from ..events import Configure, Event, Finish, Flush, Pronunciation, Text
from ..text.pronunciation import Rewriter, Rewritten
from .actions import LookUp

KEPT = 16  # dictionaries that a session may go back to without asking again


class Wording:
    """The dictionary in force, those known, the one asked for, and the commands held."""

    def __init__(self) -> None:
        self._rewriter: Rewriter | None = None
        self._known: dict[Pronunciation, Rewriter] = {}
        self._wanted: Pronunciation | None = None
        self._held: deque[Event] = deque()

    def rewrite(self, sentence: str) -> Rewritten:
        """A sentence as it is to be spoken."""
        if self._rewriter is None:
            return Rewritten(sentence, sentence)
        return self._rewriter.rewrite(sentence)

    def adopt(self, reference: Pronunciation | None) -> bool:
        """Speak by this from now on; False if it must be asked for first."""
        if reference is not None and reference in self._known:
            self._rewriter = self._known[reference]
        return reference is None or reference in self._known

    def ask(self, reference: Pronunciation, *held: Event) -> LookUp:
        """Have it looked up; these commands are the first to wait for it."""
        self._wanted = reference
        self._held.extendleft(reversed(held))
        return LookUp(reference)

    def holds(self, command: Event) -> bool:
        """Whether a command must wait; then it is kept here."""
        waits = isinstance(command, Text | Flush | Configure) or (
            isinstance(command, Finish) and not command.abort
        )
        if self._wanted is None or not waits:
            return False
        self._held.append(command)
        return True

    def drop(self, context: str) -> None:
        """Forget what waits to be spoken, but not by which dictionary the next is."""
        held, self._held = self._held, deque()
        for command in held:
            if command.context != context or not isinstance(command, Text | Flush):
                self._held.append(command)
            elif isinstance(command, Text) and command.pronunciation is not None:
                self._held.append(structs.replace(command, text=""))

    def answer(self, reference: Pronunciation, found: Rewriter | GatewayError) -> Iterator[Event]:
        """The answer to what was asked. Gives the commands that waited, until one asks again."""
        self._wanted = None
        if isinstance(found, Rewriter):
            if len(self._known) >= KEPT:
                self._known.pop(next(iter(self._known)))
            self._known[reference] = self._rewriter = found
        elif self._held and getattr(self._held[0], "pronunciation", None) == reference:
            # It is spoken by what was in force before.
            self._held.appendleft(structs.replace(self._held.popleft(), pronunciation=None))
        while self._held and self._wanted is None:
            yield self._held.popleft()
