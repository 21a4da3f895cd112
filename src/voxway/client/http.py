"""The gateway's HTTP side: its models, and how it is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from .failures import UnreachableError, hushed, refused
from .gateway import Gateway
from .proxies import proxy_for

if TYPE_CHECKING:
    from ..catalog import Public

TIMEOUT = 10.0  # seconds

Answer = TypeVar("Answer")


class Health(Struct, frozen=True):
    """`status` is ok or draining; `engines` says for each local model how its worker is."""

    status: str
    sessions: int
    engines: dict[str, str]


class ModelList(Struct, frozen=True):
    data: tuple[msgspec.Raw, ...]


async def list_models(gateway: Gateway) -> tuple[Public, ...]:
    """What the gateway can do. Raises UnreachableError, AuthError."""
    from ..catalog import Public  # with all that a catalog needs: only who asks pays for it

    models = (await asyncio.to_thread(_get, gateway, "/v1/models", ModelList)).data
    return tuple(msgspec.json.decode(model, type=Public) for model in models)


async def health(gateway: Gateway) -> Health:
    """How it is. Raises UnreachableError."""
    return await asyncio.to_thread(_get, gateway, "/health", Health)


def _get(gateway: Gateway, path: str, answer: type[Answer]) -> Answer:
    from http.client import HTTPException  # a tenth of what the client takes to be imported

    try:
        status, body = _fetch(gateway, path)
    except (OSError, HTTPException) as error:
        said = str(error) if isinstance(error, OSError) else ""  # as of a proxy that refuses
        reason = getattr(error, "strerror", None) or said or type(error).__name__
        raise UnreachableError(f"no gateway at {gateway.http}: {reason}") from error
    # A gateway that is going down says so with 503, but in the same words.
    if status != 200 and not (status == 503 and answer is Health):
        raise hushed(refused(status, body), (gateway.key,))
    try:
        return msgspec.json.decode(body, type=answer)
    except msgspec.DecodeError:
        message = f"no gateway at {gateway.http}: what answers there is something else"
        raise UnreachableError(message) from None


def _fetch(gateway: Gateway, path: str) -> tuple[int, bytes]:
    from http.client import HTTPConnection, HTTPSConnection

    # Not urllib: it would ask a proxy for the machine's own address.
    parts = urlsplit(gateway.url)
    proxy = proxy_for(gateway.url)
    netloc = proxy.name if proxy is not None else parts.netloc
    tls = gateway.tls()
    connection = (
        HTTPConnection(netloc, timeout=TIMEOUT)
        if tls is None
        else HTTPSConnection(netloc, timeout=TIMEOUT, context=tls)
    )
    try:
        if proxy is not None:
            connection.set_tunnel(parts.netloc, headers=proxy.headers())
        connection.request("GET", parts.path + path, headers=gateway.headers())
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
