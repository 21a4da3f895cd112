"""Who may come in: by its address, by its key, and by what its tier has left.

Nothing here looks at what is asked for; that is the gateway's part.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from .addresses import AddressGuard, Network, caller, is_trusted
from .auth import Account, Credential, credential_of
from .errors import AuthError, LimitError
from .limits import Standing
from .net.base import Request
from .stores.limits import Limits

Leave = Callable[[], None]


class Known(Protocol):
    """Whoever knows the keys: `stores.accounts.Accounts`."""

    async def account(self, credential: Credential | None) -> Account:
        """Whose key this is. Raises AuthError, or GatewayError not_ready if nobody can tell."""
        ...


class Entrance:
    """One per process. `trusted` are the proxies whose word about addresses is taken."""

    def __init__(
        self,
        known: Known,
        limits: Limits,
        guard: AddressGuard,
        trusted: Sequence[Network] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._known = known
        self._limits = limits
        self._guard = guard
        self._trusted = trusted
        self._clock = clock

    async def account(self, request: Request) -> Account:
        """Whose request it is. Raises AuthError; LimitError, before the key is looked at, for an
        address that had too many wrong ones."""
        address, credential = self._address(request), credential_of(request)
        self._guard.check(address, self._clock())
        try:
            return await self._known.account(credential)
        except AuthError as error:
            if credential is not None and error.error == "auth_error":
                self._guard.failed(address, self._clock())
            raise

    async def admit(self, account: Account) -> Standing:
        """Count one HTTP request. Raises LimitError that says when the next one may come."""
        most = account.tier.http_requests_per_minute
        return await self._limits.rates.admit(account.id, most)

    def stand(self, request: Request) -> Leave:
        """Count a socket of somebody who is not let in, or not yet. Raises LimitError if its
        address has too many; else call what is returned, once, when it is gone or asks to go in."""
        address = self._address(request)
        self._guard.opened(address)
        return partial(self._guard.closed, address)

    async def let_in(self, account: Account, request: Request, owner: str) -> Leave:
        """Take a socket's slot. Raises LimitError if the account or its address has none left;
        else call what is returned, once, when the socket is gone."""
        stand_no_more = self.stand(request)
        is_in = False
        try:
            leave = await self._take(_slot("websocket", account), account.tier.connections, owner)
            is_in = True
        finally:
            if not is_in:
                stand_no_more()

        def go() -> None:
            stand_no_more()
            leave()

        return go

    async def let_work(self, account: Account, owner: str) -> Leave:
        """Take an HTTP request's slot, in the same way."""
        return await self._take(_slot("http", account), account.tier.http_connections, owner)

    async def in_use(self, account: Account) -> tuple[int, int]:
        """How many sockets and how many HTTP requests of an account are open, here and in every
        process with the same limits."""
        taken = self._limits.slots.taken
        return await taken(_slot("websocket", account)), await taken(_slot("http", account))

    def connected(self, peer: str) -> bool:
        """Count a connection that has not asked for anything yet. False: there are too many."""
        if not is_trusted(peer, self._trusted):
            try:
                self._guard.opened(peer)
            except LimitError:
                return False
        return True

    def disconnected(self, peer: str) -> None:
        """It is gone, or has become a WebSocket."""
        if not is_trusted(peer, self._trusted):
            self._guard.closed(peer)

    async def _take(self, slot: str, limit: int, owner: str) -> Leave:
        slots, is_taken = self._limits.slots, False
        try:
            await slots.reserve(slot, limit, owner)
            is_taken = True
        finally:
            if not is_taken:  # whoever went away meanwhile may have got it
                slots.release(slot, owner)
        return lambda: slots.release(slot, owner)

    def _address(self, request: Request) -> str:
        return caller(request.peer, request.headers, self._trusted)


def _slot(kind: str, account: Account) -> str:
    return f"{kind}:{account.id}"
