"""What every refused HTTP request is answered with: one JSON body, whatever went wrong."""

from __future__ import annotations

from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from ..errors import ErrorBody, GatewayError, refused
from ..routes import target
from .presence import GoneError
from .stamp import request_id_of

log = structlog.get_logger("voxway")

# Codes for what the framework itself refuses; all else is a request that it cannot read.
CODES = {404: "not_found", 405: "method_not_allowed", 413: "payload_too_large"}


def gateway_error(request: Request[Any, Any, Any], error: GatewayError) -> Response[ErrorBody]:
    """An error of our own, as the table says."""
    body, headers = refused(error, request_id_of(request.scope))
    log.info("refused", code=error.error, request=body.request_id)
    return Response(body, status_code=body.status, headers=headers)


def http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[ErrorBody]:
    """A request that no route takes, or that is no HTTP for it."""
    path = request.url.path[:200]
    code = CODES.get(error.status_code, "invalid_request")
    message = f"{request.method} {path}: {error.detail}"
    if request.method == "GET" and error.status_code in (404, 405) and target(path):
        code, message = "upgrade_required", f"{path} is a WebSocket: connect with an upgrade"
    response = gateway_error(request, GatewayError(message, code=code))
    if code == "upgrade_required":
        response.headers["Upgrade"] = "websocket"
    response.headers.update(error.headers or {})
    return response


def bug(request: Request[Any, Any, Any], error: Exception) -> Response[ErrorBody]:
    """A fault of ours: it is logged, and its text does not leave the house."""
    if isinstance(error, HTTPException):  # the framework's own 500: a client that went away
        return http_error(request, error)
    log.error("bug", request=request_id_of(request.scope), exc_info=error)
    return gateway_error(request, GatewayError("something went wrong here; it has been logged"))


def gone(request: Request[Any, Any, Any], _: GoneError) -> Response[None]:
    """The client went away: there is nobody to tell."""
    return Response(None, status_code=499)
