"""The loop of every client script: scenarios asked for as JSON lines, answered as JSON lines.

Runs in the client's own environment, so it needs nothing but Python. What a scenario raises is an
answer too: how the package tells its user that something went wrong.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
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
        try:
            result = asyncio.run(_bounded(scenarios[asked["scenario"]], asked["args"]))
            answer = {"result": result}
        except BaseException as error:
            answer = {"raised": describe(error)}
        print(json.dumps(answer), file=answers, flush=True)


async def _bounded(scenario: Scenario, args: Mapping[str, Any]) -> Any:
    async with asyncio.timeout(BOUND):
        return await scenario(**args)


def describe(error: BaseException) -> dict[str, Any]:
    """An exception as its catcher sees it."""
    return {
        "type": type(error).__name__,
        "message": str(error),
        "status": getattr(error, "status_code", getattr(error, "status", None)),
        "body": getattr(error, "body", None),
    }


def packed(data: bytes) -> str:
    return base64.b64encode(data).decode()


def unpacked(data: str) -> bytes:
    return base64.b64decode(data)
