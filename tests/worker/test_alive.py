"""An engine that works for long says so, since nobody waits long for whoever says nothing."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable

from msgspec import Struct, field

from voxway.events import ListenOptions, Reply, Transcript
from voxway.wire.base import Frame
from voxway.worker.hearing import HearingSession
from voxway.worker.line import Turns

BOUND = 30.0  # seconds: a bound against hangs, not a measure


class Slow(Struct):
    """An ear that hears nothing until it may."""

    sample_rate: int = 16_000
    may: threading.Event = field(default_factory=threading.Event)

    def listen(self, options: ListenOptions) -> Slow:
        return self

    def feed(self, pcm: bytes) -> list[Reply]:
        assert self.may.wait(BOUND)
        return [Transcript("at last", True)]

    def finalize(self) -> list[Reply]:
        return [Transcript("", True, from_finalize=True)]

    def close(self) -> None:
        self.may.set()


class Peer(Struct):
    """Its socket, and what was said on it."""

    told: Callable[[str], None]
    said: list[str] = field(default_factory=list)

    def send(self, frame: Frame) -> None:
        self.said.append(json.loads(frame)["type"])
        self.told(self.said[-1])

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.told("closed")

    def pause(self) -> None: ...

    def resume(self) -> None: ...


def test_who_is_slow_is_heard_of_until_the_work_is_done() -> None:
    async def main() -> None:
        ear, ended = Slow(), asyncio.Event()

        def told(what: str) -> None:
            if peer.said.count("pong") == 3:
                ear.may.set()
            if what == "closed":
                ended.set()

        peer = Peer(told)
        session = HearingSession(ear, Turns(1), alive=0.02)
        session.opened(peer)
        session.frame(bytes(3200))
        session.frame('{"type":"close"}')
        async with asyncio.timeout(BOUND):
            await ended.wait()
        assert peer.said[:4] == ["ready", *["pong"] * 3]
        assert peer.said.index("final_transcript") < peer.said.index("session_ended")
        before = len(peer.said)
        await asyncio.sleep(0.1)
        assert len(peer.said) == before

    asyncio.run(main())
