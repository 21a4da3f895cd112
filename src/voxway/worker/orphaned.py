"""A child that does not outlive whoever started it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable


def when_orphaned(call: Callable[[], object]) -> None:
    """Call it once whoever started us is gone. They hold the other end of our standard input: when
    they die, however they die, this reads the end. To be called on a running loop."""
    loop = asyncio.get_running_loop()

    def gone() -> None:
        loop.remove_reader(sys.stdin.fileno())
        call()

    loop.add_reader(sys.stdin.fileno(), gone)
