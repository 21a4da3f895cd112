"""livekit-plugins-slng 1.5.7, as it is on PyPI, which uses the documented routes."""

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
SILENCE = bytes(2 * 16_000 * 2)


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    running = Client("livekit-1.5.7", "livekit_client.py", tmp_path_factory.mktemp("lk") / "log")
    yield running
    running.stop()


def options(gateway: Gateway, **others: Any) -> dict[str, Any]:
    """What `slng.TTS` and `slng.STT` are given. A host of 127.0.0.1 makes them choose ws://."""
    return {"api_key": gateway.key, "slng_base_url": gateway.address} | others


def finals(heard: list[dict[str, Any]]) -> list[str]:
    return [event["text"] for event in heard if event["type"] == "final_transcript"]


@pytest.mark.parametrize("words", [False, True])
def test_speech(house: Gateway, plugin: Client, judge: Judge, words: bool) -> None:
    said = plugin.play("say", options=options(house), text=WATER, words=words)["said"]
    assert judge.wer(WATER, unpacked(said[0])) <= 0.15


def test_one_socket_for_one_utterance_after_the_other(
    house: Gateway, plugin: Client, judge: Judge, journal: Journal
) -> None:
    # It reads to the first terminal and puts the socket back into its pool: a second terminal
    # would end the next utterance before it began.
    texts = [WATER, TRAIN, SENTENCES[15]]
    said = plugin.play("say_in_turn", options=options(house), texts=texts)["said"]
    for text, speech in zip(texts, said, strict=True):
        assert judge.wer(text, unpacked(speech)) <= 0.15
    sessions = [s for s in journal.ended(1) if s["asked"] == "deepgram/aura:2"]
    assert len(sessions) == 1


@pytest.mark.parametrize("scenario", ["say_at_once", "synthesize"])
def test_several_utterances(house: Gateway, plugin: Client, judge: Judge, scenario: str) -> None:
    texts = [WATER, TRAIN]
    said = plugin.play(scenario, options=options(house), texts=texts)["said"]
    for text, speech in zip(texts, said, strict=True):
        assert judge.wer(text, unpacked(speech)) <= 0.15


@pytest.mark.parametrize("scenario", ["say_in_turn", "synthesize"])
@pytest.mark.parametrize("model", ["rime/arcana:en", "slng/rime/arcana:3-en"])
def test_cancel_speaks_the_rest_for_rime_arcana(
    house: Gateway, plugin: Client, judge: Judge, scenario: str, model: str
) -> None:
    texts = [WATER, TRAIN]
    said = plugin.play(scenario, options=options(house, model=model), texts=texts)["said"]
    for text, speech in zip(texts, said, strict=True):
        assert judge.wer(text, unpacked(speech)) <= 0.15


def test_what_follows_an_interruption_is_clean(
    house: Gateway, plugin: Client, judge: Judge, journal: Journal
) -> None:
    said = plugin.play("interrupt", options=options(house), text=LONG, then=TRAIN)
    assert said["first"] > 0
    assert judge.wer(TRAIN, unpacked(said["said"][0])) <= 0.15
    journal.ended(1)


def test_nothing_to_say_is_over_at_once(house: Gateway, plugin: Client, journal: Journal) -> None:
    assert plugin.play("say", options=options(house), text="  ")["said"] == [""]
    assert all(session["duration"] < 5.0 for session in journal.ended(1))


def test_a_change_of_voice_opens_a_new_socket(
    house: Gateway, plugin: Client, judge: Judge, journal: Journal
) -> None:
    voices = {"voice": "aura-2-luna-en"}
    said = plugin.play("change", options=options(house), text=WATER, **voices)["said"]
    assert all(judge.wer(WATER, unpacked(speech)) <= 0.15 for speech in said)
    assert len([s for s in journal.ended(2) if s["asked"] == "deepgram/aura:2"]) == 2


def test_models_of_others(house: Gateway, plugin: Client, judge: Judge) -> None:
    sarvam = options(house, model="sarvam/bulbul:v3", voice="anushka", region_override="eu-north-1")
    said = plugin.play("say", options=sarvam, text=WATER, words=True)["said"]
    assert judge.wer(WATER, unpacked(said[0])) <= 0.15


def ask(plugin: Client, kind: str, gateway: Gateway, **others: str) -> None:
    """Speak or recognize something."""
    if kind == "tts":
        plugin.play("synthesize", options=options(gateway, **others), texts=[WATER])
    else:
        speech = packed(clip("austen-0880.wav")[0])
        plugin.play("overhear", options=options(gateway, **others), clip=speech)


# For speech, the agent framework of that time tries again whatever was said: as often as it is
# told (here twice more), and no more.
TRIES = [("tts", 3), ("stt", 1)]


@pytest.mark.parametrize(("kind", "tries"), TRIES)
def test_a_wrong_key_is_told(
    house: Gateway, plugin: Client, journal: Journal, kind: str, tries: int
) -> None:
    with pytest.raises(RaisedError) as caught:
        ask(plugin, kind, house, api_key="wrong")
    assert caught.value.status == 401
    assert len(journal.all("refused")) == tries


@pytest.mark.parametrize(("kind", "tries"), TRIES)
def test_an_unknown_model_is_told(gateway: Gateway, plugin: Client, kind: str, tries: int) -> None:
    journal = Journal(gateway)
    with pytest.raises(RaisedError) as caught:
        ask(plugin, kind, gateway, model="no/one:1")
    assert caught.value.status == 404
    assert len(journal.all("refused")) == tries


@pytest.mark.parametrize("name", ["austen-0870.wav", "austen-0880.wav"])
def test_the_end_of_an_utterance_is_found(house: Gateway, plugin: Client, name: str) -> None:
    # It never sends `finalize`: silence has to do.
    pcm, text = clip(name)
    said = plugin.play("overhear", options=options(house), clip=packed(pcm + SILENCE))
    assert "interim_transcript" in [event["type"] for event in said["heard"]]
    assert wer(text, " ".join(finals(said["heard"]))) <= 0.25


def test_the_next_address_listens_if_the_first_cannot(gateway: Gateway, plugin: Client) -> None:
    pcm, text = clip("austen-0880.wav")
    places = [f"{gateway.url}/v1/stt/{model}" for model in ("no/one:1", "local/moonshine:tiny-en")]
    chain = options(gateway, model_endpoints=places)
    said = plugin.play("overhear", options=chain, clip=packed(pcm + SILENCE))
    assert wer(text, " ".join(finals(said["heard"]))) <= 0.25
