"""The Wyoming port of a real gateway: whose account it uses, what counts, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import BOUND, Gateway, without_bugs
from voxway.wire.wyoming_frames import Frames, Packet, packed
from voxway.wire.wyoming_messages import SynthesizeMsg


class Talk:
    """One connection as a transcript of events."""

    def __init__(self, gateway: Gateway) -> None:
        [port] = re.findall(r"Wyoming on tcp://127\.0\.0\.1:(\d+)", "".join(gateway.said))
        self.socket = socket.create_connection(("127.0.0.1", int(port)), BOUND)
        self.socket.settimeout(BOUND)
        self._frames = Frames()
        self._heard: list[Packet] = []

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def say(self, data: bytes) -> None:
        self.socket.sendall(data)

    def until(self, type: str) -> Packet:
        """The next event of a type."""
        while True:
            while self._heard:
                if (packet := self._heard.pop(0)).type == type:
                    return packet
            data = self.socket.recv(65_536)
            assert data, f"closed before {type}"
            self._heard += self._frames.feed(data)

    def is_closed(self) -> bool:
        """Once nothing more comes."""
        while data := self.socket.recv(65_536):
            self._heard += self._frames.feed(data)
        return True


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One whose Wyoming clients count as test-free: five requests at a time."""
    key = {"VOXWAY_WYOMING_KEY": "test-free", "VOXWAY_WYOMING_PORT": "0"}
    directory = tmp_path_factory.mktemp("wyoming")
    yield from without_bugs(
        Gateway(directory, VOXWAY_ENGINES="local/hibari:en,local/moonshine:tiny-en", **key)
    )


def sessions(gateway: Gateway) -> list[dict[str, Any]]:
    lines = [line for line in gateway.logged().splitlines() if line.startswith("{")]
    return [entry for entry in map(json.loads, lines) if entry["event"] == "session"]


def settled(gateway: Gateway) -> None:
    deadline = time.monotonic() + BOUND
    while gateway.health()["sessions"]:
        assert time.monotonic() < deadline, gateway.logged()
        time.sleep(0.02)


def test_requests_count_for_the_account_of_the_key(house: Gateway) -> None:
    before = len(sessions(house))
    with Talk(house) as talk:
        talk.say(packed("synthesize", SynthesizeMsg("Good morning.")))
        talk.until("audio-stop")
    settled(house)
    [session] = sessions(house)[before:]
    with house.api("test-free") as api:
        assert session["account"] == api.get("/v1/me").json()["id"]
    assert session["characters"] == len("Good morning.")
    assert 0.4 < session["audio_out"] < 2.0


def test_so_many_requests_at_a_time(house: Gateway) -> None:
    talks = [Talk(house) for _ in range(6)]
    for talk in talks[:5]:
        talk.say(packed("synthesize-start"))
    deadline = time.monotonic() + BOUND
    while house.health()["sessions"] < 5:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    talks[5].say(packed("synthesize-start"))
    error = talks[5].until("error")
    assert error.data["code"] == "rate_limit"
    assert talks[5].is_closed()
    for talk in talks:
        talk.socket.close()
    settled(house)


def test_a_text_over_the_limit_is_an_error(house: Gateway) -> None:
    with Talk(house) as talk:
        talk.say(packed("synthesize", SynthesizeMsg("x" * 1_001)))
        error = talk.until("error")
        assert error.data == {
            "text": "text of 1001 characters is over 1000",
            "code": "payload_too_large",
        }
        assert talk.is_closed()


def test_other_protocols_are_told_and_sent_away(house: Gateway) -> None:
    with Talk(house) as talk:
        talk.say(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert talk.until("error").data["code"] == "invalid_request"
        assert talk.is_closed()


def test_draining(tmp_path: Path) -> None:
    started = Gateway(tmp_path, "--wyoming", "0", VOXWAY_ENGINES="local/hibari:en")
    started.wait_ready()
    with Talk(started) as speaking, Talk(started) as idle, Talk(started) as late:
        speaking.say(packed("synthesize-start"))
        idle.say(packed("describe"))
        idle.until("info")
        while not started.health()["sessions"]:
            pass
        started.process.send_signal(signal.SIGTERM)
        while started.health()["status"] != "draining":
            pass
        late.say(packed("synthesize", SynthesizeMsg("Too late.")))
        assert late.until("error").data["code"] == "draining"
        started.process.send_signal(signal.SIGTERM)
        assert speaking.until("error").data["code"] == "draining"
        assert speaking.is_closed()
        assert idle.is_closed()
    assert started.process.wait(BOUND) == 0
    assert '"bug"' not in started.logged()
    started.stop()


@pytest.mark.parametrize(
    ("args", "environ", "reason"),
    [
        (("--host", "0.0.0.0"), {}, "refusing to listen for Wyoming on 0.0.0.0 without a key"),
        ((), {"VOXWAY_WYOMING_KEY": "nobodys"}, "wyoming_key: unknown API key"),
    ],
)
def test_it_does_not_start_without_a_key_that_is_good(
    tmp_path: Path, args: tuple[str, ...], environ: dict[str, str], reason: str
) -> None:
    settings = {
        "VOXWAY_API_KEYS": "k:pro",
        "VOXWAY_ENGINES": "none",
        "VOXWAY_DATA_DIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-m", "voxway.cli.main", "serve", "--port", "0", *args],
        env=os.environ | settings | {"VOXWAY_WYOMING_PORT": "0"} | environ,
        capture_output=True,
        text=True,
        timeout=BOUND,
    )
    assert done.returncode == 2
    assert reason in done.stderr
    assert "nobodys" not in done.stderr
