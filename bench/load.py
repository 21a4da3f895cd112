"""A whole gateway under many streams, with engines that cost nothing.

This process is the clients and the engines, so that one clock stamps both ends; the gateway dials
it over TCP as it dials a worker on another machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median

from msgspec import Struct

from voxway.net import pico, pico_door
from voxway.net.base import Socket
from voxway.wire.base import Endpoint, Frame, Task

from .call import EAR, VOICE, endpoint, now
from .flow import PERIOD, Gauge, Pump
from .process import Gateway, gateway
from .report import Row, Section
from .scale import Scale
from .stats import ms, percentile, us
from .upstream import Upstream

SIZES: dict[Task, int] = {"tts": 960, "stt": 640}  # bytes in 20 ms at the models' own rates
NAMES: dict[Task, str] = {"tts": "voices", "stt": "listeners"}
SETTLE = 1.0  # seconds before measuring begins
PING_EVERY = 0.02  # seconds
READY_TIMEOUT = 30.0
PING = (
    "a `ping` to its `pong`, which the gateway answers itself: how long its event loop keeps a "
    "frame waiting"
)
GROWN = "what the gateway process has grown by since it started"


class Caller:
    """One client: says `init`, and lets the gauge read what audio comes."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._pinged = 0.0
        self.socket: Socket | None = None
        self.ready = asyncio.Event()
        self.pongs: list[float] = []

    def ping(self) -> None:
        self._pinged = now()
        self.say('{"type":"ping"}')

    def say(self, frame: Frame) -> None:
        if self.socket is not None:
            self.socket.send(frame)

    def opened(self, socket: Socket) -> None:
        self.socket = socket
        socket.send('{"type":"init"}')

    def frame(self, frame: Frame) -> None:
        if isinstance(frame, bytes) or "audio_chunk" in frame[:24]:
            self._gauge.read(frame)
        elif '"pong"' in frame:
            self.pongs.append(now() - self._pinged)
        elif '"ready"' in frame:
            self.ready.set()

    def writable(self, writable: bool) -> None: ...

    def closed(self, code: int, reason: str) -> None:
        self.socket = None


class Window(Struct, frozen=True):
    """What was seen in one stretch of time. `cpu`: the gateway's seconds per frame."""

    cpu: float
    rate: float
    p50: float
    p99: float


class Bench(Struct):
    """The synthetic engine, the gauge that both ends use, and where the engine listens."""

    upstream: Upstream
    gauge: Gauge
    port: int


async def load(scale: Scale) -> Section:
    """Voices and listeners, each number of them with and without the gateway between."""
    gauge = Gauge()
    upstream = Upstream(gauge)
    server = await pico_door.listen(upstream.accept, host="127.0.0.1")
    bench = Bench(upstream, gauge, server.sockets[0].getsockname()[1])
    rows: list[Row] = []
    tasks: tuple[Task, ...] = ("tts", "stt")
    for task in tasks:
        for sessions in scale.loads:
            rows += await _rows(bench, task, sessions, scale)
    server.close()
    return Section(
        "The whole gateway under load",
        f"N sessions, 50 frames of 20 ms a second each, spread evenly over the 20 ms, between a "
        f"synthetic engine and clients that both live in the bench's process. Voices: binary "
        f"frames of 960 bytes from the engine, JSON `audio_chunk` to the client. Listeners: "
        f"binary frames of 640 bytes from the client to the engine. Median of {scale.windows} "
        f"windows of {scale.window:.0f} s. CPU is user and system time of the gateway process "
        "from `/proc`; latency is from a stamp inside the audio, and the same streams without a "
        "gateway between show how much of it is the bench's own.",
        rows,
    )


async def _rows(bench: Bench, task: Task, sessions: int, scale: Scale) -> list[Row]:
    direct = Endpoint(f"ws://127.0.0.1:{bench.port}/")
    async with _callers(bench, direct, sessions) as callers:
        alone, _ = await _measure(bench, task, callers, None, scale)
    engines = ",".join(f"{model}=tcp:127.0.0.1:{bench.port}" for model in (VOICE, EAR))
    async with gateway(tier="local", engines=engines) as running:
        fresh = running.memory()
        async with _callers(bench, endpoint(running.port, task), sessions) as callers:
            through, pongs = await _measure(bench, task, callers, running, scale)
            grown = (running.memory() - fresh) / sessions
    cpu, rate = median(w.cpu for w in through), median(w.rate for w in through)
    name = f"{sessions} {NAMES[task]}"
    return [
        Row(
            f"{name}: CPU a frame",
            us(cpu),
            f"{rate:,.0f} frames/s took {cpu * rate:.0%} of one core; kernel and sockets included",
        ),
        Row(
            f"{name}: latency",
            _latency(through),
            f"from one end to the other; without the gateway {_latency(alone)}",
        ),
        Row(f"{name}: ping", _quantiles(pongs), PING),
        Row(f"{name}: memory", f"{grown / 1e3:.0f} kB a session", GROWN),
    ]


def _quantiles(values: list[float]) -> str:
    return f"p50 {ms(percentile(values, 50))}, p99 {ms(percentile(values, 99))}"


def _latency(windows: list[Window]) -> str:
    return f"p50 {ms(median(w.p50 for w in windows))}, p99 {ms(median(w.p99 for w in windows))}"


@asynccontextmanager
async def _callers(bench: Bench, to: Endpoint, sessions: int) -> AsyncIterator[list[Caller]]:
    """So many open sessions; the list holds only those that carry audio, and a prober as last."""
    callers = [Caller(bench.gauge) for _ in range(sessions + 1)]
    try:
        async with asyncio.timeout(READY_TIMEOUT):
            for caller in callers:
                await pico.dial(to, caller)
                await caller.ready.wait()
        yield callers
    finally:
        for caller in callers:
            if caller.socket is not None:
                caller.socket.close()
        async with asyncio.timeout(READY_TIMEOUT):
            while bench.upstream.sockets:  # noqa: ASYNC110 - polling is all that a tear-down needs
                await asyncio.sleep(0.05)


async def _measure(
    bench: Bench, task: Task, callers: list[Caller], running: Gateway | None, scale: Scale
) -> tuple[list[Window], list[float]]:
    """The windows of one set of streams, and the round trips of pings beside them."""
    *streams, prober = callers
    if task == "tts":
        sockets = bench.upstream.sockets[: len(streams)]
    else:
        sockets = [caller.socket for caller in streams if caller.socket is not None]
    pump = Pump(sockets, SIZES[task])
    pump.start()
    await asyncio.sleep(SETTLE)
    windows = []
    for _ in range(scale.windows):
        windows.append(await _window(bench.gauge, prober if running else None, running, scale))
    pump.stop()
    await asyncio.sleep(PERIOD * 5)
    return windows, prober.pongs


async def _window(
    gauge: Gauge, prober: Caller | None, running: Gateway | None, scale: Scale
) -> Window:
    gauge.reset()
    used, begun = running.cpu() if running else 0.0, now()
    while now() - begun < scale.window:
        if prober is not None:
            prober.ping()
        await asyncio.sleep(PING_EVERY)
    used = (running.cpu() if running else 0.0) - used
    seconds, frames, delays = now() - begun, gauge.frames, gauge.delays
    if not frames:
        raise RuntimeError("no frame of audio came through")
    return Window(used / frames, frames / seconds, percentile(delays, 50), percentile(delays, 99))
