"""An engine worker: one local model behind the unified wire, on a Unix or TCP socket.

To the gateway it is one more provider. It takes as many sessions as it can serve well and refuses
more before the upgrade, so that none of them starves.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from typing import cast

from ..catalog import LOCAL
from ..engines import load
from ..engines.base import Ear, Voice
from ..errors import ConfigError
from ..guard import Guarded
from ..net import pico, pico_door
from ..net.base import Acceptance, Receiver, Refusal, Request
from .hearing import HearingSession
from .line import Turns
from .orphaned import when_orphaned
from .speaking import SpeakingSession

# A recognizer keeps up with about this many live streams on one core; a voice with far more.
STREAMS_PER_CORE = {"tts": 64, "stt": 3}


class Host:
    """Accepts connections for one engine, up to its capacity."""

    def __init__(self, make: Callable[[], Receiver], capacity: int) -> None:
        self._make = make
        self._capacity = capacity
        self._open = 0

    async def accept(self, request: Request) -> Refusal | Acceptance:
        if request.path == "/health":
            return Refusal(426, b'{"status":"ok"}', {"Content-Type": "application/json"})
        if self._open >= self._capacity:
            body = b'{"error":"backpressure","message":"all streams of this engine are in use"}'
            return Refusal(503, body, {"Retry-After": "2", "Content-Type": "application/json"})
        self._open += 1
        receiver = Guarded(_Counted(self._make(), self._gone), "engine")
        return Acceptance(receiver, max_message=pico.UPSTREAM_FRAME_BYTES)

    def _gone(self) -> None:
        self._open -= 1


class _Counted:
    """A receiver that gives its place back when its socket is gone."""

    def __init__(self, receiver: Receiver, gone: Callable[[], None]) -> None:
        self._gone = gone
        self.opened, self.frame = receiver.opened, receiver.frame
        self.writable, self._closed = receiver.writable, receiver.closed

    def closed(self, code: int, reason: str) -> None:
        self._gone()
        self._closed(code, reason)


def host_for(model: str, streams: int | None = None) -> Host:
    """Load the engine and make its host. Raises ConfigError if it cannot be loaded."""
    kind = LOCAL[model].kind if model in LOCAL else "tts"
    engine = load(model)
    cores = os.cpu_count() or 1
    turns = Turns(cores)
    capacity = streams or max(2, cores * STREAMS_PER_CORE[kind])
    if kind == "tts":
        voice = cast(Voice, engine)
        return Host(lambda: SpeakingSession(voice, turns), capacity)
    ear = cast(Ear, engine)
    return Host(lambda: HearingSession(ear, turns), capacity)


async def serve(
    model: str, address: str, streams: int | None = None, *, until_stdin_closes: bool = False
) -> None:
    """Serve one model until SIGTERM, or until whoever started us is gone."""
    listening = parse_address(address)
    host = host_for(model, streams)
    if isinstance(listening, str):
        remove(listening)
        server = await pico_door.listen(host.accept, unix=listening)
    else:
        server = await pico_door.listen(host.accept, host=listening[0], port=listening[1])
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if until_stdin_closes:
        when_orphaned(stopped.set)
    await stopped.wait()
    server.close()
    if isinstance(listening, str):
        remove(listening)


def remove(path: str) -> None:
    """Take a socket's file away, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def parse_address(address: str) -> str | tuple[str, int]:
    """`unix:PATH` as the path, `tcp:HOST:PORT` as the pair. Raises ConfigError."""
    scheme, _, rest = address.partition(":")
    if scheme == "unix" and rest:
        return rest
    host, _, port = rest.rpartition(":")
    if scheme == "tcp" and host and port.isdigit():
        return host.strip("[]"), int(port)
    raise ConfigError(f"address {address!r} is neither unix:PATH nor tcp:HOST:PORT")
