"""The path of one frame through a relay: what it costs, and that no task is switched on it.

The relay, the session and the codecs are the gateway's own; the sockets at both ends only swallow.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import count
from typing import Any

from msgspec import Struct, structs

from voxway.catalog import LOCAL
from voxway.events import Options
from voxway.guard import Guarded
from voxway.limits import TIERS, Meter
from voxway.net.base import Receiver
from voxway.peers import Meet, Way
from voxway.relay import Relay, Session
from voxway.session.actions import Brief, Identity
from voxway.session.stt import SttSession
from voxway.session.tts import TtsSession
from voxway.wire.base import Endpoint, Frame, Task
from voxway.wire.policies import POLICIES
from voxway.wire.unified import Client, Server, Style

from .call import MODELS
from .flow import PERIOD
from .report import Row, Section
from .scale import Scale
from .stats import us

COUNTED = ("create_task", "call_soon", "call_at", "call_soon_threadsafe", "run_in_executor")
CROSSING = 1_000  # frames that cross while the loop's calls are counted
UNMETERED = structs.replace(TIERS["local"], messages_per_minute=10**9)

INIT = '{"type":"init","config":{}}'
TEXT = '{"type":"text","text":"The quick brown fox jumps over the lazy dog. "}'
READY = '{"type":"ready","session_id":"engine"}'


class Drain:
    """A socket that swallows what is sent, and counts it."""

    def __init__(self) -> None:
        self.frames = 0

    def send(self, frame: Frame) -> None:
        self.frames += 1

    def close(self, code: int = 1000, reason: str = "") -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...


class Rig(Struct):
    """An open session with both its ends in our hands."""

    client: Receiver
    upstream: Receiver
    to_client: Drain
    to_upstream: Drain


class Case(Struct, frozen=True):
    """One kind of frame, and the end of the rig at which it comes in."""

    name: str
    style: Style
    frame: Frame
    from_client: bool
    meaning: str


TTS, BINARY_TTS = Style("tts"), Style("tts", binary_audio=True)
CASES = (
    Case("text command", TTS, TEXT, True, "JSON in, sentences cut, JSON out to the engine"),
    Case(
        "audio frame to JSON, 20 ms",
        TTS,
        bytes(960),
        False,
        "960 bytes of the engine as a base64 `audio_chunk`",
    ),
    Case("audio frame to JSON, 100 ms", TTS, bytes(4_800), False, "the same, 4,800 bytes"),
    Case("audio frame to binary, 20 ms", BINARY_TTS, bytes(960), False, "960 bytes as they are"),
    Case("audio frame up, 20 ms", Style("stt"), bytes(640), True, "a client's audio to the engine"),
)


async def open_rig(style: Style) -> Rig:
    """A relay as the gateway makes it, dialled and ready."""
    session = _session(style.task)
    dialled: list[Receiver] = []
    to_client, to_upstream = Drain(), Drain()

    async def connect(options: Options, meet: Meet, is_again: bool) -> None:
        receiver = meet(Client(_engine_style(style.task)), POLICIES["unified"], None)
        dialled.append(receiver)
        receiver.opened(to_upstream)

    # A clock on which each frame takes its own length: audio faster than that would be held back.
    clock = count(1.0, PERIOD).__next__
    model = LOCAL[MODELS[style.task]]
    way = Way(style.task, model, POLICIES["unified"], lambda _: Endpoint("ws://bench"), connect)
    codec = Server(style, "sess_bench")
    relay = Relay(session, codec, way, clock, UNMETERED.message_bytes, _ended)
    client = Guarded(relay, "sess_bench")
    client.opened(to_client)
    client.frame(INIT)
    await asyncio.sleep(0)
    dialled[0].frame(READY)
    return Rig(client, dialled[0], to_client, to_upstream)


def _engine_style(task: Task) -> Style:
    return Style(task, binary_audio=True, terminals="audio_end")


def _ended(code: int, reason: str) -> None: ...


def _session(task: Task) -> Session:
    kind = TtsSession if task == "tts" else SttSession
    identity = Identity("sess_bench", "req_bench", MODELS[task])
    session: Session = kind(Brief(identity, LOCAL[MODELS[task]]), Meter(UNMETERED, 0.0))
    return session


async def path(scale: Scale) -> Section:
    """Every case, then the proof that nothing of it goes through the event loop."""
    rows = [await _cost(case, scale) for case in CASES]
    calls = await asyncio.to_thread(count_loop_calls)
    what = ", ".join(f"{name} {count}" for name, count in calls.items())
    rows.append(
        Row(
            f"loop calls while {CROSSING:,} frames of each kind cross",
            str(sum(calls.values())),
            f"tasks, callbacks and timers that the event loop was asked for: {what}",
            "0",
            not any(calls.values()),
        )
    )
    return Section(
        "A frame's path: decode, session, encode",
        f"In one process without sockets: the relay as the gateway makes it. Best of "
        f"{scale.repeats} repeats of {scale.frames:,} frames, since all else is noise.",
        rows,
    )


async def _cost(case: Case, scale: Scale) -> Row:
    rig = await open_rig(case.style)
    receiver = rig.client if case.from_client else rig.upstream
    sink = rig.to_upstream if case.from_client else rig.to_client
    before = sink.frames
    best = min(_time(receiver.frame, case.frame, scale.frames) for _ in range(scale.repeats))
    expected = scale.frames * scale.repeats
    # The last sentence of a text waits for what follows it.
    if not 0 <= expected - (sink.frames - before) <= 1:
        raise RuntimeError(f"{case.name}: {sink.frames - before} of {expected} frames came out")
    return Row(case.name, us(best), case.meaning)


def _time(feed: Callable[[Frame], None], frame: Frame, frames: int) -> float:
    begun = time.perf_counter()
    for _ in range(frames):
        feed(frame)
    return (time.perf_counter() - begun) / frames


def count_loop_calls() -> dict[str, int]:
    """What a loop is asked for while frames of every kind cross. It runs a loop of its own."""
    loop = asyncio.SelectorEventLoop()
    calls = {name: _counted(loop, name) for name in COUNTED}
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(_cross(calls))


def _counted(loop: asyncio.AbstractEventLoop, name: str) -> list[str]:
    """Replace a method of `loop` by one that also leaves a mark in the list it gives."""
    original = getattr(loop, name)
    marks: list[str] = []

    def counting(*args: Any, **kwargs: Any) -> Any:
        marks.append(name)
        return original(*args, **kwargs)

    setattr(loop, name, counting)
    return marks


async def _cross(calls: dict[str, list[str]]) -> dict[str, int]:
    rigs = [await open_rig(case.style) for case in CASES]
    if not calls["create_task"]:
        raise RuntimeError("dialling makes a task, and it was not counted")
    for marks in calls.values():
        marks.clear()
    for case, rig in zip(CASES, rigs, strict=True):
        receiver = rig.client if case.from_client else rig.upstream
        for _ in range(CROSSING):
            receiver.frame(case.frame)
    return {name: len(marks) for name, marks in calls.items()}
