"""Recognition over HTTP: every way to bring audio, every container, long recordings."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import av
import httpx
import numpy as np
import pytest

from conftest import Gateway
from speech import clip, wer
from voxway.audio.encode import Encoder
from voxway.audio.formats import AudioFormat
from voxway.audio.wav import wav_header

MODEL = "local/moonshine:tiny-en"
BRIDGE = f"/v1/bridges/unmute/stt/{MODEL}"
PLAIN = f"/v1/stt/{MODEL}"
PCM, SAID = clip("austen-0870.wav")
WAV = wav_header(16_000, len(PCM)) + PCM


@pytest.fixture(scope="module")
def api(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.api() as client:
        yield client


def encoded(encoding: str, rate: int = 16_000) -> bytes:
    encoder = Encoder(AudioFormat(encoding, rate), 16_000)
    return encoder.feed(PCM) + encoder.flush()


def flac() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as out:
        stream = out.add_stream("flac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            np.frombuffer(PCM, "<i2").reshape(1, -1), format="s16", layout="mono"
        )
        frame.sample_rate = 16_000
        out.mux([*stream.encode(frame), *stream.encode(None)])
    return file.getvalue()


@pytest.mark.parametrize("model", [MODEL, "local%2Fmoonshine:tiny-en"])
def test_the_bridge_takes_a_form(api: httpx.Client, model: str) -> None:
    """As voiceai-sdk sends it: all fields are strings, and stand before the file."""
    answer = api.post(
        f"/v1/bridges/unmute/stt/{model}?region=eu-north-1",
        data={
            "enable_partials": "true",
            "enable_vad": "false",
            "encoding": "linear16",
            "language": "en",
            "sample_rate": "16000",
        },
        files={"audio": ("speech.raw", PCM, "application/octet-stream")},
    )
    assert answer.status_code == 200
    body = answer.json()
    assert (body["type"], body["is_final"], body["channel"]) == ("transcription", True, 1)
    assert body["language"] == "en"
    assert wer(SAID, body["alternatives"][0]["transcript"]) <= 0.15


def test_the_bridge_takes_json(api: httpx.Client) -> None:
    body = {"audio": base64.b64encode(WAV).decode(), "enable_vad": True}
    answer = api.post(BRIDGE, json=body)
    assert wer(SAID, answer.json()["alternatives"][0]["transcript"]) <= 0.15


@pytest.mark.parametrize(
    ("audio", "fields"),
    [
        (WAV, {}),
        (WAV, {"encoding": "linear16", "sample_rate": "8000"}),  # the file knows better
        (encoded("mp3"), {}),
        (encoded("opus"), {}),
        (encoded("opus"), {"encoding": "opus"}),
        (flac(), {}),
        (encoded("aac"), {}),
        (encoded("mulaw", 8_000), {"encoding": "mulaw", "sample_rate": "8000"}),
        (PCM + b"\0", {}),  # half a sample
    ],
    ids=["wav", "wav said to be raw", "mp3", "ogg", "opus", "flac", "aac", "mulaw", "raw"],
)
def test_what_the_audio_is_shows_in_its_first_bytes(
    api: httpx.Client, audio: bytes, fields: dict[str, str]
) -> None:
    answer = api.post(PLAIN, data=fields, files={"audio": ("audio", audio)})
    assert answer.status_code == 200, answer.text
    assert wer(SAID, answer.json()["transcript"]) <= 0.2
    assert answer.json()["duration_seconds"] == pytest.approx(len(PCM) / 32_000, abs=1.0)


def test_the_documented_answer_has_both_shapes(api: httpx.Client) -> None:
    answer = api.post(
        PLAIN,
        content=WAV,
        headers={"Content-Type": "audio/wav", "x-request-id": "call-7"},
        params={"language": "en", "punctuate": "true"},
    )
    body: dict[str, Any] = answer.json()
    assert answer.status_code == 200, body
    [channel] = body["results"]["channels"]
    [alternative] = channel["alternatives"]
    assert alternative["transcript"] == body["transcript"]
    assert alternative["words"] == body["words"]
    assert body["metadata"] == {
        "request_id": "call-7",
        "model": MODEL,
        "duration": body["duration_seconds"],
        "channels": 1,
    }
    assert body["duration_seconds"] == pytest.approx(len(PCM) / 32_000, abs=0.01)
    times = [(word["start"], word["end"]) for word in body["words"]]
    assert times == sorted(times)
    assert 0 <= times[0][0] < times[-1][1] <= body["duration_seconds"] + 0.1
    assert wer(SAID, " ".join(word["word"] for word in body["words"])) <= 0.2
    assert "punctuate" in answer.headers["x-slng-warning"]


def test_a_plain_body_names_its_rate_in_its_type(api: httpx.Client) -> None:
    audio = encoded("linear16", 8_000)
    answer = api.post(PLAIN, content=audio, headers={"Content-Type": "audio/l16; rate=8000"})
    assert wer(SAID, answer.json()["transcript"]) <= 0.3
    answer = api.post(f"{PLAIN}?sample_rate=8000", content=audio, headers={"Content-Type": RAW})
    assert wer(SAID, answer.json()["transcript"]) <= 0.3


RAW = "audio/pcm"


def test_a_body_without_an_announced_length(api: httpx.Client) -> None:
    pieces = (WAV[at : at + 10_000] for at in range(0, len(WAV), 10_000))
    answer = api.post(PLAIN, content=pieces, headers={"Content-Type": "audio/wav"})
    assert wer(SAID, answer.json()["transcript"]) <= 0.15


def test_a_long_recording_is_heard_to_its_end(api: httpx.Client) -> None:
    """More than the burst that a session takes at once: the rest is paced, and nothing is lost."""
    name = "austen-0930.wav"
    pcm, said = clip(name)
    pause = bytes(32_000)
    times = 80_000 * 32 // (len(pcm) + len(pause)) + 1
    answer = api.post(PLAIN, content=(pcm + pause) * times, headers={"Content-Type": RAW})
    body = answer.json()
    assert body["duration_seconds"] > 75
    assert wer(f"{said} " * times, body["transcript"]) <= 0.2


def test_silence_is_no_words(api: httpx.Client) -> None:
    body = api.post(PLAIN, content=bytes(32_000), headers={"Content-Type": RAW}).json()
    assert (body["transcript"], body["words"], body["language"]) == ("", [], "en")
    assert body["duration_seconds"] == 1.0
