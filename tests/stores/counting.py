"""A process that counts usage, to be killed in the middle of it.

Says on standard output at once what it has counted of a session, `ID CHARACTERS`, and in the end
`ID CHARACTERS ended`.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import structlog
from msgspec import structs

from voxway.catalog.model import Prices
from voxway.events import Usage
from voxway.stores.database import Database
from voxway.stores.usage import Ledger, Rhythm
from voxway.usage import Opened

RHYTHM = Rhythm(turn=0.1, checkpoint=0.3, beat=0.1)
OPEN, PASSING = 3, 20  # sessions


def opened(id: str) -> Opened:
    """A session of which every character costs a thousandth."""
    return Opened(
        id=id,
        kind="websocket",
        task="tts",
        request=f"req_{id}",
        account="key_1",
        organisation="acme",
        opened=datetime.now(UTC),
        prices=Prices(characters=1.0),
    )


def reading(count: Callable[[], int]) -> Callable[[], Usage]:
    return lambda: Usage(characters=count())


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def count(url: str, name: str, lease: float) -> None:
    """Until killed."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    ledger = Ledger(Database(url), structs.replace(RHYTHM, lease=lease))
    counted = {f"{name}-open-{i}": 0 for i in range(OPEN)}
    for id in counted:
        ledger.open(opened(id), reading(partial(counted.__getitem__, id)))
    running = asyncio.create_task(ledger.run())
    for n in itertools.count():
        for i, id in enumerate(counted):
            counted[id] += 11 + i
            say(id, counted[id])
        if n < PASSING:
            id = f"{name}-passing-{n}"
            ledger.open(opened(id), reading(lambda: n))  # noqa: B023
            ledger.close(id, "client_closed", 1000)
            say(id, n, "ended")
        await asyncio.sleep(0.01)
        assert not running.done()


if __name__ == "__main__":
    asyncio.run(count(sys.argv[1], sys.argv[2], float(sys.argv[3])))
