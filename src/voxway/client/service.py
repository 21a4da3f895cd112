"""Where a session goes: to a gateway that speaks the unified protocol, or straight to a provider.

A wire has two sides, and the gateway's own side towards a provider is all that a client of that
provider needs. The gateway is reached over its bridge, where audio comes as it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from ssl import SSLContext
from typing import Any
from urllib.parse import quote

from msgspec import Struct, structs

from ..errors import ConfigError
from ..wire.base import Address, Codec, Endpoint, Task, Wire
from ..wire.policies import Policy
from .gateway import Gateway, normalised

KEEPALIVE = 10.0  # seconds: SLNG's guide, for recognition


class Provider(Struct, frozen=True):
    """One that is reached without a gateway. The names are those of modules in `voxway.wire`."""

    url: str
    key_variable: str
    wires: Mapping[Task, str]


PROVIDERS: dict[str, Provider] = {
    "deepgram": Provider(
        "wss://api.deepgram.com",
        "DEEPGRAM_API_KEY",
        {"tts": "deepgram_speak", "stt": "deepgram_listen"},
    ),
    "elevenlabs": Provider(
        "wss://api.elevenlabs.io",
        "ELEVENLABS_API_KEY",
        {"tts": "elevenlabs_multi", "stt": "elevenlabs_stt"},
    ),
    "cartesia": Provider(
        "wss://api.cartesia.ai",
        "CARTESIA_API_KEY",
        {"tts": "cartesia_tts", "stt": "cartesia_stt"},
    ),
    "telnyx": Provider(
        "wss://api.telnyx.com",
        "TELNYX_API_KEY",
        {"tts": "telnyx_tts", "stt": "telnyx_stt"},
    ),
}


class Route(Struct, frozen=True):
    """The way to one model: how it is asked, where, and by which rules. `engine` is the name that
    logs have for who is there, `whom` that for people; `secrets` are not to stand in any."""

    task: Task
    model: str
    engine: str
    whom: str
    secrets: tuple[str, ...]
    policy: Policy
    codec: Callable[[Any], Codec]
    endpoint: Callable[[Any], Endpoint]
    tls: Callable[[], SSLContext | None]

    def __repr__(self) -> str:
        return f"Route({self.task!r}, {self.model!r}, {self.engine!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("task", self.task), ("model", self.model), ("engine", self.engine)]


class Service(Struct, frozen=True):
    """Who speaks and listens. The key is in no representation."""

    gateway: Gateway
    provider: str = ""

    def __repr__(self) -> str:
        return f"Service({self.provider or self.gateway.url!r})"

    def route(self, task: Task, model: str) -> Route:
        """The way to a model: of a gateway's catalog, or by the provider's own name of it."""
        if not self.provider:
            return self._to_gateway(task, model)
        wire = _wire(PROVIDERS[self.provider].wires[task], task)
        address = Address(self.gateway.url, model, self.gateway.key)
        return Route(
            task,
            model,
            self.provider,
            self.provider,
            (self.gateway.key,),
            _policy(wire, model),
            lambda options: wire.client(options, address),
            lambda options: wire.endpoint(options, address),
            lambda: self.gateway.tls() if self.gateway.ca else None,
        )

    def _to_gateway(self, task: Task, model: str) -> Route:
        wire, gateway = _wire("bridge", task), self.gateway
        named = quote(model, safe="/:@")
        endpoint = Endpoint(f"{gateway.url}/v1/bridges/unmute/{task}/{named}", gateway.headers())
        return Route(
            task,
            model,
            gateway.url,
            f"gateway at {gateway.http}",
            (gateway.key,),
            _policy(wire, model),
            lambda options: wire.client(options, Address(gateway.url, model)),
            lambda options: endpoint,
            gateway.tls,
        )


def provider_service(
    name: str,
    url: str = "",
    key: str = "",
    ca: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Service:
    """A provider, at its own address or another; the key is looked up where that provider's own
    tools look for it. Raises ConfigError."""
    if name not in PROVIDERS:
        known = ", ".join(PROVIDERS)
        raise ConfigError(f"provider {name[:40]!r} is not one of {known}", param="provider")
    provider = PROVIDERS[name]
    key = (key or environ.get(provider.key_variable, "")).strip()
    if not (key.isascii() and key.isprintable()):
        raise ConfigError("the API key has characters that no header can carry", param="key")
    return Service(Gateway(normalised(url or provider.url), key, ca), name)


def _wire(module: str, task: Task) -> Wire:
    wires = import_module(f"voxway.wire.{module}")
    if module == "bridge":
        bridge: Wire = wires.VOICE if task == "tts" else wires.EAR
        return bridge
    wire: Wire = wires.WIRE
    return wire


def _policy(wire: Wire, model: str) -> Policy:
    """How the connection is kept: as the gateway does, but for what clients are asked to do."""
    policy = wire.policy
    if not wire.provider and wire.task == "stt":
        return structs.replace(policy, keepalive="message", keepalive_after=KEEPALIVE)
    if wire.provider == "telnyx" and wire.task == "stt" and not model.startswith("Deepgram"):
        return structs.replace(policy, keepalive="")  # other engines: the socket's own ping
    return policy
