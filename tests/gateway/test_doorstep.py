"""Who shows the key only once inside: what is said meanwhile is kept, and nobody is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from msgspec import Struct

from voxway.door import Doorstep, Farewell
from voxway.errors import AuthError
from voxway.net.base import Acceptance
from voxway.routes import target
from voxway.wire.base import Frame, Wire

FIRST = '{"text":" ","xi_api_key":"the-key"}'


def elevenlabs() -> Wire:
    wanted = target("/v1/text-to-speech/someone/stream-input")
    assert wanted is not None
    assert wanted.native is not None
    return wanted.native


class Heard:
    """A socket and whoever is inside, both writing down what happens."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def send(self, frame: Frame) -> None:
        self.told.append(("sent", frame))

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.told.append(("close", code))

    def pause(self) -> None:
        self.told.append("pause")

    def resume(self) -> None:
        self.told.append("resume")

    def opened(self, socket: object) -> None:
        self.told.append("opened")

    def frame(self, frame: Frame) -> None:
        self.told.append(frame)

    def writable(self, writable: bool) -> None:
        self.told.append(("writable", writable))

    def closed(self, code: int, reason: str) -> None:
        self.told.append(("closed", code))


class Scene(Struct):
    """Somebody at the door. The key is looked up until `known` is set."""

    door: Doorstep
    socket: Heard
    inside: Heard
    known: asyncio.Event
    keys: list[str]
    left: list[str]  # the keys that had been looked at when `leave` was called


def run(work: Callable[[Scene], Awaitable[None]]) -> None:
    async def main() -> None:
        socket, inside, known = Heard(), Heard(), asyncio.Event()
        keys, left = list[str](), list[str]()

        async def admit(key: str) -> Acceptance:
            assert left == [""]
            keys.append(key)
            await known.wait()
            if key != "the-key":
                raise AuthError("unknown API key")
            return Acceptance(inside, oversized=lambda: inside.told.append("oversized"))

        door = Doorstep(admit, elevenlabs(), lambda: left.append("".join(keys)))
        door.opened(socket)
        await work(Scene(door, socket, inside, known, keys, left))
        await asyncio.sleep(0)
        assert left == [""]
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_what_is_said_while_the_key_is_looked_up_is_heard_in_its_order() -> None:
    async def work(at: Scene) -> None:
        at.door.frame(FIRST)
        at.door.frame('{"text":"Hello "}')
        at.door.writable(False)
        await asyncio.sleep(0)
        assert (at.keys, at.socket.told, at.inside.told) == (["the-key"], ["pause"], [])
        at.known.set()
        await asyncio.sleep(0.01)
        at.door.frame('{"text":""}')
        at.door.writable(True)
        at.door.closed(1000, "")
        assert at.socket.told == ["pause", "resume"]
        assert at.inside.told == [
            *("opened", ("writable", False), FIRST, '{"text":"Hello "}', '{"text":""}'),
            *(("writable", True), ("closed", 1000)),
        ]

    run(work)


def test_who_goes_while_the_key_is_looked_up_is_forgotten() -> None:
    async def work(at: Scene) -> None:
        at.door.frame(FIRST)
        await asyncio.sleep(0)
        at.door.closed(1006, "")
        await asyncio.sleep(0)
        at.known.set()
        await asyncio.sleep(0.01)
        assert at.inside.told == []
        assert at.socket.told == ["pause"]

    run(work)


def test_a_wrong_key_is_told_and_the_answer_to_the_close_is_read() -> None:
    async def work(at: Scene) -> None:
        at.door.frame('{"text":" ","xi_api_key":"another"}')
        at.door.frame('{"text":"Hello "}')
        at.known.set()
        await asyncio.sleep(0.01)
        kinds = [each[0] if isinstance(each, tuple) else each for each in at.socket.told]
        assert kinds == ["pause", "resume", "sent", "close"]
        assert at.socket.told[-1] == ("close", 1008)
        at.door.frame('{"text":"more"}')
        at.door.closed(1008, "")
        assert at.inside.told == []

    run(work)


def test_who_never_shows_a_key_is_counted_until_it_goes() -> None:
    async def work(at: Scene) -> None:
        assert at.left == []
        at.door.closed(1006, "")
        assert at.left == [""]

    run(work)


def test_who_is_told_why_not_is_counted_until_it_goes() -> None:
    left: list[str] = []
    socket = Heard()
    farewell = Farewell(AuthError("unknown API key"), None, lambda: left.append("left"))
    farewell.opened(socket)
    assert (socket.told[-1], left) == (("close", 4000), [])
    farewell.closed(4000, "")
    assert left == ["left"]


def test_a_message_that_is_too_large_is_told_in_or_outside() -> None:
    async def outside(at: Scene) -> None:
        at.door.oversized()
        assert "a message is over 131072 bytes" in str(at.socket.told[1])
        assert at.socket.told[-1] == ("close", 1008)
        at.door.closed(1008, "")

    async def inside(at: Scene) -> None:
        at.known.set()
        at.door.frame(FIRST)
        await asyncio.sleep(0.01)
        at.door.oversized()
        assert at.inside.told[-1] == "oversized"
        at.door.closed(1008, "")

    run(outside)
    run(inside)


def test_a_door_that_breaks_closes() -> None:
    async def work(at: Scene) -> None:
        def broken(socket: object) -> None:
            raise ZeroDivisionError

        at.inside.opened = broken  # type: ignore[method-assign]
        at.door.frame(FIRST)
        at.known.set()
        await asyncio.sleep(0.01)
        assert at.socket.told[-1] == ("close", 1011)
        at.door.closed(1011, "")

    run(work)
