"""Rime's sockets as its users reach them: livekit-plugins-rime 1.8.9 and pipecat-ai 1.14.0, as they
are on PyPI, against a gateway with the local engines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from conftest import Gateway
from speech import SENTENCES

from .client import Client, RaisedError, needs_clients, unpacked
from .conftest import Journal, Judge

pytestmark = needs_clients
WATER, TRAIN = SENTENCES[17], SENTENCES[14]
LONG = " ".join(SENTENCES[:12])
RATE = 24_000
USUAL = {"plugin": "livekit.plugins.rime", "model": "coda", "speaker": "lyra"}


@pytest.fixture(scope="module")
def livekit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    running = Client("livekit-1.8.9", "livekit_client.py", tmp_path_factory.mktemp("lk") / "log")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def pipecat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    running = Client("pipecat", "pipecat_client.py", tmp_path_factory.mktemp("pc") / "log")
    yield running
    running.stop()


def plugin(gateway: Gateway, kind: str) -> dict[str, Any]:
    """What `rime.TTS` of livekit is given. It sends a key to Rime or to loopback only."""
    address = f"ws://127.0.0.1:{gateway.address.rpartition(':')[2]}"
    where: dict[str, Any] = {"websocket_url": f"{address}/ws", "websocket_protocol": kind}
    if kind == "ws3":
        where = {"base_url": address, "use_websocket": True}
    return USUAL | where | {"api_key": gateway.key}


@pytest.mark.parametrize("kind", ["ws3", "binary", "json"])
@pytest.mark.parametrize("words", [False, True])
def test_a_stream_of_livekit(
    house: Gateway, livekit: Client, judge: Judge, kind: str, words: bool
) -> None:
    said = livekit.play("say", options=plugin(house, kind), text=f"{WATER} {TRAIN}", words=words)
    assert judge.wer(f"{WATER} {TRAIN}", unpacked(said["said"][0]), RATE) <= 0.15


@pytest.mark.parametrize("kind", ["ws3", "binary"])
def test_streams_of_livekit_share_a_socket(
    house: Gateway, livekit: Client, judge: Judge, journal: Journal, kind: str
) -> None:
    texts = [WATER, TRAIN]
    said = livekit.play("say_in_turn", options=plugin(house, kind), texts=texts)["said"]
    for text, speech in zip(texts, said, strict=True):
        assert judge.wer(text, unpacked(speech), RATE) <= 0.15
    assert len([s for s in journal.ended(1) if s["asked"] == "rime/coda"]) == 1


def test_speech_of_livekit_over_http(house: Gateway, livekit: Client, judge: Judge) -> None:
    where = {"base_url": f"http://{house.address}/v1/rime-tts", "use_websocket": False}
    texts = [WATER, TRAIN]
    said = livekit.play("synthesize", options=USUAL | where | {"api_key": house.key}, texts=texts)
    for text, speech in zip(texts, said["said"], strict=True):
        assert judge.wer(text, unpacked(speech), RATE) <= 0.15


@pytest.mark.parametrize("kind", ["ws3", "binary"])
def test_livekit_interrupted(house: Gateway, livekit: Client, judge: Judge, kind: str) -> None:
    said = livekit.play("interrupt", options=plugin(house, kind), text=LONG, then=TRAIN)
    assert said["first"] > 0
    assert judge.wer(TRAIN, unpacked(said["said"][0]), RATE) <= 0.15


@pytest.mark.parametrize("kind", ["ws3", "binary"])
def test_livekit_with_an_unknown_key(house: Gateway, livekit: Client, kind: str) -> None:
    wrong = plugin(house, kind) | {"api_key": "wrong"}
    with pytest.raises(RaisedError) as caught:
        livekit.play("say", options=wrong, text=WATER)
    assert "401" in f"{caught.value.status} {caught.value.message}"


def service(gateway: Gateway, kind: str) -> dict[str, Any]:
    """What a service of pipecat is given."""
    where = {"ws3": {"url": f"{gateway.url}/ws3"}, "ws": {"url": f"{gateway.url}/ws"}}
    v1 = {"websocket_url": f"{gateway.url}/ws"}
    settings = {"voice": "lyra", "model": "coda"}
    return {"service": kind, "settings": settings, "api_key": gateway.key} | where.get(kind, v1)


def check(judge: Judge, texts: list[str], said: dict[str, Any]) -> None:
    """Every text was spoken, whole, in order and without an error."""
    assert said["errors"] == []
    for text, speech in zip(texts, said["said"], strict=True):
        assert judge.wer(text, unpacked(speech), said["rate"]) <= 0.15


@pytest.mark.parametrize("kind", ["ws3", "ws", "v1"])
def test_utterances_of_pipecat(
    house: Gateway, pipecat: Client, judge: Judge, journal: Journal, kind: str
) -> None:
    texts = [WATER, TRAIN]
    check(judge, texts, pipecat.play("say", options=service(house, kind), texts=texts))
    assert len([s for s in journal.ended(1) if s["asked"] == "rime/coda"]) == 1


@pytest.mark.parametrize("kind", ["ws3", "v1"])
def test_a_turn_of_a_language_model(
    house: Gateway, pipecat: Client, judge: Judge, kind: str
) -> None:
    pieces = [word + " " for word in f"{WATER} {TRAIN}".split()]
    said = pipecat.play("answer", options=service(house, kind), pieces=pieces)
    check(judge, [f"{WATER} {TRAIN}"], said)


@pytest.mark.parametrize("kind", ["ws3", "v1"])
def test_pipecat_interrupted(house: Gateway, pipecat: Client, judge: Judge, kind: str) -> None:
    said = pipecat.play("interrupt", options=service(house, kind), text=LONG, then=TRAIN)
    assert said["errors"] == []
    assert judge.wer(TRAIN, unpacked(said["said"][-1])) <= 0.15
