"""How long to wait before trying again: doubling delays up to a bound."""

from __future__ import annotations

from collections.abc import Iterator


def doubling(first: float, most: float) -> Iterator[float]:
    """first, 2*first, 4*first, ... seconds, never over `most`, for ever."""
    delay = first
    while True:
        yield min(delay, most)
        delay = min(delay * 2, most)
