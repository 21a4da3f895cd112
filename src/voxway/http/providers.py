"""The endpoints of all providers, for the application and its description."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler

from . import cartesia, deepgram, elevenlabs, openai, rime
from .admission import Admission
from .described import Operation
from .errors import Refuse
from .services import Services

OPERATIONS: dict[str, Operation] = {
    **deepgram.OPERATIONS,
    **elevenlabs.OPERATIONS,
    **cartesia.OPERATIONS,
    **openai.OPERATIONS,
    **rime.OPERATIONS,
}
REFUSALS: dict[str, Refuse] = {
    **deepgram.REFUSALS,
    **elevenlabs.REFUSALS,
    **cartesia.REFUSALS,
    **openai.REFUSALS,
}


def routes(services: Services, admission: Admission) -> list[HTTPRouteHandler]:
    """All of their routes."""
    return [
        *deepgram.routes(services, admission),
        *elevenlabs.routes(services, admission),
        *cartesia.routes(services, admission),
        *openai.routes(services, admission),
        *rime.routes(services, admission),
    ]
