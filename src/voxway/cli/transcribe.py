"""`voxway transcribe`: any audio to text, live if wanted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import typer
from msgspec import Struct

from ..client.gateway import Gateway
from ..client.listen import transcribe
from ..events import Failed, ListenOptions, Transcript, Warning
from .progress import Progress
from .sound import RATE, paced, sound
from .transcript import JsonLines, Live, Plain, Printer, Shape


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
    options = ListenOptions(
        language=wish.language,
        encoding="linear16",
        sample_rate=rate,
        partials=wish.shape.partials,
        word_timestamps=wish.shape.words or wish.shape.speakers,
        diarization=wish.shape.speakers,
    )
    asyncio.run(_written(gateway, wish, options, paced(audio, rate) if wish.real_time else audio))


def printer(shape: Shape) -> Printer:
    if shape.json:
        return JsonLines(shape)
    if shape.is_terminal:
        return Live(shape)
    return Plain(shape)


async def _written(
    gateway: Gateway, wish: Wish, options: ListenOptions, audio: AsyncIterator[bytes]
) -> None:
    heard_any = False
    rate = options.sample_rate or RATE
    # On the same terminal the spinner and the text would write over each other.
    progress = Progress("listening…", hidden=wish.shape.is_terminal)
    with printer(wish.shape) as out, progress:
        audio = _watched(audio, rate, out, progress)
        async with aclosing(transcribe(gateway, audio, wish.model, options)) as events:
            async for event in events:
                match event:
                    case Transcript():
                        heard_any = heard_any or bool(event.text)
                    case Warning(message=message) | Failed(message=message):
                        typer.echo(f"voxway: {message}", err=True)
                    case _:
                        pass
                out.show(event)
    if not heard_any:
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
