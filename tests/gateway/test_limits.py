"""The limits as clients meet them, on one gateway and on several.

The full race of 30 s: `make test-long`.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from conftest import BOUND, Gateway, without_bugs
from services import Redis

RACE = float(os.environ.get("VOXWAY_TEST_RACE", "3"))  # seconds
VOICE = "/v1/tts/deepgram/aura:2"
ALONE = {"VOXWAY_ENGINES": "none", "DEEPGRAM_API_KEY": "not-used"}
UPGRADE = (
    f"GET {VOICE} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Authorization: Bearer {key}\r\n\r\n"
)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One whose sockets open, and whose addresses are bounded."""
    directory = tmp_path_factory.mktemp("plain")
    config = directory / "voxway.toml"
    config.write_text(
        "sockets_per_address = 60\ntrusted_proxies = ['127.0.0.1']\n[tiers.pro]\nheartbeat = 1\n"
    )
    yield from without_bugs(Gateway(directory, VOXWAY_CONFIG=str(config), **ALONE))


def port(gateway: Gateway) -> int:
    return int(gateway.address.rpartition(":")[2])


class Racers:
    """Clients that want in, and stay. They run in a thread of their own."""

    def __init__(self, ports: list[int], each: int) -> None:
        self.inside: Counter[int] = Counter()  # by port
        self._ports = ports
        self._each = each
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        self._work = self._loop.create_task(self._all())
        with self._loop_closed(), suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._work)

    @contextmanager
    def _loop_closed(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._loop.run_until_complete(asyncio.sleep(0))  # so that what was cut is gone
            self._loop.close()

    async def _all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for port in self._ports:
                for _ in range(self._each):
                    group.create_task(self._client(port))

    async def _client(self, port: int) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                return  # its gateway was killed
            try:
                writer.write(UPGRADE.format(key="test-enterprise").encode())
                await self._stay(reader, port)
            except OSError:
                pass  # it was killed meanwhile
            finally:
                writer.transport.abort()
            await asyncio.sleep(1.0)

    async def _stay(self, reader: asyncio.StreamReader, port: int) -> None:
        if (await reader.readline()).split()[1:2] == [b"101"]:
            self.inside[port] += 1
            try:
                while await reader.read(1024):
                    pass
            finally:
                self.inside[port] -= 1

    def __enter__(self) -> Racers:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._work.cancel)
        self._thread.join()

    def wait_for(self, count: int) -> float:
        """Until so many are inside; returns how many seconds that took."""
        begun = time.monotonic()
        while self.inside.total() < count:
            assert time.monotonic() - begun < BOUND, self.inside
            time.sleep(0.02)
        return time.monotonic() - begun


def test_200_clients_get_50_slots_at_three_gateways(redis_url: str, tmp_path: Path) -> None:
    gateways = []
    for name in "abc":
        (tmp_path / name).mkdir()
        started = Gateway(tmp_path / name, VOXWAY_REDIS_URL=redis_url, **ALONE)
        gateways.append(started)
    try:
        with Racers([port(each) for each in gateways], 67) as racers:
            racers.wait_for(50)
            end = time.monotonic() + RACE
            while time.monotonic() < end:
                assert racers.inside.total() == 50
                time.sleep(0.1)
            dying = max(gateways, key=lambda each: racers.inside[port(each)])
            dying.process.kill()
            dying.process.wait()
            while racers.inside[port(dying)]:
                time.sleep(0.01)
            left = racers.inside.total()
            assert left < 50
            with next(each for each in gateways if each is not dying).api("test-enterprise") as api:
                assert api.get("/v1/me").json()["connections"]["websocket"] == 50
            # Those who hold one keep it; the slots of the dead go to those who still try.
            racers.wait_for(50)
            assert racers.inside.total() == 50
    finally:
        for each in gateways:
            each.stop()


def test_a_redis_that_is_away_and_comes_back(own_redis: Redis, tmp_path: Path) -> None:
    away = {"VOXWAY_REDIS_URL": own_redis.url, "VOXWAY_ON_LOSS": "fail_closed"}
    started = Gateway(tmp_path, **away, **ALONE)
    try:
        with started.open(VOICE) as kept:
            own_redis.kill()
            with pytest.raises(InvalidStatus) as caught:
                started.open(VOICE)
            assert caught.value.response.status_code == 503
            assert caught.value.response.headers["Retry-After"] == "1"
            assert json.loads(caught.value.response.body or b"")["code"] == "not_ready"
            with started.api() as api:
                assert api.get("/v1/me").json()["code"] == "not_ready"
            assert kept.socket.ping().wait(BOUND)
            own_redis.start()
            with started.api() as api:
                deadline = time.monotonic() + BOUND
                while (answer := api.get("/v1/me")).status_code != 200:
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
                assert answer.json()["connections"]["websocket"] == 1
                counted = api.get("/metrics").text
            assert "voxway_limits_redis_away 0.0" in counted
            assert float(counted.split("\nvoxway_limits_unchecked_total ")[1].split()[0]) >= 2
        log = started.logged()
        assert '"redis lost"' in log
        assert '"redis back"' in log
    finally:
        started.stop()


def test_a_message_over_the_limit_is_refused_before_it_is_there(plain: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", port(plain)), timeout=BOUND) as raw:
        raw.sendall(UPGRADE.format(key="test-free").encode())
        answer = raw.makefile("rb")
        while answer.readline().strip():
            pass
        # A text of 10 MB is announced; of it come four bytes.
        raw.sendall(b"\x81\xff" + struct.pack(">Q", 10_000_000) + b"mask" + b"even")
        opcode, length = answer.read(2)
        error = json.loads(
            answer.read(struct.unpack(">H", answer.read(2))[0] if length == 126 else length)
        )
        assert opcode == 0x81
        assert (error["code"], error["retryable"]) == ("payload_too_large", False)
        assert "16384" in error["message"]
        messages = []
        while head := answer.read(2):
            if len(head) == 2:
                size = struct.unpack(">H", answer.read(2))[0] if head[1] == 126 else head[1]
                messages.append((head[0], answer.read(size)))
        closes = [body for opcode, body in messages if opcode == 0x88]
        assert struct.unpack(">H", closes[0][:2]) == (4002,)


def test_who_does_not_answer_a_ping_is_gone(plain: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", port(plain)), timeout=BOUND) as raw:
        raw.sendall(UPGRADE.format(key="test-pro").encode())
        answer = raw.makefile("rb")
        while answer.readline().strip():
            pass
        opcode, length = answer.read(2)
        assert opcode == 0x89
        answer.read(length)
        rest = answer.read()
        assert rest[:1] in (b"\x88", b"\x89", b"")
    with plain.open(VOICE, key="test-pro") as talk:  # whose library answers by itself
        time.sleep(2.5)
        assert talk.socket.ping().wait(BOUND)


def test_a_message_in_parts_is_bounded_as_a_whole(plain: Gateway) -> None:
    with plain.open(VOICE, key="test-free") as talk:
        talk.socket.send(["x" * 8000] * 3)
        assert [m["code"] for m in talk.rest() if m["type"] == "error"] == ["payload_too_large"]
        assert talk.socket.close_code == 4002


def test_wrong_keys_of_one_address_are_not_looked_at_for_ever(plain: Gateway) -> None:
    def status(key: str, address: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}", "X-Forwarded-For": address}
        return httpx.get(f"{plain.http}/v1/me", headers=headers)

    answers = [status(f"wrong-{n}", "192.0.2.7").status_code for n in range(21)]
    assert answers == [401] * 20 + [429]
    refused = status("test-pro", "192.0.2.7")
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limit")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert status("test-pro", "192.0.2.8").status_code == 200


# Whose key may come in the first message.
KEYLESS = UPGRADE.partition("Authorization")[0].replace(VOICE, "/v1/text-to-speech/x/stream-input")


@pytest.mark.parametrize("request_head", [UPGRADE.format(key="test-local"), KEYLESS])
def test_sockets_of_one_address_are_bounded(plain: Gateway, request_head: str) -> None:
    def upgraded() -> tuple[bytes, socket.socket]:
        raw = socket.create_connection(("127.0.0.1", port(plain)), timeout=BOUND)
        head = f"{request_head.strip()}\r\nX-Forwarded-For: 2001:db8::1\r\n\r\n"
        raw.sendall(head.encode())
        return raw.recv(4096).split()[1], raw

    raws = [upgraded() for _ in range(61)]
    for _, raw in raws:
        raw.close()
    assert Counter(status for status, _ in raws) == {b"101": 60, b"429": 1}
    deadline = time.monotonic() + BOUND
    status = b""
    while status != b"101":
        assert time.monotonic() < deadline
        status, raw = upgraded()
        raw.close()


def test_a_model_named_twice_is_the_first_and_the_client_is_told(dev: Gateway) -> None:
    with dev.open("/v1/speak?model=aura-2-thalia-en&model=aura-asteria-en") as talk:
        talk.say(type="Speak", text="Hello there.")
        talk.say(type="Flush")
        messages = talk.until("Flushed")
    warnings = [m for m in messages if m["type"] == "Warning"]
    assert any("model stands 2 times" in each["description"] for each in warnings), warnings
