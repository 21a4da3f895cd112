"""Which proxy leads to a server: HTTPS_PROXY for wss, HTTP_PROXY for ws, ALL_PROXY for both, but
for what NO_PROXY names and this machine itself. Small letters win, as everywhere.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from ..errors import ConfigError
from .gateway import is_loopback

_VARIABLES = {"wss": "https", "https": "https", "ws": "http", "http": "http"}


class Proxy(Struct, frozen=True):
    """`url` may have a password in it: what may be shown is `name`."""

    url: str

    def __repr__(self) -> str:
        return f"Proxy({self.name!r})"

    def __rich_repr__(self) -> list[tuple[str, str]]:
        return [("name", self.name)]

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        parts = urlsplit(self.url)
        return parts.port or (443 if parts.scheme == "https" else 80)

    @property
    def name(self) -> str:
        return f"{self.host}:{self.port}"

    def headers(self) -> dict[str, str]:
        """What it wants to know of who comes."""
        parts = urlsplit(self.url)
        if parts.username is None:
            return {}
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return {"Proxy-Authorization": f"Basic {b64encode(login.encode()).decode()}"}


def proxy_for(url: str, environ: Mapping[str, str] = os.environ) -> Proxy | None:
    """The proxy for a URL, if one is set. Raises ConfigError if what is set cannot be one."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    given = _value(f"{_VARIABLES[parts.scheme]}_proxy", environ) or _value("all_proxy", environ)
    if not given or is_loopback(host):
        return None
    # Slow to import, and seldom needed.
    from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

    excepted = {"no": _value("no_proxy", environ)}
    address = f"{host}:{parts.port}" if parts.port else host
    if excepted["no"] and proxy_bypass_environment(address, excepted):
        return None
    proxy = Proxy(given if "://" in given else f"http://{given}")
    try:
        proxy.host.encode("idna")  # as it is looked up
        is_one = bool(proxy.host and proxy.port)
    except ValueError:
        is_one = False
    if not is_one:  # not echoed: it may have a password in it
        name = f"{_VARIABLES[parts.scheme]}_proxy".upper()
        raise ConfigError(f"{name}: no address like http://proxy.example:3128")
    return proxy


def _value(name: str, environ: Mapping[str, str]) -> str:
    return environ.get(name) or environ.get(name.upper()) or ""
