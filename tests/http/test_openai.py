"""OpenAI's own HTTP endpoints, as its clients use them."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest

from conftest import Gateway
from speech import SENTENCES, clip, wer
from voxway.audio.wav import WavHeader, parse_header, wav_header
from voxway.events import Transcript, Word
from voxway.http.openai_answers import speakers

SPEECH, HEAR = "/v1/audio/speech", "/v1/audio/transcriptions"
SENTENCE = SENTENCES[7]
PCM, SAID = clip("austen-0870.wav")
WAV = wav_header(16_000, len(PCM)) + PCM
SECONDS = len(PCM) / 32_000


def twice(pcm: bytes) -> bytes:
    pcm = pcm + bytes(48_000) + pcm
    return wav_header(16_000, len(pcm)) + pcm


# To tell speakers apart takes longer than to speak, on a machine with much to do.
FEW = PCM[: 3 * 32_000]


@pytest.fixture(scope="module")
def api(dev: Gateway) -> Iterator[httpx.Client]:
    with dev.api() as client:
        yield client


def saying(text: str = SENTENCE, **more: Any) -> dict[str, Any]:
    return {"model": "gpt-4o-mini-tts", "input": text, "voice": "alloy", **more}


@pytest.mark.parametrize(
    ("format", "media_type", "encoding"),
    [
        (None, "audio/mpeg", "mp3"),
        ("mp3", "audio/mpeg", "mp3"),
        ("opus", "audio/ogg", "opus"),
        ("wav", "audio/wav", "wav"),
        ("pcm", "audio/pcm", "linear16"),
        ("flac", "audio/flac", "flac"),
        ("aac", "audio/aac", "aac"),
    ],
)
def test_speech_in_every_format(
    dev: Gateway, api: httpx.Client, format: str | None, media_type: str, encoding: str
) -> None:
    answer = api.post(SPEECH, json=saying(**({"response_format": format} if format else {})))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].split(";")[0] == media_type
    if format == "wav":
        header = parse_header(answer.content)
        assert isinstance(header, WavHeader)
        assert header.format.sample_rate == 24_000
    assert wer(SENTENCE, dev.heard(answer.content, encoding, 24_000)) <= 0.25


@pytest.mark.parametrize("voice", ["alloy", {"id": "voice_1"}, None])
def test_a_stand_in_speaks_in_its_own_voice(api: httpx.Client, voice: object) -> None:
    answer = api.post(SPEECH, json=saying("Hello.", voice=voice, instructions="Be glad."))
    assert answer.status_code == 200
    told = answer.headers["x-slng-warning"]
    assert ("voice" in told) is (voice is not None)
    assert "'instructions'" in told


def test_a_speed_beyond_the_model_is_as_near_as_can_be(api: httpx.Client) -> None:
    answers = [
        api.post(SPEECH, json=saying(speed=speed, response_format="pcm")) for speed in (2, 4)
    ]
    sizes = [len(answer.content) for answer in answers]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.1)
    assert "speed" not in answers[0].headers["x-slng-warning"]
    assert "speed 4.0 is outside 0.5-2" in answers[1].headers["x-slng-warning"]


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.headers["content-type"] == "text/event-stream"
    lines = [line for line in answer.read().decode().split("\n") if line]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def test_speech_in_events(dev: Gateway, api: httpx.Client) -> None:
    body = saying(stream_format="sse", response_format="wav")
    with api.stream("POST", SPEECH, json=body) as answer:
        got = events(answer)
    assert [e["type"] for e in got[:-1]] == ["speech.audio.delta"] * (len(got) - 1)
    assert got[-1]["type"] == "speech.audio.done"
    assert set(got[-1]["usage"]) == {"input_tokens", "output_tokens", "total_tokens"}
    wav = b"".join(base64.b64decode(e["audio"]) for e in got[:-1])
    assert wer(SENTENCE, dev.heard(wav, "wav")) <= 0.25


def hear(
    api: httpx.Client, audio: bytes = WAV, granularities: Sequence[str] = (), **fields: str
) -> httpx.Response:
    data = {"model": "whisper-1", "timestamp_granularities[]": list(granularities), **fields}
    answer = api.post(HEAR, data=data, files={"file": ("speech.wav", audio)})
    assert answer.status_code == 200, answer.text
    return answer


def test_recognition(api: httpx.Client) -> None:
    answer = hear(api, language="en", prompt="Austen", temperature="0")
    body = answer.json()
    assert set(body) == {"text", "usage"}
    assert body["usage"] == {"type": "duration", "seconds": pytest.approx(SECONDS, abs=0.01)}
    assert wer(SAID, body["text"]) <= 0.15
    assert "'prompt'" in answer.headers["x-slng-warning"]


def test_recognition_as_text(api: httpx.Client) -> None:
    answer = hear(api, response_format="text")
    assert answer.headers["content-type"].startswith("text/plain")
    assert wer(SAID, answer.text) <= 0.15


def test_all_that_recognition_tells(api: httpx.Client) -> None:
    body = hear(
        api,
        twice(PCM),
        response_format="verbose_json",
        granularities=["word", "segment"],
    ).json()
    assert (body["task"], body["language"]) == ("transcribe", "en")
    assert body["duration"] > 2 * SECONDS
    assert wer(f"{SAID} {SAID}", body["text"]) <= 0.2
    assert " ".join(segment["text"] for segment in body["segments"]) == body["text"]
    assert [segment["id"] for segment in body["segments"]] == list(range(len(body["segments"])))
    for items in (body["segments"], body["words"]):
        times = [(item["start"], item["end"]) for item in items]
        assert times == sorted(times)
        assert times[-1][1] <= body["duration"] + 0.1
    assert " ".join(word["word"] for word in body["words"]) == body["text"]


def test_what_was_not_asked_for_is_not_told(api: httpx.Client) -> None:
    body = hear(api, response_format="verbose_json").json()
    assert "segments" in body
    assert "words" not in body
    body = hear(api, response_format="verbose_json", granularities=["word"]).json()
    assert "segments" not in body
    assert "words" in body


def test_speakers(api: httpx.Client) -> None:
    few = wav_header(16_000, len(FEW)) + FEW
    body = hear(api, few, model="gpt-4o-transcribe-diarize", response_format="diarized_json").json()
    assert {segment["speaker"] for segment in body["segments"]} == {"A"}
    assert " ".join(segment["text"] for segment in body["segments"]) == body["text"]
    assert [s["type"] for s in body["segments"]] == ["transcript.text.segment"]


def test_speakers_have_letters() -> None:
    words = [Word(text=str(n), start=n, end=n + 1, speaker=n) for n in (0, 0, 1, 25, 26, 701, 702)]
    told = list(speakers([Transcript("", True, words=tuple(words))], begin=3))
    assert [segment.speaker for segment in told] == ["A", "B", "Z", "AA", "ZZ", "AAA"]
    assert (told[0].id, told[0].text, told[0].start, told[0].end) == ("seg_003", "0 0", 0, 1)


def test_subtitles_of_a_recording(api: httpx.Client) -> None:
    text = hear(api, response_format="srt").text
    assert text.startswith("1\n00:00:0")
    assert wer(SAID, " ".join(block.split("\n")[2] for block in text.strip().split("\n\n"))) <= 0.2
    text = hear(api, response_format="vtt").text
    assert text.startswith("WEBVTT\n\n00:00:0")
    assert text.count(" --> ") >= 1


def test_recognition_in_events(api: httpx.Client) -> None:
    file = {"file": ("speech.wav", twice(PCM))}
    data = {"model": "gpt-4o-transcribe", "stream": "true", "chunking_strategy": "auto"}
    with api.stream("POST", HEAR, data=data, files=file) as answer:
        assert "answers in its place" in answer.headers["x-slng-warning"]
        assert "chunking_strategy" not in answer.headers["x-slng-warning"]
        got = events(answer)
    deltas = [event["delta"] for event in got[:-1]]
    assert len(deltas) >= 2
    assert all(event["type"] == "transcript.text.delta" for event in got[:-1])
    assert got[-1] == {"type": "transcript.text.done", "text": "".join(deltas)}
    assert wer(f"{SAID} {SAID}", got[-1]["text"]) <= 0.2


def test_speakers_in_events(api: httpx.Client) -> None:
    file = {"file": ("speech.wav", twice(FEW))}
    data = {"model": "m", "stream": "true", "response_format": "diarized_json"}
    with api.stream("POST", HEAR, data=data, files=file) as answer:
        got = events(answer)
    segments = [event for event in got if event["type"] == "transcript.text.segment"]
    assert [s["id"] for s in segments] == [f"seg_{n:03}" for n in range(1, len(segments) + 1)]
    assert {segment["speaker"] for segment in segments} == {"A"}
    assert segments[-1]["start"] > 3.0


def mp4() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("aac", rate=16_000, layout="mono")
        samples = np.frombuffer(PCM, "<i2").astype("f4").reshape(1, -1) / 32768
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = 16_000
        out.mux([*stream.encode(frame), *stream.encode(None)])
    return file.getvalue()


def test_mp4(api: httpx.Client) -> None:
    body = hear(api, mp4()).json()
    assert wer(SAID, body["text"]) <= 0.2
    assert body["usage"]["seconds"] == pytest.approx(SECONDS, abs=0.2)


FILE = {"files": {"file": ("a.wav", WAV)}}
MODEL = {"model": "whisper-1"}


@pytest.mark.parametrize(
    ("path", "sent", "status", "code", "param", "words"),
    [
        (SPEECH, {"json": {}}, 400, "invalid_request", "model", "`model`"),
        (SPEECH, {"content": b"{"}, 400, "invalid_request", None, "not JSON"),
        (SPEECH, {"json": saying("")}, 400, "invalid_request", "input", "length >= 1"),
        (SPEECH, {"json": saying(" ")}, 400, "invalid_request", "text", "nothing to say"),
        (SPEECH, {"json": saying("a" * 4097)}, 400, "invalid_request", "input", "<= 4096"),
        (SPEECH, {"json": saying(speed=5)}, 400, "config_error", "speed", "outside 0.25-4"),
        (SPEECH, {"json": saying(voice=1)}, 400, "invalid_request", "voice", "got `int`"),
        (
            SPEECH,
            {"json": saying(response_format="x")},
            400,
            "invalid_request",
            "response_format",
            "'x'",
        ),
        (HEAR, {"data": MODEL}, 400, "invalid_request", "file", "with a filename"),
        (HEAR, FILE, 400, "invalid_request", "model", "`model`"),
        (
            HEAR,
            {"data": {**MODEL, "response_format": "pdf"}, **FILE},
            400,
            "invalid_request",
            "response_format",
            "'pdf'",
        ),
        (
            HEAR,
            {"data": {**MODEL, "timestamp_granularities[]": "letter"}, **FILE},
            400,
            "invalid_request",
            None,
            "timestamp_granularities",
        ),
        (
            HEAR,
            {"data": MODEL, "files": {"file": ("a.mp3", PCM)}},
            400,
            "invalid_request",
            "audio",
            "by its first bytes",
        ),
        (
            HEAR,
            {"data": MODEL, "files": {"file": ("a.m4a", b"\0\0\0\x20ftypM4A " + bytes(99))}},
            400,
            "config_error",
            None,
            "no audio that can be decoded",
        ),
        (
            HEAR,
            {"data": {**MODEL, "stream": "true"}, "files": {"file": ("a.mp3", PCM)}},
            400,
            "invalid_request",
            "audio",
            "by its first bytes",
        ),
        (
            HEAR,
            {"data": MODEL, "files": {"file": ("a.wav", bytes(25 * 1024 * 1024 + 1))}},
            413,
            "payload_too_large",
            "file",
            "is over 26214400",
        ),
    ],
)
def test_refusals(
    api: httpx.Client,
    path: str,
    sent: dict[str, Any],
    status: int,
    code: str,
    param: str | None,
    words: str,
) -> None:
    answer = api.post(path, **sent)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code), error
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert words in error["message"]
    assert param is None or error["param"] == param


@pytest.mark.parametrize("path", [SPEECH, HEAR, "/v1/models/local/hibari:en"])
def test_a_wrong_key(dev: Gateway, path: str) -> None:
    method = "GET" if "models" in path else "POST"
    answer = httpx.request(method, dev.http + path, headers={"Authorization": "Bearer no"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


def test_models(api: httpx.Client) -> None:
    answer = api.get("/v1/models").json()
    assert answer["object"] == "list"
    for model in answer["data"]:
        assert (model["object"], model["owned_by"]) == ("model", "local")
        assert isinstance(model["created"], int)
        assert api.get(f"/v1/models/{model['id']}").json() == model
        assert api.get(f"/v1/models/{model['id'].replace('/', '%2F')}").json() == model
    answer = api.get("/v1/models/gpt-5")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


class Provider(BaseHTTPRequestHandler):
    """A server of OpenAI's speech that takes two keys."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        known = self.headers["Authorization"] in ("Bearer own", "Bearer of the client")
        self.send_response(200 if known else 401)
        body = bytes(4800) if known else b'{"error": {"message": "no such key"}}'
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with a provider, and no engine of its own."""
    provider = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=provider.serve_forever).start()
    directory: Path = tmp_path_factory.mktemp("served")
    url = f"http://127.0.0.1:{provider.server_port}"
    started = Gateway(directory, VOXWAY_ENGINES="none", OPENAI_URL=url, OPENAI_API_KEY="own")
    try:
        yield started
    finally:
        started.stop()
        provider.shutdown()
        provider.server_close()


@pytest.mark.parametrize("path", [SPEECH, "/v1/tts/openai/tts-1"])
def test_whose_key_was_used_is_told(served: Gateway, path: str) -> None:
    body = {**saying(model="tts-1"), "text": "Hello."} if path == SPEECH else {"text": "Hello."}
    with served.api() as api:
        answer = api.post(path, json=body)
        assert answer.status_code == 200, answer.text
        assert "x-slng-auth-source" not in answer.headers
        key = {"X-Slng-Provider-Key": "of the client"}
        answer = api.post(path, json=body, headers=key)
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-slng-auth-source"] == "client_key"
        answer = api.post(path, json=body, headers={"X-Slng-Provider-Key": "wrong"})
        assert answer.status_code == 502, answer.text
        assert answer.headers["x-slng-auth-source"] == "client_key"


def test_a_voice_that_the_provider_does_not_have_is_an_error_there(served: Gateway) -> None:
    with served.api() as api:
        answer = api.post(SPEECH, json=saying(model="tts-1", voice="nobody"))
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "voice"
        answer = api.post(SPEECH, json=saying(model="local/hibari:en"))
        assert answer.status_code == 503
        assert answer.json()["error"]["type"] == "server_error"
