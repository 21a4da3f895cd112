"""Pronunciation dictionaries over HTTP: create, list, get, delete; each account its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar import Request, Response, Router, delete, get, post
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from ..auth import Account
from ..errors import AuthError, GatewayError
from ..stores.dictionaries import Dictionaries, Dictionary, Modes
from ..wire.base import invalid
from .errors import gateway_error, http_error

AnyRequest = Request[Any, Any, Any]
AccountOf = Callable[[ASGIConnection[Any, Any, Any, Any]], Account]

MAX_BODY = 2 * 1024 * 1024  # bytes: a dictionary with all the rules it may have
# Where the framework says that a field of the body is wrong; to the client `data` is the body.
_BODY = "`$.data"


class NewDictionary(Struct, frozen=True, forbid_unknown_fields=True):
    """A dictionary to create. `metadata` is kept and given back as it is."""

    name: str
    modes: Modes
    metadata: dict[str, Any] = {}


class DictionaryList(Struct, frozen=True):
    """The dictionaries of the account."""

    data: tuple[Dictionary, ...]
    object: str = "list"


def router(dictionaries: Dictionaries, account_of: AccountOf) -> Router:
    """The routes. `account_of` says whose request it is, or raises AuthError."""

    # A guard, since it comes before the body is looked at.
    def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        try:
            connection.state.account_id = account_of(connection).id
        except AuthError as error:
            raise AuthError(error.message, code="pronunciation_unauthenticated") from None

    @post("/")
    async def create(request: AnyRequest, data: JSONBody[NewDictionary]) -> Dictionary:
        """Keep a new dictionary"""
        return await dictionaries.create(
            request.state.account_id, data.name, data.modes.rewrite.rules, data.metadata
        )

    @get("/")
    async def list_all(request: AnyRequest) -> DictionaryList:
        """The dictionaries of the account"""
        return DictionaryList(await dictionaries.list(request.state.account_id))

    @get("/{dictionary_id:str}")
    async def get_one(request: AnyRequest, dictionary_id: FromPath[str]) -> Dictionary:
        """One dictionary with its rules"""
        return await dictionaries.get(request.state.account_id, dictionary_id)

    @delete("/{dictionary_id:str}")
    async def delete_one(request: AnyRequest, dictionary_id: FromPath[str]) -> None:
        """Forget a dictionary"""
        await dictionaries.delete(request.state.account_id, dictionary_id)

    return Router(
        "/v1/pronunciation/dictionaries",
        route_handlers=[create, list_all, get_one, delete_one],
        guards=[guard],
        exception_handlers={HTTPException: _bad_request},
        request_max_body_size=MAX_BODY,
        tags=["pronunciation"],
    )


def _bad_request(request: AnyRequest, error: HTTPException) -> Response[Any]:
    if error.status_code != 400:
        return http_error(request, error)
    cause = str(error.__cause__)
    if _BODY in cause:
        wrong = invalid(cause.replace(_BODY, "`$", 1))
        message, param = wrong.message, wrong.param
    else:
        message, param = f"the body is no dictionary: {error.detail}", None
    return gateway_error(request, GatewayError(message, code="invalid_pronunciation", param=param))
