"""ElevenLabs' own HTTP endpoints, as its clients use them."""

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
from voxway.events import Word
from voxway.http.spelling import Characters, Spelling

VOICE = "/v1/text-to-speech/21m00Tcm4TlvDq8ikWAM"
SCRIBE = "/v1/speech-to-text"
SENTENCE = SENTENCES[7]
TEXT = f"{SENTENCE} Well, we shall see."
PCM, SAID = clip("austen-0870.wav")
WAV = wav_header(16_000, len(PCM)) + PCM
SECONDS = len(PCM) / 32_000


@pytest.fixture(scope="module")
def api(dev: Gateway) -> Iterator[httpx.Client]:
    with dev.api() as client:
        del client.headers["Authorization"]
        client.headers["xi-api-key"] = dev.key
        yield client


@pytest.mark.parametrize(
    ("route", "format", "media_type", "encoding", "rate"),
    [
        ("", None, "audio/mpeg", "mp3", 44_100),
        ("", "mp3_22050_32", "audio/mpeg", "mp3", 22_050),
        ("", "pcm_16000", "audio/pcm", "linear16", 16_000),
        ("", "wav_24000", "audio/wav", "wav", 24_000),
        ("", "ulaw_8000", "audio/pcmu", "mulaw", 8_000),
        ("/stream", None, "audio/mpeg", "mp3", 44_100),
        ("/stream", "mp3_44100_192", "audio/mpeg", "mp3", 44_100),
        ("/stream", "pcm_32000", "audio/pcm", "linear16", 32_000),
        ("/stream", "alaw_8000", "audio/pcma", "alaw", 8_000),
        ("/stream", "opus_48000_32", "audio/ogg", "opus", 48_000),
    ],
)
def test_speech_in_every_format(
    dev: Gateway,
    api: httpx.Client,
    route: str,
    format: str | None,
    media_type: str,
    encoding: str,
    rate: int,
) -> None:
    query = {"output_format": format} if format else {}
    answer = api.post(VOICE + route, params=query, json={"text": SENTENCE})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].split(";")[0] == media_type
    assert answer.headers["request-id"] == answer.headers["x-request-id"]
    assert answer.headers["character-cost"] == str(len(SENTENCE))
    if encoding == "wav":
        assert isinstance(parse_header(answer.content), WavHeader)
    assert wer(SENTENCE, dev.heard(answer.content, encoding, rate)) <= 0.25


def test_the_rates_of_mp3_differ(api: httpx.Client) -> None:
    sizes = [
        len(api.post(f"{VOICE}?output_format=mp3_44100_{kbps}", json={"text": "Hello."}).content)
        for kbps in (32, 64, 96, 128, 192)
    ]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 4 * sizes[0]


def test_a_body_as_the_sdk_sends_it(api: httpx.Client) -> None:
    """Unset fields are null there, and what nobody here knows is told."""
    body = {
        "text": "Hello.",
        "model_id": "eleven_flash_v2_5",
        "voice_settings": {"stability": 0.5, "style": None, "speed": 1.2},
        "seed": 7,
        "language_code": None,
        "previous_text": "Before.",
    }
    answer = api.post(VOICE, params={"enable_logging": "true"}, json=body)
    assert answer.status_code == 200
    told = answer.headers["x-slng-warning"]
    assert "previous_text" in told
    for known in ("seed", "enable_logging", "language"):
        assert f"'{known}" not in told


def test_speed_is_a_setting_of_the_voice(api: httpx.Client) -> None:
    query = {"output_format": "pcm_8000"}
    slow, quick = (
        len(
            api.post(
                VOICE, params=query, json={"text": SENTENCE, "voice_settings": {"speed": s}}
            ).content
        )
        for s in (0.7, 1.2)
    )
    assert quick < slow * 0.8


def assert_spelled(alignment: dict[str, Any], text: str, seconds: float) -> None:
    assert "".join(alignment["characters"]) == text
    starts = alignment["character_start_times_seconds"]
    ends = alignment["character_end_times_seconds"]
    assert len(starts) == len(ends) == len(text)
    assert starts == sorted(starts)
    assert all(start <= end for start, end in zip(starts, ends, strict=True))
    assert ends[-1] == pytest.approx(seconds, abs=0.3)


def test_the_times_of_characters(dev: Gateway, api: httpx.Client) -> None:
    query = {"output_format": "pcm_16000"}
    answer = api.post(f"{VOICE}/with-timestamps", params=query, json={"text": TEXT})
    body = answer.json()
    pcm = base64.b64decode(body["audio_base64"])
    assert wer(TEXT, dev.heard(pcm, "linear16", 16_000)) <= 0.25
    assert_spelled(body["alignment"], TEXT, len(pcm) / 32_000)
    assert body["normalized_alignment"] == body["alignment"]


def test_the_times_of_characters_as_they_are_spoken(dev: Gateway, api: httpx.Client) -> None:
    path = f"{VOICE}/stream/with-timestamps?output_format=pcm_16000"
    with api.stream("POST", path, json={"text": TEXT}) as answer:
        lines = [json.loads(line) for line in answer.iter_lines() if line]
    pcm = b"".join(base64.b64decode(line["audio_base64"]) for line in lines)
    assert wer(TEXT, dev.heard(pcm, "linear16", 16_000)) <= 0.25
    told = [line["alignment"] for line in lines if line["alignment"]]
    assert len(told) >= 2, "one for each sentence"
    joined = {name: [each for part in told for each in part[name]] for name in told[0]}
    assert_spelled(joined, TEXT, len(pcm) / 32_000)


def test_spelling() -> None:
    spelling = Spelling("Oh  no, 9!\n")
    words = [Word(text="Oh", start=0.1, end=0.3), Word(text="no,", start=0.5, end=0.8)]
    assert spelling.take(words[:1]) == Characters(("O", "h"), (0.1, 0.2), (0.2, 0.3))
    assert spelling.take([]) is None
    assert spelling.take([Word(text="unheard of", start=0.3, end=0.4)]) is None
    assert spelling.take(words[1:]) == Characters(
        (" ", " ", "n", "o", ","), (0.3, 0.4, 0.5, 0.6, 0.7), (0.4, 0.5, 0.6, 0.7, 0.8)
    )
    assert spelling.rest(1.2) == Characters(
        (" ", "9", "!", "\n"), (0.8, 0.9, 1.0, 1.1), (0.9, 1.0, 1.1, 1.2)
    )
    assert spelling.rest(None) is None
    assert Spelling("a").whole([], None) == Characters(("a",), (0.0,), (0.0,))


def scribe(api: httpx.Client, audio: bytes = WAV, **fields: str) -> httpx.Response:
    data = {"model_id": "scribe_v1", **fields}
    return api.post(SCRIBE, data=data, files={"file": ("speech", audio)})


def test_recognition(api: httpx.Client) -> None:
    answer = scribe(api, language_code="eng", tag_audio_events="true")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert wer(SAID, body["text"]) <= 0.15
    assert (body["language_code"], body["language_probability"]) == ("eng", 1.0)
    assert body["transcription_id"] == answer.headers["request-id"]
    assert body["audio_duration_secs"] == pytest.approx(SECONDS, abs=0.01)
    words = [word for word in body["words"] if word["type"] == "word"]
    assert "".join(word["text"] for word in body["words"]) == body["text"]
    assert [word["type"] for word in body["words"][:3]] == ["word", "spacing", "word"]
    assert all(word["logprob"] <= 0 and "speaker_id" not in word for word in words)
    times = [(word["start"], word["end"]) for word in body["words"]]
    assert times == sorted(times)
    assert times[-1][1] <= SECONDS + 0.1
    assert "tag_audio_events" in answer.headers["x-slng-warning"]


def test_recognition_of_characters_and_speakers(api: httpx.Client) -> None:
    body = scribe(api, timestamps_granularity="character", diarize="true").json()
    word = body["words"][0]
    assert word["speaker_id"] == "speaker_0"
    assert "".join(c["text"] for c in word["characters"]) == word["text"]
    assert word["characters"][0]["start"] == word["start"]
    assert word["characters"][-1]["end"] == word["end"]


def test_recognition_without_times(api: httpx.Client) -> None:
    body = scribe(api, timestamps_granularity="none").json()
    assert body["words"] == []
    assert wer(SAID, body["text"]) <= 0.15


def test_raw_samples(api: httpx.Client) -> None:
    body = scribe(api, PCM, file_format="pcm_s16le_16").json()
    assert wer(SAID, body["text"]) <= 0.15
    encoder = Encoder(AudioFormat("mp3", 16_000), 16_000)
    mp3 = encoder.feed(PCM) + encoder.flush()
    assert wer(SAID, scribe(api, mp3).json()["text"]) <= 0.2


@pytest.mark.parametrize(
    ("path", "sent", "status", "code", "words"),
    [
        (f"{VOICE}?output_format=mp3", {"json": {"text": "a"}}, 400, "config_error", "'mp3' is"),
        (
            f"{VOICE}/stream?output_format=wav_24000",
            {"json": {"text": "a"}},
            400,
            "config_error",
            "'wav_24000' is none of",
        ),
        (VOICE, {"json": {}}, 400, "invalid_request", "`text`"),
        (VOICE, {"json": {"text": " "}}, 400, "invalid_request", "nothing to say"),
        (VOICE, {"content": b"{"}, 400, "invalid_request", "not JSON"),
        (
            f"{VOICE}/with-timestamps",
            {"json": {"text": "a", "voice_settings": {"speed": "fast"}}},
            400,
            "invalid_request",
            "float | null",
        ),
        (
            f"{VOICE}/stream/with-timestamps",
            {"json": {"text": "a" * 200_000}},
            413,
            "payload_too_large",
            "200000 characters",
        ),
        (SCRIBE, {"data": {"model_id": "scribe_v1"}}, 400, "invalid_request", "with a filename"),
        (SCRIBE, {"files": {"file": WAV}}, 400, "invalid_request", "model_id"),
        (
            SCRIBE,
            {"data": {"model_id": "m"}, "files": {"file": PCM}},
            400,
            "invalid_request",
            "by its first bytes",
        ),
        (
            SCRIBE,
            {"data": {"model_id": "m", "diarize": "maybe"}, "files": {"file": WAV}},
            400,
            "invalid_request",
            "diarize",
        ),
        (
            SCRIBE,
            {"data": {"model_id": "m", "webhook": "true"}, "files": {"file": WAV}},
            400,
            "config_error",
            "webhook",
        ),
        (
            SCRIBE,
            {"data": {"model_id": "m", "source_url": "http://10.0.0.1"}, "files": {"file": WAV}},
            400,
            "invalid_request",
            "calls nobody",
        ),
        (
            SCRIBE,
            {
                "data": {"model_id": "m", "cloud_storage_url": "http://10.0.0.1"},
                "files": {"other": WAV},
            },
            400,
            "invalid_request",
            "calls nobody",
        ),
    ],
)
def test_refusals(
    api: httpx.Client, path: str, sent: dict[str, Any], status: int, code: str, words: str
) -> None:
    answer = api.post(path, **sent)
    assert answer.status_code == status, answer.text
    detail = answer.json()["detail"]
    assert detail["status"] == code
    assert words in detail["message"]
    assert answer.headers["request-id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    "path", [VOICE, f"{VOICE}/stream", f"{VOICE}/with-timestamps", f"{VOICE}/nothing", SCRIBE]
)
def test_a_wrong_key(dev: Gateway, path: str) -> None:
    answer = httpx.post(dev.http + path, headers={"xi-api-key": "no"}, json={"text": "a"})
    status, code = (404, "not_found") if "nothing" in path else (401, "invalid_api_key")
    assert (answer.status_code, answer.json()["detail"]["status"]) == (status, code)


def test_without_a_stand_in_the_provider_must_be_there(gateway: Gateway) -> None:
    with gateway.api() as api:
        answer = api.post(VOICE, json={"text": "a", "model_id": "eleven_v3"})
        assert answer.status_code == 503
        assert "ELEVENLABS_API_KEY" in answer.json()["detail"]["message"]
        answer = api.post(VOICE, json={"text": "Hello.", "model_id": "local/hibari:en"})
        assert answer.status_code == 200
