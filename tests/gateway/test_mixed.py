"""The provider's own messages and the unified ones on one socket, told apart frame by frame."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from conftest import Gateway, Talk, audio
from speech import clip, wer
from voxway.audio.decode import Decoder
from voxway.audio.formats import AudioFormat

HELLO = "Hello world, this is the gateway."
VOICE_SETTINGS = {"stability": 0.5}


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Every model answered by the local engines."""
    started = Gateway(tmp_path_factory.mktemp("mixed"), "--dev")
    started.wait_ready()
    yield started
    assert [line for line in started.logged().splitlines() if '"bug"' in line] == []
    started.stop()


def heard(gateway: Gateway, data: bytes, encoding: str = "linear16", rate: int = 24_000) -> str:
    decoder = Decoder(AudioFormat(encoding, rate), 16_000)
    with gateway.recognition() as ear:
        return ear.transcript(decoder.feed(data) + decoder.flush())


def native_audio(messages: list[dict[str, Any]]) -> bytes:
    """The speech in ElevenLabs' or Cartesia's messages."""
    chunks = [m.get("audio") or m.get("data") or "" for m in messages]
    return b"".join(base64.b64decode(chunk) for chunk in chunks)


def hear_until(talk: Talk, is_last: str) -> list[dict[str, Any]]:
    """Native messages up to the one that has this field set."""
    messages: list[dict[str, Any]] = []
    while not messages or not messages[-1].get(is_last):
        frame = talk.socket.recv(30)
        messages.append(json.loads(frame))
    return messages


def rest(talk: Talk) -> None:
    """Hear all that is on its way, in a dialect without a terminal."""
    while True:
        try:
            talk.socket.recv(3)
        except TimeoutError:
            return


def quiet_after(talk: Talk, seconds: float) -> bytes:
    """All binary audio until nothing has come for a while."""
    data = b""
    while True:
        try:
            frame = talk.socket.recv(seconds)
        except TimeoutError:
            return data
        assert isinstance(frame, bytes), frame
        data += frame


def test_elevenlabs_text_then_a_unified_flush(dev: Gateway) -> None:
    """The guide's first example."""
    with dev.open("/v1/tts/elevenlabs-websocket-stream?output_format=pcm_24000") as talk:
        talk.say(text=HELLO, voice_settings=VOICE_SETTINGS)
        talk.say(type="flush")
        talk.say(text="")
        messages = hear_until(talk, "isFinal")
    assert {"audio", "isFinal", "alignment"} <= set(messages[0])
    assert wer(HELLO, heard(dev, native_audio(messages))) <= 0.1


def test_elevenlabs_speaks_mp3_if_nothing_else_is_asked_for(dev: Gateway) -> None:
    with dev.open("/v1/tts/elevenlabs-websocket-stream") as talk:
        talk.say(text=HELLO, voice_settings=VOICE_SETTINGS)
        talk.say(text="")
        speech = native_audio(hear_until(talk, "isFinal"))
    assert wer(HELLO, heard(dev, speech, "mp3", 44_100)) <= 0.1


def test_orpheus_bare_text_and_a_control_message(dev: Gateway) -> None:
    """The guide's second example: words as they are, audio as it is."""
    with dev.open("/v1/tts/orpheus-websocket-stream") as talk:
        talk.send(HELLO)
        talk.say(type="control", action="flush")
        assert wer(HELLO, heard(dev, quiet_after(talk, 1.5))) <= 0.1


@pytest.mark.parametrize(
    "init",
    [
        ("orpheus", {"voice_id": "tara"}),
        ("orpheus", {"voice_id": "tara", "buffer_size": 10, "max_tokens": 6144}),
        ("orpheus-indic", {"voice_id": "kanak", "language": "hi"}),
        (
            "elevenlabs",
            {
                "voice_id": "21m00Tcm4TlvDq8ikWAM",
                "voice_settings": {"stability": 0.5, "similarity_boost": 0.75},
                "generation_config": {"chunk_length_schedule": [120, 160, 250]},
            },
        ),
        ("cartesia", {"voice_id": "694f9389", "context_id": "session-123", "language": "en"}),
        ("deepgram", {"voice_id": "aura-asteria-en"}),
    ],
    ids=lambda init: init[0],
)
def test_the_same_unified_code_for_every_provider(
    dev: Gateway, init: tuple[str, dict[str, Any]]
) -> None:
    name, fields = init
    with dev.open(f"/v1/tts/{name}-websocket-stream") as talk:
        talk.say(type="init", **fields)
        talk.until("ready")
        talk.say(type="input_text", text=HELLO)
        talk.say(type="flush")
        assert wer(HELLO, heard(dev, audio(talk.until("audio_end")))) <= 0.1


def test_native_text_after_init_is_answered_in_unified_form(dev: Gateway) -> None:
    with dev.open("/v1/tts/elevenlabs-websocket-stream") as talk:
        talk.say(type="init", voice_id="21m00Tcm4TlvDq8ikWAM")
        talk.until("ready")
        talk.say(text=HELLO + " ", flush=True)
        assert wer(HELLO, heard(dev, audio(talk.until("audio_end")))) <= 0.1


def test_a_native_opening_after_init_turns_the_answers_and_init_turns_them_back(
    dev: Gateway,
) -> None:
    with dev.open("/v1/tts/elevenlabs/eleven-flash:2.5") as talk:
        talk.say(type="init", config={"sample_rate": 24_000})
        talk.until("ready")
        talk.say(text=HELLO + " ", voice_settings=VOICE_SETTINGS, flush=True)
        first = json.loads(talk.socket.recv(30))
        while "isFinal" not in first:  # warnings that were on their way
            first = json.loads(talk.socket.recv(30))
        assert first["audio"]
        rest(talk)
        talk.say(type="init")
        talk.until("ready")
        talk.say(type="text", text=HELLO, flush=True)
        assert wer(HELLO, heard(dev, audio(talk.until("audio_end")))) <= 0.1


def test_deepgram_messages_on_its_own_endpoint(dev: Gateway) -> None:
    with dev.open("/v1/tts/deepgram-websocket-stream") as talk:
        talk.say(type="Speak", text=HELLO)
        talk.say(type="Flush")
        messages = talk.until("Flushed")
        speech = b"".join(m["data"] for m in messages if m["type"] == "binary")
        assert wer(HELLO, heard(dev, speech)) <= 0.1
        talk.say(type="clear")  # the unified word, answered in the form that was begun
        assert talk.until("Cleared")[-1]["sequence_id"] == 1


def test_cartesia_requests_on_its_own_endpoint(dev: Gateway) -> None:
    with dev.open("/v1/tts/cartesia/sonic:3") as talk:
        talk.say(
            context_id="c1",
            model_id="sonic-3",
            transcript=HELLO,
            voice={"mode": "id", "id": "694f9389"},
            output_format={"container": "raw", "encoding": "pcm_s16le", "sample_rate": 24_000},
        )
        messages = hear_until(talk, "done")
        assert {m["context_id"] for m in messages} == {"c1"}
        assert wer(HELLO, heard(dev, native_audio(messages))) <= 0.1


def test_deepgram_messages_to_a_recognizer(dev: Gateway) -> None:
    pcm, text = clip("austen-0890.wav")
    with dev.open("/v1/stt/deepgram/nova:3?encoding=linear16&sample_rate=16000") as talk:
        talk.say(type="KeepAlive")
        talk.send(pcm)
        talk.say(type="Finalize")
        finals: list[dict[str, Any]] = []
        while not finals or not finals[-1]["from_finalize"]:
            message = talk.hear()
            if message["type"] == "Results" and message["is_final"]:
                finals.append(message)
        said = " ".join(m["channel"]["alternatives"][0]["transcript"] for m in finals)
        assert wer(text, said) <= 0.1
        talk.say(type="CloseStream")
        assert talk.rest()[-1]["type"] == "Metadata"
        assert talk.socket.close_code == 1000


def test_a_bare_word_to_a_recognizer(dev: Gateway) -> None:
    pcm, text = clip("austen-0890.wav")
    with dev.open("/v1/stt/cartesia/ink:2") as talk:
        talk.say(type="init", config={"sample_rate": 16_000})
        talk.until("ready")
        talk.send(pcm)
        talk.send("finalize")
        finals = [m for m in talk.until("final_transcript") if m["type"] == "final_transcript"]
        while not finals[-1].get("from_finalize"):
            finals.append(talk.until("final_transcript")[-1])
        assert wer(text, " ".join(m["transcript"] for m in finals)) <= 0.1


@pytest.mark.parametrize(
    ("path", "frame"),
    [
        ("/v1/tts/elevenlabs-websocket-stream", "Hello world"),
        ("/v1/tts/elevenlabs-websocket-stream", "[1]"),
        ("/v1/tts/deepgram-websocket-stream", '{"text":"Hello"}'),
        ("/v1/tts/deepgram-websocket-stream", '{"type":"speek"}'),
        ("/v1/stt/deepgram/nova:3", '{"type":"finalise"}'),
        ("/v1/tts/local/hibari:en", '{"text":"Hello"}'),
    ],
)
def test_what_is_neither_is_an_error_that_says_so(dev: Gateway, path: str, frame: str) -> None:
    with dev.open(path) as talk:
        talk.send(frame)
        error = talk.until("error")[-1]
        assert error["code"] == "invalid_request"
        talk.say(type="init")
        talk.until("ready")
