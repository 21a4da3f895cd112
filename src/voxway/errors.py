"""Every way a session can fail, with what each wire needs to say so: one table.

An exception class says whose fault it is; its code picks the row that says what it costs.
Plain Python exceptions are our own bugs and never reach a client with their text.
"""

from __future__ import annotations

import math
from typing import ClassVar

from msgspec import Struct, field


class Rule(Struct, frozen=True):
    """What one error code costs: the HTTP status of a refusal, the close code (None: the socket
    stays open), and whether the same request may succeed later."""

    http_status: int
    close_code: int | None
    retryable: bool = False


# Codes of the unified protocol and how its clients map them to HTTP when they decide on a retry.
RULES: dict[str, Rule] = {
    "auth_error": Rule(401, 4000),
    "forbidden": Rule(403, 4000),
    "model_not_found": Rule(404, 1008),
    "config_error": Rule(400, None),
    "invalid_request": Rule(400, None),
    "payload_too_large": Rule(413, 4002),
    "rate_limit": Rule(429, 4001, True),
    "rate_limit_exceeded": Rule(429, 4001, True),
    "quota_exceeded": Rule(402, 1008),
    "idle_timeout_exceeded": Rule(408, 1008, True),
    "max_connection_duration_exceeded": Rule(408, 1008, True),
    "pronunciation_not_found": Rule(404, None),
    "pronunciation_conflict": Rule(409, None),
    "pronunciation_unauthenticated": Rule(401, None),
    "pronunciation_unavailable": Rule(503, None, True),
    "invalid_pronunciation": Rule(400, None),
    "not_ready": Rule(503, 1013, True),
    "backpressure": Rule(503, 1013, True),
    "backend_not_configured": Rule(503, 1013),
    "draining": Rule(503, 1012, True),
    "provider_error": Rule(502, 1011, True),
    "backend_error": Rule(502, 1011, True),
    "backend_connection_failed": Rule(502, 1011, True),
    "internal_error": Rule(500, 1011),
    # Of HTTP alone.
    "not_found": Rule(404, 1008),
    "method_not_allowed": Rule(405, 1008),
    "upgrade_required": Rule(426, 1008),
}


class GatewayError(Exception):
    """An error with a place in the table. `param` names the field or parameter at fault."""

    code: ClassVar[str] = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.error = code or self.code
        self.rule = RULES[self.error]
        self.param = param
        self.retry_after = retry_after


class ProtocolError(GatewayError):
    """The peer sent what its dialect does not allow here. The socket stays open."""

    code = "invalid_request"


class ConfigError(ProtocolError):
    """The peer asked for a configuration that this model cannot give."""

    code = "config_error"


class TooLargeError(ProtocolError):
    """A message, text or audio chunk over the tier's bound."""

    code = "payload_too_large"


class AuthError(GatewayError):
    """No key, a wrong key, or one that may not do this."""

    code = "auth_error"


class LimitError(GatewayError):
    """The client is over its tier: it may try again later."""

    code = "rate_limit"


class QuotaError(GatewayError):
    """The client's organisation has spent what it may."""

    code = "quota_exceeded"


class UpstreamError(GatewayError):
    """Whoever does the work failed, refused, or went away."""

    code = "provider_error"


class ErrorBody(Struct, frozen=True, omit_defaults=True):
    """The JSON body of every refusal. Clients of different ages look for the same thing under
    different names, so it stands under all of them."""

    error: str
    message: str
    code: str
    request_id: str
    status: int
    status_code: int = field(name="statusCode")
    details: str | None = None
    param: str | None = None


def refused(error: GatewayError, request_id: str) -> tuple[ErrorBody, dict[str, str]]:
    """What an HTTP answer says of an error: the body and the headers."""
    status = error.rule.http_status
    details = error.message if error.param else None
    body = ErrorBody(
        error.error, error.message, error.error, request_id, status, status, details, error.param
    )
    headers = {}
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="voxway"'
    if error.retry_after is not None or status == 429:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after or 1.0)))
    return body, headers
