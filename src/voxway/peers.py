"""Who does the work of a visit, and what is told to whom had it done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from msgspec import Struct

from .catalog import Model
from .errors import GatewayError
from .events import Event, Options
from .net.base import Receiver
from .wire.base import Codec, Endpoint, Task
from .wire.policies import Policy

# Take so many characters out of what the backend takes in a minute. Raises GatewayError.
Draw = Callable[[int], Awaitable[None]]
# What is told of the backend that is dialled: it gives the receiver of its socket.
Meet = Callable[[Codec, Policy, Draw | None], Receiver]
# Dial for these options; the last one says whether there was a socket before.
Connect = Callable[[Options, Meet, bool], Awaitable[None]]


class Way(Struct, frozen=True):
    """How the work of one visit gets done. `connect` tries the backends in their order: it makes
    the codec of the one that it dials, and dials it with the receiver that it is given for it.
    `endpoint` tells which lines lead to the same place."""

    task: Task
    model: Model
    policy: Policy
    endpoint: Callable[[Options], Endpoint]
    connect: Connect


class Side(Protocol):
    """What the lines need of their relay."""

    def from_upstream(self, event: Event, epoch: int) -> None: ...

    def upstream_lost(self, message: str, context: str) -> None: ...

    def upstream_failed(self, error: GatewayError, context: str) -> None: ...

    def upstream_fills(self) -> None:
        """There is more or less room than there was."""
        ...
