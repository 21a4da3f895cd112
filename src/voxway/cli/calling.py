"""The client as the commands use it: it gives up at once where nobody answers, and comes back where
a connection was lost amid the work; what the user should know goes to standard error."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import typer
from msgspec import structs

from ..client import TELNYX, Gateway, Notice, State, Stt, Voxway, notices
from ..client.stt import ended

PERSISTENT = structs.replace(TELNYX, first_attempts=1, attempts=10)


def caller(gateway: Gateway) -> Voxway:
    """For one command."""
    return Voxway(gateway.url, gateway.key, ca=gateway.ca, retry=PERSISTENT, on_notice=tell)


def tell(notice: Notice) -> None:
    """A line for what changes the result."""
    match notice:
        case notices.Warned(message=message):
            line = message
        case notices.Lost(message=message, again_in=float() as seconds):
            line = f"{message}; trying again in {seconds:.1f} s"
        case notices.Gap(start=start, end=end):
            line = f"from {start:.1f} s to {end:.1f} s nobody listened"
        case _:
            return
    typer.echo(f"voxway: {line}", err=True)


@asynccontextmanager
async def finishing(stt: Stt) -> AsyncIterator[None]:
    """In the block, the first Ctrl-C ends the audio and not the command: what was said by then is
    still written down, if there is a connection. The second one ends the session at once, and what
    is missing is told; a third one ends the command as ever. Afterwards KeyboardInterrupt is
    raised."""
    loop = asyncio.get_running_loop()
    tasks: list[asyncio.Task[object]] = []

    def end() -> None:
        if tasks:
            loop.remove_signal_handler(signal.SIGINT)
        is_there = stt.state in (State.READY, State.RESTING) and not tasks
        tasks.append(loop.create_task(stt.finish() if is_there else stt.aclose()))

    loop.add_signal_handler(signal.SIGINT, end)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        for task in tasks:
            await ended(task)
        if tasks:  # whatever went wrong after it was a consequence
            raise KeyboardInterrupt
