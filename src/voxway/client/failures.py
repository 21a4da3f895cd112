"""What a gateway's refusals and errors become here: exceptions whose class says whose fault it is.

Their messages are the gateway's own; the codes are those of the error table.
"""

from __future__ import annotations

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
from ..events import Ended, Failed

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
        return UnreachableError(f"what answers there is no voxway gateway (HTTP status {status})")
    return failure(told.code, told.message, param=told.param, retry_after=retry_after)


def failed(event: Failed) -> GatewayError:
    """The exception for an error event."""
    return failure(event.code, event.message, param=event.param)


def ends_session(event: Failed) -> bool:
    """The session does not go on, or not as it was asked for."""
    rule = RULES.get(event.code)
    return event.code == "config_error" or rule is None or rule.close_code is not None


def ended(event: Ended) -> GatewayError | None:
    """The exception for the end of a session, or None if it ended as the client wished."""
    if event.reason == "client_closed":
        return None
    return failure(event.reason, f"the gateway ended the session: {event.reason}")
