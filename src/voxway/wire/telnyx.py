"""What Telnyx's sockets have in common: how they are refused and closed, and how they fail.

Its own errors are a list with numbers (developers.telnyx.com, 2026); its SDK (4.189) wants a `type`
and one text in `error`. Both are said at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from ..errors import RULES, GatewayError, refused
from ..events import Failed
from .base import Address, Refused

RATE_MISSING = "sample_rate: a raw input_format needs one"
NOT_FOR_FLUX = "input_format: Flux takes raw audio and ogg_opus"

# Number and title, by the text where it has one of its own, or by code and parameter, or by code.
INVALID = "Invalid Parameter"
NUMBERS: dict[object, tuple[str, str]] = {
    ("invalid_request", "input_format"): ("40001", INVALID),
    ("config_error", "input_format"): ("40002", INVALID),
    ("config_error", "encoding"): ("40002", INVALID),
    RATE_MISSING: ("40003", INVALID),
    ("invalid_request", "sample_rate"): ("40004", INVALID),
    ("config_error", "sample_rate"): ("40005", INVALID),
    NOT_FOR_FLUX: ("40006", INVALID),
    ("invalid_request", "transcription_engine"): ("40007", INVALID),
    "auth_error": ("10009", "Authentication failed"),
    "forbidden": ("10010", "Authorization failed"),
    "quota_exceeded": ("10010", "Authorization failed"),
    "model_not_found": ("10005", "Resource not found"),
    "rate_limit": ("10011", "Too many requests"),
    "rate_limit_exceeded": ("10011", "Too many requests"),
    "invalid_request": ("10015", "Bad Request"),
    "config_error": ("10015", "Bad Request"),
    "payload_too_large": ("10015", "Bad Request"),
    "idle_timeout_exceeded": ("10008", "Request timeout"),
}
UNEXPECTED = ("10007", "Unexpected error")
OURS = {NUMBERS[code][0]: code for code in reversed(RULES) if code in NUMBERS}


class Source(Struct, frozen=True):
    parameter: str


class ErrorItem(Struct, frozen=True, omit_defaults=True):
    code: str
    title: str
    detail: str
    source: Source | None = None


class ErrorMsg(Struct, tag="error", frozen=True):
    error: str
    errors: tuple[ErrorItem, ...]


class Reply(Struct, frozen=True):
    """What of any message may tell of a failure."""

    error: Any = None
    errors: tuple[ErrorItem, ...] = ()

    def failures(self) -> Iterator[Failed]:
        for item in self.errors:
            by_kind = "config_error" if item.code.startswith("400") else "provider_error"
            yield _failed(OURS.get(item.code, by_kind), f"{item.title}: {item.detail}")
        if self.error and not self.errors:
            yield _failed("provider_error", str(self.error))


def _failed(code: str, text: str) -> Failed:
    return Failed(code, text, RULES[code].retryable)


def error_message(code: str, message: str, param: str | None) -> ErrorMsg:
    found = NUMBERS.get(message) or NUMBERS.get((code, param)) or NUMBERS.get(code)
    number, title = found or UNEXPECTED
    source = Source("input_format" if param == "encoding" else param) if param else None
    return ErrorMsg(message, (ErrorItem(number, title, message, source),))


def refusal(error: GatewayError, request_id: str) -> Refused:
    body, headers = refused(error, request_id)
    told = error_message(error.error, error.message, error.param)
    return Refused(body.status, told, {**headers, **request_headers(request_id)})


def request_headers(request_id: str) -> Mapping[str, str]:
    return {"X-Request-Id": request_id}


def key_headers(address: Address) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {address.key}"} if address.key else {}


def closing(code: int, reason: str) -> tuple[int, str]:
    """Its codes are undocumented: 1000 was seen of idle sockets, too."""
    if reason in ("client_closed", "idle_timeout_exceeded"):
        return 1000, ""
    if reason == "finish_timeout":  # what is out is not all of it
        return 1011, reason
    return (code if code < 4000 else 1008), reason
