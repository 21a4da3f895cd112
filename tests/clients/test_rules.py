"""The rules that make every client of the unified protocol work, one test or more for each.

They were derived from the sources and the traffic of the clients; who needs which is said there.
"""

from __future__ import annotations

import base64
import socket
import time
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from conftest import Gateway, Talk
from speech import SENTENCES, clip, wer

from .conftest import Judge
from .replay import speech

TTS = "/v1/bridges/unmute/tts/slng/deepgram/aura:2-en"
STT = "/v1/bridges/unmute/stt/slng/deepgram/nova:3-en"
WATER = "Water boils at 100 degrees at sea level."
TRAIN = "The train to Manchester leaves from platform 9."
LONG = " ".join([WATER, TRAIN] * 6)
RATE = 24_000


def speaking(house: Gateway, path: str = TTS, **config: Any) -> Talk:
    """A speech session on the bridge, ready."""
    talk = house.open(path)
    talk.say(type="init", voice="aura-2-thalia-en", config={"sample_rate": RATE} | config)
    talk.ready = talk.until("ready")[-1]
    return talk


def listening(house: Gateway, path: str = STT, **config: Any) -> Talk:
    """A recognition session on the bridge, ready."""
    talk = house.open(path)
    audio = {"sample_rate": 16_000, "encoding": "linear16"}
    talk.say(type="init", config=audio | config)
    talk.ready = talk.until("ready")[-1]
    return talk


def send(talk: Talk, pcm: bytes, by: int = 2048) -> None:
    for at in range(0, len(pcm), by):
        talk.send(pcm[at : at + by])


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return [message["type"] for message in messages]


def finals(messages: list[dict[str, Any]]) -> str:
    """What the final transcripts say."""
    texts = [m["transcript"] for m in messages if m["type"] == "final_transcript"]
    return " ".join(filter(None, texts))


@pytest.mark.parametrize("path", [TTS, TTS.replace("slng/deep", "slng%2Fdeep"), TTS + "/"])
def test_1_the_model_is_read_from_the_decoded_path(house: Gateway, path: str) -> None:
    with speaking(house, path) as talk:
        assert talk.ready["model_id"] == "slng/deepgram/aura:2-en"


def test_1_wholly_encoded_path(house: Gateway) -> None:
    with house.open("/v1/bridges/unmute/tts/slng%2Fdeepgram%2Faura%3A2-en") as talk:
        talk.say(type="init")
        assert talk.until("ready")[-1]["model_id"] == "slng/deepgram/aura:2-en"


def refused(gateway: Gateway, path: str, **headers: str) -> dict[str, Any]:
    """The status, headers and body of a refusal."""
    sent = {"Authorization": f"Bearer {gateway.key}"} | headers
    with pytest.raises(InvalidStatus) as caught:
        gateway.open(path, headers=sent)
    response = caught.value.response
    return {"status": response.status_code, "headers": response.headers, "body": response.body}


def test_2_a_wrong_key_is_refused_before_the_upgrade(house: Gateway) -> None:
    refusal = refused(house, TTS, Authorization="Bearer wrong")
    assert refusal["status"] == 401
    assert b'"code":"auth_error"' in refusal["body"]
    assert b"wrong" not in refusal["body"]


@pytest.mark.parametrize("task", ["tts", "stt"])
def test_2_an_unknown_model_is_refused_before_the_upgrade(gateway: Gateway, task: str) -> None:
    refusal = refused(gateway, f"/v1/bridges/unmute/{task}/nobody/nothing:1")
    assert refusal["status"] == 404
    assert b'"code":"model_not_found"' in refusal["body"]


@pytest.mark.parametrize("path", [TTS, STT])
def test_2_an_own_provider_key_is_refused_on_hosted_models(house: Gateway, path: str) -> None:
    refusal = refused(house, path, **{"X-Slng-Provider-Key": "sk-mine"})
    assert refusal["status"] == 400
    assert b"BYOK is only supported for external STT/TTS routes" in refusal["body"]
    assert b"sk-mine" not in refusal["body"]


def test_2_over_the_limit_is_refused_before_the_upgrade(house: Gateway) -> None:
    free = {"Authorization": "Bearer test-free"}
    with house.open(TTS, headers=free):
        refusal = refused(house, TTS, **free)
    assert refusal["status"] == 429
    assert int(refusal["headers"]["Retry-After"]) >= 1


def test_3_speech_is_binary_on_the_bridge_in_whole_samples(house: Gateway, judge: Judge) -> None:
    text = " ".join(SENTENCES[12:16])
    with speaking(house) as talk:
        messages = utterance(talk, text)
    frames = [m["data"] for m in messages if m["type"] == "binary"]
    assert "audio_chunk" not in kinds(messages)
    assert all(len(frame) % 2 == 0 and 0 < len(frame) <= 1 << 20 for frame in frames)
    assert judge.wer(text, b"".join(frames)) <= 0.15


def test_3_speech_is_json_on_the_documented_route(house: Gateway) -> None:
    with speaking(house, "/v1/tts/slng/deepgram/aura:2-en") as talk:
        assert "binary" not in kinds(utterance(talk, WATER))


def test_3_the_transport_can_be_chosen(house: Gateway) -> None:
    with speaking(house, TTS + "?audio=json") as talk:
        chunks = [m for m in utterance(talk, WATER) if m["type"] == "audio_chunk"]
        assert all(base64.b64decode(chunk["data"]) for chunk in chunks)
        assert chunks
    with speaking(house, TTS, audio_transport="json") as talk:
        assert "audio_chunk" in kinds(utterance(talk, WATER))
    with speaking(house, "/v1/tts/slng/deepgram/aura:2-en?audio=binary") as talk:
        assert "binary" in kinds(utterance(talk, WATER))


def utterance(talk: Talk, text: str) -> list[dict[str, Any]]:
    talk.say(type="text", text=text)
    talk.say(type="flush")
    return talk.until("audio_end")


def test_4_one_terminal_an_utterance_on_the_bridge(house: Gateway) -> None:
    with speaking(house) as talk:
        for _ in range(3):
            talk.say(type="text", text=WATER, flush=True)
        talk.say(type="flush")
        messages = [m for _ in range(4) for m in talk.until("audio_end")]
        talk.say(type="ping")
        messages += talk.until("pong")
    assert kinds(messages).count("audio_end") == 4
    assert "flushed" not in kinds(messages)


def test_4_the_terminal_can_be_chosen(house: Gateway) -> None:
    with speaking(house, terminal="flushed") as talk:
        talk.say(type="text", text=WATER, flush=True)
        talk.say(type="flush")
        messages = talk.until("flushed") + talk.until("flushed")
    assert "audio_end" not in kinds(messages)
    with speaking(house, terminal="both") as talk:
        talk.say(type="text", text=WATER, flush=True)
        assert kinds(talk.until("audio_end"))[-2:] == ["flushed", "audio_end"]


def test_5_the_terminal_comes_after_the_last_audio_in_order(house: Gateway, judge: Judge) -> None:
    with speaking(house) as talk:
        for text in (WATER, TRAIN):
            talk.say(type="text", text=text)
            talk.say(type="flush")
        first, second = talk.until("audio_end"), talk.until("audio_end")
    assert judge.wer(WATER, speech(first)) <= 0.15
    assert judge.wer(TRAIN, speech(second)) <= 0.15


def test_6_text_before_ready_is_kept(house: Gateway, judge: Judge) -> None:
    with house.open(TTS) as talk:
        talk.say(type="init", config={"sample_rate": RATE})
        talk.say(type="text", text="Water boils at 100 degrees ")
        talk.say(type="text", text="at sea level.")
        talk.say(type="flush")
        messages = talk.until("audio_end")
    assert kinds(messages).index("ready") < kinds(messages).index("binary")
    assert judge.wer(WATER, speech(messages)) <= 0.15


def test_6_audio_before_ready_is_kept(house: Gateway) -> None:
    pcm, text = clip("austen-0880.wav")
    with house.open(STT) as talk:
        talk.say(type="init", config={"sample_rate": 16_000, "encoding": "linear16"})
        send(talk, pcm)
        talk.say(type="finalize")
        assert wer(text, finals(talk.until("final_transcript"))) <= 0.25


@pytest.mark.parametrize("path", [TTS, STT])
def test_7_ready_comes_soon_and_says_who(house: Gateway, path: str) -> None:
    with house.open(path) as talk:
        began = time.monotonic()
        talk.say(type="init")
        ready = talk.until("ready")[-1]
        assert time.monotonic() - began < 3.0
        assert ready["session_id"]
        assert ready["slng_request_id"]


def test_7_partial_text_is_announced(house: Gateway, judge: Judge) -> None:
    with speaking(house) as talk:
        assert talk.ready["accepts_partial_text"] is True
        talk.say(type="text", text="Water boils at 100 degrees ", partial=True)
        talk.say(type="text", text="at sea level.")
        talk.say(type="flush")
        assert judge.wer(WATER, speech(talk.until("audio_end"))) <= 0.15


@pytest.mark.parametrize("text", [None, "", "   ", "\n\t"])
def test_8_every_flush_gets_a_terminal_even_for_nothing(house: Gateway, text: str | None) -> None:
    with speaking(house) as talk:
        if text is not None:
            talk.say(type="text", text=text)
        talk.say(type="flush")
        assert "binary" not in kinds(talk.until("audio_end"))
        assert "binary" in kinds(utterance(talk, WATER))


@pytest.mark.parametrize(("rate", "by"), [(16_000, 2048), (16_000, 640), (8_000, 1600)])
def test_9_binary_frames_are_pcm_of_the_given_rate(house: Gateway, rate: int, by: int) -> None:
    pcm, text = clip("austen-0880.wav")
    if rate == 8_000:
        samples = memoryview(pcm).cast("h")
        pcm = bytes(memoryview(bytes(samples[::2].tobytes())))
    with listening(house, sample_rate=rate) as talk:
        send(talk, pcm, by)
        talk.say(type="finalize")
        assert wer(text, finals(talk.until("final_transcript"))) <= 0.3


def test_10_finalize_is_answered_by_a_final_after_partials(house: Gateway) -> None:
    pcm, text = clip("austen-0870.wav")
    with listening(house, enable_partials=True) as talk:
        send(talk, pcm)
        talk.say(type="finalize")
        talk.say(type="ping")
        messages = talk.until("final_transcript")
        while not messages[-1].get("from_finalize"):
            messages += talk.until("final_transcript")
    assert "partial_transcript" in kinds(messages)
    assert wer(text, finals(messages)) <= 0.25


def test_10_close_delivers_the_outstanding_final(house: Gateway) -> None:
    pcm, text = clip("austen-0870.wav")
    with listening(house, enable_partials=True) as talk:
        send(talk, pcm)
        talk.until("partial_transcript")
        talk.say(type="close")
        messages = talk.rest()
        assert talk.socket.close_code == 1000
    assert wer(text, finals(messages)) <= 0.25
    last = [k for k in kinds(messages) if k.endswith("transcript")][-1]
    assert last == "final_transcript"


def test_11_the_gateway_does_not_hang_up_on_a_listener(house: Gateway) -> None:
    pcm, text = clip("austen-0880.wav")
    with listening(house) as talk:
        for _ in range(3):
            send(talk, pcm)
            talk.say(type="finalize")
            assert wer(text, finals(talk.until("final_transcript"))) <= 0.25


@pytest.mark.parametrize("open", [speaking, listening])
def test_12_keepalive_is_silent(house: Gateway, open: Any) -> None:
    with open(house) as talk:
        for _ in range(5):
            talk.say(type="keepalive")
        talk.say(type="ping")
        assert [k for k in kinds(talk.until("pong")) if k != "warning"] == ["pong"]


def test_13_pings_are_answered(house: Gateway) -> None:
    with speaking(house) as talk:
        assert talk.socket.ping().wait(5.0)


def test_14_close_stops_at_once(house: Gateway) -> None:
    with speaking(house) as talk:
        talk.say(type="text", text=LONG, flush=True)
        talk.until("binary")
        talk.say(type="close")
        messages = talk.rest()
        assert talk.socket.close_code == 1000
    assert "audio_end" not in kinds(messages)


def test_14_close_frame_right_after_close(house: Gateway) -> None:
    with speaking(house) as talk:
        talk.say(type="text", text=LONG, flush=True)
        talk.say(type="close")
        talk.socket.close()
        assert talk.socket.close_code == 1000


def test_14_a_client_that_just_goes_away_leaves_nothing(house: Gateway) -> None:
    with speaking(house) as talk:
        talk.say(type="text", text=LONG, flush=True)
        talk.until("binary")
        talk.socket.socket.shutdown(socket.SHUT_RDWR)
    deadline = time.monotonic() + 5.0
    while house.health()["sessions"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_15_clear_is_answered_and_nothing_old_follows(house: Gateway, judge: Judge) -> None:
    with speaking(house) as talk:
        talk.say(type="text", text=LONG, flush=True)
        talk.until("binary")
        talk.say(type="clear")
        talk.until("cleared")
        talk.say(type="text", text=WATER, flush=True)
        messages = talk.until("audio_end")
        assert judge.wer(WATER, speech(messages)) <= 0.15
        talk.say(type="ping")
        assert kinds(talk.until("pong")) == ["pong"]


def test_15_cancel_is_silent_on_the_bridge(house: Gateway, judge: Judge) -> None:
    with speaking(house) as talk:
        talk.say(type="text", text=LONG, flush=True)
        talk.until("binary")
        talk.say(type="cancel")
        talk.say(type="ping")
        assert not {"audio_end", "cleared", "error"} & set(kinds(talk.until("pong")))
        assert judge.wer(WATER, speech(utterance(talk, WATER))) <= 0.15


def test_16_unknown_fields_are_ignored(house: Gateway, judge: Judge) -> None:
    with house.open(TTS) as talk:
        extra = {"vad_threshold": 0.5, "whisper_params": {"task": "translate"}, "modelId": "arcana"}
        talk.say(type="init", model="nova-3", speaker="astra", config=extra | {"sample_rate": RATE})
        assert "error" not in kinds(talk.until("ready"))
        talk.say(type="text", text=WATER, flush=True, emotion="calm")
        messages = talk.until("audio_end")
    assert "error" not in kinds(messages)
    assert judge.wer(WATER, speech(messages)) <= 0.15


@pytest.mark.parametrize("frame", ['{"type":"dance"}', "hello", "[1]", '{"type":7}', "{"])
def test_16_unknown_messages_leave_the_socket_open(house: Gateway, frame: str) -> None:
    with speaking(house) as talk:
        talk.send(frame)
        assert "binary" in kinds(utterance(talk, WATER))


def test_16_what_is_no_json_is_an_invalid_request(house: Gateway) -> None:
    with speaking(house) as talk:
        talk.send("hello")
        error = talk.until("error")[-1]
        assert error["code"] == "invalid_request"


@pytest.mark.parametrize("config", [{"sample_rate": "loud"}, {"encoding": "vinyl"}])
def test_17_an_error_in_init_is_told_flat_and_then_closed(
    house: Gateway, config: dict[str, Any]
) -> None:
    with house.open(TTS) as talk:
        talk.say(type="init", config=config)
        messages = talk.rest()
        error = next(m for m in messages if m["type"] == "error")
        assert isinstance(error["code"], str)
        assert error["message"]
        assert "ready" not in kinds(messages)
        assert talk.socket.close_code in (1008, 1011)
