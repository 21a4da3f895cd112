"""Which gateway to talk to, and with which key.

What is not given is looked up: the address in VOXWAY_URL, the key in VOXWAY_API_KEY, and for a
gateway on this machine in the file where `voxway serve` keeps the key that it made.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from msgspec import Struct

from ..errors import ConfigError
from ..wire.base import Endpoint, Task

DEFAULT_URL = "ws://127.0.0.1:8080"
DEFAULT_PORT = 8080  # of an address that has neither scheme nor port
_SCHEMES = {"ws": "ws", "http": "ws", "wss": "wss", "https": "wss"}


class Gateway(Struct, frozen=True):
    """One gateway. `url` is ws:// or wss:// without a slash at its end; `ca` is a PEM file that
    replaces the system's certificate authorities. The key is in no representation."""

    url: str
    key: str = ""
    ca: str | None = None

    def __repr__(self) -> str:
        return f"Gateway({self.url!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("url", self.url)]

    @property
    def http(self) -> str:
        """The same address for HTTP."""
        return "http" + self.url.removeprefix("ws")

    @property
    def is_local(self) -> bool:
        """It runs on this machine."""
        return is_loopback(urlsplit(self.url).hostname or "")

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def endpoint(self, task: Task, model: str) -> Endpoint:
        """Where a model is reached in the unified protocol."""
        return Endpoint(f"{self.url}/v1/{task}/{quote(model, safe='/:@')}", self.headers())

    def tls(self) -> ssl.SSLContext | None:
        """How to check the gateway's certificate (SSL_CERT_FILE counts); None without TLS."""
        if not self.url.startswith("wss://"):
            return None
        named = os.environ.get("SSL_CERT_FILE", "")
        if named and not self.ca and not Path(named).is_file():  # OpenSSL would go on without
            raise ConfigError(f"SSL_CERT_FILE names {named}, and there is no such file")
        try:
            return ssl.create_default_context(cafile=self.ca)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise ConfigError(f"cannot read the certificates in {self.ca}: {reason}") from error


def find_gateway(
    url: str = "",
    key: str = "",
    ca: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Gateway:
    """The gateway that is meant; see the module. Raises ConfigError for an address or a key that
    cannot be one."""
    gateway = Gateway(normalised(url or environ.get("VOXWAY_URL") or DEFAULT_URL), ca=ca or None)
    key = (key or environ.get("VOXWAY_API_KEY", "")).strip()
    if not key and gateway.is_local:
        from .. import config  # with all of the catalog: only who needs it pays for that

        with suppress(OSError):
            key = Path(config.load(environ).data_dir, "local-key").read_text().strip()
    if not (key.isascii() and key.isprintable()):
        raise ConfigError("the API key has characters that no header can carry", param="key")
    return Gateway(gateway.url, key, gateway.ca)


def normalised(url: str) -> str:
    """`host`, `host:port` or a http(s) or ws(s) URL as ws(s)://host[:port][/path]."""
    bare = "://" not in url
    try:
        parts = urlsplit(f"ws://{url.strip()}" if bare else url.strip())
        scheme, host = _SCHEMES.get(parts.scheme.lower()), parts.hostname or ""
        port = parts.port or (DEFAULT_PORT if bare else None)
        host.encode("idna")  # as it is looked up
    except ValueError:
        # Not echoed, as below.
        raise ConfigError("url: no address like ws://127.0.0.1:8080", param="url") from None
    if parts.username is not None or parts.query or parts.fragment:
        # Not echoed: whoever writes so has a secret in it.
        raise ConfigError("url: only scheme, host, port and path belong in it", param="url")
    if scheme is None or not host:
        raise ConfigError(f"url {url[:200]!r} is not like ws://127.0.0.1:8080", param="url")
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
