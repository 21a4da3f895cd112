"""How OpenAI's realtime socket fails, and is refused."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, structs

from ..errors import RULES, GatewayError, refused
from ..events import Failed
from .base import Refused
from .openai_realtime_messages import Error

TYPES = {"invalid_request": "invalid_request_error", "config_error": "invalid_request_error"}
NATIVE = {"auth_error": "invalid_api_key", "rate_limit": "rate_limit_exceeded"}
EMPTY = "input_audio_buffer_commit_empty"
OURS = {
    "invalid_api_key": "auth_error",
    "rate_limit_exceeded": "rate_limit",
    "insufficient_quota": "quota_exceeded",
    "session_expired": "max_connection_duration_exceeded",
}
BY_TYPE = {"invalid_request_error": "invalid_request", "authentication_error": "auth_error"}


def error_of(code: str, text: str, param: str | None, cause: str | None = None) -> Error:
    type = TYPES.get(code, "server_error")
    if param == EMPTY:
        code, param = EMPTY, None
    return Error(type, NATIVE.get(code, code), text, param, cause)


class RefusalMsg(Struct, frozen=True):
    error: Error


def refusal(error: GatewayError, request_id: str) -> Refused:
    body, headers = refused(error, request_id)
    is_clients = error.rule.http_status < 500
    told = error_of(error.error, error.message, error.param)
    told = structs.replace(told, type="invalid_request_error" if is_clients else told.type)
    return Refused(body.status, RefusalMsg(told), {**headers, **request_headers(request_id)})


def request_headers(request_id: str) -> Mapping[str, str]:
    return {"x-request-id": request_id}


def failure(error: Error) -> Failed:
    """What an error of OpenAI's says, in our words."""
    code = OURS.get(error.code or "") or BY_TYPE.get(error.type, "provider_error")
    text = error.message or error.code or "an error without a text"
    return Failed(code, text, RULES[code].retryable)
