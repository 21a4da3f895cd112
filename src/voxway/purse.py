"""What one line may say of a budget that others spend from, too: those with the same key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .errors import GatewayError
from .guard import contained
from .peers import Draw

PATIENCE = 1.0  # seconds until it is asked again, if nobody says how long it takes


class Purse:
    """`draw` takes an amount out of the budget, or raises GatewayError; `wake` is called when there
    is something to spend that was not."""

    def __init__(self, draw: Draw, wake: Callable[[], None]) -> None:
        self._draw = draw
        self._wake = wake
        self._left = 0
        self._drawing: asyncio.Task[None] | None = None

    def allows(self, amount: int, now: float) -> bool:
        """Whether so much may be spent now. If not, it is seen to."""
        if self._left >= amount:
            return True
        if self._drawing is None:
            missing = self._draw_in(amount - self._left)
            self._drawing = asyncio.get_running_loop().create_task(missing)
        return False

    def spend(self, amount: int, now: float) -> None:
        self._left -= amount

    def close(self) -> None:
        """Nothing more is wanted of it."""
        if self._drawing is not None:
            self._drawing.cancel()

    async def _draw_in(self, amount: int) -> None:
        with contained("purse", self._rest):
            await self._drawn(amount)
            self._left += amount
            self._drawing = None
            self._wake()

    async def _drawn(self, amount: int) -> None:
        while True:
            try:
                return await self._draw(amount)
            except GatewayError as error:  # spent for now, or whoever counts is away
                await asyncio.sleep(error.retry_after or PATIENCE)

    def _rest(self) -> None:
        self._drawing = None
