"""Connecting to whoever answers a visit: an engine worker, or a backend at an address.

The backends of a model are tried in the order in which the catalog gives them. One that says that
it is full is asked again, a little later each time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from functools import partial

from msgspec import structs

from .auth import digest
from .catalog import Backend
from .catalog.wires import wire_named
from .errors import LimitError, UpstreamError
from .events import Options
from .net import pico
from .net.base import Receiver, UpgradeRefused
from .peers import Draw, Meet, Way
from .seats import Seated, Seats
from .stores.limits import Limits
from .supervisor import Supervisor
from .vestibule import Vestibule
from .visit import Visit
from .wire.base import Address, Endpoint, Wire
from .wire.policies import Policy

RETRIES = (0.25, 0.5, 1.0, 2.0)  # seconds, and up to half more, before the next attempt
BATCH = 120  # characters that are fetched at once of what a provider allows
PATIENCE = 5.0  # seconds: whoever says that it takes longer is not asked again


class Dialler:
    """Knows the engines of this gateway and the keys of its environment."""

    def __init__(self, supervisor: Supervisor, environ: Mapping[str, str], limits: Limits) -> None:
        self._supervisor = supervisor
        self._environ = environ
        self._seats = Seats(limits.slots)
        self._budgets = limits.budgets

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
        policy, counted = policy_at(backend, wire), counted_as(backend, address)
        receiver = meet(wire.client(options, address), policy, self._draw(policy, counted))
        vestibule = Vestibule(receiver, wire.turned_away) if wire.turned_away else None
        receiver = vestibule or receiver
        if policy.sockets:
            receiver = await self._seats.take(counted, policy.sockets, receiver)
        try:
            await _connect(endpoint, receiver, vestibule)
        except UpgradeRefused:
            raise
        except UpstreamError as error:
            if backend.wire != "engine":
                raise
            text = f"the engine of {visit.found.model.id} is away: {error.message}"
            raise UpstreamError(text, code=error.error) from error

    def _draw(self, policy: Policy, counted: str) -> Draw | None:
        """How characters are taken out of what the provider allows, if it bounds them."""
        most = policy.characters_per_minute
        if not most:
            return None
        most -= most // 60  # what is a minute apart here may be a second less there
        return partial(self._budgets.reserve, counted, per_minute=most, batch=BATCH)

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


async def _connect(endpoint: Endpoint, receiver: Receiver, vestibule: Vestibule | None) -> None:
    is_there = False
    try:
        if endpoint.url.startswith("http"):
            from .net import http  # with httpx, which most gateways do not need

            await http.dial(endpoint, receiver)
        else:
            await pico.dial(endpoint, receiver)
        if vestibule is not None:
            await vestibule.admitted()
        is_there = True
    finally:
        if not is_there and isinstance(receiver, Seated):
            receiver.release()


def is_full(error: UpgradeRefused) -> bool:
    """Whether the provider has no room just now."""
    return error.status in (429, 503)


def policy_at(backend: Backend, wire: Wire) -> Policy:
    """The wire's, but for what the catalog says of this backend."""
    policy = wire.policy
    if backend.sockets is not None:
        policy = structs.replace(policy, sockets=backend.sockets)
    if backend.characters_per_minute is not None:
        policy = structs.replace(policy, characters_per_minute=backend.characters_per_minute)
    return policy


def policy_of(visit: Visit) -> Policy:
    """The first backend's; of contexts, what every backend can carry."""
    kind = visit.wanted.kind
    policies = [policy_at(b, wire_named(b.wire, kind)) for b in visit.found.backends]
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
