"""pipecat-slng 0.5.2, as it is on PyPI, in pipelines against a gateway with the local engines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from conftest import Gateway
from speech import SENTENCES, clip, wer

from .client import Client, needs_clients, packed, unpacked
from .conftest import Journal, Judge

pytestmark = needs_clients
WATER, TRAIN = SENTENCES[17], SENTENCES[14]
LONG = " ".join(SENTENCES[:12])
HOSTED = "slng/deepgram/aura:2-en"
EAR = "slng/deepgram/nova:3-en"


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    running = Client("pipecat", "pipecat_client.py", tmp_path_factory.mktemp("pipecat") / "log")
    yield running
    running.stop()


def options(gateway: Gateway, **others: Any) -> dict[str, Any]:
    """What a WebSocket service is given; its `base_url` may have a scheme."""
    return {"api_key": gateway.key, "base_url": gateway.url} | others


def voice(gateway: Gateway, **others: Any) -> dict[str, Any]:
    return options(gateway, voice="aura-2-thalia-en") | others


def check(judge: Judge, texts: list[str], said: dict[str, Any]) -> None:
    """Every text was spoken, whole, in order and without an error."""
    assert said["errors"] == []
    for text, speech in zip(texts, said["said"], strict=True):
        assert judge.wer(text, unpacked(speech), said["rate"]) <= 0.15


@pytest.mark.parametrize("wait", [True, False], ids=["one after the other", "queued"])
def test_utterances_come_whole_and_in_order(
    house: Gateway, plugin: Client, judge: Judge, journal: Journal, wait: bool
) -> None:
    texts = [WATER, TRAIN, SENTENCES[15]]
    check(judge, texts, plugin.play("say", options=voice(house), texts=texts, wait=wait))
    assert len([s for s in journal.ended(1) if s["asked"] == HOSTED]) == 1


def test_a_turn_of_a_language_model(house: Gateway, plugin: Client, judge: Judge) -> None:
    pieces = [word + " " for word in f"{WATER} {TRAIN}".split()]
    said = plugin.play("answer", options=voice(house), pieces=pieces)
    check(judge, [f"{WATER} {TRAIN}"], said)


@pytest.mark.parametrize("blank", ["  ", "\n"])
def test_nothing_to_say_delays_nothing(
    house: Gateway, plugin: Client, judge: Judge, blank: str
) -> None:
    said = plugin.play("say_nothing", options=voice(house), blank=blank, then=WATER)
    check(judge, [WATER], said)


def test_what_follows_an_interruption_is_clean(
    house: Gateway, plugin: Client, judge: Judge, journal: Journal
) -> None:
    said = plugin.play("interrupt", options=voice(house), text=LONG, then=TRAIN)
    assert said["errors"] == []
    assert len(said["said"]) == 1
    assert judge.wer(TRAIN, unpacked(said["said"][0])) <= 0.15
    assert len([s for s in journal.ended(2) if s["asked"] == HOSTED]) == 2


def test_settings_change_between_utterances(house: Gateway, plugin: Client, judge: Judge) -> None:
    said = plugin.play("change", options=voice(house, speed=0.8), text=TRAIN, speed=1.4)
    assert said["errors"] == []
    slow, fast = map(unpacked, said["said"])
    assert judge.wer(TRAIN, slow, said["rate"]) <= 0.15
    assert len(fast) < 0.75 * len(slow)


def test_a_warm_standby_speaks(
    house: Gateway, plugin: Client, judge: Judge, journal: Journal
) -> None:
    standby = voice(house, warm_standby_enabled=True)
    texts = [WATER, TRAIN, SENTENCES[15]]
    check(judge, texts, plugin.play("say", options=standby, texts=texts))
    journal.ended(2)


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 48_000])
def test_rates(house: Gateway, plugin: Client, judge: Judge, sample_rate: int) -> None:
    said = plugin.play("say", options=voice(house, sample_rate=sample_rate), texts=[WATER])
    assert said["rate"] == sample_rate
    check(judge, [WATER], said)


def test_places_and_other_models(house: Gateway, plugin: Client, judge: Judge) -> None:
    placed = {"region_override": "eu-north-1", "world_part_override": "eu"}
    said = plugin.play(
        "say", options=voice(house, model="soniox/tts-rt:v1", **placed), texts=[WATER]
    )
    check(judge, [WATER], said)


def test_speech_over_http(house: Gateway, plugin: Client, judge: Judge) -> None:
    http = voice(house, base_url=house.http, region_override="eu-north-1")
    texts = [WATER, TRAIN]
    check(judge, texts, plugin.play("say_over_http", options=http, texts=texts))


def test_recognition(house: Gateway, plugin: Client, journal: Journal) -> None:
    clips = ["austen-0880.wav", "austen-0930.wav", "austen-0890.wav"]
    speech = [packed(clip(name)[0]) for name in clips]
    said = plugin.play("hear", options=options(house, model=EAR), clips=speech)
    assert said["errors"] == []
    finals = [t for t in said["heard"] if t["final"]]
    text = " ".join(clip(name)[1] for name in clips)
    assert wer(text, " ".join(t["text"] for t in finals)) <= 0.2
    assert any(not t["final"] for t in said["heard"]), "partials come"
    assert finals[0]["finalized"]
    assert {t["language"] for t in finals} == {"en"}
    assert len(journal.ended(1)) == 1


def test_recognition_without_partials(house: Gateway, plugin: Client) -> None:
    pcm, text = clip("austen-0880.wav")
    quiet = options(house, model=EAR, enable_partials=False)
    heard = plugin.play("hear", options=quiet, clips=[packed(pcm)])["heard"]
    assert [t["final"] for t in heard] == [True]
    assert wer(text, heard[0]["text"]) <= 0.25


def test_a_recognition_that_is_broken_off_leaves_nothing(
    house: Gateway, plugin: Client, journal: Journal
) -> None:
    speech = packed(clip("jfk.wav")[0])
    plugin.play("hear", options=options(house, model=EAR), clips=[speech], abrupt=True)
    assert len(journal.ended(1)) == 1


SERVICES = ["tts", "stt", "http"]


def refusal(gateway: Gateway, plugin: Client, service: str, **wrong: str) -> str:
    """What the pipeline is told when a service is refused."""
    address = gateway.http if service == "http" else gateway.url
    asked = options(gateway, base_url=address) | wrong
    errors = plugin.play("fail", options=asked, service=service)["errors"]
    return " ".join(errors)


@pytest.mark.parametrize("service", SERVICES)
def test_a_wrong_key_is_told(
    house: Gateway, plugin: Client, journal: Journal, service: str
) -> None:
    told = refusal(house, plugin, service, api_key="zpka_wrong")
    assert "401" in told
    assert "unknown API key" in told
    assert "zpka_wrong" not in told
    assert len(journal.all("refused")) <= 1


@pytest.mark.parametrize("service", SERVICES)
def test_an_unknown_model_is_told(gateway: Gateway, plugin: Client, service: str) -> None:
    journal = Journal(gateway)
    told = refusal(gateway, plugin, service, model="no/one:1")
    assert "404" in told
    assert "no/one:1" in told
    assert len(journal.all("refused")) <= 1


@pytest.mark.parametrize("service", SERVICES)
def test_an_own_provider_key_for_a_hosted_model_is_told(
    house: Gateway, plugin: Client, service: str
) -> None:
    told = refusal(house, plugin, service, provider_key="sk-mine")
    assert "400" in told
    assert "BYOK is only supported for external STT/TTS routes" in told
