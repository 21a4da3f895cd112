"""Keys over HTTP, for whoever has one with the scope `admin`: make, list, show, revoke, rotate."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from litestar import Request, Router, delete, get, post
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Struct, structs

from ..auth import Account, Scopes
from ..stores.accounts import Accounts
from ..stores.issued import Key, NewKey
from .errors import wrong_body

AnyRequest = Request[Any, Any, Any]
AccountOf = Callable[[ASGIConnection[Any, Any, Any, Any]], Awaitable[Account]]

MAX_BODY = 64 * 1024  # bytes
DAY = 24 * 60 * 60
Organisation = Annotated[str, QueryParameter(description="Of this one only.")]
Grace = Annotated[
    int,
    QueryParameter(description="Seconds for which the old key goes on.", ge=0, le=365 * DAY),
]

NewTier = Annotated[str | None, QueryParameter(description="Of the new key, if another.")]


class KeyWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to make; the organisation is made if it is new. `models` are patterns, as `deepgram/*`;
    `uses` are of tts, stt, http and admin; `expires` is UTC if it names no other zone."""

    organisation: str
    name: str = "default"
    tier: str = "free"
    models: tuple[str, ...] = Scopes().models
    uses: frozenset[str] = Scopes().uses
    expires: datetime | None = None


class KeyState(Key, frozen=True, kw_only=True):
    """What is known of a key. `status` is active, revoked or expired."""

    status: str


class KeyList(Struct, frozen=True):
    """Keys, the oldest first."""

    data: tuple[KeyState, ...]
    object: str = "list"


def router(accounts: Accounts, account_of: AccountOf) -> Router:
    """The routes. `account_of` says whose request it is, or raises AuthError."""

    # A guard, since it comes before the body is looked at.
    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        (await account_of(connection)).check("admin")

    @post("/")
    async def create(data: JSONBody[KeyWish]) -> NewKey:
        """Make a key

        It is in this answer and nowhere else."""
        expires = data.expires
        if expires is not None and expires.tzinfo is None:
            expires = expires.replace(tzinfo=UTC)
        scopes = Scopes(data.models, data.uses)
        return await accounts.issued.create(
            data.organisation, data.name, data.tier, scopes, expires
        )

    @get("/")
    async def list_all(organisation: Organisation = "") -> KeyList:
        """List keys, also those that have ended"""
        return KeyList(tuple(map(state, await accounts.issued.list(organisation))))

    @get("/{key_id:str}")
    async def get_one(key_id: FromPath[str]) -> KeyState:
        """Show what is known of a key, by its id or prefix"""
        return state(await accounts.issued.show(key_id))

    @delete("/{key_id:str}", status_code=200)
    async def revoke(key_id: FromPath[str]) -> KeyState:
        """Let a key be good for nothing

        Its sessions end within a second."""
        return state(await accounts.revoke(key_id))

    @post("/{key_id:str}/rotate")
    async def rotate(key_id: FromPath[str], grace: Grace = 0, tier: NewTier = None) -> NewKey:
        """Make a key in place of another, for the same account

        It is in this answer and nowhere else."""
        return await accounts.rotate(key_id, timedelta(seconds=grace), tier)

    return Router(
        "/v1/admin/keys",
        route_handlers=[create, list_all, get_one, revoke, rotate],
        guards=[guard],
        exception_handlers={HTTPException: wrong_body("invalid_request", "key to make")},
        request_max_body_size=MAX_BODY,
        tags=["admin"],
    )


def state(key: Key) -> KeyState:
    return KeyState(**structs.asdict(key), status=key.status_at(datetime.now(UTC)))
