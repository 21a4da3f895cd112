"""Rime's own HTTP endpoint, as its clients use it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from conftest import Gateway
from speech import SENTENCES, wer
from voxway.audio.wav import WavHeader, parse_header

SPEECH = "/v1/rime-tts"
SENTENCE = SENTENCES[7]


@pytest.fixture(scope="module")
def api(dev: Gateway) -> Iterator[httpx.Client]:
    with dev.api() as client:
        yield client


def saying(text: str = SENTENCE, **more: Any) -> dict[str, Any]:
    return {"speaker": "lyra", "text": text, "modelId": "coda", **more}


@pytest.mark.parametrize(
    ("accept", "more", "media_type", "encoding"),
    [
        ("audio/pcm", {}, "audio/pcm", "linear16"),
        ("audio/pcm", {"samplingRate": 8_000}, "audio/pcm", "linear16"),
        ("audio/x-mulaw", {"samplingRate": 8_000}, "audio/pcmu", "mulaw"),
        ("audio/wav", {}, "audio/wav", "wav"),
        ("audio/mp3", {}, "audio/mpeg", "mp3"),
        ("audio/ogg;q=0.5, audio/*", {}, "audio/ogg", "opus"),
        ("*/*", {}, "audio/mpeg", "mp3"),
        ("*/*", {"audioFormat": "wav"}, "audio/wav", "wav"),
        ("audio/pcm", {"audioFormat": "wav"}, "audio/pcm", "linear16"),
    ],
)
def test_speech_in_every_format(
    dev: Gateway,
    api: httpx.Client,
    accept: str,
    more: dict[str, Any],
    media_type: str,
    encoding: str,
) -> None:
    answer = api.post(SPEECH, json=saying(**more), headers={"Accept": accept})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].split(";")[0] == media_type
    if encoding == "wav":
        header = parse_header(answer.content)
        assert isinstance(header, WavHeader)
        assert header.format.sample_rate == 24_000
    rate = more.get("samplingRate", 24_000)
    assert wer(SENTENCE, dev.heard(answer.content, encoding, rate)) <= 0.25


@pytest.mark.parametrize(
    ("slow", "quick"),
    [
        ({"timeScaleFactor": 1.5}, {"timeScaleFactor": 0.7}),
        ({"modelId": "mistv2", "speedAlpha": 1.5}, {"modelId": "mistv2", "speedAlpha": 0.7}),
    ],
)
def test_speed(api: httpx.Client, slow: dict[str, Any], quick: dict[str, Any]) -> None:
    headers = {"Accept": "audio/pcm"}
    sizes = [
        len(api.post(SPEECH, json=saying(**how), headers=headers).content) for how in (slow, quick)
    ]
    assert sizes[0] > 1.5 * sizes[1]


def test_what_nobody_here_knows_is_told(api: httpx.Client) -> None:
    answer = api.post(SPEECH, json=saying("Hello.", reduceLatency=True, speaker=None))
    assert answer.status_code == 200
    assert "reduceLatency" in answer.headers["x-slng-warning"]


@pytest.mark.parametrize(
    ("sent", "accept", "status", "words"),
    [
        ({"modelId": "coda"}, "*/*", 400, "`text`"),
        (saying(""), "*/*", 400, "length >= 1"),
        (saying(" "), "*/*", 400, "nothing to say"),
        (saying(samplingRate="x"), "*/*", 400, "samplingRate"),
        (saying(audioFormat="webm"), "*/*", 400, "audioFormat webm is not one of"),
        (saying(), "application/json", 400, "Accept 'application/json' is none of audio/pcm"),
    ],
)
def test_what_cannot_be(
    api: httpx.Client, sent: dict[str, Any], accept: str, status: int, words: str
) -> None:
    answer = api.post(SPEECH, json=sent, headers={"Accept": accept})
    assert answer.status_code == status
    assert words in answer.json()["message"]


def test_a_wrong_key(dev: Gateway) -> None:
    with dev.api() as client:
        answer = client.post(SPEECH, json=saying(), headers={"Authorization": "Bearer wrong"})
    assert (answer.status_code, answer.json()["code"]) == (401, "auth_error")
