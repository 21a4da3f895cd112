"""Several instances of a provider behind one entry: one that is full says so in the open socket."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.sync.server import Server, ServerConnection, serve

from conftest import Gateway
from speech import clip, wer
from voxway.errors import UpstreamError
from voxway.net.base import Socket, UpgradeRefused
from voxway.vestibule import Vestibule
from voxway.wire.base import Frame
from voxway.wire.kyutai import turned_away

CATALOG = """
[[model]]
id = "kyutai/ear"
kind = "stt"
provider = "kyutai"
languages = ["en"]
encodings = ["linear32"]
rates = [24000]
default_rate = 24000
capabilities = ["partials", "finalize"]
backends = [
    {{ wire = "kyutai_stt", url = "{full}", model = "stt-1b-en_fr", key_variable = "KEY" }},
    {{ wire = "kyutai_stt", url = "{free}", model = "stt-1b-en_fr", key_variable = "KEY" }},
]
"""
FULL = msgspec.msgpack.encode({"type": "Error", "message": "no free channels"})
READY = msgspec.msgpack.encode({"type": "Ready"})


class FullInstance:
    """A moshi-server without a free channel."""

    def __init__(self) -> None:
        self.asked = 0
        self._server: Server = serve(self._answer, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def _answer(self, connection: ServerConnection) -> None:
        self.asked += 1
        connection.send(FULL)

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()


@pytest.fixture
def full() -> Iterator[FullInstance]:
    instance = FullInstance()
    yield instance
    instance.stop()


@pytest.fixture
def near(full: FullInstance, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway in front of two instances; the second is another gateway, with an ear."""
    for name in ("near", "free"):
        (tmp_path / name).mkdir()
    free = Gateway(tmp_path / "free", "--dev", VOXWAY_ENGINES="local/moonshine:tiny-en")
    catalog = tmp_path / "catalog.toml"
    catalog.write_text(CATALOG.format(full=full.url, free=free.url))
    started = Gateway(
        tmp_path / "near", VOXWAY_ENGINES="none", VOXWAY_CATALOG=str(catalog), KEY=free.key
    )
    yield started
    started.stop()
    free.stop()


def test_the_next_instance_is_asked(near: Gateway, full: FullInstance) -> None:
    pcm, text = clip("austen-0890.wav")
    with near.open("/v1/stt/kyutai/ear") as ear:
        ear.say(type="init", config={"encoding": "linear16", "sample_rate": 16_000})
        assert wer(text, ear.transcript(pcm)) <= 0.1
    assert full.asked == 1


class Door:
    """A socket, and whoever is behind it."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def opened(self, socket: Socket) -> None:
        self.told.append("opened")

    def frame(self, frame: Frame) -> None:
        self.told.append(frame)

    def writable(self, writable: bool) -> None:
        self.told.append(writable)

    def closed(self, code: int, reason: str) -> None:
        self.told.append(code)

    def send(self, frame: Frame) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.told.append("hung up")


def waited(*said: Frame | int) -> tuple[list[Any], Exception | None]:
    """What is told of a socket on which this is said (a number: it is closed), and how it ends."""
    door = Door()

    async def wait() -> Exception | None:
        vestibule = Vestibule(door, turned_away)
        vestibule.opened(door)
        vestibule.writable(False)
        for each in said:
            if isinstance(each, int):
                vestibule.closed(each, "")
            else:
                vestibule.frame(each)
        try:
            await vestibule.admitted()
        except UpstreamError as error:
            return error
        return None

    return door.told, asyncio.run(wait())


def test_what_is_said_first_opens_the_door() -> None:
    assert waited(READY, b"x", 1000) == (["opened", READY, b"x", 1000], None)


def test_who_is_turned_away_has_heard_nothing() -> None:
    told, error = waited(FULL, b"x", READY)
    assert told == ["hung up"]
    assert isinstance(error, UpgradeRefused)
    assert error.status == 503


def test_a_socket_that_is_gone_at_once_was_none() -> None:
    told, error = waited(1011)
    assert told == []
    assert isinstance(error, UpstreamError)
    assert error.error == "backend_connection_failed"


def test_who_says_nothing_at_all_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxway.vestibule.HANDSHAKE_TIMEOUT", 0.01)
    told, error = waited()
    assert told == ["hung up"]
    assert isinstance(error, UpstreamError)
