"""What this gateway has at hand, and what a backend lacks to be used here."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from .model import Backend, Model
from .wires import Wire

VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")
SCHEMES = ("ws", "wss", "http", "https")
# A client's own key is for the provider: a gateway in between still wants ours.
KEPT_KEYS = ("engine", "unified")


class Site(Struct, frozen=True):
    """The engines that are configured, the environment, and the wires of this release."""

    engines: Collection[str]
    environ: Mapping[str, str]
    wires: Mapping[str, Wire]


def expanded(backend: Backend, environ: Mapping[str, str]) -> Backend:
    """The backend with every variable of its address filled in."""

    def value(found: re.Match[str]) -> str:
        return environ.get(found["name"]) or found["default"] or ""

    return replace(backend, url=VARIABLE.sub(value, backend.url))


def lacking(model: Model, backend: Backend, site: Site, *, client_key: bool) -> tuple[str, ...]:
    """Why this backend cannot be used here, each reason in a few words; empty if it can."""
    return tuple(dict.fromkeys(_lacking(model, backend, site, client_key)))


def _lacking(model: Model, backend: Backend, site: Site, client_key: bool) -> Iterator[str]:
    if not site.wires[backend.wire].implemented:
        yield f"this release has no {backend.wire} wire yet"
    if backend.wire == "engine":
        if model.id not in site.engines:
            yield f"{model.id} is not among the engines (VOXWAY_ENGINES)"
        return
    unset = [name for name, default in VARIABLE.findall(backend.url) if not default]
    unset = [name for name in unset if not site.environ.get(name)]
    yield from (f"{name} is not set" for name in unset)
    if not unset and not is_address(expanded(backend, site.environ).url):
        yield f"the url {backend.url!r} gives no ws://, wss://, http:// or https:// address"
    key = backend.key_variable
    is_needed = not backend.key_optional and (backend.wire in KEPT_KEYS or not client_key)
    if key and is_needed and not site.environ.get(key):
        yield f"{key} is not set"


def is_address(url: str) -> bool:
    """Whether somebody could be dialled there."""
    try:
        parts = urlsplit(url)
        return parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
