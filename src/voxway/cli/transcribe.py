"""`voxway transcribe`: any audio to text, live if wanted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import typer
from msgspec import Struct

from ..audio.formats import AudioFormat
from ..client import Assembly, Gateway, Listening
from ..client.voxway import Hearing
from ..errors import ConfigError, UpstreamError
from .calling import caller, finishing
from .progress import Progress
from .sound import RATE, paced, sound
from .transcript import JsonLines, Live, Plain, Printer, Shape

# A file waits until it is heard: nothing of it is dropped.
UNHURRIED = Listening(overflow="block", chunks="steady", replay=30.0, patience=60.0)
WRITERS: dict[str, Callable[[Assembly], str]] = {
    ".txt": Assembly.text,
    ".srt": Assembly.srt,
    ".vtt": Assembly.vtt,
    ".json": Assembly.json,
}


class Wish(Struct, frozen=True):
    """What the command line asks for. `raw_rate` is that of audio without a header; `out` is a file
    to write the transcript to, too."""

    source: str
    model: str
    shape: Shape
    language: str | None = None
    raw_rate: int | None = None
    real_time: bool = False
    out: str = ""


def run(gateway: Gateway, wish: Wish) -> None:
    """Write down what is heard. Raises GatewayError."""
    rate = wish.raw_rate or RATE
    audio = sound(wish.source, wish.raw_rate)
    if wish.real_time:
        audio = paced(audio, rate)
    how = hearing(wish.shape, wish.language, rate)
    how["listening"] = UNHURRIED
    asyncio.run(written(gateway, Script(wish.model, how, wish.shape, wish.out), audio))


def hearing(shape: Shape, language: str | None, rate: int) -> Hearing:
    """How to listen, so that there is what is to be shown."""
    return Hearing(
        language=language,
        sample_rate=rate,
        partials=shape.partials,
        words=shape.words or shape.speakers,
        speakers=shape.speakers,
    )


def printer(shape: Shape) -> Printer:
    if shape.json:
        return JsonLines(shape)
    if shape.is_terminal:
        return Live(shape)
    return Plain(shape)


class Script(Struct, frozen=True):
    """Who listens and how, and what becomes of it."""

    model: str
    how: Hearing
    shape: Shape
    out: str = ""


async def written(gateway: Gateway, script: Script, audio: AsyncIterator[bytes]) -> None:
    """Show what is heard, while it is; then save it, if that is wanted. Raises GatewayError, and
    KeyboardInterrupt when Ctrl-C ended the audio and all before it is written down."""
    save = saver(script.out)
    # On the same terminal the spinner and the text would write over each other.
    progress = Progress("listening…", hidden=script.shape.is_terminal)
    async with caller(gateway) as vox, vox.stt(script.model, **script.how) as stt:
        try:
            with printer(script.shape) as out, progress:
                async with finishing(stt):
                    async for event in stt.events(_watched(audio, stt.format, out, progress)):
                        out.show(event)
        except KeyboardInterrupt:
            _check(stt.transcript)
            raise
        finally:
            save(stt.transcript)
    _check(stt.transcript)
    if not stt.transcript.finals:
        typer.echo("voxway: no speech was heard", err=True)


def _check(transcript: Assembly) -> None:
    if transcript.incomplete:
        raise UpstreamError(f"the transcript is incomplete: {transcript.incomplete}")


def saver(out: str) -> Callable[[Assembly], None]:
    """What writes a transcript as the file's suffix says. Raises ConfigError before anything is
    heard, if that is none."""
    if not out:
        return lambda transcript: None
    path = Path(out)
    if (text := WRITERS.get(path.suffix.lower())) is None:
        raise ConfigError(f"cannot write {out}: its suffix is not one of {' '.join(WRITERS)}")
    if not path.parent.is_dir():
        raise ConfigError(f"cannot write {out}: there is no directory {path.parent}")

    def save(transcript: Assembly) -> None:
        try:
            path.write_text(text(transcript).rstrip("\n") + "\n", "utf-8")
        except OSError as error:
            raise ConfigError(f"cannot write {out}: {error.strerror}") from error

    return save


async def _watched(
    audio: AsyncIterator[bytes], format: AudioFormat, out: Printer, progress: Progress
) -> AsyncIterator[bytes]:
    """The same, telling how far it is."""
    size = 0
    async for data in audio:
        yield data
        size += len(data)
        out.sent(format.seconds(size))
        progress.say(f"listening… {format.seconds(size):.0f} s")
