"""What every refused HTTP request is answered with: one JSON body, whatever went wrong."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException
from msgspec import Struct

from ..errors import GatewayError
from ..routes import target

# Codes for what the framework itself refuses.
CODES = {404: "not_found", 405: "method_not_allowed", 413: "payload_too_large"}


class HttpError(Struct, frozen=True, omit_defaults=True):
    """The JSON body of every error."""

    error: str
    message: str
    code: str
    request_id: str
    param: str | None = None


def gateway_error(request: Request[Any, Any, Any], error: GatewayError) -> Response[HttpError]:
    """An error of our own, as the table says."""
    status = error.rule.http_status
    headers = {"WWW-Authenticate": 'Bearer realm="voxway"'} if status == 401 else {}
    return answer(status, error.error, error.message, error.param, headers)


def http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[HttpError]:
    """A request that no route takes, or that is no HTTP for it."""
    if error.status_code == 404 and target(request.url.path):
        message = f"{request.url.path[:200]} is a WebSocket: connect with an upgrade"
        return answer(426, "upgrade_required", message, None, {"Upgrade": "websocket"})
    code = CODES.get(error.status_code, "invalid_request")
    message = f"{request.method} {request.url.path[:200]}: {error.detail}"
    return answer(error.status_code, code, message)


def answer(
    status: int,
    code: str,
    message: str,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response[HttpError]:
    """The response for an error."""
    request_id = f"req_{secrets.token_hex(12)}"
    body = HttpError(code, message, code, request_id, param)
    return Response(
        body, status_code=status, headers={"x-request-id": request_id, **(headers or {})}
    )
