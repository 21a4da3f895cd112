"""Whoever reads slowly is waited for, also when all is said."""

from __future__ import annotations

import asyncio

from voxway.catalog import HIBARI
from voxway.direct import Plain
from voxway.events import Ended, Event, Finish, Options, Text
from voxway.limits import TIERS, Meter
from voxway.peers import Meet, Way
from voxway.relay import Relay
from voxway.session.actions import FINISH_TIMEOUT, Brief, Identity
from voxway.session.tts import TtsSession
from voxway.wire.base import Endpoint, Frame
from voxway.wire.policies import POLICIES


class Client:
    """A client in this process: it is told events."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def send(self, frame: Frame) -> None:
        self.told.append(frame)

    def close(self, code: int = 1000, reason: str = "") -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...


def test_the_time_to_finish_does_not_run_while_the_client_has_yet_to_take_what_was_said() -> None:
    now = 0.0

    async def connect(options: Options, meet: Meet, is_again: bool) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        nonlocal now
        session = TtsSession(Brief(Identity("s", "r", HIBARI.id), HIBARI), Meter(TIERS["pro"], 0.0))
        way = Way("tts", HIBARI, POLICIES["unified"], lambda _: Endpoint("ws://test"), connect)
        relay = Relay(session, Plain(), way, lambda: now, 1 << 20, lambda *_: None)
        client = Client()
        relay.opened(client)
        commands: list[Event] = [Text("Hello."), Finish()]
        for command in commands:
            relay.frame(command)  # type: ignore[arg-type]
        relay.writable(False)
        for _ in range(5):
            now += FINISH_TIMEOUT - 1.0
            relay.tick()
        assert client.told == []
        relay.writable(True)
        now += FINISH_TIMEOUT
        relay.tick()
        assert isinstance(client.told[-1], Ended)
        assert client.told[-1].reason == "finish_timeout"
        relay.closed(1000, "")

    asyncio.run(main())
