"""The second generation (Flux) of deepgram-sdk 7.17.0, as it is on PyPI, with the local engines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from conftest import Gateway
from speech import SENTENCES, clip, wer

from .client import Client, RaisedError, needs_clients, packed, unpacked
from .conftest import Journal, Judge

pytestmark = needs_clients
WATER, TRAIN = SENTENCES[17], SENTENCES[14]
LONG = " ".join(SENTENCES[:12])
VOICE: dict[str, Any] = {
    "model": "flux-alexis-en",
    "encoding": "linear16",
    "sample_rate": 24_000,
}
EAR = {"model": "flux-general-en", "encoding": "linear16", "sample_rate": 16_000}
CLIPS = ("austen-0880.wav", "austen-0930.wav")
SILENCE = bytes(32_000 * 3)
both = pytest.mark.parametrize("flavour", ["sync", "async"])


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    running = Client("deepgram", "deepgram_client.py", tmp_path_factory.mktemp("flux") / "log")
    yield running
    running.stop()


@both
def test_turns_of_speech(
    house: Gateway, sdk: Client, judge: Judge, journal: Journal, flavour: str
) -> None:
    said = sdk.play(
        "say_in_turns",
        host=house.address,
        key=house.key,
        flavour=flavour,
        options=VOICE,
        texts=[[WATER], [f"{WATER} ", TRAIN]],
        speed=1.1,
    )
    assert len(journal.ended(1)) == 1
    one, two = map(unpacked, said["said"])
    assert judge.wer(WATER, one) <= 0.1
    assert judge.wer(f"{WATER} {TRAIN}", two) <= 0.1
    messages = [m for m in said["messages"] if m["type"] != "Warning"]
    turn = ["SpeechStarted", "Flushed", "SpeechMetadata"]
    types = [m["type"] for m in messages]
    assert types == ["Connected", *turn, "ConfigureSuccess", *turn, "SessionMetadata"]
    assert all(m["class"].startswith("SpeakV2") for m in messages)
    ends = [m for m in messages if m["type"] == "SpeechMetadata"]
    assert [end["audio_duration_ms"] for end in ends] == pytest.approx(
        [len(pcm) / 48 for pcm in (one, two)], abs=1
    )
    assert ends[1]["input_character_count"] == len(f"{WATER} {TRAIN}")


@both
def test_what_follows_an_interruption_is_clean(
    house: Gateway, sdk: Client, judge: Judge, flavour: str
) -> None:
    said = sdk.play(
        "interrupt_a_turn",
        host=house.address,
        key=house.key,
        flavour=flavour,
        options=VOICE,
        text=LONG,
        played=700,
        then=TRAIN,
    )
    interrupted = said["interrupted"]
    assert interrupted["class"] == "SpeakV2SpeechInterrupted"
    assert interrupted["audio_played_ms"] == 700
    assert interrupted["text_spoken"] + interrupted["text_remaining"] == LONG
    assert 0 < len(interrupted["text_spoken"]) < len(LONG) / 4
    assert judge.wer(TRAIN, unpacked(said["said"])) <= 0.1


@pytest.mark.parametrize("is_forced", [True, False])
@both
def test_turns_of_recognition(house: Gateway, sdk: Client, flavour: str, is_forced: bool) -> None:
    pause = b"" if is_forced else SILENCE
    heard = sdk.play(
        "hear_turns",
        host=house.address,
        key=house.key,
        flavour=flavour,
        options=EAR | {"eot_threshold": 0.7, "eager_eot_threshold": 0.4},
        clips=[packed(clip(name)[0] + pause) for name in CLIPS],
        force=is_forced,
    )
    messages = [m for m in heard if m.get("type") in ("Connected", "TurnInfo", "ConfigureSuccess")]
    assert [m["sequence_id"] for m in messages] == sorted(m["sequence_id"] for m in messages)
    assert heard[-1] == {"type": "closed"}
    turns = [m for m in heard if m.get("type") == "TurnInfo"]
    assert {m["class"] for m in turns} == {"ListenV2TurnInfo"}
    ends = [m for m in turns if m["event"] == "EndOfTurn"]
    assert [end["turn_index"] for end in ends] == [0, 1]
    assert {end["trigger"] for end in ends} == {"manual" if is_forced else "model"}
    for name, end in zip(CLIPS, ends, strict=True):
        assert wer(clip(name)[1], end["transcript"]) <= 0.25
        assert [word["word"] for word in end["words"]] == end["transcript"].split()
    confirmed = [m for m in heard if m.get("type") == "ConfigureSuccess"]
    assert [m["thresholds"]["eot_threshold"] for m in confirmed] == [0.6, 0.6]


@pytest.mark.parametrize(
    ("scenario", "wrong", "status"),
    [
        ("hear_turns", {"key": "wrong"}, 401),
        ("hear_turns", {"options": EAR | {"eot_threshold": 0.1}}, 400),
        ("say_in_turns", {"options": VOICE | {"encoding": "mp3"}}, 400),
    ],
)
def test_a_refused_socket_is_an_error_of_the_sdk(
    house: Gateway, sdk: Client, scenario: str, wrong: dict[str, Any], status: int
) -> None:
    more: dict[str, Any] = {"options": EAR, "clips": [], "force": True}
    if scenario == "say_in_turns":
        more = {"options": VOICE, "texts": [], "speed": 1.0}
    where = {"host": house.address, "key": house.key, "flavour": "async"}
    with pytest.raises(RaisedError) as caught:
        sdk.play(scenario, **where | more | wrong)
    assert (caught.value.type, caught.value.status) == ("ApiError", status)
