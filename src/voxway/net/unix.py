"""TCP options, which picows sets on every socket: also on a Unix socket, which has none."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any

from .base import UNSENT


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


def feel_slowness(transport: Any) -> None:
    """Let the kernel keep little of what a slow peer does not take: there it can neither be counted
    nor taken back, and megabytes of it would lie between us and what the peer hears."""
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if option is not None:
        with suppress(OSError):  # a kernel may not know it
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, option, UNSENT)
