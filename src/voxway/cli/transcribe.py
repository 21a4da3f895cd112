"""`voxway transcribe`: any audio to text, live if wanted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import typer
from msgspec import Struct

from ..client import Gateway, Listening
from ..client.voxway import Hearing
from .calling import caller, finishing
from .progress import Progress
from .sound import RATE, paced, sound
from .transcript import JsonLines, Live, Plain, Printer, Shape

# A file waits until it is heard: nothing of it is dropped.
UNHURRIED = Listening(overflow="block", chunks="steady", replay=30.0, patience=60.0)


class Wish(Struct, frozen=True):
    """What the command line asks for. `raw_rate` is that of audio without a header."""

    source: str
    model: str
    shape: Shape
    language: str | None = None
    raw_rate: int | None = None
    real_time: bool = False


def run(gateway: Gateway, wish: Wish) -> None:
    """Write down what is heard. Raises GatewayError."""
    rate = wish.raw_rate or RATE
    audio = sound(wish.source, wish.raw_rate)
    asyncio.run(_written(gateway, wish, rate, paced(audio, rate) if wish.real_time else audio))


def hearing(wish: Wish, rate: int, listening: Listening) -> Hearing:
    """The same as the client takes it."""
    return Hearing(
        language=wish.language,
        sample_rate=rate,
        partials=wish.shape.partials,
        words=wish.shape.words or wish.shape.speakers,
        speakers=wish.shape.speakers,
        listening=listening,
    )


def printer(shape: Shape) -> Printer:
    if shape.json:
        return JsonLines(shape)
    if shape.is_terminal:
        return Live(shape)
    return Plain(shape)


async def _written(gateway: Gateway, wish: Wish, rate: int, audio: AsyncIterator[bytes]) -> None:
    # On the same terminal the spinner and the text would write over each other.
    progress = Progress("listening…", hidden=wish.shape.is_terminal)
    how = hearing(wish, rate, UNHURRIED)
    with printer(wish.shape) as out, progress:
        async with caller(gateway) as vox, vox.stt(wish.model, **how) as stt, finishing(stt):
            async for event in stt.events(_watched(audio, rate, out, progress)):
                out.show(event)
    if stt.transcript.incomplete:
        typer.echo(f"voxway: the transcript is incomplete: {stt.transcript.incomplete}", err=True)
    elif not stt.transcript.finals:
        typer.echo("voxway: no speech was heard", err=True)


async def _watched(
    audio: AsyncIterator[bytes], rate: int, out: Printer, progress: Progress
) -> AsyncIterator[bytes]:
    """The same, telling how far it is."""
    size = 0
    async for data in audio:
        yield data
        size += len(data)
        out.sent(size / (2 * rate))
        progress.say(f"listening… {size / (2 * rate):.0f} s")
