"""Between what the client wants and what the backend has: formats, and words without times.

A model says in the catalog what it speaks; the client asks for what it likes. What lies between is
done here, on the way of the events: small things at once, work in a thread.

What converts brings numpy and libav with it, 27 MB that a gateway of local engines never needs.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from .aligning import Alignment
from .audio.formats import AudioFormat
from .audio.nearest import is_light, nearest
from .catalog import Model
from .engines.align import can_align
from .errors import ProtocolError
from .events import (
    Audio,
    Event,
    Failed,
    Finish,
    Flush,
    Flushed,
    Options,
    Transcript,
    Words,
)
from .session.tts import OF_AN_UTTERANCE

if TYPE_CHECKING:
    from .audio.convert import Converter

Stamped = tuple[Event, int]  # an event and its epoch


def prepare() -> None:
    """Load now what converts, so that no session has to wait for it."""
    importlib.import_module("voxway.audio.convert")


def _converter(source: AudioFormat, target: AudioFormat, bit_rate: int | None = None) -> Converter:
    from .audio.convert import Converter

    return Converter(source, target, bit_rate)


class Plan(Struct, frozen=True):
    """What a client wants (`options`, complete), what the backend is asked for instead, and whether
    the times of words have to be found here."""

    options: Options
    asked: Options
    client: AudioFormat
    backend: AudioFormat
    is_aligned: bool = False

    @property
    def converts(self) -> bool:
        return self.client != self.backend

    @property
    def is_plain(self) -> bool:
        """What the backend says goes on as it is."""
        return not (self.converts or self.is_aligned)


def plan(options: Options, model: Model) -> Plan:
    """How a model is asked for what the options say."""
    wanted = AudioFormat(
        options.encoding or model.default_encoding, options.sample_rate or model.default_rate
    )
    given = nearest(wanted, model.encodings, model.rates_for, model.default_rate)
    is_aligned = lacks_times(options, model)
    asked = structs.replace(options, encoding=given.encoding, sample_rate=given.sample_rate)
    if is_aligned:
        asked = structs.replace(asked, word_timestamps=False)
    return Plan(options, asked, wanted, given, is_aligned)


def lacks_times(options: Options, model: Model) -> bool:
    """Whether words are wanted with times, the model gives none, and they can be found."""
    is_wanted = options.word_timestamps and "word_timestamps" not in model.capabilities
    return is_wanted and can_align(options.language or model.default_language)


class Spoken:
    """The way of a voice's events to the client. `text` is what was said to it since the last
    terminal, one string an utterance."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._epoch = 0
        self._begin()

    @property
    def is_work(self) -> bool:
        return self._plan.is_aligned or not is_light(self._plan.client, self._plan.backend)

    def abort(self) -> None:
        """All of before is void."""
        self._epoch += 1
        self._begin()

    def _begin(self) -> None:
        plan = self._plan
        self._texts = [""]
        self._converter = _converter(plan.backend, plan.client, plan.options.extra.get("bit_rate"))
        self._alignment = Alignment(plan.backend) if plan.is_aligned else None

    def said(self, command: Event) -> None:
        """Follow what the voice was told."""
        if isinstance(command, Flush):
            self._texts.append("")
        else:
            self._texts[-1] += f" {getattr(command, 'text', '')}"

    def __call__(self, stamped: Stamped) -> Iterator[Stamped]:
        event, epoch = stamped
        if isinstance(event, OF_AN_UTTERANCE) and epoch != self._epoch:
            return  # it was aborted, and what comes after must not be mixed with it
        try:
            for made in self._made(event):
                yield made, epoch
        except ProtocolError as error:
            failed = Failed("backend_error", f"its audio cannot be read: {error.message}", True)
            yield structs.replace(failed, context=event.context), epoch

    def _made(self, event: Event) -> Iterator[Event]:
        # An abort may replace these while a thread is at work here.
        converter, alignment, texts = self._converter, self._alignment, self._texts
        match event:
            case Audio(data=data):
                if alignment is not None:
                    alignment.feed(data)
                if converted := converter.feed(data):
                    yield structs.replace(event, data=converted)
            case Flushed(context=context):
                if tail := converter.flush():
                    yield Audio(tail, context=context)
                text = texts.pop(0) if len(texts) > 1 else texts[0]
                if alignment is not None and (words := alignment.words(text)):
                    yield Words(words, context=context)
                yield event
            case _:
                yield event


class Heard:
    """The way of a client's audio to a recognizer, and of what it heard back."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._converter = _converter(plan.client, plan.backend) if plan.converts else None
        self._alignment = Alignment(plan.backend) if plan.is_aligned else None
        self._from = self._given = 0.0  # seconds: of the audio kept for alignment
        self._is_unreadable = False

    @property
    def converts(self) -> bool:
        return self._converter is not None

    @property
    def is_aligned(self) -> bool:
        return self._alignment is not None

    @property
    def is_work(self) -> bool:
        return not is_light(self._plan.client, self._plan.backend)

    def up(self, command: Event) -> Iterator[Event]:
        """A command on its way to the recognizer."""
        assert self._converter is not None
        converted = b""
        if not self._is_unreadable:
            try:
                if isinstance(command, Audio):
                    converted = self._converter.feed(command.data)
                elif isinstance(command, Finish):
                    converted = self._converter.flush()
            except ProtocolError as error:
                self._is_unreadable = True
                message = (
                    f"audio: it cannot be read, and is not heard from here on: {error.message}"
                )
                yield Failed("invalid_request", message, param="audio")
        if converted:
            yield Audio(converted)
        if not isinstance(command, Audio):
            yield command

    def heard(self, command: Event) -> None:
        """Keep what the recognizer hears, if it gives words without times."""
        if self._alignment is not None and isinstance(command, Audio):
            self._alignment.feed(command.data)
            self._given += self._plan.backend.seconds(len(command.data))

    def down(self, stamped: Stamped) -> Iterator[Stamped]:
        """What it heard, on its way to the client."""
        event, epoch = stamped
        is_bare = isinstance(event, Transcript) and event.final and event.text and not event.words
        if is_bare and self._alignment is not None:
            assert isinstance(event, Transcript)
            start, self._from = self._from, self._given
            words = tuple(
                structs.replace(word, start=start + word.start, end=start + word.end)
                for word in self._alignment.words(event.text)
            )
            event = structs.replace(event, words=words)
        yield event, epoch
