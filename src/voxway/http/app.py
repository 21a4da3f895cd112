"""The HTTP side of the port, put together."""

from __future__ import annotations

from functools import partial
from typing import Any

from litestar import Litestar
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.plugins.core import MsgspecDIPlugin
from litestar.router import Router

from ..errors import GatewayError
from . import (
    account,
    admin,
    documents,
    listening,
    openapi,
    pronunciation,
    providers,
    speaking,
    usage,
)
from .admission import Admission
from .errors import Refusals
from .presence import GoneError
from .services import Health, Services
from .stamp import Stamped

__all__ = ["Health", "Services", "create", "routes"]


class Lean(Litestar):
    """Litestar, without the plugins for pydantic, which it loads wherever that is installed: 8 MB
    of a gateway's memory, for models of which there are none here."""

    @staticmethod
    def _get_default_plugins(plugins: list[Any]) -> list[Any]:
        return [*plugins, MsgspecDIPlugin()]


def create(services: Services) -> Stamped:
    """The application."""
    handlers = routes(services)
    refusals = Refusals(providers.REFUSALS)
    app = Lean(
        [*handlers, *documents.routes(partial(openapi.document, handlers))],
        openapi_config=None,
        exception_handlers={
            GatewayError: refusals.gateway_error,
            HTTPException: refusals.http_error,
            GoneError: refusals.gone,
            500: refusals.bug,
        },
        logging_config=None,
    )
    return Stamped(app)


def routes(services: Services) -> list[HTTPRouteHandler | Router]:
    """All that is in the OpenAPI document."""
    admission = Admission(services)
    handlers: list[HTTPRouteHandler | Router] = [
        *account.routes(services, admission),
        *speaking.routes(services, admission),
        *listening.routes(services, admission),
        *providers.routes(services, admission),
    ]
    if services.dictionaries is not None:
        handlers.append(pronunciation.router(services.dictionaries, admission.account))
    if services.accounts is not None:
        handlers.append(admin.router(services.accounts, admission.account))
    if services.database is not None:
        handlers.append(usage.route(services.database, admission.account))
    return handlers
