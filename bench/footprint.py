"""What the gateway costs when nobody speaks: memory, and the time to say what it can do."""

from __future__ import annotations

import asyncio
from statistics import median

from voxway.events import Flushed

from .call import call, now
from .process import Gateway, command
from .report import Row, Section
from .scale import Scale
from .stats import mb, ms, percentile
from .texts import sentence

MEMORY = 100e6  # bytes; docs/decisions/020-memory.md
HELP = 0.4  # seconds
VISITORS = 20


async def footprint(gateway: Gateway, scale: Scale) -> Section:
    """Run it first: it wants a gateway that has done nothing yet."""
    fresh = gateway.memory()
    await asyncio.gather(*(_visit(gateway, number) for number in range(VISITORS)))
    await asyncio.sleep(1.0)
    used = gateway.memory()
    helps = [await _help() for _ in range(scale.helps)]
    return Section(
        "Footprint",
        "`VmRSS` of the gateway process, without its engine workers; wall time of `voxway --help` "
        f"from start to exit, median of {scale.helps}.",
        [
            Row(
                "memory after start",
                mb(fresh),
                "a gateway that waits for its first session",
                f"≤ {mb(MEMORY)}",
                fresh <= MEMORY,
            ),
            Row(
                f"memory after {VISITORS} sessions",
                mb(used),
                f"idle again, after {VISITORS} sessions at once said a sentence and left",
                f"≤ {mb(MEMORY)}",
                used <= MEMORY,
            ),
            Row(
                "`voxway --help`",
                f"{ms(median(helps))} (p90 {ms(percentile(helps, 90))})",
                "what a user waits for the command line",
                f"≤ {ms(HELP)}",
                median(helps) <= HELP,
            ),
        ],
    )


async def _visit(gateway: Gateway, number: int) -> None:
    async with call(gateway.port, "tts") as session:
        await session.speak(sentence(number))
        await session.hear(Flushed)


async def _help() -> float:
    begun = now()
    process = await asyncio.create_subprocess_exec(
        *command("--help"), stdout=asyncio.subprocess.DEVNULL
    )
    if await process.wait() != 0:
        raise RuntimeError("voxway --help failed")
    return now() - begun
