"""openai 3.52.0, as it is on PyPI, against a gateway with the local engines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from conftest import Gateway
from speech import DATA, SENTENCES, clip, wer
from voxway.audio.resample import Resampler

from .client import Client, RaisedError, needs_clients, packed, unpacked
from .conftest import Judge

pytestmark = needs_clients
WATER, TRAIN = SENTENCES[17], SENTENCES[14]
LONG = " ".join(SENTENCES[:12])
VOICE = {"model": "gpt-4o-mini-tts", "voice": "alloy"}
EAR = {"model": "whisper-1", "language": "en"}
NAME = "austen-0870.wav"
SAID = clip(NAME)[1]
both = pytest.mark.parametrize("flavour", ["sync", "async"])


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    running = Client("openai", "openai_client.py", tmp_path_factory.mktemp("openai") / "log")
    yield running
    running.stop()


def at(gateway: Gateway, flavour: str) -> dict[str, str]:
    return {"url": gateway.http, "key": gateway.key, "flavour": flavour}


def file(name: str = NAME) -> dict[str, str]:
    return {"audio": packed((DATA / name).read_bytes()), "name": name}


@both
def test_speech(house: Gateway, sdk: Client, judge: Judge, flavour: str) -> None:
    asked = VOICE | {"input": WATER, "response_format": "pcm", "instructions": "Calmly."}
    said = sdk.play("speak", **at(house, flavour), options=asked)
    assert judge.wer(WATER, unpacked(said["audio"])) <= 0.1


@pytest.mark.parametrize(
    ("format", "magic", "type"),
    [
        (None, b"\xff", "audio/mpeg"),
        ("wav", b"RIFF", "audio/wav"),
        ("opus", b"OggS", "audio/ogg"),
        ("flac", b"fLaC", "audio/flac"),
        ("aac", b"\xff\xf1", "audio/aac"),
    ],
)
def test_files_of_speech(
    house: Gateway, sdk: Client, judge: Judge, format: str | None, magic: bytes, type: str
) -> None:
    asked = VOICE | {"input": TRAIN} | ({"response_format": format} if format else {})
    said = sdk.play("speak", **at(house, "async"), options=asked)
    assert said["type"] == type
    assert unpacked(said["audio"]).startswith(magic)
    assert judge.wer_of_file(TRAIN, unpacked(said["audio"])) <= 0.1


@both
def test_speech_is_streamed(house: Gateway, sdk: Client, judge: Judge, flavour: str) -> None:
    asked = VOICE | {"input": f"{WATER} {TRAIN}", "response_format": "pcm"}
    said = sdk.play("stream", **at(house, flavour), options=asked)
    assert judge.wer(f"{WATER} {TRAIN}", unpacked(said["audio"])) <= 0.1
    assert said["pieces"] > 2


def test_speed_and_a_voice_by_its_id(house: Gateway, sdk: Client, judge: Judge) -> None:
    asked = VOICE | {"input": TRAIN, "response_format": "pcm", "voice": {"id": "heart"}}
    slow = sdk.play("speak", **at(house, "sync"), options=asked | {"speed": 0.8})
    fast = sdk.play("speak", **at(house, "sync"), options=asked | {"speed": 1.4})
    assert judge.wer(TRAIN, unpacked(slow["audio"])) <= 0.1
    assert len(unpacked(fast["audio"])) < 0.75 * len(unpacked(slow["audio"]))


@both
def test_what_follows_an_interruption_is_clean(
    house: Gateway, sdk: Client, judge: Judge, flavour: str
) -> None:
    asked = VOICE | {"input": LONG, "response_format": "pcm"}
    said = sdk.play("leave", **at(house, flavour), options=asked, then=TRAIN)
    assert said["first"] > 0
    assert judge.wer(TRAIN, unpacked(said["said"])) <= 0.1


@both
def test_speech_in_events(house: Gateway, sdk: Client, judge: Judge, flavour: str) -> None:
    asked = VOICE | {"input": WATER, "response_format": "pcm"}
    *deltas, done = sdk.play("events", **at(house, flavour), options=asked)
    assert {event["type"] for event in deltas} == {"speech.audio.delta"}
    assert done["type"] == "speech.audio.done"
    assert done["usage"].keys() == {"input_tokens", "output_tokens", "total_tokens"}
    audio = b"".join(unpacked(event["audio"]) for event in deltas)
    assert judge.wer(WATER, audio) <= 0.1


@both
def test_a_transcript(house: Gateway, sdk: Client, flavour: str) -> None:
    answer = sdk.play("transcribe", **at(house, flavour), **file(), options=EAR)
    assert answer["class"] == "Transcription"
    assert wer(SAID, answer["text"]) <= 0.2


@both
def test_a_transcript_as_text(house: Gateway, sdk: Client, flavour: str) -> None:
    asked = EAR | {"response_format": "text"}
    answer = sdk.play("transcribe", **at(house, flavour), **file(), options=asked)
    assert wer(SAID, answer) <= 0.2


@pytest.mark.parametrize(("format", "mark"), [("srt", ","), ("vtt", ".")])
def test_subtitles(house: Gateway, sdk: Client, format: str, mark: str) -> None:
    asked = EAR | {"response_format": format}
    answer = sdk.play("transcribe", **at(house, "sync"), **file(), options=asked)
    time = rf"\d\d:\d\d:\d\d\{mark}\d\d\d"
    cue = re.compile(rf"^({time}) --> ({time})$", re.MULTILINE)
    times = cue.findall(answer)
    assert times
    assert [moment for pair in times for moment in pair] == sorted(
        m for pair in times for m in pair
    )
    assert answer.startswith("WEBVTT\n" if format == "vtt" else "1\n")
    spoken = [line for line in cue.sub("", answer).splitlines() if re.search(r"[a-z]", line)]
    assert wer(SAID, " ".join(spoken)) <= 0.2


@both
def test_a_transcript_with_words(house: Gateway, sdk: Client, flavour: str) -> None:
    asked = EAR | {"response_format": "verbose_json", "timestamp_granularities": ["word"]}
    answer = sdk.play("transcribe", **at(house, flavour), **file("jfk.wav"), options=asked)
    assert answer["class"] == "TranscriptionVerbose"
    assert wer(clip("jfk.wav")[1], answer["text"]) <= 0.2
    words = answer["words"]
    assert wer(clip("jfk.wav")[1], " ".join(word["word"] for word in words)) <= 0.2
    ends = [word["end"] for word in words]
    assert ends == sorted(ends)
    assert ends[-1] <= answer["duration"] == pytest.approx(11.0, abs=0.1)
    assert answer["language"]


@both
def test_a_transcript_in_events(house: Gateway, sdk: Client, flavour: str) -> None:
    asked = {"model": "gpt-4o-transcribe", "response_format": "json"}
    heard = sdk.play("transcribe_in_events", **at(house, flavour), **file(), options=asked)
    *deltas, done = heard
    assert {event["class"] for event in deltas} == {"TranscriptionTextDeltaEvent"}
    assert done["class"] == "TranscriptionTextDoneEvent"
    assert "".join(event["delta"] for event in deltas) == done["text"]
    assert wer(SAID, done["text"]) <= 0.2


COMPLETED = "conversation.item.input_audio_transcription.completed"
LIVE = ("austen-0880.wav", "austen-0930.wav")


def live(name: str, seconds: float = 0.0) -> bytes:
    """A clip at the one rate that it takes, and silence after it."""
    pcm = Resampler(16_000, 24_000).feed(clip(name)[0])
    return pcm + bytes(round(seconds * 24_000) * 2)


@pytest.mark.parametrize("is_manual", [True, False])
@both
def test_a_realtime_transcription(
    house: Gateway, sdk: Client, flavour: str, is_manual: bool
) -> None:
    asked = {
        "format": {"type": "audio/pcm", "rate": 24_000},
        "transcription": {"model": "gpt-4o-transcribe", "language": "en"},
        "turn_detection": None if is_manual else {"type": "server_vad", "silence_duration_ms": 700},
    }
    heard = sdk.play(
        "hear_live",
        **at(house, flavour),
        input=asked,
        clips=[packed(live(name, 0.0 if is_manual else 2.5)) for name in LIVE],
        commit=is_manual,
        query={"intent": "transcription"},
    )
    created, updated = heard[0], heard[2]
    assert (created["class"], updated["class"]) == ("SessionCreatedEvent", "SessionUpdatedEvent")
    assert created["session"]["type"] == "transcription"
    assert updated["session"]["audio"]["input"]["transcription"]["model"] == "gpt-4o-transcribe"
    done = [event for event in heard if event["type"] == COMPLETED]
    committed = [event for event in heard if event["type"] == "input_audio_buffer.committed"]
    assert [event["item_id"] for event in done] == [event["item_id"] for event in committed]
    assert committed[1]["previous_item_id"] == committed[0]["item_id"]
    for name, event in zip(LIVE, done, strict=True):
        assert wer(clip(name)[1], event["transcript"]) <= 0.25
        deltas = [d for d in heard if d.get("item_id") == event["item_id"] and "delta" in d]
        assert deltas
        assert event["usage"]["seconds"] > 1.0
    speech = [e["type"] for e in heard if "speech_" in e["type"]]
    names = [f"input_audio_buffer.speech_{what}" for what in ("started", "stopped")]
    assert speech == ([] if is_manual else names * 2)
    assert heard[-2]["error"]["code"] == "input_audio_buffer_commit_empty"
    ids = [event["event_id"] for event in heard if "event_id" in event]
    assert len(ids) == len(set(ids))


def test_realtime_is_for_transcription_alone(house: Gateway, sdk: Client) -> None:
    with pytest.raises(RaisedError) as caught:
        sdk.play(
            "hear_live",
            **at(house, "async"),
            input={},
            clips=[],
            commit=True,
            query={"intent": "conversation"},
        )
    assert caught.value.status == 400


@both
def test_models(house: Gateway, sdk: Client, flavour: str) -> None:
    listed = sdk.play("models", **at(house, flavour))
    assert {"local/hibari:en", "local/moonshine:tiny-en"} <= {model["id"] for model in listed}
    assert {model["object"] for model in listed} == {"model"}


@both
def test_an_unknown_key(house: Gateway, sdk: Client, flavour: str) -> None:
    where = at(house, flavour) | {"key": "wrong"}
    asks: list[tuple[str, dict[str, Any]]] = [
        ("speak", {"options": VOICE | {"input": WATER}}),
        ("transcribe", {"options": EAR} | file()),
        ("models", {}),
    ]
    for scenario, asked in asks:
        with pytest.raises(RaisedError) as caught:
            sdk.play(scenario, **where, **asked)
        assert (caught.value.type, caught.value.status) == ("AuthenticationError", 401)
        if scenario != "models":  # which is ours as well, and tells errors our way
            assert caught.value.body["code"] == "invalid_api_key"


@both
@pytest.mark.parametrize(
    ("wrong", "param"),
    [({"response_format": "vinyl"}, "response_format"), ({"speed": 9.0}, "speed")],
)
def test_a_parameter_that_is_none(
    house: Gateway, sdk: Client, flavour: str, wrong: dict[str, Any], param: str
) -> None:
    with pytest.raises(RaisedError) as caught:
        sdk.play("speak", **at(house, flavour), options=VOICE | {"input": WATER} | wrong)
    assert (caught.value.type, caught.value.status) == ("BadRequestError", 400)
    assert caught.value.body["param"] == param
    assert caught.value.body["type"] == "invalid_request_error"


def test_audio_that_is_none(house: Gateway, sdk: Client) -> None:
    asked = {"audio": packed(b"no audio at all" * 100), "name": "x.wav", "options": EAR}
    with pytest.raises(RaisedError) as caught:
        sdk.play("transcribe", **at(house, "sync"), **asked)
    assert (caught.value.type, caught.value.status) == ("BadRequestError", 400)
    assert caught.value.body["message"]
