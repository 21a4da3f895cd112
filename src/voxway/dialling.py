"""Connecting to whoever answers a visit: an engine worker, or a backend at an address.

The backends of a model are tried in the order in which the catalog gives them.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from .catalog import Backend
from .errors import UpstreamError
from .net import pico
from .net.base import Receiver
from .relay import Dial
from .supervisor import Supervisor
from .visit import Visit
from .wire.base import Endpoint


class Dialler:
    """Knows the engines of this gateway and the keys of its environment."""

    def __init__(self, supervisor: Supervisor, environ: Mapping[str, str]) -> None:
        self._supervisor = supervisor
        self._environ = environ

    def __call__(self, visit: Visit) -> Dial:
        async def dial(receiver: Receiver) -> None:
            *others, last = visit.found.backends
            for backend in others:
                try:
                    return await pico.dial(await self._endpoint(visit, backend), receiver)
                except UpstreamError:
                    continue  # the next one may do; only the last one's error is worth telling
            await pico.dial(await self._endpoint(visit, last), receiver)

        return dial

    async def _endpoint(self, visit: Visit, backend: Backend) -> Endpoint:
        if backend.wire == "engine":
            return await self._supervisor.workers[visit.found.model.id].endpoint()
        headers = {}
        if key := self._environ.get(backend.key_variable, ""):
            headers["Authorization"] = f"Bearer {key}"
        if visit.found.client_key:
            headers["X-Slng-Provider-Key"] = visit.asked.provider_key
        return Endpoint(address(visit, backend), headers)


def address(visit: Visit, backend: Backend) -> str:
    """The bridge of another gateway; a URL that has a path of its own is taken as it is."""
    url = backend.url.rstrip("/")
    scheme, rest = url.split("://", 1)
    url = f"{({'http': 'ws', 'https': 'wss'}).get(scheme, scheme)}://{rest}"
    if urlsplit(url).path:
        return url
    model = quote(backend.model or visit.found.model.id, safe="/:")
    return f"{url}/v1/bridges/unmute/{visit.wanted.kind}/{model}"
