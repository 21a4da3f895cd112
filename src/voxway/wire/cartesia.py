"""What Cartesia's sockets have in common: how they are opened, refused and closed; how they fail.

Since version 2026-03-01 an error has a code, a title and a message; before, it was one text. Both
are said, for clients look for either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from ..errors import RULES, GatewayError, refused
from ..events import Failed
from .base import Address, Refused

# Our encodings by their name there.
OURS = {
    "pcm_f32le": "linear32",
    "pcm_s16le": "linear16",
    "pcm_mulaw": "mulaw",
    "pcm_alaw": "alaw",
}
NATIVE = {ours: native for native, ours in OURS.items()}
VERSION = "2026-03-01"  # of the API: the first that says errors in fields

NATIVE_CODES = {"rate_limit": "concurrency_limited", "rate_limit_exceeded": "concurrency_limited"}
OUR_CODES = {"concurrency_limited": "rate_limit", "voice_not_found": "config_error"}
BY_STATUS = {400: "invalid_request", 401: "auth_error", 403: "forbidden", 429: "rate_limit"}
BY_STATUS |= dict.fromkeys((404, 409, 413, 415, 422), "invalid_request") | {402: "forbidden"}

UNKNOWN = RULES["provider_error"]


class RefusalMsg(Struct, frozen=True):
    error_code: str
    title: str
    message: str
    request_id: str


class ErrorMsg(Struct, tag="error", frozen=True, omit_defaults=True):
    """`code` is where livekit-plugins-cartesia 1.8 looks for the status in recognition."""

    done: bool
    status_code: int
    code: int
    error_code: str
    title: str
    message: str
    error: str
    request_id: str
    context_id: str | None = None


class Reply(Struct, frozen=True):
    """What of any message may tell of a failure. Null is said for what is not known."""

    type: str
    status_code: int | None = None
    code: Any = None
    error_code: str | None = None
    title: str | None = None
    message: str | None = None
    error: Any = None

    def failure(self, context: str = "") -> Failed:
        status = self.status_code or (self.code if isinstance(self.code, int) else 0)
        known = OUR_CODES.get(self.error_code or "", self.error_code)
        code = known if known in RULES else BY_STATUS.get(status, "provider_error")
        text = ": ".join(part for part in (self.title, self.message) if part)
        text = text or str(self.error or "an error without a text")
        return Failed(code, text, RULES[code].retryable, context=context)


def error_message(failed: Failed, request_id: str, context_id: str | None = None) -> ErrorMsg:
    status, title = RULES.get(failed.code, UNKNOWN).http_status, _title(failed.code)
    return ErrorMsg(
        True,
        status,
        status,
        NATIVE_CODES.get(failed.code, failed.code),
        title,
        failed.message,
        f"{title}: {failed.message}",
        request_id,
        context_id,
    )


def refusal(error: GatewayError, request_id: str) -> Refused:
    body, headers = refused(error, request_id)
    native = NATIVE_CODES.get(error.error, error.error)
    told = RefusalMsg(native, _title(error.error), error.message, request_id)
    return Refused(body.status, told, {**headers, **request_headers(request_id)})


def request_headers(request_id: str) -> Mapping[str, str]:
    """Both names under which clients look for the id to log."""
    return {"X-Request-Id": request_id, "Cartesia-Request-Id": request_id}


def key_headers(address: Address) -> Mapping[str, str]:
    key = {"X-API-Key": address.key} if address.key else {}
    return {**key, "Cartesia-Version": VERSION}


def closing(code: int, reason: str) -> tuple[int, str]:
    """Idle sockets are closed as if all were well. A code that its SDK (4.2) takes as a reason to
    come back is only for what may get better."""
    if reason == "client_closed":
        return 1000, ""
    if reason == "finish_timeout":  # what is out is not all of it
        return 1011, reason
    if reason == "idle_timeout_exceeded":
        return 1000, "connection idle timeout"
    may_return = reason in RULES and RULES[reason].retryable
    return (code if may_return and code < 4000 else 1008), reason


def _title(code: str) -> str:
    return code.replace("_", " ").capitalize()
