"""What is done to events on their way, in their order: at once, or in a thread if it is work."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from .guard import contained

T = TypeVar("T")
FULL = 64  # items that wait before the source is asked to rest


class Stage(Generic[T]):
    """`work` turns one item into those that go on; `out` takes them. With `in_thread`, `full` is
    told when too much waits (True), and when it does no more. `broke`: there is a bug in one of
    these, and nothing goes on any more."""

    def __init__(
        self,
        work: Callable[[T], Iterable[T]],
        out: Callable[[T], None],
        full: Callable[[bool], None],
        broke: Callable[[], None],
        *,
        in_thread: bool,
    ) -> None:
        self._work = work
        self._out = out
        self._full = full
        self._broke = broke
        self._in_thread = in_thread
        self._items: deque[T] = deque()
        self._task: asyncio.Task[None] | None = None
        self._is_full = self._is_closed = False

    def put(self, item: T) -> None:
        """Do it, or have it done after what came before."""
        if self._is_closed:
            return
        if not self._in_thread:
            for made in self._work(item):
                self._out(made)
            return
        self._items.append(item)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        if len(self._items) > FULL and not self._is_full:
            self._is_full = True
            self._full(True)

    def drop(self, is_unwanted: Callable[[T], bool]) -> None:
        """Forget what waits and is wanted no more."""
        self._items = deque(item for item in self._items if not is_unwanted(item))

    def close(self) -> None:
        """Nothing more goes on."""
        self._items.clear()
        self._is_closed = True
        if self._task is not None:
            self._task.cancel()

    def _worked(self, item: T) -> list[T]:
        return list(self._work(item))

    async def _run(self) -> None:
        with contained("stage", self._break):
            while self._items:
                item = self._items.popleft()
                for made in await asyncio.to_thread(self._worked, item):
                    self._out(made)
                if self._is_full and len(self._items) <= FULL // 2:
                    self._is_full = False
                    self._full(False)
        self._task = None

    def _break(self) -> None:
        self._is_closed = True
        self._items.clear()
        self._broke()
