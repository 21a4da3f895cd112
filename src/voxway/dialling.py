"""Connecting to whoever answers a visit: an engine worker, or a backend at an address.

The backends of a model are tried in the order in which the catalog gives them. One that says that
it is full is asked again, a little later each time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping

from msgspec import structs

from .auth import digest
from .catalog import Backend
from .catalog.wires import wire_named
from .errors import LimitError, UpstreamError
from .events import Options
from .net import http, pico
from .net.base import Receiver, UpgradeRefused
from .peers import Meet, Way
from .seats import Seated, Seats
from .stores.limits import Limits
from .supervisor import Supervisor
from .visit import Visit
from .wire.base import Address, Endpoint, Wire
from .wire.policies import Policy

RETRIES = (0.25, 0.5, 1.0, 2.0)  # seconds, and up to half more, before the next attempt
PATIENCE = 5.0  # seconds: whoever says that it takes longer is not asked again


class Dialler:
    """Knows the engines of this gateway and the keys of its environment."""

    def __init__(self, supervisor: Supervisor, environ: Mapping[str, str], limits: Limits) -> None:
        self._supervisor = supervisor
        self._environ = environ
        self._seats = Seats(limits.slots)

    def __call__(self, visit: Visit) -> Way:
        first = visit.found.backends[0]

        async def connect(options: Options, meet: Meet, is_again: bool) -> None:
            await self._connect(visit, options, meet, is_again)

        return Way(
            visit.wanted.kind,
            visit.found.model,
            policy_of(visit),
            lambda options: self._wire(visit, first).endpoint(options, self._address(visit, first)),
            connect,
        )

    async def _connect(self, visit: Visit, options: Options, meet: Meet, is_again: bool) -> None:
        """Connect to the first backend that can be had. Full ones are asked again, and if there
        was a connection before, those that cannot be reached are too."""
        for delay in (*RETRIES, None):
            try:
                return await self._try_each(visit, options, meet)
            except UpgradeRefused as error:
                wait = max(delay or 0.0, error.retry_after or 0.0)
                if not is_full(error) or delay is None or wait > PATIENCE:
                    raise refusal(visit, error) from error
            except UpstreamError as error:
                if not is_again or delay is None or error.error != "backend_connection_failed":
                    raise
                wait = delay
            await asyncio.sleep(wait * random.uniform(1.0, 1.5))

    async def _try_each(self, visit: Visit, options: Options, meet: Meet) -> None:
        """Of several errors the one is raised that may pass, or else the last."""
        full: UpgradeRefused | None = None
        *others, last = visit.found.backends
        for backend in others:
            try:
                return await self._dial(visit, backend, options, meet)
            except UpgradeRefused as error:
                full = error if is_full(error) else full
            except (UpstreamError, LimitError):
                continue
        try:
            await self._dial(visit, last, options, meet)
        except UpstreamError as error:
            raise full or error from None

    async def _dial(self, visit: Visit, backend: Backend, options: Options, meet: Meet) -> None:
        wire, address = self._wire(visit, backend), self._address(visit, backend)
        if backend.wire == "engine":
            endpoint = await self._supervisor.workers[visit.found.model.id].endpoint()
        else:
            endpoint = wire.endpoint(options, address)
        if visit.found.client_key and backend.wire == "unified":
            key = {"X-Slng-Provider-Key": visit.asked.provider_key}
            endpoint = structs.replace(endpoint, headers={**endpoint.headers, **key})
        receiver = meet(wire.client(options, address), wire.policy)
        if wire.policy.sockets:
            receiver = await self._seats.take(
                counted_as(backend, address), wire.policy.sockets, receiver
            )
        await _connect(endpoint, receiver)

    def _wire(self, visit: Visit, backend: Backend) -> Wire:
        return wire_named(backend.wire, visit.wanted.kind)

    def _address(self, visit: Visit, backend: Backend) -> Address:
        """Where and as whom: by the client's own key, if it brought one for this provider."""
        wire = self._wire(visit, backend)
        key = self._environ.get(backend.key_variable, "")
        if visit.found.client_key and wire.provider:
            key = visit.asked.provider_key
        is_own_name = wire.provider and visit.wanted.provider == wire.provider
        named = visit.wanted.named if is_own_name else ""
        model = named or backend.model or visit.found.model.id
        return Address(backend.url, model, key)


def counted_as(backend: Backend, address: Address) -> str:
    """Under which name a provider's limits are counted: each key has its own. The key itself is
    not to be read in a store of limits."""
    return f"provider:{backend.wire}:{digest(f'{address.url} {address.key}').hex()[:32]}"


async def _connect(endpoint: Endpoint, receiver: Receiver) -> None:
    is_there = False
    try:
        await (http if endpoint.url.startswith("http") else pico).dial(endpoint, receiver)
        is_there = True
    finally:
        if not is_there and isinstance(receiver, Seated):
            receiver.release()


def is_full(error: UpgradeRefused) -> bool:
    """Whether the provider has no room just now."""
    return error.status in (429, 503)


def policy_of(visit: Visit) -> Policy:
    """The first backend's; of contexts, what every backend can carry."""
    policies = [wire_named(b.wire, visit.wanted.kind).policy for b in visit.found.backends]
    return structs.replace(policies[0], contexts=min(policy.contexts for policy in policies))


def refusal(visit: Visit, error: UpgradeRefused) -> UpstreamError | LimitError:
    """What a client is told of an upgrade that a provider did not grant, and who was refused."""
    whose = "your provider key" if visit.found.client_key else "this gateway"
    provider = visit.found.model.provider
    if error.status == 429:
        message = f"{provider} allows {whose} no more connections now (429)"
        return LimitError(message, retry_after=error.retry_after)
    message = f"{provider} refused {whose}: upstream {error.status}"
    return UpstreamError(message, code=error.error, retry_after=error.retry_after)
