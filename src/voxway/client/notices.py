"""What a client tells of its own doings, beside what is spoken and heard.

Each is a frozen value that goes to the observers of a session (`on_notice`) as it happens: for a
status line, a log, metrics. None of them has a key or audio in it. All times are seconds.
"""

from __future__ import annotations

from enum import Enum

from msgspec import Struct


class State(Enum):
    """How a session stands with its server.

    `connecting`: for the first time, or since there is work again. `ready`: audio and text may go
    out. `waiting`: the connection was lost, and is tried again after a while. `resting`: there is
    no connection because there is nothing to do. `closed`: for good.
    """

    CONNECTING = "connecting"
    READY = "ready"
    WAITING = "waiting"
    RESTING = "resting"
    CLOSED = "closed"


class Notice(Struct, frozen=True):
    """Base of all of them."""


class StateChanged(Notice, frozen=True):
    state: State


class Attempt(Notice, frozen=True):
    """The server is being called, for the so-manieth time in a row (1: the first)."""

    number: int


class Opened(Notice, frozen=True):
    """It is ready, so long after it was called."""

    seconds: float


class Lost(Notice, frozen=True):
    """A connection ended, or could not be had, and that was not our wish. `code` and `reason` are
    those of its close (None: it came to none), `seconds` how long it was open; `error` is the code
    that decides what is done. `again_in`: when it is tried again; None: it is given up."""

    error: str
    message: str
    code: int | None = None
    reason: str = ""
    seconds: float = 0.0
    again_in: float | None = None


class Closed(Notice, frozen=True):
    """A connection was ended by us, after so long."""

    seconds: float


class Erred(Notice, frozen=True):
    """The server said that something is wrong, and whether the same may succeed later."""

    code: str
    message: str
    param: str | None = None
    retryable: bool = False


class Warned(Notice, frozen=True):
    """Something asked for is not done, or is done otherwise; `option` names it."""

    code: str
    message: str
    option: str | None = None


class Dropped(Notice, frozen=True):
    """So much audio was dropped, since more came than was sent."""

    seconds: float


class Replayed(Notice, frozen=True):
    """This stretch of the stream was sent again to a new connection."""

    start: float
    end: float


class Gap(Notice, frozen=True):
    """This stretch of the stream was heard by nobody, and never will be."""

    start: float
    end: float


class Resent(Notice, frozen=True):
    """This text is said again to a new connection; of its audio, `skipped` was heard already and
    is left out."""

    utterance: str
    text: str
    skipped: float = 0.0


class Abandoned(Notice, frozen=True):
    """This text was not heard to its end, and is not said again: it was said as often as may be."""

    utterance: str
    text: str


class Pinged(Notice, frozen=True):
    """The server answered a ping after so long."""

    seconds: float


class FirstAudio(Notice, frozen=True):
    """The first audio of an utterance came, so long after its text was complete or, of text that
    grows, after its first word."""

    utterance: str
    seconds: float


class Underrun(Notice, frozen=True):
    """Speech broke off for so long, since its audio came too late."""

    seconds: float


class Queued(Notice, frozen=True):
    """So much audio waits to be sent."""

    seconds: float
