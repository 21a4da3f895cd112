"""Deepgram's own HTTP endpoints, as its clients use them."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from conftest import Gateway
from speech import SENTENCES, clip, wer
from voxway.audio.encode import Encoder
from voxway.audio.formats import AudioFormat
from voxway.audio.wav import WavHeader, parse_header, wav_header

SPEAK, LISTEN = "/v1/speak", "/v1/listen"
SENTENCE = SENTENCES[7]
PCM, SAID = clip("austen-0870.wav")
WAV = wav_header(16_000, len(PCM)) + PCM
SAMPLES = "encoding=linear16&sample_rate=16000"


@pytest.fixture(scope="module")
def api(dev: Gateway) -> Iterator[httpx.Client]:
    with dev.api() as client:
        client.headers["Authorization"] = f"Token {dev.key}"  # as its SDK does
        yield client


@pytest.mark.parametrize(
    ("query", "media_type", "encoding", "rate"),
    [
        ("", "audio/mpeg", "mp3", 22_050),
        ("&encoding=mp3&bit_rate=32000", "audio/mpeg", "mp3", 22_050),
        ("&encoding=opus", "audio/ogg", "opus", 48_000),
        ("&encoding=opus&container=ogg", "audio/ogg", "opus", 48_000),
        ("&encoding=flac", "audio/flac", "flac", 22_050),
        ("&encoding=flac&sample_rate=8000", "audio/flac", "flac", 8_000),
        ("&encoding=aac&bit_rate=48000", "audio/aac", "aac", 22_050),
        ("&encoding=linear16", "audio/wav", "wav", 24_000),
        ("&encoding=linear16&container=wav&sample_rate=48000", "audio/wav", "wav", 48_000),
        ("&encoding=mulaw", "audio/wav", "wav", 8_000),
        ("&encoding=alaw&sample_rate=16000", "audio/wav", "wav", 16_000),
        (
            "&encoding=mulaw&container=none",
            "audio/pcmu;rate=8000;channels=1",
            "mulaw",
            8_000,
        ),
    ],
)
def test_speech_in_every_format(
    dev: Gateway, api: httpx.Client, query: str, media_type: str, encoding: str, rate: int
) -> None:
    answer = api.post(f"{SPEAK}?model=aura-2-thalia-en{query}", json={"text": SENTENCE})
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    if encoding == "wav":
        header = parse_header(answer.content)
        assert isinstance(header, WavHeader)
        assert header.format.sample_rate == rate
    assert wer(SENTENCE, dev.heard(answer.content, encoding, rate)) <= 0.25


def test_what_the_headers_of_speech_say(api: httpx.Client) -> None:
    answer = api.post(f"{SPEAK}?model=aura-2-thalia-en", json={"text": "Hello."})
    headers = answer.headers
    assert headers["dg-request-id"] == headers["x-request-id"]
    assert headers["dg-model-name"] == "aura-2-thalia-en"
    assert str(uuid.UUID(headers["dg-model-uuid"])) == headers["dg-model-uuid"]
    assert headers["dg-char-count"] == "6"
    assert "answers in its place" in headers["x-slng-warning"]


def test_an_id_of_the_catalog_is_a_model(api: httpx.Client) -> None:
    answer = api.post(f"{SPEAK}?model=local/hibari:en", json={"text": "Hello."})
    assert answer.status_code == 200
    assert answer.headers["dg-model-name"] == "local/hibari:en"
    assert "x-slng-warning" not in answer.headers


def encoded(encoding: str, rate: int) -> bytes:
    encoder = Encoder(AudioFormat(encoding, rate), 16_000)
    return encoder.feed(PCM) + encoder.flush()


@pytest.mark.parametrize(
    ("query", "audio"),
    [
        ("", WAV),
        ("", encoded("mp3", 16_000)),
        ("", encoded("opus", 16_000)),
        ("", encoded("aac", 16_000)),
        (SAMPLES, PCM),
        ("encoding=mulaw&sample_rate=8000", encoded("mulaw", 8_000)),
    ],
    ids=["wav", "mp3", "ogg", "aac", "linear16", "mulaw"],
)
def test_recognition(api: httpx.Client, query: str, audio: bytes) -> None:
    answer = api.post(f"{LISTEN}?{query}", content=audio)
    assert answer.status_code == 200, answer.text
    [channel] = answer.json()["results"]["channels"]
    assert wer(SAID, channel["alternatives"][0]["transcript"]) <= 0.2


@pytest.mark.parametrize("media_type", ["application/octet-stream", "audio/*"])
def test_any_media_type_will_do(api: httpx.Client, media_type: str) -> None:
    answer = api.post(f"{LISTEN}", content=WAV, headers={"Content-Type": media_type})
    assert answer.status_code == 200


def test_all_that_recognition_tells(api: httpx.Client) -> None:
    query = "model=nova-3&language=en-US&punctuate=true&utterances=true&keyterm=a&keyterm=b"
    answer = api.post(f"{LISTEN}?{query}", content=WAV, headers={"Content-Type": "audio/wav"})
    body: dict[str, Any] = answer.json()
    assert answer.headers["dg-request-id"] == body["metadata"]["request_id"]
    metadata = body["metadata"]
    assert metadata["transaction_key"] == "deprecated"
    assert metadata["sha256"] == hashlib.sha256(WAV).hexdigest()
    assert metadata["created"].endswith("Z")
    assert metadata["duration"] == pytest.approx(len(PCM) / 32_000, abs=0.01)
    assert metadata["channels"] == 1
    [model] = metadata["models"]
    assert metadata["model_info"][model]["name"] == "nova-3"
    [channel] = body["results"]["channels"]
    [alternative] = channel["alternatives"]
    assert "detected_language" not in channel
    assert 0 <= alternative["confidence"] <= 1
    words = alternative["words"]
    assert " ".join(word["punctuated_word"] for word in words) == alternative["transcript"]
    assert all(word["word"] == word["word"].lower() for word in words)
    times = [(word["start"], word["end"]) for word in words]
    assert times == sorted(times)
    utterances = body["results"]["utterances"]
    said = " ".join(utterance["transcript"] for utterance in utterances)
    assert said == alternative["transcript"]
    assert [word for u in utterances for word in u["words"]] == words
    assert all(0 <= u["start"] < u["end"] <= metadata["duration"] + 0.1 for u in utterances)


def test_speakers(api: httpx.Client) -> None:
    few = wav_header(16_000, 96_000) + PCM[:96_000]
    answer = api.post(f"{LISTEN}?diarize=true&utterances=true", content=few)
    utterances = answer.json()["results"]["utterances"]
    assert {u["speaker"] for u in utterances} == {0}
    assert {word["speaker"] for u in utterances for word in u["words"]} == {0}


def test_silence_is_no_words(api: httpx.Client) -> None:
    body = api.post(f"{LISTEN}?{SAMPLES}&utterances=true", content=bytes(32_000)).json()
    [channel] = body["results"]["channels"]
    assert channel["alternatives"] == [{"transcript": "", "confidence": 0.0, "words": []}]
    assert body["results"]["utterances"] == []


TEXT = {"json": {"text": "Hello."}}
AUDIO = {"content": WAV}


@pytest.mark.parametrize(
    ("path", "sent", "status", "code", "words"),
    [
        (f"{SPEAK}?encoding=speex", TEXT, 400, "INVALID_QUERY_PARAMETER", "encoding"),
        (
            f"{SPEAK}?encoding=mp3&container=wav",
            TEXT,
            400,
            "INVALID_QUERY_PARAMETER",
            "container wav is not one of none",
        ),
        (
            f"{SPEAK}?encoding=linear16&sample_rate=11025",
            TEXT,
            400,
            "INVALID_QUERY_PARAMETER",
            "sample_rate 11025",
        ),
        (f"{SPEAK}?callback=http://10.0.0.1", TEXT, 400, "INVALID_QUERY_PARAMETER", "callback"),
        (f"{SPEAK}?speed=3", TEXT, 400, "INVALID_QUERY_PARAMETER", "speed"),
        (f"{SPEAK}?bit_rate=1", TEXT, 400, "INVALID_QUERY_PARAMETER", "bit_rate"),
        (SPEAK, {"json": {}}, 400, "INVALID_QUERY_PARAMETER", "`text`"),
        (SPEAK, {"json": {"text": " "}}, 400, "INVALID_QUERY_PARAMETER", "nothing to say"),
        (SPEAK, {"content": b"{"}, 400, "INVALID_QUERY_PARAMETER", "not JSON"),
        (SPEAK, {"json": {"text": "a" * 2001}}, 413, "PAYLOAD_TOO_LARGE", "2001 characters"),
        (f"{LISTEN}?callback=http://10.0.0.1", AUDIO, 400, "INVALID_QUERY_PARAMETER", "callback"),
        (f"{LISTEN}?encoding=g729", AUDIO, 400, "INVALID_QUERY_PARAMETER", "g729"),
        (f"{LISTEN}?encoding=linear16", AUDIO, 400, "INVALID_QUERY_PARAMETER", "sample_rate"),
        (f"{LISTEN}?channels=2", AUDIO, 400, "INVALID_QUERY_PARAMETER", "channels"),
        (f"{LISTEN}?utterances=perhaps", AUDIO, 400, "INVALID_QUERY_PARAMETER", "utterances"),
        (LISTEN, {"content": PCM}, 400, "INVALID_QUERY_PARAMETER", "by its first bytes"),
        (LISTEN, {"content": b""}, 400, "INVALID_QUERY_PARAMETER", "0 bytes"),
        (
            LISTEN,
            {"json": {"url": "http://10.0.0.1/a"}},
            400,
            "INVALID_QUERY_PARAMETER",
            "calls nobody",
        ),
        (LISTEN, {"json": {}}, 400, "INVALID_QUERY_PARAMETER", "the audio itself"),
    ],
)
def test_refusals(
    api: httpx.Client, path: str, sent: dict[str, Any], status: int, code: str, words: str
) -> None:
    answer = api.post(path, **sent)
    body = answer.json()
    assert (answer.status_code, body["err_code"]) == (status, code), body
    assert words in body["err_msg"]
    assert answer.headers["dg-error"] == body["err_msg"]
    assert answer.headers["dg-request-id"] == body["request_id"]


@pytest.mark.parametrize("path", [SPEAK, LISTEN])
def test_a_wrong_key(dev: Gateway, path: str) -> None:
    answer = httpx.post(dev.http + path, headers={"Authorization": "Token no"}, json={"text": "a"})
    assert answer.status_code == 401
    body = answer.json()
    assert body["err_code"] == "INVALID_AUTH"
    assert set(body) == {"err_code", "err_msg", "request_id"}


def test_other_methods(api: httpx.Client) -> None:
    answer = api.put(SPEAK)
    assert (answer.status_code, answer.json()["err_code"]) == (405, "METHOD_NOT_ALLOWED")
    answer = api.get(SPEAK)
    assert (answer.status_code, answer.json()["err_code"]) == (426, "UPGRADE_REQUIRED")


def test_without_a_stand_in_the_provider_must_be_there(gateway: Gateway) -> None:
    with gateway.api() as api:
        answer = api.post(f"{SPEAK}?model=aura-2-thalia-en", json={"text": "a"})
    assert (answer.status_code, answer.json()["err_code"]) == (503, "SERVICE_UNAVAILABLE")
    assert "DEEPGRAM_API_KEY" in answer.json()["err_msg"]
