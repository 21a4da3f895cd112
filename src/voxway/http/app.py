"""The HTTP side of the port: health, the models, and plain answers for what is not there."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.exceptions import HTTPException
from msgspec import Struct

from ..auth import Account, find_credential
from ..catalog import Model
from ..errors import AuthError, GatewayError
from ..routes import target

Authenticate = Callable[[Mapping[str, str], Sequence[tuple[str, str]]], Account]


class Health(Struct, frozen=True):
    """`status` is ok or draining; `engines` says for each local model how its worker is."""

    status: str
    sessions: int
    engines: dict[str, str]


class ModelList(Struct, frozen=True):
    """The models that this gateway answers for."""

    data: list[Model]
    object: str = "list"


class HttpError(Struct, frozen=True, omit_defaults=True):
    """The JSON body of every error."""

    error: str
    message: str
    code: str
    request_id: str
    param: str | None = None


def create(
    health: Callable[[], Health], models: Callable[[], Sequence[Model]], keys: Any
) -> Litestar:
    """The application. `keys` knows accounts (`auth.Keys`)."""

    @get("/health", sync_to_thread=False)
    def get_health() -> Response[Health]:
        now = health()
        return Response(now, status_code=200 if now.status == "ok" else 503)

    @get("/v1/models", sync_to_thread=False)
    def get_models(request: Request[Any, Any, Any]) -> ModelList:
        query = list(request.query_params.multi_items())
        keys.account(find_credential(dict(request.headers), query, ()))
        return ModelList(list(models()))

    return Litestar(
        [get_health, get_models],
        openapi_config=None,
        exception_handlers={GatewayError: _gateway_error, HTTPException: _http_error},
        logging_config=None,
    )


def _gateway_error(request: Request[Any, Any, Any], error: GatewayError) -> Response[HttpError]:
    headers = {"WWW-Authenticate": 'Bearer realm="voxway"'} if isinstance(error, AuthError) else {}
    return _answer(error.rule.http_status, error.error, error.message, error.param, headers)


def _http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[HttpError]:
    if error.status_code == 404 and target(request.url.path):
        message = f"{request.url.path[:200]} is a WebSocket: connect with an upgrade"
        return _answer(426, "upgrade_required", message, None, {"Upgrade": "websocket"})
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid_request")
    message = f"{request.method} {request.url.path[:200]}: {error.detail}"
    return _answer(error.status_code, code, message, None, {})


def _answer(
    status: int, code: str, message: str, param: str | None, headers: dict[str, str]
) -> Response[HttpError]:
    request_id = f"req_{secrets.token_hex(12)}"
    body = HttpError(code, message, code, request_id, param)
    return Response(body, status_code=status, headers={"x-request-id": request_id, **headers})
