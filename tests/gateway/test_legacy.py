"""The first generation: the published examples, as they stand."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from conftest import Gateway, audio
from speech import clip, wer

VOICES = {
    "orpheus": "tara",
    "orpheus-indic": "kanak",
    "kokoro": "af",
    "cosyvoice": "emma",
    "chatterbox": "nova",
    "xtts": "Claribel Dervla",
    "elevenlabs": "21m00Tcm4TlvDq8ikWAM",
    "deepgram": "aura-asteria-en",
    "cartesia": "694f9389",
}


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    started = Gateway(tmp_path_factory.mktemp("legacy"), "--dev")
    started.wait_ready()
    yield started
    started.stop()


@pytest.mark.parametrize("name", VOICES)
def test_the_published_speech_example(dev: Gateway, name: str) -> None:
    with dev.open(f"/v1/tts/{name}-websocket-stream") as talk:
        talk.say(type="init", voice_id=VOICES[name], context_id="session-123")
        ready = talk.hear()
        assert ready["type"] == "ready"
        assert ready["session"]
        assert ready["context_id"] == "session-123"
        assert "flush" in ready["capabilities"]
        talk.say(type="input_text", text="Hello from the WebSocket!")
        talk.say(type="flush")
        messages = talk.until("audio_end")
        assert all(m["context_id"] == "session-123" for m in messages)
        chunks = [m for m in messages if m["type"] == "audio_chunk"]
        assert [m["sequence"] for m in chunks] == list(range(len(chunks)))
        end = messages[-1]
        assert end["id"] == "utt_1"
        assert end["total_duration_ms"] == round(len(audio(messages)) / 48)
        assert not any(m["type"].startswith("segment") for m in messages)


def test_a_context_id_is_made_if_none_is_given(dev: Gateway) -> None:
    with dev.open("/v1/tts/slng/orpheus-websocket-stream") as talk:
        talk.say(type="init", voice_id="tara", buffer_size=10, max_tokens=6144)
        ready = talk.hear()
        assert str(uuid.UUID(ready["context_id"])) == ready["context_id"]
        options = {talk.hear().get("option") for _ in range(4)}
        assert {"buffer_size", "max_tokens"} <= options
        talk.say(type="clear")
        assert talk.hear() == {"type": "cleared", "context_id": ready["context_id"]}
        talk.say(type="nonsense")
        error = talk.hear()
        assert error["context_id"] == ready["context_id"]
        assert error["retryable"] is False


def test_stop_aborts_with_audio_end_and_the_session_goes_on(dev: Gateway) -> None:
    with dev.open("/v1/tts/kokoro-websocket-stream") as talk:
        talk.say(type="init", voice_id="af")
        talk.say(type="input_text", text="A very long story that nobody listens to. " * 20)
        talk.say(type="flush")
        talk.until("audio_chunk")
        talk.say(type="stop")
        assert talk.until("audio_end")[-1]["total_duration_ms"] == 0
        talk.say(type="ping")
        assert talk.hear()["type"] == "pong"
        talk.say(type="configure", voice_id="af_bella")
        talk.say(type="input_text", text="Short.")
        talk.say(type="flush")
        assert talk.until("audio_end")[-1]["total_duration_ms"] > 300
        talk.say(type="close")
        ended = talk.rest()[-1]
        assert ended["type"] == "session_ended"
        assert ended["usage"]["characters"] > 800


@pytest.mark.parametrize(
    "path", ["/v1/stt/kyutai-websocket-stream", "/v1/stt/slng/whisper-websocket-stream"]
)
def test_the_published_recognition_example(dev: Gateway, path: str) -> None:
    pcm, text = clip("austen-0890.wav")
    with dev.open(f"{path}?language=en") as ear:
        ear.say(type="start", sample_rate=16000, encoding="pcm16", language="en")
        ready = ear.hear()
        assert (ready["type"], ready["sample_rate"], ready["encoding"]) == (
            "ready",
            16000,
            "linear16",
        )
        assert ready["model_id"]
        for at in range(0, len(pcm), 3200):
            ear.send(pcm[at : at + 3200])
        ear.say(type="finalize")
        messages = ear.until("final_transcript")
        whole = messages[-1]
        assert wer(text, whole["text"]) <= 0.25
        assert abs(whole["audio_duration_seconds"] - len(pcm) / 32000) < 1.0
        parts = [m for m in messages if m["type"] == "transcript"]
        assert {m["is_final"] for m in parts} == {False, True}
        assert " ".join(m["text"] for m in parts if m["is_final"]) == whole["text"]
        assert all("timestamp" in m and m["context_id"] for m in parts)


def test_the_language_of_the_url_counts_if_audio_comes_first(dev: Gateway) -> None:
    pcm, _ = clip("goforward.raw")
    with dev.open("/v1/stt/whisper-websocket-stream?language=fr") as ear:
        ear.send(pcm[:3200])
        assert ear.hear()["type"] == "ready"
        assert ear.hear()["code"] == "substituted"
        warning = ear.hear()
        assert (warning["type"], warning["option"]) == ("warning", "language")
