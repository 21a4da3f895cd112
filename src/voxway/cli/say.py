"""`voxway say`: text from anywhere, its speech to a file, the loudspeaker or another program."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, aclosing
from pathlib import Path

import typer
from msgspec import Struct

from ..client.gateway import Gateway
from ..client.tts import Chunk
from ..client.voxway import Voice
from ..errors import ConfigError
from ..events import SpeakOptions
from . import stdin
from .calling import caller
from .loudspeaker import loudspeaker
from .progress import Progress
from .sinks import Sink, sink_for

DEFAULT_FILE = "speech.wav"
_TEXT_SUFFIXES = (".txt", ".md")


class Spoken(Struct, frozen=True):
    """How it went: all in seconds from the first text sent."""

    audio: float
    first_audio: float
    total: float

    def __str__(self) -> str:
        first = f"{self.first_audio * 1000:.0f} ms"
        return f"{self.audio:.2f} s of audio, the first after {first}, RTF {self.rtf:.2f}"

    @property
    def rtf(self) -> float:
        """Real-time factor: below 1 the speech comes faster than it sounds."""
        return self.total / self.audio


class Wish(Struct, frozen=True):
    """What the command line asks for. `out` is empty if no file was named."""

    text: str
    model: str
    options: SpeakOptions
    out: str = ""
    play: bool = False


def run(gateway: Gateway, wish: Wish) -> None:
    """Speak, and say how it went. Raises GatewayError."""
    text = source(wish.text)
    sinks = sinks_for(wish)
    spoken = asyncio.run(speak_into(sinks, gateway, wish, text))
    files = ", ".join(sink.name for sink in sinks)
    typer.echo(f"{spoken} -> {files}", err=wish.out == "-")


def source(text: str) -> str | AsyncIterator[str]:
    """The text that is meant: standard input for `-`, the content of a file of that name, or
    itself."""
    if text == "-":
        if sys.stdin.isatty():
            typer.echo("voxway: speaking what you type; Ctrl-D ends", err=True)
        return stdin.read_text()
    if not text.strip():
        raise ConfigError("there is no text to speak")
    if not (path := _file(text)):
        return text
    try:
        content = path.read_text("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not a text file in UTF-8") from None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    if not content.strip():
        raise ConfigError(f"there is no text in {path}")
    return content


def _file(text: str) -> Path | None:
    """The file that `text` names, if there is one."""
    path = Path(text)
    try:
        if path.is_file():
            return path
    except (OSError, ValueError):  # too long or too odd for a name: a text
        return None
    if path.suffix in _TEXT_SUFFIXES and not any(map(str.isspace, text)):
        raise ConfigError(f"there is no file {text}")
    return None


def sinks_for(wish: Wish) -> list[Sink]:
    """Where the speech goes. What cannot be played is written, so that it is not lost."""
    sinks: list[Sink] = [sink_for(wish.out)] if wish.out else []
    if wish.play:
        try:
            sinks.append(loudspeaker())
        except ConfigError as error:
            typer.echo(f"voxway: {error.message}", err=True)
    return sinks or [sink_for(DEFAULT_FILE)]


async def speak_into(
    sinks: Sequence[Sink], gateway: Gateway, wish: Wish, text: str | AsyncIterator[str]
) -> Spoken:
    """Speak into the sinks, and close them. Raises GatewayError."""
    told = _Told(text)
    with ExitStack() as stack, Progress("speaking…") as progress:
        for sink in sinks:
            stack.callback(sink.close)
        async with caller(gateway) as vox, vox.tts(wish.model, **voice(wish.options)) as tts:
            for sink in sinks:
                sink.open(tts.sample_rate)
            async with aclosing(tts.stream(told.pieces())) as chunks:
                spoken = await _collected(chunks, tts.sample_rate, told, sinks, progress)
        progress.say("finishing…")  # a loudspeaker takes its time
        for sink in sinks:
            await sink.finish()
    return spoken


def voice(options: SpeakOptions) -> Voice:
    """The same as the client takes it."""
    return Voice(
        voice=options.voice,
        language=options.language,
        sample_rate=options.sample_rate,
        speed=options.speed,
    )


async def _collected(
    chunks: AsyncIterator[Chunk], rate: int, told: _Told, sinks: Sequence[Sink], progress: Progress
) -> Spoken:
    size, first, last = 0, 0.0, 0.0
    async for chunk in chunks:
        last = time.monotonic()
        first = first or last
        size += len(chunk.data)
        for sink in sinks:
            sink.write(chunk.data)
        progress.say(f"speaking… {size / 2 / rate:.1f} s of audio")
    if not size:
        raise ConfigError("no speech came: there is nothing in the text to say")
    return Spoken(size / 2 / rate, first - told.at, last - told.at)


class _Told:
    """The text, and when its first piece was sent."""

    def __init__(self, text: str | AsyncIterator[str]) -> None:
        self._text = text
        self.at = 0.0

    async def pieces(self) -> AsyncIterator[str]:
        if isinstance(self._text, str):
            self.at = time.monotonic()
            yield self._text
            return
        async for piece in self._text:
            self.at = self.at or time.monotonic()
            yield piece
