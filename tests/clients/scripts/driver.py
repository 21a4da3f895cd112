"""The loop of every client script: scenarios asked for as JSON lines, answered as JSON lines.

Runs in the client's own environment, so it needs nothing but Python. What a scenario raises is an
answer too: how the package tells its user that something went wrong.
"""

from __future__ import annotations

import asyncio
import base64
import faulthandler
import inspect
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

BOUND = 60.0  # seconds: a bound against hangs, not a measure
Scenario = Callable[..., Awaitable[Any]]


def serve(scenarios: Mapping[str, Scenario]) -> None:
    """Answer until the input ends."""
    # Some packages print; only answers may go where the answers go.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print(json.dumps({"ready": sorted(scenarios)}), file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        # A blocking call that hangs in a thread can only be ended with the process.
        faulthandler.dump_traceback_later(BOUND * 1.2, exit=True)
        try:
            result = asyncio.run(_bounded(scenarios[asked["scenario"]], asked["args"]))
            answer = {"result": result}
        except BaseException as error:
            answer = {"raised": describe(error)}
        faulthandler.cancel_dump_traceback_later()
        print(json.dumps(answer, default=str), file=answers, flush=True)


async def _bounded(scenario: Scenario, args: Mapping[str, Any]) -> Any:
    async with asyncio.timeout(BOUND):
        return await scenario(**args)


def describe(error: BaseException) -> dict[str, Any]:
    """An exception as its catcher sees it."""
    answer = getattr(error, "response", None)
    status = getattr(error, "status", getattr(answer, "status_code", None))
    return {
        "type": type(error).__name__,
        "message": str(error),
        "status": getattr(error, "status_code", status),
        "body": getattr(error, "body", None),
    }


# Packages have a blocking and an asynchronous client with the same methods. A scenario is written
# once, with these, for both.


async def do(method: Callable[..., Any], *args: Any, **named: Any) -> Any:
    """Call a method of either client, off the loop if it blocks."""
    result = await asyncio.to_thread(method, *args, **named)
    return await result if inspect.isawaitable(result) else result


async def each(items: Any) -> AsyncIterator[Any]:
    """What either client yields."""
    if hasattr(items, "__aiter__"):
        async for item in items:
            yield item
        return
    following, end = iter(items), object()
    while (item := await asyncio.to_thread(next, following, end)) is not end:
        yield item


@asynccontextmanager
async def within(manager: Any) -> AsyncIterator[Any]:
    """What either client opens, closed after use."""
    if hasattr(manager, "__aenter__"):
        async with manager as opened:
            yield opened
        return
    opened = await asyncio.to_thread(manager.__enter__)
    try:
        yield opened
    except BaseException as error:
        if not await asyncio.to_thread(manager.__exit__, type(error), error, error.__traceback__):
            raise
    else:
        await asyncio.to_thread(manager.__exit__, None, None, None)


def packed(data: bytes) -> str:
    return base64.b64encode(data).decode()


def unpacked(data: str) -> bytes:
    return base64.b64decode(data)
