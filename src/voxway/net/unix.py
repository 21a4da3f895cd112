"""What lets picows, which sets TCP options on every socket, talk over a Unix socket."""

from __future__ import annotations

import asyncio
from typing import Any


class UnixSocket:
    """picows sets TCP options on every socket; a Unix socket has none."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    def setsockopt(self, *options: Any) -> None: ...

    def getsockopt(self, *options: Any) -> int:
        return 0

    def fileno(self) -> int:
        return int(self._socket.fileno())


class UnixTransport:
    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        value = self._transport.get_extra_info(name, default)
        return UnixSocket(value) if name == "socket" else value

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def tcp_like(transport: asyncio.Transport) -> Any:
    """The transport itself, or for a Unix socket one that bears TCP options."""
    sock = transport.get_extra_info("socket")
    return UnixTransport(transport) if sock.family.name == "AF_UNIX" else transport
