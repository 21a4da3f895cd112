"""Days, moments and whiles as people write them. Without a zone they are UTC."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from .errors import ProtocolError

PERIOD = re.compile(r"(\d{1,4})([mhdw])")
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
DAY = timedelta(days=1)


def period(text: str) -> timedelta:
    """A while: 90m, 12h, 30d or 4w. Raises ProtocolError."""
    found = PERIOD.fullmatch(text)
    if found is None:
        raise ProtocolError(f"{text[:100]!r} is no while: say it as 90m, 12h, 30d or 4w")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def ahead(text: str, now: datetime, param: str) -> datetime:
    """A day or moment, or a while from now. Raises ProtocolError."""
    return now + period(text) if PERIOD.fullmatch(text) else _moment(text, param)


def back(text: str, now: datetime, param: str, *, is_end: bool = False) -> datetime:
    """A day or moment, or a while ago; of a day its start, or with `is_end` its end. Raises
    ProtocolError."""
    if PERIOD.fullmatch(text):
        return now - period(text)
    return _moment(text, param, DAY if is_end and _is_day(text) else timedelta())


def _moment(text: str, param: str, later: timedelta = timedelta()) -> datetime:
    try:
        moment = datetime.fromisoformat(text) + later
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ProtocolError(
            f"{param} {text[:100]!r} is neither a while, as 30d, nor a day, as 2030-12-31",
            param=param,
        ) from None


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
