"""What a gateway's refusals and errors become here: exceptions whose class says whose fault it is.

Their messages are the gateway's own; the codes are those of the error table.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from ..errors import (
    RULES,
    AuthError,
    ConfigError,
    GatewayError,
    LimitError,
    QuotaError,
    TooLargeError,
    UpstreamError,
)
from ..events import Failed
from .log import redacted

SHORTEST = 8  # characters of a key: what is shorter may be a part of any word

CLASSES: dict[str, type[GatewayError]] = {
    "auth_error": AuthError,
    "forbidden": AuthError,
    "model_not_found": ConfigError,
    "config_error": ConfigError,
    "invalid_request": ConfigError,
    "payload_too_large": TooLargeError,
    "rate_limit": LimitError,
    "rate_limit_exceeded": LimitError,
    "idle_timeout_exceeded": LimitError,
    "max_connection_duration_exceeded": LimitError,
    "quota_exceeded": QuotaError,
}


# What a refusal's status means where its body is not ours.
STATUSES = {
    400: "config_error",
    401: "auth_error",
    402: "quota_exceeded",
    403: "forbidden",
    429: "rate_limit",
    503: "not_ready",
}
# What a close means that gives no reason of ours. All other codes are the network's doing.
CLOSES = {
    1001: "draining",
    1002: "invalid_request",
    1003: "invalid_request",
    1007: "invalid_request",
    1008: "invalid_request",
    1009: "payload_too_large",
    1011: "backend_error",
    1012: "draining",
    1013: "not_ready",
    4000: "auth_error",
    4001: "rate_limit",
    4002: "payload_too_large",
}


class UnreachableError(UpstreamError):
    """No gateway answers at that address."""

    code = "backend_connection_failed"


class Refusal(Struct, frozen=True):
    """The JSON body of an HTTP error."""

    code: str
    message: str
    param: str | None = None


_refusal = msgspec.json.Decoder(Refusal).decode


def failure(
    code: str, message: str, *, param: str | None = None, retry_after: float | None = None
) -> GatewayError:
    """The exception for an error code; one that is not in the table is the gateway's trouble."""
    known = code if code in RULES else UpstreamError.code
    error = CLASSES.get(known, UpstreamError)
    return error(message, code=known, param=param, retry_after=retry_after)


def refused(status: int, body: bytes, retry_after: float | None = None) -> GatewayError:
    """The exception for an HTTP answer that is no success."""
    try:
        told = _refusal(body)
    except msgspec.DecodeError:
        return _refused_by_another(status, retry_after)
    return failure(told.code, told.message, param=told.param, retry_after=retry_after)


def _refused_by_another(status: int, retry_after: float | None) -> GatewayError:
    message = f"refused with HTTP status {status}, not by a voxway gateway"
    if status in STATUSES:
        return failure(STATUSES[status], message, retry_after=retry_after)
    return UnreachableError(message)


def closed(code: int, reason: str) -> GatewayError:
    """The exception for a connection that the server closed while it was wanted."""
    message = f"the server closed the connection ({f'{code} {reason}'.strip()})"
    known = reason if reason in RULES else CLOSES.get(code, UnreachableError.code)
    return failure(known, message)


def failed(event: Failed) -> GatewayError:
    """The exception for an error event."""
    wait = event.retry_after
    return failure(event.code, event.message, param=event.param, retry_after=wait)


def hushed(error: GatewayError, secrets: Iterable[str]) -> GatewayError:
    """The same without the keys in use, which a server may repeat to say that it knows them not."""
    message = redacted(error.message, (each for each in secrets if len(each) >= SHORTEST))
    if message == error.message:
        return error
    return type(error)(message, code=error.error, param=error.param, retry_after=error.retry_after)


def ends_session(event: Failed) -> bool:
    """The session does not go on, or not as it was asked for."""
    rule = RULES.get(event.code)
    return event.code == "config_error" or rule is None or rule.close_code is not None
