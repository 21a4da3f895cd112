"""What is accounted for is what the clients counted, also when the gateway is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from websockets.exceptions import InvalidStatus
from websockets.http11 import Response

from conftest import BOUND, Gateway, audio

SENTENCE = "The quick brown fox jumps over the lazy dog."
CONFIG = """
[[model]]
id = "acme/voice:1"
kind = "tts"
provider = "acme"
languages = ["en"]
encodings = ["linear16"]
default_rate = 24_000
voices = ["sam"]
prices = { characters = 0.5 }

[[model.backends]]
wire = "unified"
url = "ws://127.0.0.1:1"
"""


def voxway(directory: Path, *args: str) -> Any:
    env = {k: v for k, v in os.environ.items() if not k.startswith("VOXWAY")}
    env |= {"VOXWAY_DATA_DIR": str(directory)}
    command = [sys.executable, "-m", "voxway.cli.main", *args]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=BOUND)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def used(directory: Path, by: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = voxway(directory, "usage", "--by", by, "--format", "json")["data"]
    return rows


def test_what_was_used_is_there_after_a_kill(tmp_path: Path) -> None:
    started = Gateway(tmp_path)
    started.wait_ready()
    try:
        seconds = 0.0
        for _ in range(2):
            with started.open("/v1/tts/local/hibari:en", key="test-pro") as talk:
                talk.say(type="init", config={"sample_rate": 24000})
                seconds += len(talk.utterance(SENTENCE)) / 48_000
                talk.say(type="close")
                [ended] = [m for m in talk.rest() if m["type"] == "session_ended"]
                assert ended["usage"]["characters"] == len(SENTENCE)
                assert ended["usage"]["model"] == "local/hibari:en"
        headers = {"X-Slng-Agent-Id": "bot", "X-Slng-Session-Id": "call-7"}
        with started.api("test-pro") as api:
            answer = api.post("/v1/tts/local/hibari:en", json={"text": SENTENCE}, headers=headers)
            assert answer.status_code == 200
            with started.open("/v1/tts/local/hibari:en", key="test-pro") as still_open:
                still_open.say(type="init", config={})
                assert audio_of(still_open, SENTENCE)
                time.sleep(1.5)  # a closed record is written within a second
                mine = api.get("/v1/usage", params={"by": "model"}).json()
                assert [row["model"] for row in mine["data"]] == ["local/hibari:en"]
                assert mine["data"][0]["sessions"] == 4
                started.process.kill()
                started.process.wait()
        rows = {row["tag"]: row for row in used(tmp_path, "account,agent,tag")}
        assert set(rows) == {"", "call-7"}
        assert (rows["call-7"]["agent"], rows["call-7"]["characters"]) == ("bot", len(SENTENCE))
        assert rows["call-7"]["messages"] == 0
        assert 6 <= rows[""]["messages"] <= 8
        # Of the one that was open at most its last half minute is missing: here, all of it.
        assert rows[""]["sessions"] == 3
        assert 2 <= rows[""]["characters"] / len(SENTENCE) <= 3
        assert abs(rows[""]["audio_out"] - seconds) <= seconds / 2 + 0.1
    finally:
        started.stop()


def audio_of(talk: Any, text: str) -> bytes:
    talk.say(type="text", text=text, flush=True)
    return audio(talk.until("audio_end"))


def test_who_has_spent_the_limit_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "voxway.toml"
    config.write_text(CONFIG)
    new = voxway(tmp_path, "keys", "create", "acme", "--tier", "pro", "--json")
    started = Gateway(tmp_path, VOXWAY_CONFIG=str(config), VOXWAY_ENGINES="none")
    path = "/v1/tts/acme/voice:1"
    try:
        with started.open(path, key=new["key"]):
            voxway(tmp_path, "keys", "limit", "acme", "0", "--json")
            refused = opened(started, path, new["key"], wanted=402)
            assert json.loads(refused.body or b"")["code"] == "quota_exceeded"
        voxway(tmp_path, "keys", "limit", "acme", "10", "--json")
        opened(started, path, new["key"], wanted=101)
    finally:
        started.stop()


def opened(gateway: Gateway, path: str, key: str, wanted: int) -> Response:
    """Try until it is answered so: what is decided elsewhere is known within a second."""
    deadline = time.monotonic() + BOUND
    while True:
        try:
            with gateway.open(path, key=key) as talk:
                answer = talk.socket.response
        except InvalidStatus as error:
            answer = error.response
        assert answer is not None
        if answer.status_code == wanted:
            return answer
        assert time.monotonic() < deadline, answer
        time.sleep(0.2)
