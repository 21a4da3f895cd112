"""`voxway serve`: put the gateway, its engines and its HTTP side on one port.

On SIGTERM nobody new is let in, `/health` answers 503, and the open sessions get time to end; a
second signal ends them at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import ssl
import stat
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import structlog
import typer
import uvicorn
import uvloop
from msgspec import Struct, structs

from .. import config, telemetry
from ..addresses import AddressGuard, networks
from ..auth import Keys
from ..client.gateway import is_loopback
from ..converting import prepare
from ..dialling import Dialler
from ..entrance import Entrance
from ..errors import ConfigError
from ..gateway import Gateway
from ..http import app as http
from ..net import front, pico_door
from ..stores.accounts import Accounts
from ..stores.dictionaries import Dictionaries
from ..stores.installation import Installation, installation
from ..stores.limits import Limits, in_memory, in_redis
from ..stores.usage import Ledger
from ..supervisor import Supervisor, socket_directory
from ..worker.orphaned import when_orphaned
from .wyoming import speaking_for, wyoming_house, wyoming_port

log = structlog.get_logger("voxway")


class Listen(Struct, frozen=True):
    """Where to listen, and with which certificate. `wyoming` is the port of that protocol, which
    else the settings tell. `is_child`: only as long as whoever started us."""

    host: str
    port: int
    cert: str | None = None
    key: str | None = None
    wyoming: int | None = None
    is_child: bool = False


class Server(uvicorn.Server):
    """uvicorn, but signals are ours: it would close the port before the sessions have ended."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(listen: Listen, *, dev: bool, level: str) -> None:
    """Serve until SIGTERM or SIGINT. Raises ConfigError."""
    telemetry.configure(level)
    if bool(listen.cert) != bool(listen.key):
        raise ConfigError("--tls-cert and --tls-key go together")
    tls = front.tls(listen.cert, listen.key) if listen.cert and listen.key else None
    settings = config.load(os.environ)
    port = bind(listen.host, listen.port)
    work = serve(listen, port, settings, tls, dev=dev or settings.dev)
    uvloop.run(work, loop_factory=front.Loop)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ConfigError that says why there is none."""
    if not 0 <= port <= 65_535:  # getaddrinfo would take it modulo 65536
        raise ConfigError(f"port {port} is outside 0-65535", param="port")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return bound


def loopback_key(host: str, data_dir: Path) -> dict[str, str]:
    """The key for a gateway that was given none: loopback only, made once, kept in a file that
    only its owner reads, so that `voxway say` on this machine finds it."""
    if not is_loopback(host):
        raise ConfigError(
            f"refusing to listen on {host} without keys: nobody could use it. Make one with "
            "`voxway keys create`, set VOXWAY_API_KEYS=some-key:enterprise, or listen on 127.0.0.1"
        )
    path = data_dir / "local-key"
    if path.exists():
        if kept := path.read_text().strip():
            return {kept: "local"}
        path.unlink()  # left by a start that was cut short: an empty key lets nobody in
    key = f"vw_{secrets.token_urlsafe(24)}"
    data_dir.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
    with os.fdopen(descriptor, "w") as file:
        file.write(key + "\n")
    typer.echo(f"voxway: made a key for this machine (shown once, kept in {path}): {key}")
    return {key: "local"}


async def fixed_keys(host: str, settings: config.Settings, here: Installation) -> dict[str, str]:
    """The keys that need no database: those of the settings or, on loopback, one made here.
    Raises ConfigError if nobody could come in."""
    if settings.api_keys:
        return settings.api_keys
    if not is_loopback(host) and await here.keys.list():
        return {}
    return loopback_key(host, Path(settings.data_dir))


def limits_of(settings: config.Settings) -> Limits:
    """The limits of this process, or those it shares."""
    if settings.redis_url:
        return in_redis(settings.redis_url, settings.on_loss, telemetry.limits_incident)
    return in_memory()


async def serve(
    listen: Listen,
    bound: socket.socket,
    settings: config.Settings,
    tls: ssl.SSLContext | None,
    *,
    dev: bool,
) -> None:
    """Run everything until a signal comes. Raises ConfigError."""
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(installation(settings, os.environ))
        directory = stack.enter_context(socket_directory())
        database = Path(settings.data_dir) / "voxway.db"
        dictionaries = stack.enter_context(contextlib.closing(Dictionaries(database)))
        keys = Keys(await fixed_keys(listen.host, settings, here), settings.tiers)
        accounts = Accounts(here.keys, keys, settings.tiers)
        limits = limits_of(settings)
        guard = AddressGuard(settings.failures_per_minute, settings.sockets_per_address)
        entrance = Entrance(accounts, limits, guard, networks(settings.trusted_proxies))
        supervisor = Supervisor(settings.engines, Path(directory))
        catalog = config.load_catalog(settings, os.environ, dev=dev)
        if any(model.usable and model.provider != "local" for model in catalog.public()):
            prepare()
        dialler = Dialler(supervisor, os.environ, limits)
        ledger = Ledger(here.database)
        gateway = Gateway(entrance, catalog, dialler, dictionaries=dictionaries, ledger=ledger)
        offered = structs.replace(
            services(gateway, entrance, supervisor),
            dictionaries=dictionaries,
            accounts=accounts,
            database=here.database,
        )
        server = Server(uvicorn_config(listen, tls, gateway, entrance, offered))
        reload_on_hangup(gateway, settings, dev=dev)
        port = settings.wyoming_port if listen.wyoming is None else listen.wyoming
        if port is not None:
            account = await speaking_for(listen.host, settings, accounts)
            beside = bind(listen.host, port)
            house = wyoming_house(gateway, entrance, account)
            await stack.enter_async_context(wyoming_port(house, beside, entrance))
        work = (
            *(supervisor.run(), limits.run(), accounts.run(gateway.end_keys)),
            *(ledger.run(), gateway.run()),
        )
        stop = asyncio.Event()
        if listen.is_child:
            when_orphaned(stop.set)
        await run_all(gateway, work, server, bound, settings.drain_seconds, stop)


async def run_all(
    gateway: Gateway,
    work: Sequence[Coroutine[None, None, None]],
    server: Server,
    bound: socket.socket,
    drain: float,
    stop: asyncio.Event,
) -> None:
    """Serve until a signal comes, or `stop` is set, and end in order."""
    async with asyncio.TaskGroup() as group:
        background = [group.create_task(each) for each in work]
        serving = group.create_task(server.serve(sockets=[bound]))
        group.create_task(_announce(server, bound))
        await _until_stopped(gateway, server, serving, drain, stop)
        for task in background:
            task.cancel()


def reload_on_hangup(gateway: Gateway, settings: config.Settings, *, dev: bool) -> None:
    """On SIGHUP read the catalog anew; one that is wrong is told and changes nothing. Open sessions
    go on with what they have."""

    def reload() -> None:
        try:
            gateway.catalog = config.reload_catalog(settings, os.environ, dev=dev)
        except ConfigError as error:
            log.error("catalog not reloaded", reason=error.message)
        else:
            log.info("catalog reloaded", models=len(list(gateway.catalog)))

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)


def services(gateway: Gateway, entrance: Entrance, supervisor: Supervisor) -> http.Services:
    """The gateway as its HTTP side sees it."""

    def health() -> http.Health:
        engines = {model: worker.status for model, worker in supervisor.workers.items()}
        status = "draining" if gateway.is_draining else "ok"
        return http.Health(status, gateway.sessions, dict(engines))

    return http.Services(
        health=health,
        catalog=lambda: gateway.catalog.public(),
        account=entrance.account,
        admit=entrance.admit,
        visit=gateway.visit,
        converse=gateway.converse,
        in_use=entrance.in_use,
    )


def uvicorn_config(
    listen: Listen,
    tls: ssl.SSLContext | None,
    gateway: Gateway,
    entrance: Entrance,
    offered: http.Services,
) -> uvicorn.Config:
    return uvicorn.Config(
        http.create(offered),
        host=listen.host,
        port=listen.port,
        ssl_context_factory=None if tls is None else lambda *_: tls,
        http=front.uvicorn_front(entrance),
        ws=pico_door.uvicorn_door(gateway.accept),
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=3,
        proxy_headers=False,  # `addresses.caller` reads them, and knows whom to believe
    )


async def _announce(server: uvicorn.Server, bound: socket.socket) -> None:
    while not server.started:
        await asyncio.sleep(0.01)
        if server.should_exit:
            return
    host, port = bound.getsockname()[:2]
    scheme = "https" if server.config.is_ssl else "http"
    shown = f"[{host}]" if ":" in host else host
    typer.echo(f"voxway: listening on {scheme}://{shown}:{port}")


async def _until_stopped(
    gateway: Gateway,
    server: uvicorn.Server,
    serving: asyncio.Task[None],
    drain: float,
    stop: asyncio.Event,
) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():
        log.info("draining", sessions=gateway.sessions, seconds=drain)
        draining = asyncio.ensure_future(gateway.drain(drain))
        stop.clear()
        again = asyncio.ensure_future(stop.wait())
        await asyncio.wait({draining, again}, return_when=asyncio.FIRST_COMPLETED)
        if not draining.done():
            draining.cancel()
            await gateway.drain(0)
        again.cancel()
        server.should_exit = True
        await serving
    stopped.cancel()
