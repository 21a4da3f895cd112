"""One client that wants speech and one upstream that makes it, kept in step.

Text is cut into sentences here, so that an upstream may begin before the paragraph is complete,
and worded as the client's dictionary wants; words are told back as they were sent. Every flush
gets one terminal, in order. An abort advances the *epoch*; whatever the upstream still says of an
older one dies in `from_upstream`, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import structs

from ..audio.formats import AudioFormat
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
from ..usage import Outcome
from .actions import (
    Action,
    Brief,
    Life,
    State,
    ToClient,
    ToUpstream,
    failed,
    upstream_failure,
)
from .options import Resolver, able
from .speech import Speech
from .wording import Wording

MAX_CONTEXTS = 10  # that a client may have open at a time

# What an abort makes worthless. All else is about the session as a whole.
OF_AN_UTTERANCE = (Audio, Words, SegmentStart, SegmentEnd, Flushed)


class TtsSession:
    """See the module. `options` are those in force once the session is open."""

    def __init__(self, brief: Brief, meter: Meter) -> None:
        self.options = SpeakOptions()
        self._life = Life(brief, meter)
        self._model = brief.model
        self._capabilities = brief.model.capabilities
        self._speeches: dict[str, Speech] = {}
        self._is_ready = False
        self._wording = Wording()

    @property
    def state(self) -> State:
        return self._life.state

    @property
    def tag(self) -> str:
        """The client's own name for the conversation."""
        return self._life.tag

    @property
    def outcome(self) -> Outcome:
        """How it went."""
        return self._life.outcome

    def from_client(self, command: Event, now: float, *, is_more: bool = False) -> Iterator[Action]:
        """What to do about a command; `is_more`: of a message that is counted already."""
        if self._life.state in (State.CLOSED, State.FINISHING):
            return
        try:
            self._life.admit(command, now, is_more=is_more)
            if not self._wording.holds(command):
                yield from self._command(command, now)
        except GatewayError as error:
            yield from self._life.refuse(command, error, now)

    def from_upstream(self, event: Event, epoch: int, now: float) -> Iterator[Action]:
        """What to do about an event made under `epoch` of its context."""
        if self._life.state is State.CLOSED:
            return
        self._life.goes_on(now)  # a long text is still being spoken
        if event.context and event.context not in self._speeches:
            return  # of a context that has ended
        if isinstance(event, OF_AN_UTTERANCE):
            speech = self._speech(event.context)
            # What the client has said that it does not want: here every stale thing dies.
            if epoch == speech.epoch:
                yield from self._spoken(event, speech, now)
            return
        match event:
            case Ready(context=context):
                if not self._is_ready:
                    self._is_ready = True
                    yield from self._life.ready(self._ready(context))
            case Failed():
                error = upstream_failure(event, self._life.brief)
                yield from self._failed(error, event.context, now, is_fatal=event.fatal)
            case Ended(context=context):
                yield from self.upstream_lost("the voice ended the session", context, now)
            case Cleared() | KeepAlive():
                return  # the client was answered at once; our own keepalive was answered
            case _:
                yield ToClient(event)

    def _spoken(self, event: Event, speech: Speech, now: float) -> Iterator[Action]:
        match event:
            case Audio(data=data):
                self._life.meter.spoke(speech.measure(data), now)
                yield ToClient(event)
            case Words() | SegmentStart() | Flushed():
                yield from map(ToClient, speech.tell(event))
                if isinstance(event, Flushed):
                    self._note_rest(now)
                    yield from self._end_if_done(event.context, now)
            case _:
                yield ToClient(event)

    def upstream_lost(self, message: str, context: str, now: float) -> Iterator[Action]:
        """The upstream is gone for good, at least for this context."""
        if self._life.state is State.FINISHING and not self._is_busy():
            yield from self._life.end("client_closed", now)
        elif self._life.state is not State.CLOSED:
            yield from self._failed(UpstreamError(message, code="backend_error"), context, now)

    def _failed(
        self, error: GatewayError, context: str, now: float, *, is_fatal: bool = False
    ) -> Iterator[Action]:
        """What fails in one of several contexts ends only that one."""
        if not context:
            yield from self._life.fail(error, now)
        else:
            yield ToClient(failed(error, fatal=False, context=context))
            if is_fatal or error.rule.close_code is not None:
                yield from self._forget(context, now)

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

    def _command(self, command: Event, now: float) -> Iterator[Action]:
        match command:
            case Start():
                yield from self._start(command)
            case Text() | Flush():
                yield from self._say(command, now)
            case Clear() | Cancel():
                yield from self._abort(command, now)
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
        context = command.context
        if command.is_again and context in self._speeches:
            yield from self._start_again(command)
            return
        if context in self._speeches or (not context and self._life.state is not State.NEW):
            raise ProtocolError(
                "init: the session is configured already; send configure, or open another socket",
                param="type",
            )
        if len(self._speeches) >= MAX_CONTEXTS:
            raise ConfigError(f"{MAX_CONTEXTS} contexts are open already", param="context_id")
        given = command.options if isinstance(command.options, SpeakOptions) else SpeakOptions()
        resolver = self._resolver()
        # The text is rewritten here, so the dictionary is nothing to the upstream.
        options = resolver.speech(structs.replace(given, pronunciation=None))
        if self._is_ready:
            yield from map(ToClient, resolver.warnings)
        else:
            self._life.warn_before_ready(resolver.warnings)
        self._capabilities = able(self._model, resolver)
        self._life.tag = command.tag or self._life.tag
        if self._life.state is State.NEW:
            self.options = options
            self._life.state = State.OPEN
        self._speeches[context] = Speech(
            options,
            AudioFormat(
                options.encoding or self._model.default_encoding,
                options.sample_rate or self._model.default_rate,
            ),
        )
        yield ToUpstream(Start(options, context=context))
        if given.pronunciation is not None:
            yield self._wording.ask(given.pronunciation)

    def _start_again(self, command: Start) -> Iterator[Action]:
        """The client begins anew in another dialect: the voice may change, the format stays."""
        given = command.options if isinstance(command.options, SpeakOptions) else SpeakOptions()
        yield from self._configure(Configure(given, context=command.context))
        if self._is_ready:
            yield ToClient(self._ready(command.context))

    def _resolver(self) -> Resolver:
        return Resolver(self._model, is_lenient=self._life.brief.is_lenient)

    def _configure(self, command: Configure) -> Iterator[Action]:
        if self._life.state is State.NEW:
            raise ProtocolError("configure: init comes first", param="type")
        if (speech := self._speeches.get(command.context)) is None:
            raise ProtocolError(f"no context {command.context[:40]!r} here", param="context_id")
        resolver = self._resolver()
        speech.options = resolver.change(speech.options, command.options)
        yield from map(ToClient, resolver.warnings)
        change = Configure(speech.options, context=command.context)
        if speech.has_text:
            speech.changed = change
            yield ToClient(
                Warning("deferred", "configure takes effect at the next utterance", "configure")
            )
        else:
            yield ToUpstream(change)

    def _say(self, command: Text | Flush, now: float) -> Iterator[Action]:
        if command.context not in self._speeches:
            yield from self._start(Start(context=command.context))
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
        yield from self._hand_on(sentences, command.context, now)
        if isinstance(command, Flush):
            speech.flush(is_asked=True)
            yield ToUpstream(command)
            yield from self._apply_change(speech)

    def _hand_on(self, sentences: list[str], context: str, now: float) -> Iterator[Action]:
        for sentence in sentences:
            rewritten = self._wording.rewrite(sentence)
            self._speech(context).retellings[-1].expect(
                rewritten.text, rewritten.source, rewritten.units()
            )
            if text := rewritten.text.strip():
                self._life.meter.asked(now)
                yield ToUpstream(Text(text, partial=False, context=context))

    def _apply_change(self, speech: Speech) -> Iterator[Action]:
        if speech.changed is not None and not speech.has_text:
            yield ToUpstream(speech.changed)
            speech.changed = None

    def _abort(self, command: Clear | Cancel, now: float) -> Iterator[Action]:
        context = command.context
        self._wording.drop(context)
        if speech := self._speeches.get(context):
            speech.abort()
            speech.epoch += 1
            self._note_rest(now)
            yield ToUpstream(Clear(context=context))
            yield from self._apply_change(speech)
        yield ToClient(Cleared(cancelled=isinstance(command, Cancel), context=context))

    def _finish(self, command: Finish, now: float) -> Iterator[Action]:
        if command.context:
            yield from self._finish_context(command, now)
            return
        if command.abort or self._life.state is State.NEW:
            yield from self._life.end("client_closed", now)
            return
        for context, speech in self._speeches.items():
            yield from self._last_flush(context, speech, now)
        self._life.finish(now)
        yield from self._end_if_done("", now)

    def _finish_context(self, command: Finish, now: float) -> Iterator[Action]:
        context = command.context
        speech = self._speeches.get(context)
        if speech is None or command.abort:
            yield from self._forget(context, now)
        elif not speech.is_ending:
            yield from self._last_flush(context, speech, now)
            yield from self._end_if_done(context, now)

    def _last_flush(self, context: str, speech: Speech, now: float) -> Iterator[Action]:
        """Have the rest spoken: a flush that the client did not ask for, and is not told of."""
        speech.is_ending = True
        has_text = speech.has_text
        yield from self._hand_on(speech.segmenter.flush(), context, now)
        if has_text:
            speech.flush(is_asked=False)
            yield ToUpstream(Flush(context=context))

    def _end_if_done(self, context: str, now: float) -> Iterator[Action]:
        if self._life.state is State.FINISHING:
            if not self._is_busy():
                yield from self._life.end("client_closed", now)
        elif context and (speech := self._speech(context)).is_ending and not speech.is_busy:
            yield from self._forget(context, now)

    def _forget(self, context: str, now: float) -> Iterator[Action]:
        """A context is over: whatever is still made for it is nobody's."""
        if self._speeches.pop(context, None):
            self._note_rest(now)
            yield ToUpstream(Finish(context=context))
        yield ToClient(Ended("context_closed", context=context))

    def _note_rest(self, now: float) -> None:
        """Let the meter know if the voice has nothing to do now."""
        if not any(speech.is_busy or speech.has_text for speech in self._speeches.values()):
            self._life.meter.done(now)

    def _is_busy(self) -> bool:
        return any(speech.is_busy for speech in self._speeches.values())

    def _speech(self, context: str) -> Speech:
        """The state of a context; the default one of a session that has no other."""
        if context not in self._speeches:
            model = self._model
            self._speeches[context] = Speech(
                self.options, AudioFormat(model.default_encoding, model.default_rate)
            )
        return self._speeches[context]

    def _ready(self, context: str) -> Ready:
        identity = self._life.brief.identity
        format = self._speech(context).format
        return Ready(
            identity.session_id,
            identity.request_id,
            identity.model_asked,
            format.encoding,
            format.sample_rate,
            self._capabilities,
            context=context,
        )
