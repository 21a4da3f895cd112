"""A session's log: one JSON object a line, by Python's own logging, as logger `voxway.client`.

Each line says which engine, model, format and rate it is about, and whether partials were asked
for. No line has a key, a text or audio in it: what a server says is searched for the key first.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from . import notices as n

LOGGER = logging.getLogger("voxway.client")
LOGGER.addHandler(logging.NullHandler())  # where nobody wants a log, nothing is printed either

# Those that are left out come too often to be logged, or say nothing about how it went.
_LEVELS: dict[type[n.Notice], int] = {
    n.Attempt: logging.DEBUG,
    n.StateChanged: logging.DEBUG,
    n.FirstAudio: logging.DEBUG,
    n.Opened: logging.INFO,
    n.Closed: logging.INFO,
    n.Replayed: logging.INFO,
    n.Resent: logging.INFO,
    n.Lost: logging.WARNING,
    n.Erred: logging.WARNING,
    n.Dropped: logging.WARNING,
    n.Underrun: logging.WARNING,
    n.Gap: logging.WARNING,
    n.Abandoned: logging.WARNING,
}
_KEY = "[key]"
DROPPED = 10.0  # seconds of audio: while nobody is there, not every piece is worth a line


class Session(Struct, frozen=True, omit_defaults=True):
    """What each line says first. `engine` is the provider, or the gateway's address."""

    id: str
    task: str
    engine: str
    model: str
    encoding: str = ""
    sample_rate: int = 0
    partials: bool | None = None
    language: str = ""


class SessionLog:
    """An observer of a session's notices. `secrets` are the keys in use."""

    def __init__(
        self, session: Session, secrets: Iterable[str] = (), logger: logging.Logger = LOGGER
    ) -> None:
        self._session: dict[str, Any] = msgspec.to_builtins(session)
        self._secrets = tuple(secret for secret in secrets if secret)
        self._logger = logger
        self._dropped: float | None = None  # seconds since the last line of it

    def __repr__(self) -> str:
        return f"SessionLog({self._session['id']!r})"

    def notice(self, notice: n.Notice) -> None:
        """Log it, if it is worth a line."""
        level = _LEVELS.get(type(notice))
        if level is None or not self._logger.isEnabledFor(level):
            return
        if isinstance(notice, n.Dropped):
            self._drop(notice)
            return
        if self._dropped:
            self._write(n.Dropped(self._dropped), logging.WARNING)
        self._dropped = None
        if isinstance(notice, n.Lost) and notice.again_in is None:
            level = logging.ERROR
        self._write(notice, level)

    def _drop(self, notice: n.Dropped) -> None:
        """The first at once, then what comes together."""
        is_first = self._dropped is None
        total = (self._dropped or 0.0) + notice.seconds
        if is_first or total >= DROPPED:
            self._write(n.Dropped(total), logging.WARNING)
            total = 0.0
        self._dropped = total

    def _write(self, notice: n.Notice, level: int) -> None:
        said = {"event": type(notice).__name__.lower(), **self._session, **_fields(notice)}
        # As they would stand in it.
        secrets = (json.dumps(secret)[1:-1] for secret in self._secrets)
        self._logger.log(level, "%s", redacted(json.dumps(said), secrets))


def _fields(notice: n.Notice) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(notice)
    if (text := fields.pop("text", None)) is not None:
        fields["characters"] = len(text)
    return {
        name: round(value, 3) if isinstance(value, float) else value
        for name, value in fields.items()
        if value not in ("", None)
    }


def redacted(text: str, secrets: Iterable[str]) -> str:
    """The text without the secrets, for what others wrote."""
    for secret in secrets:
        text = text.replace(secret, _KEY)
    return text
