"""One client that wants speech and one upstream that makes it, kept in step.

Text is cut into sentences here, so that an upstream may begin before the paragraph is complete,
and worded as the client's dictionary wants; words are told back as they were sent. Every flush
gets one terminal, in order. An abort advances the *epoch*; whatever the upstream still says of an
older one dies in `from_upstream`, and nowhere else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from msgspec import Struct, field, structs

from ..audio.formats import AudioFormat
from ..errors import GatewayError, ProtocolError, UpstreamError
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
    Malformed,
    Pronunciation,
    Ready,
    SegmentEnd,
    SegmentStart,
    SpeakOptions,
    Start,
    Text,
    Warning,
    Words,
)
from ..limits import Meter
from ..text.pronunciation import Rewriter
from ..text.retelling import Retelling
from ..text.sentences import Segmenter
from .actions import (
    Action,
    Brief,
    Life,
    State,
    ToClient,
    ToUpstream,
    upstream_failure,
)
from .options import Resolver
from .wording import Wording

# What an abort makes worthless. All else is about the session as a whole.
OF_AN_UTTERANCE = (Audio, Words, SegmentStart, SegmentEnd, Flushed)


class Speech(Struct):
    """One context: the text not yet handed on, the epoch, the flushes not yet answered, and for
    each utterance how to tell what is spoken."""

    segmenter: Segmenter
    retellings: deque[Retelling] = field(default_factory=lambda: deque([Retelling()]))
    epoch: int = 0
    pending: int = 0
    has_text: bool = False  # since the last flush

    @property
    def is_busy(self) -> bool:
        return self.pending > 0

    def flush(self) -> None:
        """An utterance is complete."""
        self.pending += 1
        self.has_text = False
        self.retellings.append(Retelling())

    def abort(self) -> None:
        """Forget all text and every utterance."""
        self.segmenter.clear()
        self.has_text = False
        self.pending = 0
        self.retellings = deque([Retelling()])

    def tell(self, event: Words | SegmentStart | Flushed) -> Iterator[Event]:
        """An event about words, in the words that were sent."""
        retelling = self.retellings[0]
        match event:
            case Words(words=words):
                told = retelling.tell(words)
            case SegmentStart(text=text):
                yield structs.replace(event, text=text and retelling.source(text))
                return
            case Flushed():
                told = retelling.rest()
                if len(self.retellings) > 1:
                    self.retellings.popleft()
        if told:
            yield Words(told, context=event.context)
        if isinstance(event, Flushed):
            yield event


class TtsSession:
    """See the module. `options` are those in force once the session is open."""

    def __init__(self, brief: Brief, meter: Meter) -> None:
        self.options = SpeakOptions()
        self._life = Life(brief, meter)
        self._model = brief.model
        self._speeches: dict[str, Speech] = {}
        self._format = AudioFormat(brief.model.default_encoding, brief.model.default_rate)
        self._changed: Configure | None = None  # waits for the end of the utterance
        self._wording = Wording()

    @property
    def state(self) -> State:
        return self._life.state

    @property
    def tag(self) -> str:
        """The client's own name for the conversation."""
        return self._life.tag

    def from_client(self, command: Event, now: float) -> Iterator[Action]:
        """What to do about a command."""
        if self._life.state in (State.CLOSED, State.FINISHING):
            return
        try:
            self._life.admit(command, now)
            if not self._wording.holds(command):
                yield from self._command(command, now)
        except GatewayError as error:
            yield from self._life.refuse(command, error, now)

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
            case Words() | SegmentStart():
                yield from map(ToClient, speech.tell(event))
            case Flushed():
                speech.pending = max(0, speech.pending - 1)
                yield from map(ToClient, speech.tell(event))
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

    def found(
        self, reference: Pronunciation, found: Rewriter | GatewayError, now: float
    ) -> Iterator[Action]:
        """What a look-up gave: go on with what waited for it."""
        if isinstance(found, GatewayError):
            yield from self.fail(found, now)
        for command in self._wording.answer(reference, found):
            if self._life.state in (State.CLOSED, State.FINISHING):
                return
            try:
                yield from self._command(command, now)
            except GatewayError as error:
                yield from self._life.refuse(command, error, now)

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

    def _command(  # noqa: C901 - one case a command
        self, command: Event, now: float
    ) -> Iterator[Action]:
        match command:
            case Start():
                yield from self._start(command)
            case Text() | Flush():
                if self._life.state is State.NEW:
                    yield from self._start(Start())
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
                yield from self._configure(command)
            case Malformed(message=message, param=param):
                yield ToClient(Warning("ignored", message, param))
            case _:
                raise ProtocolError(f"{type(command).__name__} is not for text-to-speech")

    def _start(self, command: Start) -> Iterator[Action]:
        if self._life.state is not State.NEW:
            raise ProtocolError(
                "init: the session is configured already; send configure, or open another socket",
                param="type",
            )
        given = command.options if isinstance(command.options, SpeakOptions) else SpeakOptions()
        resolver = self._resolver()
        # The text is rewritten here, so the dictionary is nothing to the upstream.
        self.options = resolver.speech(structs.replace(given, pronunciation=None))
        self._life.warn_before_ready(resolver.warnings)
        self._life.tag = command.tag or self._life.tag
        self._format = AudioFormat(
            self.options.encoding or self._model.default_encoding,
            self.options.sample_rate or self._model.default_rate,
        )
        self._life.state = State.OPEN
        yield ToUpstream(Start(self.options))
        if given.pronunciation is not None:
            yield self._wording.ask(given.pronunciation)

    def _resolver(self) -> Resolver:
        return Resolver(self._model, is_lenient=self._life.brief.is_lenient)

    def _configure(self, command: Configure) -> Iterator[Action]:
        if self._life.state is State.NEW:
            raise ProtocolError("configure: init comes first", param="type")
        resolver = self._resolver()
        self.options = resolver.change(self.options, command.options)
        yield from map(ToClient, resolver.warnings)
        change = Configure(self.options)
        if any(speech.has_text for speech in self._speeches.values()):
            self._changed = change
            yield ToClient(
                Warning("deferred", "configure takes effect at the next utterance", "configure")
            )
        else:
            yield ToUpstream(change)

    def _say(self, command: Text | Flush) -> Iterator[Action]:
        speech = self._speech(command.context)
        if isinstance(command, Text):
            if command.pronunciation and not self._wording.adopt(command.pronunciation):
                yield self._wording.ask(command.pronunciation, command)
                return
            speech.has_text |= bool(command.text)
            sentences = speech.segmenter.feed(command.text)
            if not command.partial:
                sentences += speech.segmenter.flush()
        else:
            sentences = speech.segmenter.flush()
        yield from self._hand_on(sentences, command.context)
        if isinstance(command, Flush):
            speech.flush()
            yield ToUpstream(command)
            yield from self._apply_change()

    def _hand_on(self, sentences: list[str], context: str) -> Iterator[Action]:
        for sentence in sentences:
            rewritten = self._wording.rewrite(sentence)
            self._speech(context).retellings[-1].expect(
                rewritten.text, rewritten.source, rewritten.units()
            )
            if text := rewritten.text.strip():
                yield ToUpstream(Text(text, partial=False, context=context))

    def _apply_change(self) -> Iterator[Action]:
        if self._changed is not None and not any(s.has_text for s in self._speeches.values()):
            yield ToUpstream(self._changed)
            self._changed = None

    def _abort(self, command: Clear | Cancel) -> Iterator[Action]:
        speech = self._speech(command.context)
        speech.abort()
        self._wording.drop(command.context)
        if self._life.state is State.OPEN:
            speech.epoch += 1
            yield ToUpstream(Clear(context=command.context))
            yield from self._apply_change()
        cancelled = isinstance(command, Cancel)
        yield ToClient(Cleared(cancelled=cancelled, context=command.context))

    def _finish(self, command: Finish, now: float) -> Iterator[Action]:
        if command.abort or self._life.state is State.NEW:
            yield from self._life.end("client_closed", now)
            return
        for context, speech in self._speeches.items():
            yield from self._hand_on(speech.segmenter.flush(), context)
            speech.flush()
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
        identity = self._life.brief.identity
        return Ready(
            identity.session_id,
            identity.request_id,
            identity.model_asked,
            self._format.encoding,
            self._format.sample_rate,
            self._model.capabilities,
            context=event.context,
        )
