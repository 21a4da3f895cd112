"""What every refused HTTP request is answered with, whatever went wrong: JSON, in the shape that
the clients of its route know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from ..errors import GatewayError
from ..routes import target
from ..wire.base import Refused, invalid, refuse_plainly
from .presence import GoneError
from .stamp import request_id_of

AnyRequest = Request[Any, Any, Any]
Refuse = Callable[[GatewayError, str], Refused]
# Where the framework says that a field of the body is wrong; to the client `data` is the body.
BODY = "`$.data"

log = structlog.get_logger("voxway")

# Codes for what the framework itself refuses; all else is a request that it cannot read.
CODES = {404: "not_found", 405: "method_not_allowed", 413: "payload_too_large"}


class Refusals:
    """The handlers of all that goes wrong. `shapes` has the refusals of providers' routes by how
    their paths begin; all other routes have our own."""

    def __init__(self, shapes: Mapping[str, Refuse]) -> None:
        self._shapes = shapes

    def gateway_error(self, request: AnyRequest, error: GatewayError) -> Response[Any]:
        """An error of our own, as the table says."""
        return gateway_error(request, error, self._shape(request))

    def http_error(self, request: AnyRequest, error: HTTPException) -> Response[Any]:
        """A request that no route takes, or that is no HTTP for it."""
        return http_error(request, error, self._shape(request))

    def bug(self, request: AnyRequest, error: Exception) -> Response[Any]:
        """A fault of ours: it is logged, and its text does not leave the house."""
        if isinstance(error, HTTPException):  # the framework's own 500: a client that went away
            return self.http_error(request, error)
        log.error("bug", request=request_id_of(request.scope), exc_info=error)
        message = "something went wrong here; it has been logged"
        return self.gateway_error(request, GatewayError(message))

    def gone(self, request: AnyRequest, _: GoneError) -> Response[None]:
        """The client went away: there is nobody to tell."""
        return Response(None, status_code=499)

    def _shape(self, request: AnyRequest) -> Refuse:
        path = str(request.scope["path"])
        fitting = (refuse for start, refuse in self._shapes.items() if path.startswith(start))
        return next(fitting, refuse_plainly)


def gateway_error(
    request: AnyRequest, error: GatewayError, refuse: Refuse = refuse_plainly
) -> Response[Any]:
    request_id = request_id_of(request.scope)
    refused = refuse(error, request_id)
    log.info("refused", code=error.error, request=request_id)
    return Response(refused.body, status_code=refused.status, headers=dict(refused.headers))


def http_error(
    request: AnyRequest, error: HTTPException, refuse: Refuse = refuse_plainly
) -> Response[Any]:
    path = request.url.path[:200]
    code = CODES.get(error.status_code, "invalid_request")
    message = f"{request.method} {path}: {error.detail}"
    if request.method == "GET" and error.status_code in (404, 405) and target(path):
        code, message = "upgrade_required", f"{path} is a WebSocket: connect with an upgrade"
    response = gateway_error(request, GatewayError(message, code=code), refuse)
    if code == "upgrade_required":
        response.headers["Upgrade"] = "websocket"
    response.headers.update(error.headers or {})
    return response


def wrong_body(code: str, thing: str) -> Callable[[AnyRequest, HTTPException], Response[Any]]:
    """How to refuse a body that is no such thing, with the field at fault if there is one."""

    def handler(request: AnyRequest, error: HTTPException) -> Response[Any]:
        if error.status_code != 400:
            return http_error(request, error)
        cause = str(error.__cause__)
        extra = getattr(error, "extra", None)
        if BODY in cause:
            wrong = invalid(cause.replace(BODY, "`$", 1))
            message, param = wrong.message, wrong.param
        elif isinstance(extra, list) and extra[0].get("key") != "data":  # parameters of the URL
            param = extra[0]["key"]
            message = f"{param}: {extra[0]['message']}"
        else:
            message, param = f"the body is no {thing}: {error.detail}", None
        return gateway_error(request, GatewayError(message, code=code, param=param))

    return handler
