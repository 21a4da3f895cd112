"""What a session tells its relay to do, and what every session has: a state, a meter, an end.

Pure: events in, actions out, the time (seconds, monotonic) an argument.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from enum import Enum, auto

from msgspec import Struct

from ..catalog import Model
from ..errors import RULES, GatewayError, ProtocolError
from ..events import Ended, Event, Failed, Malformed, Pronunciation, Start
from ..limits import Meter
from ..usage import Outcome


class ToClient(Struct, frozen=True):
    """Say this to the client."""

    event: Event


class ToUpstream(Struct, frozen=True):
    """Say this to whoever does the work. The first `Start` is what makes the relay dial."""

    event: Event


class Rest(Struct, frozen=True):
    """Do not read from the client for so many seconds."""

    seconds: float


class LookUp(Struct, frozen=True):
    """Find this dictionary, and tell the session by `found`."""

    reference: Pronunciation


class Close(Struct, frozen=True):
    """Close both sockets; this code and reason for the client."""

    code: int
    reason: str


Action = ToClient | ToUpstream | Rest | LookUp | Close


class State(Enum):
    NEW = auto()  # nothing configured yet
    OPEN = auto()
    FINISHING = auto()  # no more input; outstanding work is being delivered
    CLOSED = auto()


class Identity(Struct, frozen=True):
    """The ids of one session, in every log line and on the wire."""

    session_id: str
    request_id: str
    model_asked: str
    context_id: str = ""


class Brief(Struct, frozen=True):
    """What a session is told before it begins. `notices` are passed on with `ready`;
    `is_lenient`: another model was meant; `closes_on_bad_start`: the route's clients do not try
    again after a configuration that cannot be; `quiet`: after so many seconds without a command
    the session is finished, for clients that wait for that (0: never). `client_key`: the provider
    is paid by the client."""

    identity: Identity
    model: Model
    notices: tuple[Event, ...] = ()
    is_lenient: bool = False
    closes_on_bad_start: bool = False
    quiet: float = 0.0
    client_key: bool = False


# How long outstanding work may take after the client said that it is done.
FINISH_TIMEOUT = 15.0


class Life:
    """The part that speech and recognition sessions share: admission, failure, the end."""

    def __init__(self, brief: Brief, meter: Meter) -> None:
        self.brief = brief
        self.tag = brief.identity.context_id
        self._notices: list[Event] = list(brief.notices)
        self.meter = meter
        meter.model = brief.model.id
        self.outcome = Outcome()
        self.state = State.NEW
        self._finish_by = 0.0
        self._last = 0.0

    def admit(self, command: Event, now: float, *, is_more: bool) -> None:
        """Count a command. Raises GatewayError if it is malformed or over a limit."""
        self._last = now
        self.meter.admit(command, now, is_more=is_more)
        if isinstance(command, Malformed) and not command.is_ignorable:
            raise ProtocolError(command.message, code=command.code, param=command.param)

    def refuse(self, command: Event, error: GatewayError, now: float) -> Iterator[Action]:
        """Tell the client that a command was not accepted."""
        yield from self.fail(error, now, command.context)
        is_start = isinstance(command, Start) or getattr(command, "is_start", False)
        cannot_start = is_start and self.state is State.NEW and self.brief.closes_on_bad_start
        if cannot_start or getattr(command, "is_fatal", False):
            yield from self.end(error.error, now)

    def warn_before_ready(self, warnings: Sequence[Event]) -> None:
        """Keep these until the session is ready: a client may not listen earlier."""
        self._notices.extend(warnings)

    def fail(self, error: GatewayError, now: float, context: str = "") -> Iterator[Action]:
        """Tell the client; end the session if the table says so."""
        self.outcome = Outcome(failure=error.error)
        fatal = error.rule.close_code is not None
        yield ToClient(failed(error, fatal=fatal, context=context))
        if fatal:
            yield from self.end(error.error, now)

    def end(self, reason: str, now: float) -> Iterator[Action]:
        """The last words to the client: `Ended`, then the close code that fits the reason."""
        if self.state is State.CLOSED:
            return
        self.state = State.CLOSED
        self.outcome = Outcome(reason, self.outcome.failure)
        self.meter.end(now)
        yield ToClient(Ended(reason, self.meter.usage(now)))
        rule = RULES.get(reason)
        # An error that would leave a socket open ends one here only if the route is strict.
        yield Close((rule.close_code or 1008) if rule else 1000, reason)

    def ready(self, ready: Event) -> Iterator[Action]:
        """Tell the client that work can begin, and what it should know beforehand."""
        yield ToClient(ready)
        yield from map(ToClient, self._notices)

    def finish(self, now: float) -> None:
        """No more input: outstanding work has FINISH_TIMEOUT."""
        self.state = State.FINISHING
        self._finish_by = now + FINISH_TIMEOUT

    def goes_on(self, now: float) -> None:
        """Something is heard of outstanding work: it has FINISH_TIMEOUT from here."""
        self._finish_by = now + FINISH_TIMEOUT

    def is_quiet(self, now: float) -> bool:
        """Whether the client has said nothing for as long as its route allows."""
        quiet = self.brief.quiet
        return bool(quiet) and self.state is State.OPEN and now - self._last >= quiet

    def tick(self, now: float, *, mid_utterance: bool) -> Iterator[Action]:
        """End a session whose time is up."""
        if self.state is State.CLOSED:
            return
        if self.state is State.FINISHING and now >= self._finish_by:
            yield from self.end("finish_timeout", now)
        elif self.state is not State.FINISHING and self.meter.is_idle(now):
            yield from self.end("idle_timeout_exceeded", now)
        elif self.meter.is_over_time(now, mid_utterance=mid_utterance):
            yield from self.end("max_connection_duration_exceeded", now)


def failed(error: GatewayError, *, fatal: bool, context: str = "") -> Failed:
    """An error as the client is told of it: also in words, for most wires have no other place for
    when to come back."""
    wait = f"; retry after {math.ceil(error.retry_after)} s" if error.retry_after else ""
    return Failed(
        error.error,
        error.message.removesuffix(wait) + wait,  # another gateway may have said so already
        error.rule.retryable,
        fatal,
        error.param,
        None if error.retry_after is None else round(error.retry_after, 3),
        context=context,
    )


# What an upstream says of itself or of our key, and a client would take for its own.
NOT_THE_CLIENTS = {
    "auth_error": "backend_connection_failed",
    "forbidden": "backend_connection_failed",
    "quota_exceeded": "provider_error",
    "idle_timeout_exceeded": "provider_error",
    "max_connection_duration_exceeded": "provider_error",
    "draining": "provider_error",
}


def upstream_failure(event: Failed, brief: Brief) -> GatewayError:
    """An upstream's error as one of ours: its code if the table has it and it is the client's."""
    code = event.code if event.code in RULES else "provider_error"
    message = event.message
    if code in ("auth_error", "forbidden"):
        whose = "your provider key" if brief.client_key else "this gateway"
        message = f"{brief.model.provider} refused {whose} (upstream 401): {message}"
    return GatewayError(
        message,
        code=NOT_THE_CLIENTS.get(code, code),
        param=event.param,
        retry_after=event.retry_after,
    )
