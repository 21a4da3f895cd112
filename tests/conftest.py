"""A real gateway with the embedded engines, started once, and a client that speaks in frames."""

from __future__ import annotations

import base64
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import settings
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from services import own_postgres, own_redis, postgres_url, redis_url
from voxway.audio.decode import Decoder
from voxway.audio.formats import AudioFormat

__all__ = ["own_postgres", "own_redis", "postgres_url", "redis_url"]

BOUND = 60.0  # seconds: a bound against hangs, not a measure
# The gate says tomorrow what it says today, however slow the machine is; elsewhere each run looks
# for something new.
settings.register_profile("voxway", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("voxway")
# A shell starts what goes to the background deaf to Ctrl-C, and so would be all that is tested.
signal.signal(signal.SIGINT, signal.default_int_handler)
KEYS = "test-enterprise:enterprise,test-pro:pro,test-free:free,test-local:local"


class Gateway:
    """`voxway serve` as a child process on a free port."""

    def __init__(self, directory: Path, *args: str, **environ: str) -> None:
        self.directory = directory
        self.key = "test-local"
        env = os.environ | {"VOXWAY_API_KEYS": KEYS, "VOXWAY_DATA_DIR": str(directory)} | environ
        self.log = (directory / "gateway.log").open("wb")
        command = [sys.executable, "-m", "voxway.cli.main", "serve", "--port", "0", *args]
        # Unbuffered: `select` knows nothing of a line that was read along with the one before.
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self.log, env=env, bufsize=0
        )
        self.address = self._announced()

    def _announced(self) -> str:
        """HOST:PORT, from the line in which the gateway says where it listens."""
        assert self.process.stdout is not None
        self.said: list[str] = []
        deadline = time.monotonic() + BOUND
        while select.select([self.process.stdout], [], [], deadline - time.monotonic())[0]:
            line = self.process.stdout.readline().decode()
            self.said.append(line)
            if "listening on" in line:
                return line.split("://")[1].strip()
            if not line:
                break
        raise AssertionError(f"the gateway did not start: {self.logged()}")

    @property
    def url(self) -> str:
        return f"ws://{self.address}"

    @property
    def http(self) -> str:
        return f"http://{self.address}"

    def api(self, key: str | None = None) -> httpx.Client:
        """An HTTP client with a key."""
        headers = {"Authorization": f"Bearer {key or self.key}"}
        return httpx.Client(base_url=self.http, headers=headers, timeout=BOUND)

    def heard(self, audio: bytes, encoding: str, rate: int = 24_000) -> str:
        """What the local recognizer makes of speech."""
        decoder = Decoder(AudioFormat(encoding, rate), 16_000)
        pcm = decoder.feed(audio) + decoder.flush()
        with self.api() as api:
            path = "/v1/bridges/unmute/stt/local/moonshine:tiny-en"
            answer = api.post(path, content=pcm, headers={"Content-Type": "audio/pcm"})
        transcript: str = answer.json()["alternatives"][0]["transcript"]
        return transcript

    def logged(self) -> str:
        return (self.directory / "gateway.log").read_text()

    def health(self) -> dict[str, Any]:
        health: dict[str, Any] = httpx.get(f"{self.http}/health").json()
        return health

    def wait_ready(self) -> None:
        """Until every engine worker listens."""
        deadline = time.monotonic() + BOUND
        while set(self.health()["engines"].values()) - {"ready", "remote"}:
            assert time.monotonic() < deadline, self.logged()
            time.sleep(0.02)

    def open(
        self,
        path: str,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Talk:
        """A WebSocket on a path, as a transcript of frames."""
        authorization = {"Authorization": f"Bearer {key or self.key}"}
        return Talk(
            connect(
                self.url + path,
                additional_headers=dict(headers) if headers is not None else authorization,
                max_size=None,
                open_timeout=BOUND,
                **options,
            )
        )

    def speech(self, **config: Any) -> Talk:
        """A speech session, initialised and ready. It speaks as it did the last time: a recognizer
        mishears one of some hundreds."""
        talk = self.open("/v1/tts/local/hibari:en")
        talk.say(type="init", config={"seed": 1} | config)
        talk.ready = talk.until("ready")[-1]
        return talk

    def recognition(self, **config: Any) -> Talk:
        """A recognition session, initialised and ready."""
        talk = self.open("/v1/stt/local/moonshine:tiny-en")
        talk.say(type="init", config=config)
        talk.ready = talk.until("ready")[-1]
        return talk

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(BOUND)
        finally:
            self.process.kill()
            self.log.close()
            if self.process.stdout is not None:
                self.process.stdout.close()
        return code


class Talk:
    """One socket: what is said and what is heard, as messages."""

    ready: dict[str, Any]

    def __init__(self, connecting: AbstractContextManager[ClientConnection]) -> None:
        self._connecting = connecting
        self.socket = connecting.__enter__()

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *_: object) -> None:
        self._connecting.__exit__(None, None, None)

    def say(self, **message: Any) -> None:
        self.socket.send(json.dumps(message))

    def send(self, frame: str | bytes) -> None:
        self.socket.send(frame)

    def hear(self, timeout: float = BOUND) -> dict[str, Any]:
        frame = self.socket.recv(timeout)
        if isinstance(frame, bytes):
            return {"type": "binary", "data": frame}
        message: dict[str, Any] = json.loads(frame)
        return message

    def until(self, type: str) -> list[dict[str, Any]]:
        """All messages up to the first of this type, with it."""
        messages = [self.hear()]
        while messages[-1]["type"] != type:
            messages.append(self.hear())
        return messages

    def rest(self) -> list[dict[str, Any]]:
        """All messages up to the close."""
        messages = []
        try:
            while True:
                messages.append(self.hear())
        except ConnectionClosed:
            return messages

    def close_code(self) -> int:
        """Read to the end; the code the gateway closed with."""
        self.rest()
        assert self.socket.close_code is not None
        return self.socket.close_code

    def utterance(self, text: str) -> bytes:
        """Speech for a text: flushed, all audio up to the terminal."""
        self.say(type="text", text=text, flush=True)
        return audio(self.until("audio_end"))

    def transcript(self, speech: bytes, chunk: int = 32_000) -> str:
        """What is heard in a recording: sent, finalized, all finals joined."""
        for at in range(0, len(speech), chunk):
            self.send(speech[at : at + chunk])
        self.say(type="finalize")
        finals: list[str] = []
        while True:
            message = self.hear()
            if message["type"] == "final_transcript":
                finals.append(message["transcript"])
                if message.get("from_finalize"):
                    return " ".join(filter(None, finals))


def audio(messages: list[dict[str, Any]]) -> bytes:
    """The speech in messages."""
    chunks = [m["data"] for m in messages if m["type"] == "audio_chunk"]
    return b"".join(map(base64.b64decode, chunks))


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    yield from without_bugs(Gateway(tmp_path_factory.mktemp("gateway")))


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One in which the local engines stand in for every other model."""
    yield from without_bugs(Gateway(tmp_path_factory.mktemp("dev"), "--dev"))


def without_bugs(started: Gateway) -> Iterator[Gateway]:
    try:
        started.wait_ready()
        yield started
        bugs = [line for line in started.logged().splitlines() if '"bug"' in line]
        assert bugs == []
    finally:
        started.stop()
