"""The port for Wyoming clients, beside the gateway's own. Who comes there shows no key."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import typer

from ..auth import Account, Credential
from ..client.gateway import is_loopback
from ..config import Settings
from ..entrance import Entrance
from ..errors import AuthError, ConfigError
from ..gateway import Gateway
from ..guard import Guarded
from ..net.wyoming import Connection
from ..stores.accounts import Accounts
from ..wyoming import Guest, House

Asked = Callable[[], Awaitable[Account]]


async def speaking_for(host: str, settings: Settings, accounts: Accounts) -> Asked:
    """Whose account all clients use: that of the key which the settings name, asked anew for each
    request, or one of this machine's own. Raises ConfigError if there is none."""
    if settings.wyoming_key:
        ask = partial(accounts.account, Credential(settings.wyoming_key))
        try:
            await ask()
        except AuthError as error:
            raise ConfigError(f"wyoming_key: {error.message}", param="wyoming_key") from error
        return ask
    if not is_loopback(host):
        raise ConfigError(
            f"refusing to listen for Wyoming on {host} without a key: its clients show none, so "
            "anybody there could use it. Set VOXWAY_WYOMING_KEY to the key that they shall count "
            "by, or listen on 127.0.0.1",
            param="wyoming_key",
        )
    local = Account("wyoming", "local", settings.tiers["local"])

    async def nobody_else() -> Account:
        return local

    return nobody_else


def wyoming_house(gateway: Gateway, entrance: Entrance, account: Asked) -> House:
    """The gateway as these clients see it."""
    return House(
        account=account,
        admit=entrance.admit,
        catalog=lambda: gateway.catalog.public(),
        visit=gateway.visit,
        attend=gateway.attend,
    )


@asynccontextmanager
async def wyoming_port(
    house: House, bound: socket.socket, entrance: Entrance
) -> AsyncIterator[None]:
    """Listens inside the block; at its end all connections are cut."""
    connections: set[Connection] = set()

    def guest(peer: str) -> Guarded:
        return Guarded(Guest(house, peer), "wyoming")

    loop = asyncio.get_running_loop()
    make = partial(Connection, guest, entrance, connections)
    server = await loop.create_server(make, sock=bound)
    host, port = bound.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    typer.echo(f"voxway: Wyoming on tcp://{shown}:{port}")
    try:
        yield
    finally:
        server.close()
        for connection in tuple(connections):
            connection.cut()
        await asyncio.sleep(0)  # for what the transports have to do; no peer is waited for
