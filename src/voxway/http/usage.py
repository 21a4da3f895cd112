"""What was used, over HTTP: everybody sees their own account, who may administer sees all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from litestar import Request, get
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.params import QueryParameter
from msgspec import structs

from ..auth import Account
from ..stores.database import Database
from ..stores.reports import BY, Report, question, report

AnyRequest = Request[Any, Any, Any]
Connection = ASGIConnection[Any, Any, Any, Any]
AccountOf = Callable[[Connection], Awaitable[Account]]

MOST = 1_000  # lines of one answer

By = Annotated[str, QueryParameter(description=f"Names with commas, of {', '.join(BY)}.")]
Since = Annotated[
    str, QueryParameter(description="A day (UTC) or moment, or as long ago as 12h, 30d or 4w.")
]
Until = Annotated[str, QueryParameter(description="The same; of a day all. Empty: now.")]
Narrow = Annotated[str, QueryParameter(description="Of this one only.")]


def route(database: Database, account_of: AccountOf) -> HTTPRouteHandler:
    """The route. `account_of` says whose request it is, or raises AuthError."""

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        connection.state.account = await account_of(connection)

    @get("/v1/usage", guards=[guard])
    async def usage(
        request: AnyRequest,
        by: By = "day,model",
        since: Since = "30d",
        until: Until = "",
        organisation: Narrow = "",
        account: Narrow = "",
    ) -> Report:
        """What was used: your own account's, or with the scope `admin` everybody's

        Added up for each of what `by` names; a session counts for the day on which it was opened,
        and while it is open as of half a minute ago at most. Times are seconds."""
        asker: Account = request.state.account
        if not asker.scopes.allows("admin"):
            account = asker.id
        asked = structs.replace(
            question(by, since, until), account=account, organisation=organisation, most=MOST
        )
        return await report(database, asked)

    return usage
