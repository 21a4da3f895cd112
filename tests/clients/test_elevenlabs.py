"""elevenlabs 2.78.0, as it is on PyPI, against a gateway with the local engines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from conftest import Gateway
from speech import DATA, SENTENCES, clip, wer

from .client import Client, RaisedError, needs_clients, packed, unpacked
from .conftest import Journal, Judge, SecureGateway

pytestmark = needs_clients
WATER, TRAIN = SENTENCES[17], SENTENCES[14]
LONG = " ".join(SENTENCES[:12])
RACHEL = "21m00Tcm4TlvDq8ikWAM"
VOICE = {"model_id": "eleven_flash_v2_5", "output_format": "pcm_24000"}
EAR = {"model_id": "scribe_v2_realtime"}
CLIPS = ("austen-0880.wav", "austen-0930.wav")
both = pytest.mark.parametrize("flavour", ["sync", "async"])


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory, secure_house: SecureGateway) -> Iterator[Client]:
    log = tmp_path_factory.mktemp("elevenlabs") / "log"
    trust = {"SSL_CERT_FILE": str(secure_house.authority)}
    running = Client("elevenlabs", "elevenlabs_client.py", log, **trust)
    yield running
    running.stop()


def in_pieces(text: str) -> list[str]:
    """As a language model would give it."""
    return [word + " " for word in text.split(" ")]


def test_realtime_speech(secure_house: SecureGateway, sdk: Client, judge: Judge) -> None:
    said = sdk.play(
        "realtime",
        url=secure_house.http,
        key=secure_house.key,
        voice=RACHEL,
        texts=[in_pieces(WATER), [TRAIN]],
        options=VOICE,
    )
    for text, audio in zip([WATER, TRAIN], said, strict=True):
        assert judge.wer(text, unpacked(audio)) <= 0.1


def test_realtime_speech_is_mp3_unless_asked(
    secure_house: SecureGateway, sdk: Client, judge: Judge
) -> None:
    said = sdk.play(
        "realtime",
        url=secure_house.http,
        key=secure_house.key,
        voice=RACHEL,
        texts=[[WATER]],
        options={},
    )
    assert unpacked(said[0])[0] == 0xFF
    assert judge.wer_of_file(WATER, unpacked(said[0])) <= 0.1


def test_what_follows_an_interruption_is_clean(
    secure_house: SecureGateway, sdk: Client, judge: Judge
) -> None:
    journal = Journal(secure_house)
    said = sdk.play(
        "leave",
        url=secure_house.http,
        key=secure_house.key,
        voice=RACHEL,
        text=LONG,
        then=TRAIN,
        options=VOICE,
    )
    assert said["first"] > 0
    assert judge.wer(TRAIN, unpacked(said["said"])) <= 0.1
    left, finished = journal.ended(2)
    assert left["audio_out"] < 10.0, "what nobody listens to is not spoken"
    assert finished


@pytest.mark.parametrize(
    "wrong", [{"key": "wrong"}, {"options": VOICE | {"output_format": "pcm_12345"}}]
)
def test_realtime_errors(secure_house: SecureGateway, sdk: Client, wrong: dict[str, Any]) -> None:
    right = {"key": secure_house.key, "voice": RACHEL, "texts": [[WATER]], "options": VOICE}
    with pytest.raises(RaisedError) as caught:
        sdk.play("realtime", url=secure_house.http, **right | wrong)
    assert (caught.value.type, caught.value.status) == ("ApiError", 1008)


def told(heard: list[dict[str, Any]], event: str) -> list[dict[str, Any]]:
    return [each["data"] for each in heard if each["event"] == event]


@both
def test_scribe_with_two_commits(house: Gateway, sdk: Client, flavour: str) -> None:
    heard = sdk.play(
        "hear",
        url=house.http,
        key=house.key,
        flavour=flavour,
        options=EAR | {"include_timestamps": True, "keyterms": ["amiable", "disposed"]},
        clips=[packed(clip(name)[0]) for name in CLIPS],
    )
    started, *rest = [each["event"] for each in heard]
    assert started == "session_started"
    assert set(rest) == {
        "partial_transcript",
        "committed_transcript",
        "committed_transcript_with_timestamps",
        "close",
    }
    committed = told(heard, "committed_transcript")
    for name, transcript in zip(CLIPS, committed, strict=True):
        assert wer(clip(name)[1], transcript["text"]) <= 0.25
    timed = told(heard, "committed_transcript_with_timestamps")
    assert [each["text"] for each in timed] == [each["text"] for each in committed]
    assert "".join(word["text"] for word in timed[0]["words"]) == timed[0]["text"]
    assert timed[0]["words"][-1]["end"] < timed[1]["words"][0]["start"]
    assert told(heard, "close") == [{"code": 1000, "reason": ""}]


def test_scribe_commits_by_pauses(house: Gateway, sdk: Client) -> None:
    pcm, text = clip("austen-0880.wav")
    heard = sdk.play(
        "hear",
        url=house.http,
        key=house.key,
        flavour="async",
        options=EAR | {"commit_strategy": "vad", "language_code": "en"},
        clips=[packed(pcm + bytes(64_000))],
    )
    (committed,) = told(heard, "committed_transcript")
    assert wer(text, committed["text"]) <= 0.25


@pytest.mark.parametrize(
    ("wrong", "event"),
    [
        ({"key": "wrong"}, "auth_error"),
        ({"options": EAR | {"language_code": "en-US"}}, "input_error"),
        ({"clips": [packed(bytes(3_200))]}, "commit_throttled"),
    ],
)
def test_scribe_errors(house: Gateway, sdk: Client, wrong: dict[str, Any], event: str) -> None:
    right = {"key": house.key, "options": EAR, "clips": [packed(clip(CLIPS[0])[0])]}
    heard = sdk.play("hear", url=house.http, flavour="async", **right | wrong)
    (error,) = told(heard, event)
    assert error["error"]
    assert told(heard, "error")[0] == error
    assert heard[-1]["event"] == "close"


@both
@pytest.mark.parametrize("method", ["convert", "stream"])
def test_speech_over_http(
    house: Gateway, sdk: Client, judge: Judge, flavour: str, method: str
) -> None:
    said = sdk.play(
        "convert",
        url=house.http,
        key=house.key,
        flavour=flavour,
        method=method,
        voice=RACHEL,
        options=VOICE | {"text": WATER, "seed": 7},
    )
    assert judge.wer(WATER, unpacked(said["audio"])) <= 0.1


@pytest.mark.parametrize(
    ("format", "magic"),
    [(None, b"\xff"), ("mp3_22050_32", b"\xff"), ("opus_48000_64", b"OggS")],
)
def test_files_of_speech(
    house: Gateway, sdk: Client, judge: Judge, format: str | None, magic: bytes
) -> None:
    asked = {"output_format": format} if format else {}
    said = sdk.play(
        "convert",
        url=house.http,
        key=house.key,
        flavour="sync",
        method="stream",
        voice=RACHEL,
        options={"text": TRAIN, "model_id": "eleven_multilingual_v2"} | asked,
    )
    audio = unpacked(said["audio"])
    assert audio.startswith(magic)
    assert judge.wer_of_file(TRAIN, audio) <= 0.1


def check_alignment(text: str, alignment: dict[str, Any], seconds: float) -> None:
    """Every character has its time, in order, within the audio."""
    assert "".join(alignment["characters"]) == text
    starts = alignment["character_start_times_seconds"]
    ends = alignment["character_end_times_seconds"]
    assert len(starts) == len(ends) == len(text)
    assert starts == sorted(starts)
    assert all(0 <= start <= end <= seconds + 0.1 for start, end in zip(starts, ends, strict=True))
    assert ends[-1] > seconds / 2


@both
def test_speech_with_timestamps(house: Gateway, sdk: Client, judge: Judge, flavour: str) -> None:
    said = sdk.play(
        "convert_with_timestamps",
        url=house.http,
        key=house.key,
        flavour=flavour,
        voice=RACHEL,
        options=VOICE | {"text": WATER},
    )
    audio = unpacked(said["audio_base64"])
    assert judge.wer(WATER, audio) <= 0.1
    check_alignment(WATER, said["alignment"], len(audio) / 48_000)


@both
def test_a_stream_with_timestamps(house: Gateway, sdk: Client, judge: Judge, flavour: str) -> None:
    text = f"{WATER} {TRAIN}"
    chunks = sdk.play(
        "stream_with_timestamps",
        url=house.http,
        key=house.key,
        flavour=flavour,
        voice=RACHEL,
        options=VOICE | {"text": text},
    )
    audio = b"".join(unpacked(chunk["audio_base64"]) for chunk in chunks)
    assert judge.wer(text, audio) <= 0.1
    alignments = [chunk["alignment"] for chunk in chunks if chunk["alignment"]]
    whole = {
        name: [value for alignment in alignments for value in alignment[name]]
        for name in alignments[0]
    }
    check_alignment(text, whole, len(audio) / 48_000)


@both
def test_a_transcript_over_http(house: Gateway, sdk: Client, flavour: str) -> None:
    name = "austen-0870.wav"
    answer = sdk.play(
        "transcribe",
        url=house.http,
        key=house.key,
        flavour=flavour,
        audio=packed((DATA / name).read_bytes()),
        options={"model_id": "scribe_v1", "language_code": "en"}
        | {"timestamps_granularity": "word"},
    )
    assert wer(clip(name)[1], answer["text"]) <= 0.2
    assert answer["language_code"]
    assert {"word", "spacing"} >= {word["type"] for word in answer["words"]} >= {"word"}
    ends = [word["end"] for word in answer["words"]]
    assert ends == sorted(ends)


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"key": "wrong"}, 401),
        ({"options": {"text": WATER, "output_format": "pcm_12345"}}, 400),
    ],
)
def test_http_errors(house: Gateway, sdk: Client, wrong: dict[str, Any], status: int) -> None:
    right = {"key": house.key, "voice": RACHEL, "options": {"text": WATER}}
    with pytest.raises(RaisedError) as caught:
        sdk.play("convert", url=house.http, flavour="sync", method="convert", **right | wrong)
    assert (caught.value.type, caught.value.status) == ("ApiError", status)
    assert {"status", "message"} <= caught.value.body["detail"].keys()
