"""What is heard, shown: lines of text, text that redraws itself, or JSON."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Protocol

import typer
from msgspec import Struct

from ..events import Ended, Event, Failed, Ready, Transcript
from ..text.subtitles import joined, speaker_name, turns
from ..wire.unified import Server, Style


class Shape(Struct, frozen=True):
    """What is shown, and how."""

    partials: bool = False
    json: bool = False
    words: bool = False
    speakers: bool = False
    is_terminal: bool = False


class Printer(Protocol):
    """Shows events as they come, inside a `with` block."""

    def __enter__(self) -> Printer: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def show(self, event: Event) -> None: ...

    def sent(self, seconds: float) -> None:
        """So much audio is on its way."""
        ...


def lines(transcript: Transcript, shape: Shape) -> Iterator[str]:
    """A final transcript as text: by speaker and with the words' times if wanted."""
    if not transcript.text:
        return
    if shape.speakers and transcript.words:
        for speaker, words in turns(transcript.words):
            yield f"{speaker_name(speaker)}: {joined(words)}"
    else:
        yield transcript.text
    if shape.words:
        for word in transcript.words:
            yield f"  {word.start:8.2f} {word.end:8.2f}  {word.text}"


class Plain:
    """Finals as lines. Partials, if wanted, go to standard error, out of the text's way."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape

    def __enter__(self) -> Plain:
        return self

    def __exit__(self, *_: object) -> None: ...

    def sent(self, seconds: float) -> None: ...

    def show(self, event: Event) -> None:
        match event:
            case Transcript(final=True):
                for line in lines(event, self._shape):
                    typer.echo(line)
            case Transcript(text=text) if self._shape.partials:
                typer.echo(f"… {text}", err=True)
            case _:
                pass


class JsonLines:
    """One object a line: the unified protocol's own messages."""

    def __init__(self, shape: Shape) -> None:
        self._codec = Server(Style("stt"))

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(self, *_: object) -> None: ...

    def sent(self, seconds: float) -> None: ...

    def show(self, event: Event) -> None:
        match event:
            case Ready() | Ended() | Failed():
                return  # the protocol's affairs; failures go to standard error
            case Transcript(text="", words=()):
                return
            case _:
                for frame in self._codec.encode(event):
                    typer.echo(frame)


class Live:
    """For a terminal: the sentence that is being spoken redraws itself until it is final. Without
    partials, its line tells how far it is."""

    def __init__(self, shape: Shape) -> None:
        from rich.console import Console
        from rich.live import Live as Redrawn

        self._shape = shape
        self._console = Console(highlight=False, markup=False)
        self._redrawn = Redrawn(console=self._console, auto_refresh=False, transient=True)
        self._seconds = 0

    def __enter__(self) -> Live:
        self._redrawn.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._redrawn.stop()

    def sent(self, seconds: float) -> None:
        if not self._shape.partials and int(seconds) > self._seconds:
            self._seconds = int(seconds)
            self._redraw(f"listening… {self._seconds} s")

    def show(self, event: Event) -> None:
        match event:
            case Transcript(final=True):
                self._redraw("")
                for line in lines(event, self._shape):
                    self._console.print(line, soft_wrap=True)
            case Transcript(text=text):
                self._redraw(text)
            case _:
                pass

    def _redraw(self, line: str) -> None:
        from rich.text import Text

        self._redrawn.update(Text(line, style="dim italic"), refresh=True)
