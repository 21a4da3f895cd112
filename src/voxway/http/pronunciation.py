"""Pronunciation dictionaries over HTTP: create, list, get, delete; each account its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Request, Router, delete, get, post
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from ..auth import Account
from ..errors import AuthError
from ..stores.dictionaries import Dictionaries, Dictionary, Modes
from .errors import wrong_body

AnyRequest = Request[Any, Any, Any]
AccountOf = Callable[[ASGIConnection[Any, Any, Any, Any]], Awaitable[Account]]

MAX_BODY = 2 * 1024 * 1024  # bytes: a dictionary with all the rules it may have


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
    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        try:
            connection.state.account_id = (await account_of(connection)).id
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
        exception_handlers={HTTPException: wrong_body("invalid_pronunciation", "dictionary")},
        request_max_body_size=MAX_BODY,
        tags=["pronunciation"],
    )
