"""Backends elsewhere: another gateway answers, where the client asked for it or next to that."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import BOUND, Gateway
from speech import clip, wer

CATALOG = """
[[model]]
id = "far/voice"
kind = "tts"
provider = "far"
languages = ["en"]
open_voices = true
encodings = ["linear16", "mp3"]
default_rate = 24000
capabilities = ["flush", "clear"]
backends = [
    {{ wire = "unified", url = "ws://127.0.0.1:1", region = "us-east-1", model = "local/hibari:en" }},
    {{ wire = "unified", url = "{far}", region = "eu-north-1", model = "local/hibari:en", key_variable = "FAR_KEY" }},
]

[[model]]
id = "far/ear"
kind = "stt"
provider = "far"
languages = ["en"]
encodings = ["linear16"]
default_rate = 16000
capabilities = ["partials", "finalize"]
backends = [
    {{ wire = "unified", url = "{far}", model = "local/moonshine:tiny-en", key_variable = "FAR_KEY" }},
]
"""  # noqa: E501 - as an operator writes it


@pytest.fixture(scope="module")
def near(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway without engines, in front of the one that has them."""
    directory = tmp_path_factory.mktemp("near")
    (directory / "catalog.toml").write_text(CATALOG.format(far=gateway.http))
    started = Gateway(
        directory,
        VOXWAY_ENGINES="none",
        VOXWAY_CATALOG=str(directory / "catalog.toml"),
        FAR_KEY=gateway.key,
    )
    yield started
    started.stop()


def test_speech_through_two_gateways(near: Gateway, gateway: Gateway) -> None:
    with near.open("/v1/tts/far/voice") as talk:
        talk.say(type="init", config={"sample_rate": 16000})
        pcm = talk.utterance("This sentence has come a long way.")
    with near.open("/v1/stt/far/ear") as ear:
        ear.say(type="init", config={})
        assert wer("This sentence has come a long way.", ear.transcript(pcm)) <= 0.2


def test_recognition_through_two_gateways(near: Gateway) -> None:
    pcm, text = clip("austen-0890.wav")
    with near.open("/v1/stt/far/ear") as ear:
        ear.send(pcm)
        ear.say(type="close")
        messages = ear.rest()
        finals = [m["transcript"] for m in messages if m["type"] == "final_transcript"]
        assert wer(text, " ".join(finals)) <= 0.25
        assert ear.socket.close_code == 1000


def test_a_clear_reaches_the_far_end(near: Gateway) -> None:
    with near.open("/v1/tts/far/voice") as talk:
        talk.say(type="init", config={})
        talk.say(type="text", text="A very long story. " * 60, flush=True)
        talk.until("audio_chunk")
        talk.say(type="clear")
        talk.until("cleared")
        talk.say(type="ping")
        assert talk.hear() == {"type": "pong"}
        assert len(talk.utterance("Short.")) < 48000 * 3


@pytest.mark.parametrize(
    "region", ["us-east-1", "eu-north-1", "us-east-1,%20eu-north-1", "ap-south-1"]
)
def test_a_backend_that_is_down_is_passed_over(near: Gateway, region: str) -> None:
    with near.open(f"/v1/tts/far/voice?region={region}") as talk:
        talk.say(type="init", config={})
        assert talk.utterance("Still here.")


def test_a_far_gateway_that_refuses_the_key_is_told(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "catalog.toml").write_text(CATALOG.format(far=gateway.http))
    started = Gateway(
        tmp_path,
        VOXWAY_ENGINES="none",
        VOXWAY_CATALOG=str(tmp_path / "catalog.toml"),
        FAR_KEY="wrong",
    )
    try:
        with started.open("/v1/stt/far/ear") as ear:
            ear.say(type="init", config={})
            error = ear.hear()
            assert error["code"] == "backend_connection_failed"
            assert "401" in error["message"]
            assert ear.close_code() == 1011
        assert "wrong" not in started.logged()
    finally:
        started.stop()


def test_sighup_reloads_the_catalog_and_drops_no_session(gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "catalog.toml"
    file.write_text(CATALOG.format(far=gateway.http))
    started = Gateway(
        tmp_path, VOXWAY_ENGINES="none", VOXWAY_CATALOG=str(file), FAR_KEY=gateway.key
    )

    def logged(words: str) -> None:
        deadline = time.monotonic() + BOUND
        while words not in started.logged():
            assert time.monotonic() < deadline, started.logged()

    try:
        with started.open("/v1/tts/far/voice") as talk:
            talk.say(type="init", config={})
            assert talk.utterance("One.")
            file.write_text(CATALOG.format(far=gateway.http).replace("far/voice", "far/other"))
            started.process.send_signal(signal.SIGHUP)
            logged("catalog reloaded")
            assert talk.utterance("Two."), "an open session was dropped"
            with started.open("/v1/tts/far/other") as other:
                assert other.utterance("Three.")
            file.write_text("[[model]]\nid = 5\n")
            started.process.send_signal(signal.SIGHUP)
            logged("catalog not reloaded")
            reason = next(
                json.loads(line)["reason"]
                for line in started.logged().splitlines()
                if "catalog not reloaded" in line
            )
            assert "catalog.toml" in reason
            assert "line" in reason or ":" in reason
            with started.open("/v1/tts/far/other") as other:
                assert other.utterance("Four.")
    finally:
        started.stop()
