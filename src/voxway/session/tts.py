"""One client that wants speech and one upstream that makes it, kept in step.

Text is cut into sentences here, so that an upstream may begin before the paragraph is complete.
Every flush gets one terminal, in order. An abort advances the *epoch*; whatever the upstream still
says of an older one dies in `from_upstream`, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from ..audio.formats import AudioFormat, checked_rate, encoding_named
from ..catalog import Model
from ..errors import ConfigError, GatewayError, ProtocolError, UpstreamError
from ..events import (
    Audio,
    Cancel,
    Clear,
    Cleared,
    Configure,
    Ended,
    Event,
    Failed,
    Finish,
    Flush,
    Flushed,
    KeepAlive,
    Ready,
    SegmentEnd,
    SegmentStart,
    SpeakOptions,
    Start,
    Text,
    Words,
)
from ..limits import Meter
from ..text.sentences import Segmenter
from .actions import (
    Action,
    Identity,
    Life,
    State,
    ToClient,
    ToUpstream,
    upstream_failure,
)

# What an abort makes worthless. All else is about the session as a whole.
OF_AN_UTTERANCE = (Audio, Words, SegmentStart, SegmentEnd, Flushed)


class Speech(Struct):
    """One context: the text not yet handed on, the epoch, the flushes not yet answered."""

    segmenter: Segmenter
    epoch: int = 0
    pending: int = 0

    @property
    def is_busy(self) -> bool:
        return self.pending > 0


class TtsSession:
    """See the module. `options` are those in force once the session is open."""

    def __init__(
        self, identity: Identity, model: Model, meter: Meter, notices: Sequence[Event] = ()
    ) -> None:
        self.options = SpeakOptions()
        self._life = Life(identity, meter, notices)
        self._model = model
        self._speeches: dict[str, Speech] = {}
        self._format = AudioFormat(model.default_encoding, model.default_rate)

    @property
    def state(self) -> State:
        return self._life.state

    def from_client(self, command: Event, now: float) -> Iterator[Action]:
        """What to do about a command."""
        if self._life.state in (State.CLOSED, State.FINISHING):
            return
        try:
            self._life.admit(command, now)
            yield from self._command(command, now)
        except GatewayError as error:
            yield from self._life.fail(error, now)

    def from_upstream(self, event: Event, epoch: int, now: float) -> Iterator[Action]:
        """What to do about an event made under `epoch` of its context."""
        if self._life.state is State.CLOSED:
            return
        speech = self._speech(event.context)
        if isinstance(event, OF_AN_UTTERANCE) and epoch != speech.epoch:
            return  # the client has said that it does not want it: here every stale thing dies
        match event:
            case Audio(data=data):
                self._life.meter.spoke(self._format.seconds(len(data)))
                yield ToClient(event)
            case Flushed():
                speech.pending = max(0, speech.pending - 1)
                yield ToClient(event)
                yield from self._end_if_done(now)
            case Ready():
                yield from self._life.ready(self._ready(event))
            case Failed():
                yield from self._life.fail(upstream_failure(event), now)
            case Ended():
                yield from self.upstream_lost("the voice ended the session", now)
            case Cleared() | KeepAlive():
                return  # the client was answered at once; our own keepalive was answered
            case _:
                yield ToClient(event)

    def upstream_lost(self, message: str, now: float) -> Iterator[Action]:
        """The upstream is gone for good."""
        if self._life.state is State.FINISHING and not self._is_busy():
            yield from self._life.end("client_closed", now)
        elif self._life.state is not State.CLOSED:
            yield from self._life.fail(UpstreamError(message, code="backend_error"), now)

    def fail(self, error: GatewayError, now: float) -> Iterator[Action]:
        """Something outside went wrong: tell the client as the error table says."""
        if self._life.state is not State.CLOSED:
            yield from self._life.fail(error, now)

    def tick(self, now: float) -> Iterator[Action]:
        """What the passing of time asks for; called about once a second."""
        yield from self._life.tick(now, mid_utterance=self._is_busy())

    def end(self, reason: str, now: float) -> Iterator[Action]:
        """End it from our side, as when the process goes down."""
        yield from self._life.end(reason, now)

    def _command(self, command: Event, now: float) -> Iterator[Action]:
        match command:
            case Start(options=options):
                yield from self._start(options)
            case Text() | Flush():
                if self._life.state is State.NEW:
                    yield from self._start(None)
                yield from self._say(command)
            case Clear() | Cancel():
                yield from self._abort(command)
            case Finish():
                yield from self._finish(command, now)
            case KeepAlive(reply=reply):
                if reply:
                    yield ToClient(KeepAlive())
            case Audio():
                raise ProtocolError("audio on a text-to-speech socket", param="audio")
            case Configure():
                raise ProtocolError(
                    "configure: this route is configured once, by init", param="type"
                )
            case _:
                raise ProtocolError(f"{type(command).__name__} is not for text-to-speech")

    def _start(self, options: object) -> Iterator[Action]:
        if self._life.state is not State.NEW:
            raise ProtocolError(
                "init: the session is configured already; open another socket to change it",
                param="type",
            )
        given = options if isinstance(options, SpeakOptions) else SpeakOptions()
        self.options = resolve(given, self._model)
        self._format = AudioFormat(
            self.options.encoding or self._model.default_encoding,
            self.options.sample_rate or self._model.default_rate,
        )
        self._life.state = State.OPEN
        yield ToUpstream(Start(self.options))

    def _say(self, command: Text | Flush) -> Iterator[Action]:
        speech = self._speech(command.context)
        if isinstance(command, Text):
            sentences = speech.segmenter.feed(command.text)
        else:
            sentences = speech.segmenter.flush()
        for sentence in sentences:
            yield ToUpstream(Text(sentence, partial=False, context=command.context))
        if isinstance(command, Flush):
            speech.pending += 1
            yield ToUpstream(command)

    def _abort(self, command: Clear | Cancel) -> Iterator[Action]:
        speech = self._speech(command.context)
        speech.segmenter.clear()
        if self._life.state is State.OPEN:
            speech.epoch += 1
            speech.pending = 0
            yield ToUpstream(Clear(context=command.context))
        cancelled = isinstance(command, Cancel)
        yield ToClient(Cleared(cancelled=cancelled, context=command.context))

    def _finish(self, command: Finish, now: float) -> Iterator[Action]:
        if command.abort or self._life.state is State.NEW:
            yield from self._life.end("client_closed", now)
            return
        for context, speech in self._speeches.items():
            for sentence in speech.segmenter.flush():
                yield ToUpstream(Text(sentence, partial=False, context=context))
            speech.pending += 1
            yield ToUpstream(Flush(context=context))
        self._life.finish(now)
        yield from self._end_if_done(now)

    def _end_if_done(self, now: float) -> Iterator[Action]:
        if self._life.state is State.FINISHING and not self._is_busy():
            yield from self._life.end("client_closed", now)

    def _is_busy(self) -> bool:
        return any(speech.is_busy for speech in self._speeches.values())

    def _speech(self, context: str) -> Speech:
        if context not in self._speeches:
            self._speeches[context] = Speech(Segmenter())
        return self._speeches[context]

    def _ready(self, event: Ready) -> Ready:
        identity = self._life.identity
        return Ready(
            identity.session_id,
            identity.request_id,
            identity.model_asked,
            self._format.encoding,
            self._format.sample_rate,
            self._model.capabilities,
            context=event.context,
        )


def resolve(options: SpeakOptions, model: Model) -> SpeakOptions:
    """The options with the model's defaults filled in. Raises ConfigError naming the field that
    the model cannot honour, the value and what it can."""
    speed = 1.0 if options.speed is None else options.speed
    slowest, fastest = model.speeds
    if not slowest <= speed <= fastest:
        raise ConfigError(
            f"speed {speed:g} is outside {slowest:g}-{fastest:g} of {model.id}", param="speed"
        )
    if options.voice is not None and options.voice not in model.voices:
        raise ConfigError(
            f"voice {options.voice[:60]!r} is not one of {', '.join(model.voices)}", param="voice"
        )
    encoding = encoding_named(
        options.encoding or model.default_encoding, model.encodings, "encoding"
    )
    rate = model.default_rate if options.sample_rate is None else options.sample_rate
    return msgspec.structs.replace(
        options,
        voice=options.voice or next(iter(model.voices), None),
        language=checked_language(options.language, model),
        encoding=encoding,
        sample_rate=checked_rate(rate, encoding, "sample_rate"),
        speed=speed,
    )


def checked_language(language: str | None, model: Model) -> str | None:
    """The language if the model knows it (region ignored), or None if none was given."""
    if language is None:
        return None
    if language.lower().replace("_", "-").split("-")[0] not in model.languages:
        raise ConfigError(
            f"language {language[:20]!r} is not one of {', '.join(model.languages)}",
            param="language",
        )
    return language
