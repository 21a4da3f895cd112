"""Cartesia's own HTTP endpoints, as its clients use them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from conftest import Gateway
from speech import SENTENCES, clip, wer
from voxway.audio.encode import Encoder
from voxway.audio.formats import AudioFormat
from voxway.audio.wav import WavHeader, parse_header, wav_header

BYTES, SSE, STT = "/tts/bytes", "/tts/sse", "/stt"
SENTENCE = SENTENCES[7]
TEXT = f"{SENTENCE} Well, we shall see."
PCM, SAID = clip("austen-0870.wav")
WAV = wav_header(16_000, len(PCM)) + PCM
SECONDS = len(PCM) / 32_000
RAW_16K = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 16_000}


@pytest.fixture(scope="module")
def api(dev: Gateway) -> Iterator[httpx.Client]:
    with dev.api() as client:
        del client.headers["Authorization"]
        client.headers["X-API-Key"] = dev.key
        client.headers["Cartesia-Version"] = "2026-08-14"
        yield client


def saying(text: str = SENTENCE, **more: Any) -> dict[str, Any]:
    return {
        "model_id": "sonic-3",
        "transcript": text,
        "voice": {"mode": "id", "id": "f786b574-daa5-4673-aa0c-cbe3e8534c02"},
        "output_format": RAW_16K,
        **more,
    }


@pytest.mark.parametrize(
    ("container", "encoding", "rate", "media_type", "ours"),
    [
        ("raw", "pcm_s16le", 8_000, "audio/pcm", "linear16"),
        ("raw", "pcm_f32le", 44_100, "audio/pcm", "linear32"),
        ("raw", "pcm_mulaw", 8_000, "audio/pcmu", "mulaw"),
        ("raw", "pcm_alaw", 16_000, "audio/pcma", "alaw"),
        ("wav", "pcm_s16le", 24_000, "audio/wav", "linear16"),
        ("wav", "pcm_f32le", 22_050, "audio/wav", "linear32"),
        ("wav", "pcm_mulaw", 8_000, "audio/wav", "mulaw"),
    ],
)
def test_speech_in_every_format(
    dev: Gateway,
    api: httpx.Client,
    container: str,
    encoding: str,
    rate: int,
    media_type: str,
    ours: str,
) -> None:
    wanted = {"container": container, "encoding": encoding, "sample_rate": rate}
    answer = api.post(BYTES, json=saying(output_format=wanted))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].split(";")[0] == media_type
    assert answer.headers["cartesia-request-id"] == answer.headers["x-request-id"]
    if container == "wav":
        header = parse_header(answer.content)
        assert isinstance(header, WavHeader)
        assert header.format == AudioFormat(ours, rate)
    heard = dev.heard(answer.content, "wav" if container == "wav" else ours, rate)
    assert wer(SENTENCE, heard) <= 0.25


def test_mp3_at_any_bit_rate(dev: Gateway, api: httpx.Client) -> None:
    sizes = []
    for bit_rate in (32_000, 192_000):
        wanted = {"container": "mp3", "sample_rate": 44_100, "bit_rate": bit_rate}
        answer = api.post(BYTES, json=saying(output_format=wanted))
        assert answer.headers["content-type"] == "audio/mpeg"
        assert wer(SENTENCE, dev.heard(answer.content, "mp3", 44_100)) <= 0.25
        sizes.append(len(answer.content))
    assert sizes[1] > 4 * sizes[0]


@pytest.mark.parametrize(
    ("slow", "quick"),
    [
        ({"generation_config": {"speed": 0.6}}, {"generation_config": {"speed": 1.5}}),
        ({"speed": "slow"}, {"speed": "fast"}),
    ],
)
def test_speed(api: httpx.Client, slow: dict[str, Any], quick: dict[str, Any]) -> None:
    sizes = [len(api.post(BYTES, json=saying(**how)).content) for how in (slow, quick)]
    assert sizes[1] < 0.7 * sizes[0]


def test_what_nobody_here_knows_is_told(api: httpx.Client) -> None:
    answer = api.post(BYTES, json=saying(save=True, locale=None))
    assert "'save'" in answer.headers["x-slng-warning"]
    assert "'locale'" not in answer.headers["x-slng-warning"]


def events(answer: httpx.Response) -> list[tuple[str, dict[str, Any]]]:
    """Named messages of a `text/event-stream`."""
    blocks = answer.read().decode().strip().split("\n\n")
    lines = [block.split("\n") for block in blocks]
    assert all(len(pair) == 2 for pair in lines)
    return [(n.removeprefix("event: "), json.loads(d.removeprefix("data: "))) for n, d in lines]


def test_speech_in_events(dev: Gateway, api: httpx.Client) -> None:
    body = saying(TEXT, add_timestamps=True, context_id="c1")
    with api.stream("POST", SSE, json=body) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        got = events(answer)
    assert all(name == message["type"] for name, message in got)
    assert {message["context_id"] for _, message in got} == {"c1"}
    assert [message["done"] for _, message in got] == [False] * (len(got) - 1) + [True]
    assert got[-1][1]["status_code"] == 200
    pcm = b"".join(base64.b64decode(m["data"]) for name, m in got if name == "chunk")
    assert wer(TEXT, dev.heard(pcm, "linear16", 16_000)) <= 0.2
    timings = [message["word_timestamps"] for name, message in got if name == "timestamps"]
    assert " ".join(word for timing in timings for word in timing["words"]) == TEXT
    starts = [start for timing in timings for start in timing["start"]]
    assert starts == sorted(starts)
    assert timings[-1]["end"][-1] <= len(pcm) / 32_000


def test_events_without_times(api: httpx.Client) -> None:
    got = events(api.post(SSE, json=saying("Hello.")))
    assert {name for name, _ in got} == {"chunk", "done"}


def test_recognition(api: httpx.Client) -> None:
    answer = api.post(
        STT,
        data={"model": "ink-whisper", "language": "en", "timestamp_granularities[]": "word"},
        files={"file": ("speech.wav", WAV)},
    )
    body = answer.json()
    assert answer.status_code == 200, body
    assert body["request_id"] == answer.headers["cartesia-request-id"]
    assert (body["type"], body["language"], body["is_final"]) == ("transcript", "en", True)
    assert body["duration"] == pytest.approx(SECONDS, abs=0.01)
    assert wer(SAID, body["text"]) <= 0.15
    assert " ".join(word["word"] for word in body["words"]) == body["text"]
    assert all(0 <= word["start"] <= word["end"] <= SECONDS + 0.1 for word in body["words"])


def test_raw_samples_are_told_by_the_query(api: httpx.Client) -> None:
    encoder = Encoder(AudioFormat("mulaw", 8_000), 16_000)
    mulaw = encoder.feed(PCM) + encoder.flush()
    for query, audio in (
        ("encoding=pcm_s16le&sample_rate=16000", PCM),
        ("encoding=pcm_mulaw&sample_rate=8000", mulaw),
    ):
        data = {"model": "ink-whisper"}
        body = api.post(f"{STT}?{query}", data=data, files={"file": ("raw", audio)}).json()
        assert wer(SAID, body["text"]) <= 0.2
        assert "words" not in body


FILE = {"files": {"file": WAV}}


@pytest.mark.parametrize(
    ("path", "sent", "status", "words"),
    [
        (BYTES, {"json": {}}, 400, "model_id"),
        (BYTES, {"content": b"{"}, 400, "not JSON"),
        (BYTES, {"json": saying(" ")}, 400, "nothing to say"),
        (BYTES, {"json": saying(voice={"mode": "embedding", "embedding": []})}, 400, "voice.mode"),
        (BYTES, {"json": saying(output_format={"container": "ogg"})}, 400, "'ogg'"),
        (BYTES, {"json": saying(output_format={**RAW_16K, "sample_rate": 1})}, 400, "sample_rate"),
        (BYTES, {"json": saying(output_format={**RAW_16K, "encoding": "x"})}, 400, "encoding"),
        (BYTES, {"json": saying(generation_config={"speed": "x"})}, 400, "a number is expected"),
        (BYTES, {"json": saying("a" * 200_000)}, 413, "200000 characters"),
        (
            SSE,
            {"json": saying(output_format={"container": "mp3", "sample_rate": 44_100})},
            400,
            "'mp3'",
        ),
        (STT, FILE, 400, "`model`"),
        (STT, {"data": {"model": "ink-whisper"}}, 400, "with a filename"),
        (f"{STT}?encoding=pcm_f16le", {"data": {"model": "m"}, **FILE}, 400, "pcm_f16le"),
        (
            STT,
            {"data": {"model": "m", "timestamp_granularities[]": "letter"}, **FILE},
            400,
            "timestamp_granularities",
        ),
        (
            STT,
            {"data": {"model": "m"}, "files": {"file": PCM}},
            400,
            "by its first bytes",
        ),
    ],
)
def test_refusals(
    api: httpx.Client, path: str, sent: dict[str, Any], status: int, words: str
) -> None:
    answer = api.post(path, **sent)
    body = answer.json()
    assert answer.status_code == status, body
    assert set(body) == {"error_code", "title", "message", "request_id"}
    assert words in body["message"]
    assert answer.headers["x-request-id"] == body["request_id"]


@pytest.mark.parametrize("path", [BYTES, SSE, STT])
def test_a_wrong_key(dev: Gateway, path: str) -> None:
    answer = httpx.post(dev.http + path, headers={"X-API-Key": "no"}, json=saying())
    assert (answer.status_code, answer.json()["error_code"]) == (401, "auth_error")


def test_without_a_stand_in_the_provider_must_be_there(gateway: Gateway) -> None:
    with gateway.api() as api:
        answer = api.post(BYTES, json=saying())
        assert (answer.status_code, answer.json()["error_code"]) == (503, "backend_not_configured")
        assert api.post(BYTES, json=saying(model_id="local/hibari:en")).status_code == 200
