"""What Deepgram's sockets have in common: how they are refused, and how they fail.

A failure has a name (`NET-0001`). It stands in the reason of a close as the end of a link, and
here in `Error` messages too.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from uuid import NAMESPACE_URL, uuid5

from msgspec import Struct

from ..errors import RULES, GatewayError, refused
from ..events import Failed
from .base import Address, Refused

MODEL_VERSION = "unknown"

# Close code and prose by name. That of NET-0001 is Deepgram's own, to the letter: there are clients
# that compare it.
FAULTS: dict[str, tuple[int, str]] = {
    "MESSAGE-0000": (1003, "This socket takes no frame of that type"),
    "DATA-0000": (1008, "The payload could not be understood"),
    "DATA-0001": (1008, "More was sent than may be in this time"),
    "BIG-0000": (1009, "The message is too long"),
    "BIG-0001": (1009, "The text is too long"),
    "NET-0000": (1011, "The service could not go on"),
    "NET-0001": (
        1011,
        "Deepgram did not receive audio data or a text message within the timeout window",
    ),
    "NET-0003": (1011, "The socket has been open for as long as it may be"),
}
NAMES = {
    "rate_limit": "DATA-0001",
    "rate_limit_exceeded": "DATA-0001",
    "payload_too_large": "BIG-0000",
    "idle_timeout_exceeded": "NET-0001",
    "max_connection_duration_exceeded": "NET-0003",
}
# Status, code and text of a refusal; an empty text is our own.
REFUSALS: dict[str, tuple[int, str, str]] = {
    "auth_error": (401, "INVALID_AUTH", "Invalid credentials."),
    "forbidden": (403, "INSUFFICIENT_PERMISSIONS", ""),
    "rate_limit": (429, "TOO_MANY_REQUESTS", ""),
    "rate_limit_exceeded": (429, "TOO_MANY_REQUESTS", ""),
    "quota_exceeded": (402, "ASR_PAYMENT_REQUIRED", ""),
    "payload_too_large": (413, "PAYLOAD_TOO_LARGE", ""),
    "model_not_found": (400, "INVALID_QUERY_PARAMETER", ""),
    "config_error": (400, "INVALID_QUERY_PARAMETER", ""),
    "invalid_request": (400, "INVALID_QUERY_PARAMETER", ""),
}
OURS = {
    "MESSAGE-0000": "invalid_request",
    "DATA-0000": "invalid_request",
    "DATA-0001": "rate_limit",
    "BIG-0000": "payload_too_large",
    "BIG-0001": "payload_too_large",
    "NET-0001": "idle_timeout_exceeded",
    "NET-0003": "max_connection_duration_exceeded",
    "SchemaError": "invalid_request",
    "UNPARSABLE_CLIENT_MESSAGE": "invalid_request",
    "INVALID_AUTH": "auth_error",
    "INSUFFICIENT_PERMISSIONS": "forbidden",
    "TOO_MANY_REQUESTS": "rate_limit",
    "INVALID_QUERY_PARAMETER": "config_error",
}


class RefusalMsg(Struct, frozen=True):
    err_code: str
    err_msg: str
    request_id: str


def model_uuid(name: str) -> str:
    """Clients want one: always the same for the same model."""
    return str(uuid5(NAMESPACE_URL, name))


def name_of(reason: str) -> str:
    """Deepgram's name of what went wrong, by our code or by what ended a session."""
    rule = RULES.get(reason)
    return NAMES.get(reason) or ("DATA-0000" if rule and rule.http_status < 500 else "NET-0000")


def closing(name: str) -> tuple[int, str]:
    code, prose = FAULTS[name]
    return code, f"{prose}. See https://dpgr.am/{name.lower().replace('-', '')}"


def failure(name: str | None, message: str | None) -> Failed:
    """What an `Error` message says, in our words."""
    code = OURS.get(name or "", "provider_error")
    return Failed(code, message or name or "an error without a text", RULES[code].retryable)


def refusal(error: GatewayError, request_id: str) -> Refused:
    status = error.rule.http_status
    generic = (status, HTTPStatus(status).name, "")
    status, code, text = REFUSALS.get(error.error, generic)
    told = RefusalMsg(code, text or error.message, request_id)
    # A header holds less than a body: no line ends, and nothing beyond ASCII.
    line = "".join(mark if " " <= mark <= "~" else "?" for mark in told.err_msg)
    _, headers = refused(error, request_id)
    return Refused(status, told, {**headers, **request_headers(request_id), "dg-error": line})


def request_headers(request_id: str) -> Mapping[str, str]:
    return {"dg-request-id": request_id}


def key_headers(address: Address) -> Mapping[str, str]:
    return {"Authorization": f"Token {address.key}"} if address.key else {}
