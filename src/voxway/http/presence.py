"""Whether the client is still there: work for one that has gone is ended at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar.types import Receive


class GoneError(Exception):
    """The client closed the connection: nobody waits for an answer."""


@asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group whose first failure is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None


async def watch(receive: Receive) -> None:
    """Wait until the client goes away. Raises GoneError. The body must have been read before."""
    while (await receive())["type"] != "http.disconnect":
        pass
    raise GoneError
