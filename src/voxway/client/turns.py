"""A speaker's turns as one stream of them, over however many connections. Pure.

A new connection knows of no turn. If it hears the speaker go on, that begins one for it, and the
words before are ours to add. If it hears nothing more, the turn ends by silence or by a finalize.
"""

from __future__ import annotations

from msgspec import structs

from ..events import Turn, Turns
from ..text.turns import DEFAULT, changed


class TurnTaking:
    """Whose turn it is. Times are seconds: of the source in events, on any clock elsewhere."""

    def __init__(self, asked: Turns) -> None:
        self._timeout = changed(DEFAULT, asked).timeout or 0.0
        self._is_open = self._is_foretold = False
        self._texts: list[str] = []  # the finals of the turn
        self._older = 0  # how many of them are of connections before this one
        self._until: float | None = None  # where the last of them ends
        self._waits_since: float | None = None  # for this connection to hear of the turn

    def wrote(self, text: str, until: float | None) -> None:
        """A final was handed on."""
        if self._is_open and text:
            self._texts.append(text)
            self._until = until

    def began(self, now: float) -> None:
        """There is a new connection."""
        self._older = len(self._texts)
        self._waits_since = now if self._is_open else None

    def told(self, turn: Turn) -> Turn | None:
        """What a connection says of turns, as the application is to know it."""
        is_older, self._waits_since = self._waits_since is not None, None
        match turn.phase:
            case "start" if is_older and not self._is_foretold:
                return None
            case "start" if is_older:
                self._is_foretold = False
                return structs.replace(turn, phase="resumed")
            case "start":
                self._is_open = True
            case "eager_end":
                self._is_foretold = True
                return self._whole(turn, turn.text)
            case "resumed":
                self._is_foretold = False
            case "end":
                return self._ended(turn)
        return turn

    def silent(self, now: float) -> Turn | None:
        """The end of a turn of which this connection has heard nothing, if that is long enough."""
        if self._waits_since is None or now - self._waits_since < self._timeout:
            return None
        return self._ended(Turn("end", at=self._until, trigger="timeout"))

    def finalized(self) -> Turn | None:
        """The end of a turn of which this connection has heard nothing up to a finalize."""
        if self._waits_since is None:
            return None
        return self._ended(Turn("end", at=self._until, trigger="manual"))

    def _ended(self, turn: Turn) -> Turn:
        told = self._whole(turn, *self._texts[self._older :])
        self._is_open = self._is_foretold = False
        self._texts.clear()
        self._older, self._until, self._waits_since = 0, None, None
        return told

    def _whole(self, turn: Turn, *texts: str) -> Turn:
        """With what earlier connections wrote down of it."""
        if not self._older:
            return turn
        return structs.replace(turn, text=" ".join((*self._texts[: self._older], *texts)))
