"""What it costs to let somebody in, and to refuse somebody with a wrong key."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from statistics import median

from msgspec import structs

from voxway.addresses import AddressGuard
from voxway.auth import Keys
from voxway.config import Settings
from voxway.entrance import Entrance, Leave
from voxway.limits import TIERS
from voxway.net.base import Request
from voxway.stores.accounts import Accounts
from voxway.stores.installation import installation
from voxway.stores.limits import Limits, in_memory, in_redis

from .call import MODELS, now
from .process import gateway
from .redis import own_redis
from .report import Row, Section
from .scale import Scale
from .stats import ms, percentile, us

MEMORY, REDIS = 30e-6, 0.4e-3  # seconds
REFUSALS = 3_000.0  # a second
PEER = "192.0.2.1"
CALLERS = 32  # who try wrong keys at the same time
OTHERS = 20  # sockets that are open meanwhile
WRONG = (
    f"GET /v1/tts/{MODELS['tts']} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {key}\r\n\r\n"
)


async def admission(scale: Scale) -> Section:
    """One process that lets in, then a whole gateway that refuses."""
    async with accounts() as (known, key):
        rows = await _rows(Entrance(known, in_memory(), AddressGuard()), key, scale, "in memory")
        async with own_redis() as url:
            if url is None:
                rows.append(Row("admission with Redis", "", "no redis-server on the PATH"))
            else:
                async with running(in_redis(url)) as limits:
                    entrance = Entrance(known, limits, AddressGuard())
                    rows += await _rows(entrance, key, scale, "with Redis")
    rows.append(await _refusals(scale))
    return Section(
        "Admission",
        "Of a connection in one process, without its sockets: the key found in the headers and "
        "looked up (one that was given out; SQLite is asked once a second), the address's sockets "
        f"counted, a slot reserved while {OTHERS} are held; let go again outside the time taken. "
        f"Median of {scale.admissions:,}. Redis is on the same machine, over TCP.",
        rows,
    )


@asynccontextmanager
async def accounts() -> AsyncIterator[tuple[Accounts, str]]:
    """Accounts in a new database, and a key of one."""
    with tempfile.TemporaryDirectory(prefix="voxway-bench-") as directory:
        async with installation(Settings(data_dir=directory), {}) as kept:
            new = await kept.keys.create("bench", "bench", "enterprise")
            yield Accounts(kept.keys, Keys({})), new.key


@asynccontextmanager
async def running(limits: Limits) -> AsyncIterator[Limits]:
    task = asyncio.create_task(limits.run())
    try:
        yield limits
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _rows(entrance: Entrance, key: str, scale: Scale, where: str) -> list[Row]:
    request = Request("/", (), {"authorization": f"Bearer {key}"}, PEER)
    here: list[Leave] = []

    async def come(name: str) -> None:
        account = await entrance.account(request)
        account.check("tts", MODELS["tts"])
        here.append(await entrance.let_in(account, request, name))

    async def ask(name: str) -> None:
        await entrance.admit(known)

    def leave() -> None:
        while len(here) > OTHERS:
            here.pop()()

    for number in range(OTHERS):
        await come(f"other-{number}")
    known = structs.replace(await entrance.account(request), tier=TIERS["local"])
    entered = await _times(come, leave, scale.admissions)
    asked = await _times(ask, leave, scale.admissions)
    while here:
        here.pop()()
    bound, text = (MEMORY, us(MEMORY)) if where == "in memory" else (REDIS, ms(REDIS))
    tell = us if bound == MEMORY else ms
    return [
        Row(
            f"admission {where}",
            f"{tell(median(entered))} (p90 {tell(percentile(entered, 90))})",
            "a connection, up to its upgrade",
            f"<= {text}",
            median(entered) <= bound,
        ),
        Row(
            f"a request's rate {where}",
            f"{tell(median(asked))} (p90 {tell(percentile(asked, 90))})",
            "an HTTP request counted against its minute",
        ),
    ]


async def _times(
    work: Callable[[str], Awaitable[None]], after: Callable[[], None], count: int
) -> list[float]:
    times = []
    for number in range(count):
        name = f"sess_{number}"
        begun = now()
        await work(name)
        times.append(now() - begun)
        after()
    return times


async def _refusals(scale: Scale) -> Row:
    async with gateway(engines="none") as running:
        await _try_keys(running.port, CALLERS)  # let it warm up
        before = running.cpu()
        answers = await _try_keys(running.port, scale.refusals)
        spent = running.cpu() - before
    if answers - {b"401", b"429"}:
        raise RuntimeError(f"a wrong key was answered with {answers}")
    rate = scale.refusals / spent
    return Row(
        "refusals of wrong keys",
        f"{rate:,.0f}/s",
        f"a gateway's own, over TCP, a connection each, {scale.refusals:,} of them: by the CPU "
        "time that its one process took, since the callers share the machine",
        f">= {REFUSALS:,.0f}/s",
        rate >= REFUSALS,
    )


async def _try_keys(port: int, count: int) -> set[bytes]:
    """Open so many connections with a wrong key each; returns the statuses that were answered."""
    answers: set[bytes] = set()
    numbers = iter(range(count))

    async def caller() -> None:
        for number in numbers:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(WRONG.format(key=f"wrong-{number}").encode())
            answers.add((await reader.readline()).split()[1])
            writer.transport.abort()

    async with asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            group.create_task(caller())
    return answers
