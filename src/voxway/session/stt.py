"""One client that sends audio and one upstream that writes it down, kept in step.

Audio goes through as it comes: only its bounds, its alignment to whole samples and its time are
looked at. Every finalize gets one final transcript; `close` first delivers what is outstanding.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..audio.formats import AudioFormat
from ..audio.length import measure
from ..audio.wav import RiffStripper
from ..errors import GatewayError, ProtocolError, UpstreamError
from ..events import (
    Adjust,
    Adjusted,
    Audio,
    Cleared,
    Ended,
    Event,
    Failed,
    Finish,
    Flush,
    KeepAlive,
    ListenOptions,
    Malformed,
    Pronunciation,
    Ready,
    Start,
    Transcript,
    Warning,
)
from ..limits import Meter
from ..text.pronunciation import Rewriter
from ..usage import Outcome
from .actions import (
    Action,
    Brief,
    Life,
    Rest,
    State,
    ToClient,
    ToUpstream,
    upstream_failure,
)
from .options import Resolver, able
from .turns import Turning


class SttSession:
    """See the module. `options` are those in force once the session is open."""

    def __init__(self, brief: Brief, meter: Meter) -> None:
        self._turning = Turning(ListenOptions(), brief.model)
        self._life = Life(brief, meter)
        self._model = brief.model
        self._capabilities = brief.model.capabilities
        self._format = AudioFormat(brief.model.default_encoding, brief.model.default_rate)
        self._measure = measure(self._format)
        self._carry = b""
        self._stripper: RiffStripper | None = None
        self._told_misaligned = False
        self._finalizing = 0

    @property
    def options(self) -> ListenOptions:
        return self._turning.options

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
            yield from self._command(command, now)
        except GatewayError as error:
            yield from self._life.refuse(command, error, now)

    def from_upstream(self, event: Event, epoch: int, now: float) -> Iterator[Action]:
        """What to do about an event. A recognizer's words never go stale: `epoch` is not used."""
        if self._life.state is State.CLOSED:
            return
        self._life.goes_on(now)  # a long recording is still being heard
        match event:
            case Transcript(from_finalize=answers):
                self._finalizing = max(0, self._finalizing - answers)
                if event.text:
                    self._life.meter.answered(now)
                yield from map(ToClient, self._turning.heard(event))
            case Ready():
                yield from self._life.ready(self._ready())
            case Failed():
                yield from self._life.fail(upstream_failure(event, self._life.brief), now)
            case Ended():
                yield from self._upstream_done(now)
            case KeepAlive() | Cleared():
                return
            case _:
                yield from map(ToClient, self._turning.heard(event))

    def upstream_lost(self, message: str, context: str, now: float) -> Iterator[Action]:
        """The upstream is gone for good."""
        if self._life.state is not State.CLOSED:
            yield from self._life.fail(UpstreamError(message, code="backend_error"), now)

    def fail(self, error: GatewayError, now: float) -> Iterator[Action]:
        """Something outside went wrong: tell the client as the error table says."""
        if self._life.state is not State.CLOSED:
            yield from self._life.fail(error, now)

    def tick(self, now: float) -> Iterator[Action]:
        """What the passing of time asks for; called about once a second."""
        if self._life.is_quiet(now):
            yield from self._finish(Finish(), now)
        yield from self._life.tick(now, mid_utterance=self._finalizing > 0)

    def found(
        self, reference: Pronunciation, found: Rewriter | GatewayError, now: float
    ) -> Iterator[Action]:
        """Nothing is looked up here."""
        yield from ()

    def end(self, reason: str, now: float) -> Iterator[Action]:
        """End it from our side, as when the process goes down."""
        yield from self._life.end(reason, now)

    def _upstream_done(self, now: float) -> Iterator[Action]:
        if self._life.state is State.FINISHING:
            yield from self._life.end("client_closed", now)
        else:
            yield from self.upstream_lost("the recognizer ended the session", "", now)

    def _command(self, command: Event, now: float) -> Iterator[Action]:
        match command:
            case Audio(data=data):
                yield from self._open()
                yield from self._hear(data, now)
            case Start():
                yield from self._start(command)
            case Flush():
                yield from self._open()
                self._finalizing += 1
                yield ToUpstream(command)
            case KeepAlive(reply=reply):
                if reply:
                    yield ToClient(KeepAlive())
            case Finish():
                yield from self._finish(command, now)
            case Adjust(options=wanted):
                yield from self._adjust(wanted)
            case Malformed(message=message, param=param):
                yield ToClient(Warning("ignored", message, param))
            case _:
                name = type(command).__name__.lower()
                raise ProtocolError(f"{name} on a speech-to-text socket", param="type")

    def _open(self) -> Iterator[Action]:
        if self._life.state is State.NEW:
            yield from self._start(Start())

    def _start(self, command: Start) -> Iterator[Action]:
        if command.is_again and self._life.state is State.OPEN:
            yield ToClient(self._ready())
            return
        if self._life.state is not State.NEW:
            raise ProtocolError(
                "init: the session is configured already; open another socket to change it",
                param="type",
            )
        given = command.options if isinstance(command.options, ListenOptions) else ListenOptions()
        resolver = Resolver(self._model, is_lenient=self._life.brief.is_lenient)
        self._turning = Turning(resolver.listening(given), self._model)
        self._life.warn_before_ready(resolver.warnings)
        self._capabilities = able(self._model, resolver)
        self._life.tag = command.tag or self._life.tag
        self._format = AudioFormat(
            self.options.encoding or self._model.default_encoding,
            self.options.sample_rate or self._model.default_rate,
        )
        self._measure = measure(self._format)
        if self._format.encoding in ("linear16", "linear32"):
            self._stripper = RiffStripper()
        self._life.state = State.OPEN
        yield ToUpstream(Start(self._turning.asked))

    def _adjust(self, wanted: ListenOptions) -> Iterator[Action]:
        if self.options.turns is None:
            raise ProtocolError("configure: no turns were asked for in init", param="turns")
        resolver = Resolver(self._model, is_lenient=self._life.brief.is_lenient)
        asked = self._turning.adjust(resolver.changes(wanted))
        yield from map(ToClient, resolver.warnings)
        if asked is not None:
            yield ToUpstream(Adjust(asked))
        yield ToClient(Adjusted(self.options))

    def _hear(self, data: bytes, now: float) -> Iterator[Action]:
        if not data:
            raise ProtocolError("audio: frame of 0 bytes", param="audio")
        if self._stripper is not None:
            data, error = self._without_header(data)
            if error is not None:
                yield from self._life.fail(error, now)
        sample = self._format.frame_bytes
        if sample > 1:
            data, error = self._aligned(data, sample)
            if error is not None:
                yield from self._life.fail(error, now)
        if data:
            yield ToUpstream(Audio(data))
            rest = self._life.meter.heard(self._measure(data), now)
            if rest > 0.0 and sample:
                yield Rest(rest)

    def _without_header(self, data: bytes) -> tuple[bytes, ProtocolError | None]:
        assert self._stripper is not None
        data = self._stripper.feed(data)
        if self._stripper.header is None:
            if data:
                self._stripper = None  # the start has been seen, and it is audio
            return data, None
        self._stripper = None
        return data, ProtocolError(
            f"audio: a RIFF/WAVE header inside {self._format.encoding}; it was left out: send raw "
            "samples, or ask for encoding wav",
            param="audio",
        )

    def _aligned(self, data: bytes, sample: int) -> tuple[bytes, ProtocolError | None]:
        """Whole samples only; the odd bytes wait for the next frame, so that nothing is lost."""
        size = len(data)
        if self._carry:
            data, self._carry = self._carry + data, b""
        whole = len(data) - len(data) % sample
        if whole == len(data):
            return data, None
        data, self._carry = data[:whole], data[whole:]
        if self._told_misaligned:
            return data, None
        self._told_misaligned = True
        return data, ProtocolError(
            f"audio: frame of {size} bytes is not whole {sample}-byte samples; "
            "its rest is joined to the next frame (said once)",
            param="audio",
        )

    def _finish(self, command: Finish, now: float) -> Iterator[Action]:
        if command.abort or self._life.state is State.NEW:
            yield from self._life.end("client_closed", now)
        else:
            self._life.finish(now)
            yield ToUpstream(Finish())

    def _ready(self) -> Ready:
        identity = self._life.brief.identity
        return Ready(
            identity.session_id,
            identity.request_id,
            identity.model_asked,
            self._format.encoding,
            self._format.sample_rate,
            self._capabilities,
        )
