"""What the HTTP side is given of the gateway, and how it asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol
from urllib.parse import parse_qsl

from litestar.connection import ASGIConnection
from msgspec import Struct

from ..auth import Account
from ..catalog import Public
from ..direct import Direct
from ..limits import Standing
from ..net.base import Request as Asking
from ..routes import Target
from ..stores.accounts import Accounts
from ..stores.database import Database
from ..stores.dictionaries import Dictionaries
from ..visit import Visit
from .stamp import mark_client_key, request_id_of

Connection = ASGIConnection[Any, Any, Any, Any]


class Health(Struct, frozen=True):
    """`status` is ok or draining; `engines` says for each local model how its worker is."""

    status: str
    sessions: int
    engines: dict[str, str]


class Visiting(Protocol):
    """What an account asks for; `wanted` if the URL does not tell. Raises GatewayError."""

    def __call__(
        self, request: Asking, request_id: str, account: Account, wanted: Target | None = None
    ) -> Visit: ...


class Services(Struct, frozen=True):
    """The gateway, as its HTTP side sees it. All but the first two raise GatewayError."""

    health: Callable[[], Health]
    catalog: Callable[[], Sequence[Public]]
    account: Callable[[Asking], Awaitable[Account]]
    admit: Callable[[Account], Awaitable[Standing]]
    visit: Visiting
    converse: Callable[[Visit], Awaitable[Direct]]
    in_use: Callable[[Account], Awaitable[tuple[int, int]]]
    dictionaries: Dictionaries | None = None
    accounts: Accounts | None = None
    database: Database | None = None  # with what was used


def asking(connection: Connection) -> Asking:
    """A request in the form in which the gateway hears of all of them."""
    scope = connection.scope
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1").strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    client = scope.get("client")
    return Asking(scope["path"], query, headers, client[0] if client else "")


def arrival(services: Services, connection: Connection, wanted: Target | None = None) -> Visit:
    """The visit that a request is, of the account that `Admission` found. Raises GatewayError if
    it cannot be."""
    account: Account = connection.state.account
    visit = services.visit(asking(connection), request_id_of(connection.scope), account, wanted)
    if visit.found.client_key:
        mark_client_key(connection.scope)
    return visit
