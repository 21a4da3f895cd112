"""Bad input of every kind: a typed error that names the field, and the session lives on."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from conftest import Gateway, Talk, audio
from speech import clip, wer
from voxway.audio.wav import wav_header


def lives_on(talk: Talk) -> None:
    assert len(talk.utterance("Yes.")) > 4800


def error(talk: Talk) -> dict[str, Any]:
    return next(m for m in iter(talk.hear, None) if m["type"] == "error")


@pytest.mark.parametrize(
    ("frame", "code", "param", "words"),
    [
        ('{"type":"sing"}', "invalid_request", "type", "unknown message type 'sing'"),
        ('{"type":"text"}', "invalid_request", "text", "missing required field"),
        ('{"type":"text","text":5}', "invalid_request", "text", "got `int`"),
        ("plain words", "invalid_request", None, "not JSON"),
        ("[" * 100_000, "invalid_request", None, "not JSON"),
        (
            '{"type":"init","x":' + "[" * 2000 + "]" * 2000 + "}",
            "invalid_request",
            None,
            "not JSON",
        ),
        ("[1,2,3]", "invalid_request", "type", "not array"),
        ('{"text":"no type"}', "invalid_request", "type", "no `type`"),
        (b"\0\1\0\1", "invalid_request", "audio", "audio on a text-to-speech socket"),
        (b"", "invalid_request", "audio", "audio on a text-to-speech socket"),
        ('{"type":"audio","data":"AAAA"}', "invalid_request", "audio", "audio on a text"),
        ('{"type":"init","config":{"sample_rate":7}}', "config_error", "sample_rate", "7 is out"),
        ('{"type":"init","config":{"encoding":"x"}}', "config_error", "encoding", "not one of"),
        ('{"type":"init","config":{"speed":9}}', "config_error", "speed", "9 is outside 0.5-2"),
        ('{"type":"init","config":7}', "invalid_request", "config", "Expected `object`"),
        ('{"type":"init","voice":"x"}', "config_error", "voice", "not one of heart"),
    ],
)
def test_on_a_speech_socket(
    gateway: Gateway, frame: str | bytes, code: str, param: str | None, words: str
) -> None:
    with gateway.open("/v1/tts/local/hibari:en") as talk:
        talk.send(frame)
        message = error(talk)
        assert (message["code"], message.get("param")) == (code, param)
        assert message["retryable"] is False
        assert words in message["message"]
        lives_on(talk)


@pytest.mark.parametrize(
    ("frame", "param", "words"),
    [
        (b"", "audio", "0 bytes"),
        (wav_header(16000, 200) + bytes(200), "audio", "RIFF/WAVE header inside linear16"),
        ('{"type":"text","text":"Hi"}', "type", "text on a speech-to-text socket"),
        ('{"type":"clear"}', "type", "clear on a speech-to-text socket"),
        ('{"type":"init"}', "type", "configured already"),
        ('{"type":"audio","data":"%"}', "data", "base64"),
        ('{"type":"audio"}', "data", "missing required field"),
        ("nonsense", None, "not JSON"),
    ],
)
def test_on_a_recognition_socket(
    gateway: Gateway, frame: str | bytes, param: str | None, words: str
) -> None:
    pcm, text = clip("austen-0880.wav")
    with gateway.recognition() as ear:
        ear.send(frame)
        message = error(ear)
        assert (message["code"], message.get("param")) == ("invalid_request", param)
        assert words in message["message"]
        assert wer(text, ear.transcript(pcm)) <= 0.3


def test_an_odd_frame_is_told_and_joined_to_the_next(gateway: Gateway) -> None:
    pcm, text = clip("austen-0880.wav")
    with gateway.recognition() as ear:
        ear.send(pcm[:641])
        message = error(ear)
        assert (message["code"], message["param"]) == ("invalid_request", "audio")
        assert "frame of 641 bytes is not whole 2-byte samples" in message["message"]
        assert wer(text, ear.transcript(pcm[641:], chunk=999)) <= 0.3


def test_init_twice_is_an_error_and_changes_nothing(gateway: Gateway) -> None:
    with gateway.speech(sample_rate=16000) as talk:
        talk.say(type="init", config={"sample_rate": 8000})
        assert "configured already" in error(talk)["message"]
        talk.say(type="text", text="Yes.", flush=True)
        messages = talk.until("audio_end")
        assert len(audio(messages)) == round(messages[-1]["duration"] * 32000)


def test_a_megabyte_of_text_is_refused_with_its_close_code(gateway: Gateway) -> None:
    with gateway.open("/v1/tts/local/hibari:en", key="test-enterprise") as talk:
        talk.say(type="text", text="x" * 1_000_000)
        messages = talk.rest()
        assert messages[0]["code"] == "payload_too_large"
        assert "is over 131072" in messages[0]["message"]
        assert messages[1]["type"] == "session_ended"
        assert talk.socket.close_code == 4002


@pytest.mark.parametrize(("key", "chars"), [("test-free", 500), ("test-pro", 2_000)])
def test_text_over_the_tier_is_refused(gateway: Gateway, key: str, chars: int) -> None:
    with gateway.open("/v1/tts/local/hibari:en", key=key) as talk:
        talk.say(type="text", text="x" * (chars + 1))
        assert f"text of {chars + 1} characters is over {chars}" in talk.hear()["message"]
        assert talk.close_code() == 4002


def test_too_many_messages_close_with_4001(gateway: Gateway) -> None:
    with gateway.open("/v1/tts/local/hibari:en", key="test-free") as talk:
        for _ in range(21):
            talk.say(type="keepalive")
        message = talk.hear()
        assert (message["code"], message["retryable"]) == ("rate_limit", True)
        assert talk.close_code() == 4001


def test_mp3_that_is_none_is_an_error(gateway: Gateway) -> None:
    with gateway.recognition(encoding="flac") as ear:
        ear.send(b"this is no flac at all, not in the least " * 2000)
        ear.say(type="close")
        assert "error" in [m["type"] for m in ear.rest()]


def test_random_frames_never_hurt_anybody(gateway: Gateway) -> None:
    """A thousand frames of noise on each kind of socket: only typed answers, and all else works."""
    noise = random.Random(1)
    words = ["init", "text", "flush", "clear", "audio", "finalize", "config", "\ud83d", "type"]
    for path in ("/v1/tts/local/hibari:en", "/v1/stt/local/moonshine:tiny-en"):
        with gateway.open(path) as talk:
            for _ in range(1000):
                if noise.random() < 0.4:
                    talk.send(noise.randbytes(noise.randrange(200)))
                else:
                    message: dict[str, Any] = {
                        noise.choice(words): noise.choice([1, None, [], {}, *words])
                    }
                    text = json.dumps(message)
                    talk.send(text[: noise.randrange(len(text) + 1)])
            talk.say(type="ping")
            known = {"error", "ready", "flushed", "audio_end", "cleared", "audio_chunk"}
            known |= {"segment_start", "segment_end", "final_transcript", "partial_transcript"}
            assert {m["type"] for m in talk.until("pong")} <= known | {"pong"}
    with gateway.speech() as talk:
        lives_on(talk)
    assert gateway.health()["status"] == "ok"
