"""livekit-plugins-slng 1.8.9, as it is on PyPI, against a gateway with the local engines."""

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


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    running = Client("livekit-1.8.9", "livekit_client.py", tmp_path_factory.mktemp("lk") / "log")
    yield running
    running.stop()


def voice(gateway: Gateway, **options: Any) -> dict[str, Any]:
    """What `slng.TTS` is given. A host of 127.0.0.1 makes it choose ws://."""
    model = {} if "connections" in options else {"model": "deepgram/aura:2"}
    key = {"api_key": gateway.key, "slng_base_url": gateway.address}
    return key | model | {"voice": "aura-2-thalia-en"} | options


def ear(gateway: Gateway, **options: Any) -> dict[str, Any]:
    model = {} if "connections" in options else {"model": "deepgram/nova:3"}
    return {"api_key": gateway.key, "slng_base_url": gateway.address} | model | options


def kinds(heard: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in heard]


def finals(heard: list[dict[str, Any]]) -> list[str]:
    return [event["text"] for event in heard if event["type"] == "final_transcript"]


@pytest.mark.parametrize("words", [False, True])
def test_speech(house: Gateway, plugin: Client, judge: Judge, words: bool) -> None:
    said = plugin.play("say", options=voice(house), text=WATER, words=words)
    assert judge.wer(WATER, unpacked(said["said"][0])) <= 0.15
    (session,) = (e for e in said["events"] if e["name"] == "gateway.session")
    assert session["gateway_session_id"]
    assert session["gateway_request_id"]


@pytest.mark.parametrize("scenario", ["say_in_turn", "say_at_once", "synthesize"])
def test_streams_of_one_voice(
    house: Gateway, plugin: Client, judge: Judge, journal: Journal, scenario: str
) -> None:
    texts = [WATER, TRAIN]
    said = plugin.play(scenario, options=voice(house), texts=texts)["said"]
    for text, segment in zip(texts, said, strict=True):
        assert judge.wer(text, unpacked(segment)) <= 0.15
    speaking = [s for s in journal.ended(2) if s["asked"] == "deepgram/aura:2"]
    assert len(speaking) == 2, "each was heard at the first try"


def test_what_follows_an_interruption_is_clean(
    house: Gateway, plugin: Client, judge: Judge, journal: Journal
) -> None:
    said = plugin.play("interrupt", options=voice(house), text=LONG, then=TRAIN)
    assert said["first"] > 0
    assert judge.wer(TRAIN, unpacked(said["said"][0])) <= 0.15
    assert journal.ended(2), "and the old one is gone"


@pytest.mark.parametrize("text", [" ", "\n \t"])
def test_nothing_to_say_is_over_at_once(
    house: Gateway, plugin: Client, journal: Journal, text: str
) -> None:
    # Silence is an error to the plugin. But it must not be its timeout of 10 s.
    with pytest.raises(RaisedError) as caught:
        plugin.play("say", options=voice(house), text=text)
    assert "no audio" in caught.value.message
    assert all(session["duration"] < 5.0 for session in journal.ended(1))


def test_voice_speed_and_options_of_a_model(house: Gateway, plugin: Client, judge: Judge) -> None:
    options = voice(house, model="slng/rime/arcana:3-en", voice="astra", speakingStyle="calm")
    slow = plugin.play("synthesize", options=options | {"speed": 0.8}, texts=[TRAIN])["said"][0]
    fast = plugin.play("synthesize", options=options | {"speed": 1.4}, texts=[TRAIN])["said"][0]
    assert judge.wer(TRAIN, unpacked(slow)) <= 0.15
    assert len(unpacked(fast)) < 0.75 * len(unpacked(slow))


def test_settings_change_between_utterances(house: Gateway, plugin: Client, judge: Judge) -> None:
    said = plugin.play("change", options=voice(house, speed=0.8), text=TRAIN, speed=1.4)
    slow, fast = map(unpacked, said["said"])
    assert judge.wer(TRAIN, slow) <= 0.15
    assert len(fast) < 0.75 * len(slow)


def test_a_warm_standby_speaks(
    house: Gateway, plugin: Client, judge: Judge, journal: Journal
) -> None:
    options = voice(house, warm_standby_enabled=True)
    texts = [WATER, TRAIN]
    said = plugin.play("say_in_turn", options=options, texts=texts)["said"]
    for text, segment in zip(texts, said, strict=True):
        assert judge.wer(text, unpacked(segment)) <= 0.15
    journal.ended(2)


def test_places_and_tags_are_accepted(
    house: Gateway, plugin: Client, judge: Judge, journal: Journal
) -> None:
    options = voice(
        house,
        region_override=["eu-north-1", "US-EAST-1"],
        world_part_override="eu",
        external_agent_id="agent-7",
        external_session_id="call-42",
    )
    said = plugin.play("synthesize", options=options, texts=[WATER])["said"]
    assert judge.wer(WATER, unpacked(said[0])) <= 0.15
    tagged = next(s for s in journal.ended(1) if s["asked"] == "deepgram/aura:2")
    assert "agent-7" in tagged.values()
    assert "call-42" in tagged.values()


def ask(plugin: Client, kind: str, gateway: Gateway, **options: str) -> None:
    """Speak or recognize something."""
    if kind == "tts":
        plugin.play("synthesize", options=voice(gateway, **options), texts=[WATER])
    else:
        speech = packed(clip("austen-0880.wav")[0])
        plugin.play("hear", options=ear(gateway, **options), clips=[speech])


@pytest.mark.parametrize("kind", ["tts", "stt"])
def test_a_wrong_key_is_told_and_not_tried_again(
    house: Gateway, plugin: Client, journal: Journal, kind: str
) -> None:
    with pytest.raises(RaisedError) as caught:
        ask(plugin, kind, house, api_key="wrong")
    assert caught.value.status == 401
    assert len(journal.all("refused")) == 1


@pytest.mark.parametrize("kind", ["tts", "stt"])
def test_an_unknown_model_is_told_and_not_tried_again(
    gateway: Gateway, plugin: Client, kind: str
) -> None:
    journal = Journal(gateway)
    with pytest.raises(RaisedError) as caught:
        ask(plugin, kind, gateway, model="no/one:1")
    assert caught.value.status == 404
    assert len(journal.all("refused")) == 1


def test_the_next_connection_answers_if_the_first_cannot(
    gateway: Gateway, plugin: Client, judge: Judge
) -> None:
    options = voice(gateway, connections=["no/one:1", "local/hibari:en"], voice="heart")
    said = plugin.play("say", options=options, text=WATER)
    assert judge.wer(WATER, unpacked(said["said"][0])) <= 0.15
    assert "fallback.switch_succeeded" in [event["name"] for event in said["events"]]


def test_connections_may_be_addresses(house: Gateway, plugin: Client, judge: Judge) -> None:
    address = f"ws://localhost:{house.address.split(':')[1]}/v1/bridges/unmute/tts/soniox/tts-rt:v1"
    said = plugin.play("synthesize", options=voice(house, connections=[address]), texts=[WATER])
    assert judge.wer(WATER, unpacked(said["said"][0])) <= 0.15


@pytest.mark.parametrize("name", ["jfk.wav", "austen-0870.wav"])
def test_recognition(house: Gateway, plugin: Client, name: str) -> None:
    pcm, text = clip(name)
    said = plugin.play("hear", options=ear(house), clips=[packed(pcm)], between="end")
    heard = said["heard"]
    assert wer(text, " ".join(finals(heard))) <= 0.25
    assert "interim_transcript" in kinds(heard)
    assert kinds(heard).count("start_of_speech") == kinds(heard).count("end_of_speech")
    assert kinds(heard)[-1] in ("end_of_speech", "recognition_usage")
    assert [e["name"] for e in said["events"]] == ["gateway.session"], "one connection, no retry"


@pytest.mark.parametrize("between", ["flush", "listening"])
def test_finalize_in_mid_stream(house: Gateway, plugin: Client, between: str) -> None:
    clips = ["austen-0880.wav", "austen-0930.wav", "austen-0890.wav"]
    speech = [packed(clip(name)[0]) for name in clips]
    said = plugin.play("hear", options=ear(house), clips=speech, between=between)
    text = " ".join(clip(name)[1] for name in clips)
    assert wer(text, " ".join(finals(said["heard"]))) <= 0.2
    assert [e["name"] for e in said["events"]] == ["gateway.session"], "one connection, no retry"


def test_silence_is_kept_alive(house: Gateway, plugin: Client, journal: Journal) -> None:
    # After 5 s without audio the plugin sends a `keepalive`, and wants no answer.
    clips = ["austen-0880.wav", "austen-0930.wav"]
    speech = [packed(clip(name)[0]) for name in clips]
    said = plugin.play("hear", options=ear(house), clips=speech, pause=5.5)
    assert wer(" ".join(clip(n)[1] for n in clips), " ".join(finals(said["heard"]))) <= 0.25
    assert len(journal.ended(1)) == 1


def test_recognition_without_partials(house: Gateway, plugin: Client) -> None:
    pcm, text = clip("austen-0880.wav")
    options = ear(house, enable_partial_transcripts=False)
    heard = plugin.play("hear", options=options, clips=[packed(pcm)])["heard"]
    assert "interim_transcript" not in kinds(heard)
    assert wer(text, " ".join(finals(heard))) <= 0.25


def test_recognition_with_options_of_other_models(house: Gateway, plugin: Client) -> None:
    pcm, text = clip("austen-0880.wav")
    options = ear(
        house,
        model="slng/openai/whisper:large-v3",
        enable_diarization=True,
        min_speakers=1,
        max_speakers=2,
        whisper_params={"task": "transcribe"},
        language="en-IN",
    )
    heard = plugin.play("hear", options=options, clips=[packed(pcm)])["heard"]
    assert wer(text, " ".join(finals(heard))) <= 0.25


def test_the_next_connection_listens_if_the_first_cannot(gateway: Gateway, plugin: Client) -> None:
    pcm, text = clip("austen-0880.wav")
    options = ear(gateway, connections=["no/one:1", "local/moonshine:tiny-en"])
    said = plugin.play("hear", options=options, clips=[packed(pcm)])
    assert wer(text, " ".join(finals(said["heard"]))) <= 0.25
    assert "fallback.switch_succeeded" in [event["name"] for event in said["events"]]
