"""A loop on which time flies: ten minutes pass in seconds, and everybody there believes it."""

from __future__ import annotations

import asyncio
import selectors


class HurriedLoop(asyncio.SelectorEventLoop):
    """`hurry(100)`: from now on a second takes ten milliseconds."""

    def __init__(self) -> None:
        self._selector_here = _Selector()
        self._factor = 1.0
        self._real = self._ours = 0.0  # at the last change
        super().__init__(self._selector_here)

    def time(self) -> float:
        return self._ours + (super().time() - self._real) * self._factor

    def hurry(self, factor: float) -> None:
        self._ours, self._real = self.time(), super().time()
        self._factor = self._selector_here.factor = factor


class _Selector(selectors.DefaultSelector):
    factor = 1.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found: list[tuple[selectors.SelectorKey, int]] = super().select(
            timeout and timeout / self.factor
        )
        return found
