"""Speech over HTTP: both routes, every format, streamed, in events, and stopped with its client."""

from __future__ import annotations

import base64
import io
import json
import struct
from collections.abc import Iterator
from typing import Any

import av
import httpx
import pytest

from conftest import Gateway
from speech import SENTENCES, wer
from voxway.audio.decode import Decoder
from voxway.audio.formats import AudioFormat
from voxway.audio.wav import WavHeader, parse_header

BRIDGE = "/v1/bridges/unmute/tts/local/hibari:en"
PLAIN = "/v1/tts/local/hibari:en"
EAR = "/v1/bridges/unmute/stt/local/moonshine:tiny-en"
SENTENCE = SENTENCES[7]


@pytest.fixture(scope="module")
def api(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.api() as client:
        yield client


def heard(api: httpx.Client, audio: bytes, encoding: str, rate: int) -> str:
    """What the recognizer makes of it."""
    decoder = Decoder(AudioFormat(encoding, rate), 16_000)
    pcm = decoder.feed(audio) + decoder.flush()
    answer = api.post(EAR, content=pcm, headers={"Content-Type": "audio/pcm"})
    transcript: str = answer.json()["alternatives"][0]["transcript"]
    return transcript


def header_of(body: bytes) -> WavHeader:
    header = parse_header(body)
    assert isinstance(header, WavHeader)
    return header


@pytest.mark.parametrize(
    "model", ["local/hibari:en", "local%2Fhibari:en", "local%2Fhibari%3Aen", "local/hibari:en/"]
)
def test_the_bridge_answers_with_wav(api: httpx.Client, model: str) -> None:
    path = f"/v1/bridges/unmute/tts/{model}?region=eu-north-1&world-part=eu"
    answer = api.post(path, json={"text": SENTENCE, "voice": "heart"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
    header = header_of(answer.content)
    assert (header.format, header.data_bytes) == (AudioFormat("linear16", 24_000), None)
    with av.open(io.BytesIO(answer.content), "r") as file:
        samples = sum(frame.samples for frame in file.decode(audio=0))
    assert samples * 2 == len(answer.content) - header.data_offset
    assert wer(SENTENCE, heard(api, answer.content, "wav", 24_000)) <= 0.2


@pytest.mark.parametrize(
    ("wanted", "media_type", "encoding"),
    [
        ({}, "audio/mpeg", "mp3"),
        ({"encoding": "mp3", "container": "wav"}, "audio/mpeg", "mp3"),
        ({"encoding": "opus"}, "audio/ogg", "opus"),
        ({"encoding": "flac"}, "audio/flac", "flac"),
        ({"encoding": "aac", "sample_rate": 16_000}, "audio/aac", "aac"),
        ({"encoding": "linear16"}, "audio/wav", "wav"),
        ({"encoding": "linear32", "sample_rate": 16_000}, "audio/wav", "wav"),
        ({"encoding": "mulaw", "sample_rate": 8_000}, "audio/wav", "wav"),
        ({"encoding": "alaw", "sample_rate": 8_000}, "audio/wav", "wav"),
        (
            {"encoding": "mulaw", "sample_rate": 8_000, "container": "none"},
            "audio/pcmu;rate=8000;channels=1",
            "mulaw",
        ),
        (
            {"encoding": "pcm16", "sample_rate": 48_000, "container": "none"},
            "audio/pcm;encoding=signed-integer;bits=16;rate=48000;channels=1",
            "linear16",
        ),
    ],
)
def test_the_documented_route_answers_in_any_format(
    api: httpx.Client, wanted: dict[str, Any], media_type: str, encoding: str
) -> None:
    answer = api.post(PLAIN, json={"text": SENTENCE, **wanted})
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    rate = wanted.get("sample_rate", 24_000)
    if encoding == "wav":
        assert header_of(answer.content).format == AudioFormat(wanted["encoding"], rate)
    assert wer(SENTENCE, heard(api, answer.content, encoding, rate)) <= 0.25


@pytest.mark.parametrize("name", ["voice", "voice_id", "speaker", "reference_id", "model"])
def test_a_voice_under_all_of_its_names(api: httpx.Client, name: str) -> None:
    assert api.post(PLAIN, json={"text": "Hi.", name: "heart"}).status_code == 200
    answer = api.post(PLAIN, json={"text": "Hi.", name: "nobody"})
    assert (answer.status_code, answer.json()["param"]) == (400, "voice")


def test_a_model_that_repeats_the_route_is_no_voice(api: httpx.Client) -> None:
    answer = api.post(PLAIN, json={"text": "Hi.", "model": "local/hibari:en"})
    assert answer.status_code == 200


def test_speed(api: httpx.Client) -> None:
    slow, quick = (
        len(api.post(PLAIN, json={"text": SENTENCE, "encoding": "mulaw", "speed": s}).content)
        for s in (0.7, 1.8)
    )
    assert quick < slow * 0.6


def test_what_has_no_effect_is_told(api: httpx.Client) -> None:
    answer = api.post(PLAIN, json={"text": "Hi.", "emotion": "glad\r\nX-Bad: 1"})
    assert answer.status_code == 200
    assert "does not know 'emotion'" in answer.headers["x-slng-warning"]


def test_the_first_bytes_leave_with_the_first_sentence(gateway: Gateway) -> None:
    """The answer has begun while the gateway still has the session open, and most is to come."""
    with gateway.api() as api, api.stream("POST", BRIDGE, json={"text": long_text()}) as answer:
        arriving = answer.iter_raw()
        first = next(arriving)
        assert header_of(first).data_bytes is None
        assert gateway.health()["sessions"] >= 1
        assert sum(map(len, arriving)) > 20 * len(first)


def long_text() -> str:
    return " ".join(SENTENCES * 3)


def test_a_client_that_goes_stops_the_engine(gateway: Gateway) -> None:
    with gateway.api() as api:
        with api.stream("POST", BRIDGE, json={"text": long_text()}) as answer:
            request_id = answer.headers["x-request-id"]
            next(answer.iter_raw())
        while request_id not in gateway.logged():
            pass
    lines = gateway.logged().splitlines()
    record = json.loads(next(line for line in lines if request_id in line))
    assert record["event"] == "session"
    assert record["audio_out"] < 60  # of several minutes


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    lines = [line for line in answer.iter_lines() if line]
    assert all(line.startswith("data: ") for line in lines)
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def test_server_sent_events(api: httpx.Client) -> None:
    body = {"text": f"{SENTENCE} {SENTENCES[0]}", "encoding": "linear16"}
    headers = {"Accept": "text/event-stream"}
    with api.stream("POST", PLAIN, json=body, headers=headers) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        got = events(answer)
    assert [e["is_final"] for e in got] == [False] * (len(got) - 1) + [True]
    assert got[0]["sample_rate"] == 24_000
    pcm = b"".join(base64.b64decode(e["audio"]) for e in got)
    assert got[-1]["duration"] == pytest.approx(len(pcm) / 48_000, abs=0.01)
    assert wer(body["text"], heard(api, pcm, "linear16", 24_000)) <= 0.2


def test_what_is_no_words_is_a_file_without_audio(api: httpx.Client) -> None:
    answer = api.post(BRIDGE, json={"text": "..."})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
    size = struct.unpack_from("<I", answer.content, 40)[0]
    assert size > 0x7FFF_0000
