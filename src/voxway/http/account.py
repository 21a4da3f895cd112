"""What a client may ask about: how the gateway is, its models, and its own account."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct, structs
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from ..auth import Account
from ..catalog import Public
from ..limits import Tier
from .admission import Admission
from .services import Health, Services

AnyRequest = Request[Any, Any, Any]
METRICS = CONTENT_TYPE_PLAIN_0_0_4


class Listed(Public, frozen=True, kw_only=True):
    """A model, also in the words that OpenAI's clients look for. Nobody knows when it was made."""

    owned_by: str
    object: str = "model"
    created: int = 0


def listed(model: Public) -> Listed:
    return Listed(**structs.asdict(model), owned_by=model.provider)


class ModelList(Struct, frozen=True):
    """Models and what each can do."""

    data: tuple[Listed, ...]
    object: str = "list"


class InUse(Struct, frozen=True):
    """Connections that are open now."""

    websocket: int
    http: int


class Me(Struct, frozen=True):
    """The account of the key: its limits (times in seconds, sizes in bytes, text in characters),
    and how much of them is in use."""

    id: str
    tier: str
    limits: Tier
    connections: InUse


def routes(services: Services, admission: Admission) -> list[HTTPRouteHandler]:
    """The routes, all but the first for those who have a key."""

    @get("/health", sync_to_thread=False)
    def health() -> Response[Health]:
        """How the gateway is

        503 while it is going down: send nobody new here."""
        now = services.health()
        return Response(now, status_code=200 if now.status == "ok" else 503)

    @get("/v1/models", guards=[admission.keyed], sync_to_thread=False)
    def models() -> ModelList:
        """The models that can be used now"""
        return ModelList(tuple(listed(model) for model in services.catalog() if model.usable))

    @get("/v1/catalog/models", guards=[admission.keyed], sync_to_thread=False)
    def catalog() -> ModelList:
        """Every model of the catalog, and whether it can be used now"""
        return ModelList(tuple(map(listed, services.catalog())))

    @get("/v1/me", guards=[admission.keyed])
    async def me(request: AnyRequest) -> Me:
        """Whose key this is, and its limits"""
        account: Account = request.state.account
        return Me(
            account.id, account.tier_name, account.tier, InUse(*await services.in_use(account))
        )

    @get("/metrics", guards=[admission.keyed], sync_to_thread=False, media_type=METRICS)
    def metrics() -> bytes:
        """What is counted, for Prometheus"""
        return generate_latest()

    return [health, models, catalog, me, metrics]
