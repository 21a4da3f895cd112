"""deepgram-sdk 7.17.0, as it is on PyPI, against a gateway with the local engines."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from conftest import Gateway
from speech import DATA, SENTENCES, clip, wer

from .client import Client, RaisedError, needs_clients, packed, unpacked
from .conftest import Journal, Judge

pytestmark = needs_clients
WATER, TRAIN = SENTENCES[17], SENTENCES[14]
LONG = " ".join(SENTENCES[:12])
VOICE: dict[str, Any] = {"model": "aura-2-thalia-en", "encoding": "linear16", "sample_rate": 24_000}
EAR = {"model": "nova-3", "language": "en-US", "encoding": "linear16", "sample_rate": 16_000}
CLIPS = ("austen-0880.wav", "austen-0930.wav")
both = pytest.mark.parametrize("flavour", ["sync", "async"])


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    running = Client("deepgram", "deepgram_client.py", tmp_path_factory.mktemp("deepgram") / "log")
    yield running
    running.stop()


@both
def test_utterances_of_one_socket(
    house: Gateway, sdk: Client, judge: Judge, journal: Journal, flavour: str
) -> None:
    said = sdk.play(
        "say",
        host=house.address,
        credentials={"api_key": house.key},
        flavour=flavour,
        options=VOICE,
        texts=[WATER, TRAIN],
    )
    assert len(journal.ended(1)) == 1
    for text, audio in zip([WATER, TRAIN], said["said"], strict=True):
        assert judge.wer(text, unpacked(audio)) <= 0.1
    metadata, *flushed = [m for m in said["messages"] if m["class"] != "SpeakV1Warning"]
    assert (metadata["class"], metadata["model_name"]) == ("SpeakV1Metadata", VOICE["model"])
    assert [(m["class"], m["sequence_id"]) for m in flushed] == [
        ("SpeakV1Flushed", 0),
        ("SpeakV1Flushed", 1),
    ]
    assert said["after"] == 0, "`Close` closed it, and nothing followed"


@both
def test_what_follows_clear_is_clean(
    house: Gateway, sdk: Client, judge: Judge, flavour: str
) -> None:
    said = sdk.play(
        "interrupt",
        host=house.address,
        key=house.key,
        flavour=flavour,
        options=VOICE,
        text=LONG,
        then=TRAIN,
    )
    assert said["first"] > 0
    assert said["late"] < 2 * VOICE["sample_rate"] * 10, "the long text was cut short"
    assert judge.wer(TRAIN, unpacked(said["said"])) <= 0.1


def test_speech_for_the_telephone_and_a_token_for_a_key(
    house: Gateway, sdk: Client, judge: Judge
) -> None:
    said = sdk.play(
        "say",
        host=house.address,
        credentials={"access_token": house.key},
        flavour="async",
        options=VOICE | {"encoding": "mulaw", "sample_rate": 8_000},
        texts=[WATER],
    )
    assert judge.wer(WATER, unpacked(said["said"][0]), 8_000, "mulaw") <= 0.1


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"credentials": {"api_key": "wrong"}}, 401),
        ({"options": VOICE | {"encoding": "mp3"}}, 400),
        ({"options": VOICE | {"sample_rate": 12_345}}, 400),
    ],
)
@both
def test_a_refused_socket_is_an_error_of_the_sdk(
    house: Gateway,
    sdk: Client,
    journal: Journal,
    flavour: str,
    wrong: dict[str, Any],
    status: int,
) -> None:
    right = {"credentials": {"api_key": house.key}, "options": VOICE, "texts": [WATER]}
    with pytest.raises(RaisedError) as caught:
        sdk.play("say", host=house.address, flavour=flavour, **right | wrong)
    # With websockets 14 or newer the blocking client looks for an exception that it never gets.
    assert caught.value.type == {"sync": "InvalidStatus", "async": "ApiError"}[flavour]
    assert caught.value.status == status
    assert len(journal.all("refused")) == 1


def finals(heard: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [message for message in heard if message.get("is_final")]


def words(message: dict[str, Any]) -> str:
    transcript: str = message["channel"]["alternatives"][0]["transcript"]
    return transcript


@both
def test_recognition_finalized_twice(house: Gateway, sdk: Client, flavour: str) -> None:
    heard = sdk.play(
        "hear",
        host=house.address,
        key=house.key,
        flavour=flavour,
        options=EAR | {"interim_results": True, "vad_events": True, "keyterm": ["young", "man"]},
        clips=[packed(clip(name)[0]) for name in CLIPS],
        finalize=True,
    )
    text = " ".join(clip(name)[1] for name in CLIPS)
    assert wer(text, " ".join(map(words, finals(heard)))) <= 0.2
    assert sum(message["from_finalize"] for message in finals(heard)) >= 2
    assert {m["class"] for m in heard[:-1]} == {
        "ListenV1SpeechStarted",
        "ListenV1Results",
        "ListenV1Metadata",
    }
    timed = finals(heard)[0]["channel"]["alternatives"][0]["words"]
    assert timed[0]["punctuated_word"] == "He"
    assert all(a["end"] <= b["end"] for a, b in pairwise(timed))
    assert [m.get("type") for m in heard[-2:]] == ["Metadata", "closed"]


@both
def test_the_end_of_the_stream_brings_the_rest(house: Gateway, sdk: Client, flavour: str) -> None:
    pcm, text = clip("austen-0930.wav")
    heard = sdk.play(
        "hear",
        host=house.address,
        key=house.key,
        flavour=flavour,
        options=EAR,
        clips=[packed(pcm)],
        finalize=False,
    )
    assert [m.get("type") for m in heard] == ["Results", "Metadata", "closed"]
    assert wer(text, words(heard[0])) <= 0.25
    assert heard[1]["duration"] == pytest.approx(len(pcm) / 32_000, abs=0.02)


@pytest.mark.parametrize("wrong", [{"key": "wrong"}, {"options": EAR | {"encoding": "vinyl"}}])
def test_a_refused_listener_is_told(house: Gateway, sdk: Client, wrong: dict[str, Any]) -> None:
    right = {"key": house.key, "options": EAR, "clips": [], "finalize": False}
    with pytest.raises(RaisedError) as caught:
        sdk.play("hear", host=house.address, flavour="async", **right | wrong)
    assert (caught.value.type, caught.value.status) == ("ApiError", 401 if "key" in wrong else 400)


@both
def test_speech_over_http(house: Gateway, sdk: Client, judge: Judge, flavour: str) -> None:
    said = sdk.play(
        "generate",
        host=house.address,
        key=house.key,
        flavour=flavour,
        text=WATER,
        options={"model": VOICE["model"], "encoding": "linear16", "container": "none"}
        | {"sample_rate": 24_000},
    )
    assert judge.wer(WATER, unpacked(said["audio"])) <= 0.1


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"encoding": "linear16", "container": "wav", "sample_rate": 16_000},
        {"encoding": "opus", "container": "ogg"},
    ],
)
def test_files_of_speech(
    house: Gateway, sdk: Client, judge: Judge, options: dict[str, Any]
) -> None:
    asked = options | {"model": VOICE["model"]}
    said = sdk.play(
        "generate", host=house.address, key=house.key, flavour="sync", text=TRAIN, options=asked
    )
    audio = unpacked(said["audio"])
    magic = {"wav": b"RIFF", "ogg": b"OggS"}.get(options.get("container", ""))
    assert audio[:4] == magic if magic else audio[0] == 0xFF or audio[:3] == b"ID3"
    assert judge.wer_of_file(TRAIN, audio) <= 0.1


@both
def test_a_transcript_over_http(house: Gateway, sdk: Client, flavour: str) -> None:
    name = "austen-0870.wav"
    answer = sdk.play(
        "transcribe",
        host=house.address,
        key=house.key,
        flavour=flavour,
        audio=packed((DATA / name).read_bytes()),
        options={"model": "nova-3", "smart_format": True, "language": "en"},
    )
    best = answer["results"]["channels"][0]["alternatives"][0]
    assert wer(clip(name)[1], best["transcript"]) <= 0.2
    assert best["words"][-1]["end"] <= answer["metadata"]["duration"]
    assert answer["metadata"]["channels"] == 1


@pytest.mark.parametrize(
    ("wrong", "type", "status"),
    [
        ({"key": "wrong"}, "ApiError", 401),
        ({"options": {"encoding": "linear16", "sample_rate": 12_345}}, "BadRequestError", 400),
    ],
)
def test_http_errors(
    house: Gateway, sdk: Client, wrong: dict[str, Any], type: str, status: int
) -> None:
    right = {"key": house.key, "options": {}, "text": WATER}
    with pytest.raises(RaisedError) as caught:
        sdk.play("generate", host=house.address, flavour="sync", **right | wrong)
    assert (caught.value.type, caught.value.status) == (type, status)
    assert {"err_code", "err_msg", "request_id"} <= caught.value.body.keys()
