"""What one network address may do before we know who it is. Pure: the caller passes the time.

Wrong keys are counted so that whoever guesses is refused before a key is even looked at, and open
sockets so that one machine cannot have them all. An IPv6 address counts as its whole /64, which is
what one customer of a provider has.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from functools import lru_cache

from .errors import ConfigError, LimitError
from .limits import MINUTE

REMEMBERED = 20_000  # addresses with wrong keys at once; the one silent for longest is forgotten
FORWARDED = "x-forwarded-for"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class AddressGuard:
    """Counts by address. An empty address (a Unix socket's) is not bounded, nor is anything whose
    bound is 0."""

    def __init__(
        self, failures_per_minute: int = 20, sockets: int = 200, remembered: int = REMEMBERED
    ) -> None:
        self._failures_per_minute = failures_per_minute
        self._sockets = sockets
        self._remembered = remembered
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._open: dict[str, int] = {}

    def check(self, address: str, now: float) -> None:
        """Before a key is looked at. Raises LimitError if too many were wrong."""
        failures = self._failures.get(subscriber(address))
        if failures is None or len(failures) < self._failures_per_minute:
            return
        wait = failures[0] + MINUTE - now
        if wait > 0:
            raise LimitError("too many wrong keys from this address", retry_after=wait)

    def failed(self, address: str, now: float) -> None:
        """A key was wrong."""
        if not address or not self._failures_per_minute:
            return
        name = subscriber(address)
        failures = self._failures.setdefault(name, deque(maxlen=self._failures_per_minute))
        failures.append(now)
        self._failures.move_to_end(name)
        if len(self._failures) > self._remembered:
            self._failures.popitem(last=False)

    def opened(self, address: str) -> None:
        """A socket is to be opened. Raises LimitError if too many are; else call `closed` later."""
        name = subscriber(address)
        count = self._open.get(name, 0)
        if name and self._sockets and count >= self._sockets:
            raise LimitError(f"{count} sockets are open from this address", retry_after=1.0)
        self._open[name] = count + 1

    def closed(self, address: str) -> None:
        """It was."""
        name = subscriber(address)
        left = self._open[name] - 1
        if left:
            self._open[name] = left
        else:
            del self._open[name]


@lru_cache(maxsize=4096)
def subscriber(address: str) -> str:
    """What an address is counted as."""
    parsed = _parsed(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((parsed, 64), strict=False))
    return address if parsed is None else str(parsed)


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Addresses and ranges as they stand in the settings. Raises ConfigError."""
    try:
        return tuple(map(ipaddress.ip_network, texts))
    except ValueError as error:
        raise ConfigError(f"trusted_proxies: {error}", param="trusted_proxies") from error


def caller(peer: str, headers: Mapping[str, str], trusted: Sequence[Network]) -> str:
    """The address that a request comes from: the peer's, or what trusted proxies say. Each appends
    whom it heard it from, so the last that is not theirs is right; anything may stand before it."""
    address = peer
    said = [_without_port(part.strip()) for part in headers.get(FORWARDED, "").split(",")]
    while is_trusted(address, trusted) and said and said[-1]:
        address = said.pop()
    return address


def is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    """Whether it is one of these proxies'."""
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in trusted)


def _without_port(said: str) -> str:
    """Some proxies tell it as well: `192.0.2.1:4711`, `[2001:db8::1]:4711`."""
    if said.startswith("["):
        return said[1:].partition("]")[0]
    return said.partition(":")[0] if said.count(":") == 1 else said


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """None for what is none, as the path of a Unix socket."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed
