"""The bridge: binary audio, one terminal, early text, and what its clients count on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from conftest import Gateway, Talk
from speech import clip, wer

TTS = "/v1/bridges/unmute/tts/"
STT = "/v1/bridges/unmute/stt/"


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    started = Gateway(tmp_path_factory.mktemp("dev"), "--dev")
    started.wait_ready()
    yield started
    started.stop()


def utterance(talk: Talk) -> tuple[bytes, list[dict[str, Any]]]:
    """Audio and messages up to the terminal."""
    messages = talk.until("audio_end")
    return b"".join(m["data"] for m in messages if m["type"] == "binary"), messages


@pytest.mark.parametrize("model", ["local/hibari:en", "local%2Fhibari:en", "local/hibari:en/"])
def test_an_utterance(gateway: Gateway, model: str) -> None:
    with gateway.open(TTS + model) as talk:
        talk.say(type="init", config={"encoding": "linear16", "sample_rate": 16000})
        talk.say(type="text", text="Hello from the other side.")
        talk.say(type="flush")
        ready = talk.hear()
        assert ready["type"] == "ready"
        assert ready["session_id"]
        assert ready["slng_request_id"]
        assert ready["accepts_partial_text"] is True
        pcm, messages = utterance(talk)
        assert [m["type"] for m in messages if m["type"] in ("flushed", "audio_end")] == [
            "audio_end"
        ]
        assert all(len(m["data"]) % 2 == 0 for m in messages if m["type"] == "binary")
    with gateway.recognition() as ear:
        assert wer("Hello from the other side.", ear.transcript(pcm)) <= 0.2


def test_every_flush_has_one_terminal_even_a_bare_one(gateway: Gateway) -> None:
    with gateway.open(TTS + "local/hibari:en") as talk:
        talk.say(type="init", config={})
        talk.say(type="text", text="A.")
        for _ in range(3):
            talk.say(type="flush")
        talk.say(type="text", text="   ")
        talk.say(type="flush")
        talk.say(type="ping")
        kinds = [m["type"] for m in talk.until("pong")]
        while kinds.count("audio_end") < 4:
            kinds.append(talk.hear()["type"])
        assert "flushed" not in kinds


def test_partial_text_opens_a_sentence(gateway: Gateway) -> None:
    with gateway.open(TTS + "local/hibari:en") as talk:
        talk.say(type="init", config={})
        talk.say(type="text", text="It is a long way", partial=True)
        talk.say(type="text", text=" to the sea", partial=False)
        messages = talk.until("segment_end")
        assert [m["text"] for m in messages if m["type"] == "segment_start"] == [
            "It is a long way to the sea"
        ]


def test_clear_is_answered_and_cancel_is_silent(gateway: Gateway) -> None:
    story = "Once upon a time there was a story without an end. " * 20
    for command, answers in (("clear", ["cleared"]), ("cancel", [])):
        with gateway.open(TTS + "local/hibari:en") as talk:
            talk.say(type="init", config={})
            talk.say(type="text", text=story, flush=True)
            talk.until("binary")
            talk.say(type=command)
            talk.say(type="ping")
            kinds = [m["type"] for m in talk.until("pong")]
            assert [k for k in kinds if k in ("cleared", "audio_end", "flushed")] == answers
            talk.say(type="text", text="New.", flush=True)
            _, messages = utterance(talk)
            assert [m["text"] for m in messages if m["type"] == "segment_start"] == ["New."]


def test_audio_may_be_asked_for_as_json_and_the_terminal_be_chosen(gateway: Gateway) -> None:
    with gateway.open(TTS + "local/hibari:en?audio=json") as talk:
        talk.say(type="init", config={"terminal": "flushed"})
        talk.say(type="text", text="Hi.", flush=True)
        kinds = [m["type"] for m in talk.until("flushed")]
        assert "audio_chunk" in kinds
        assert "audio_end" not in kinds


def test_what_cannot_be_ignored_and_what_can(gateway: Gateway) -> None:
    with gateway.open(TTS + "local/hibari:en") as talk:
        talk.say(type="dance")
        assert talk.hear()["type"] == "warning"
        talk.send("nonsense")
        assert talk.hear()["type"] == "error"
        talk.say(type="init", config={"sample_rate": 7})
        assert talk.hear()["param"] == "sample_rate"
        assert talk.close_code() == 1008


def test_recognition(gateway: Gateway) -> None:
    pcm, text = clip("austen-0880.wav")
    with gateway.open(STT + "local/moonshine:tiny-en") as ear:
        ear.say(type="init", config={"sample_rate": 16000, "encoding": "linear16"})
        assert ear.hear()["type"] == "ready"
        for at in range(0, len(pcm), 2048):
            ear.send(pcm[at : at + 2048])
        ear.say(type="keepalive")
        ear.say(type="finalize")
        final = ear.until("final_transcript")[-1]
        assert wer(text, final["transcript"]) <= 0.3
        assert final["text"] == final["transcript"]
        ear.send(pcm)
        ear.say(type="close")
        messages = ear.rest()
        finals = [m for m in messages if m["type"] == "final_transcript"]
        assert wer(text, " ".join(m["transcript"] for m in finals)) <= 0.3
        assert ear.socket.close_code == 1000


def test_any_known_model_is_answered_in_development_with_a_warning(dev: Gateway) -> None:
    with dev.open(TTS + "slng/deepgram/aura:2-en") as talk:
        talk.say(
            type="init",
            model="aura-2-thalia-en",
            voice="aura-2-thalia-en",
            language="es",
            config={"language": "es", "sample_rate": 16000, "speed": 1.1, "emotion": "joy"},
        )
        talk.say(type="text", text="Good evening.", flush=True)
        pcm, messages = utterance(talk)
        warnings = [m for m in messages if m["type"] == "warning"]
        assert messages[0]["type"] == "ready"
        assert {"code": "substituted", "model": "local/hibari:en"}.items() <= warnings[0].items()
        assert {m.get("option") for m in warnings[1:]} == {"voice", "language", "emotion"}
        assert len(pcm) > 16000


def test_without_development_an_unconfigured_model_says_what_is_missing(gateway: Gateway) -> None:
    with pytest.raises(InvalidStatus) as caught:
        gateway.open(TTS + "deepgram/aura:2")
    response = caught.value.response
    body = json.loads(response.body or b"")
    assert response.status_code == 503
    assert body["code"] == "backend_not_configured"
    assert len(body["message"]) > 30


@pytest.mark.parametrize(
    ("headers", "param"),
    [
        ({"X-Region-Override": "not a region!"}, "region"),
        ({"X-World-Part-Override": "moon"}, "world-part"),
        ({"X-SLNG-Agent-Id": "a,b"}, "x-slng-agent-id"),
        ({"X-SLNG-Session-Id": "x" * 129}, "x-slng-session-id"),
    ],
)
def test_wishes_and_tags_are_validated(
    gateway: Gateway, headers: dict[str, str], param: str
) -> None:
    with pytest.raises(InvalidStatus) as caught:
        gateway.open(
            TTS + "local/hibari:en", headers=headers | {"Authorization": "Bearer test-local"}
        )
    assert caught.value.response.status_code == 400
    assert json.loads(caught.value.response.body or b"")["param"] == param


def test_wishes_and_tags_are_taken_and_logged(gateway: Gateway) -> None:
    headers = {
        "Authorization": "Bearer test-local",
        "X-Region-Override": "eu-north-1, us-east-1",
        "X-SLNG-Agent-Id": "agent-77",
        "X-SLNG-Session-Id": "call-88",
    }
    with gateway.open(TTS + "local/hibari:en?world-part=eu", headers=headers) as talk:
        talk.say(type="init", context_id="conversation-99")
        assert talk.until("ready")
    assert httpx.get(f"{gateway.http}/health").status_code == 200
    while "call-88" not in gateway.logged():
        pass
    line = next(line for line in gateway.logged().splitlines() if "call-88" in line)
    record = json.loads(line)
    assert (record["agent"], record["tag"]) == ("agent-77", "call-88")
    assert record["context_id"] == "conversation-99"


def test_a_client_key_for_a_hosted_model_is_refused(gateway: Gateway) -> None:
    headers = {"Authorization": "Bearer test-local", "X-Slng-Provider-Key": "sk-1"}
    with pytest.raises(InvalidStatus) as caught:
        gateway.open(TTS + "slng/deepgram/aura:2-en", headers=headers)
    assert caught.value.response.status_code == 400
    body = json.loads(caught.value.response.body or b"")
    assert body["message"].startswith("BYOK is only supported for external STT/TTS routes")
    assert "sk-1" not in gateway.logged()


def test_a_client_that_sends_its_key_twice_gets_one_terminal(gateway: Gateway) -> None:
    headers = {"Authorization": "Bearer test-local", "X-API-Key": "test-local"}
    with gateway.open("/v1/tts/local/hibari:en", headers=headers) as talk:
        talk.say(type="text", text="Hi.", flush=True)
        assert "flushed" not in [m["type"] for m in talk.until("audio_end")]


def test_configure_in_mid_utterance_takes_effect_at_the_next(gateway: Gateway) -> None:
    sentence = "The quick brown fox jumps over the lazy dog."
    with gateway.open(TTS + "local/hibari:en") as talk:
        talk.say(type="init", config={})
        talk.say(type="text", text=sentence)
        talk.say(type="configure", speed=2.0)
        assert talk.until("warning")[-1]["code"] == "deferred"
        talk.say(type="flush")
        slow, _ = utterance(talk)
        talk.say(type="text", text=sentence, flush=True)
        quick, _ = utterance(talk)
        assert len(quick) < len(slow) * 0.75


def test_a_cancel_that_means_the_end_speaks_the_rest_first(dev: Gateway) -> None:
    """livekit-plugins-slng 1.5 with Rime's models: no flush, `cancel` is the end of the text."""
    with dev.open("/v1/tts/slng/rime/arcana:3-en") as talk:
        talk.say(type="init", speaker="astra", config={"modelId": "arcana", "sample_rate": 24000})
        talk.say(type="text", text="This is all there is.")
        talk.say(type="cancel")
        messages = talk.rest()
        kinds = [m["type"] for m in messages]
        assert "audio_chunk" in kinds
        assert kinds.index("audio_end") > kinds.index("audio_chunk")
        assert talk.socket.close_code == 1000
