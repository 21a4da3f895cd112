"""telnyx 4.189.0, as it is on PyPI, against a gateway with the local engines."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conftest import Gateway
from speech import SENTENCES, clip, normalise, wer

from .client import Client, RaisedError, needs_clients, packed, unpacked
from .conftest import Journal, Judge

pytestmark = needs_clients
WATER, TRAIN = SENTENCES[17], SENTENCES[14]
LONG = " ".join(SENTENCES[:12])
RATE = 24_000
ASTRA = {"voice": "Telnyx.NaturalHD.astra"}
VOICE = ASTRA | {"audio_format": "linear16", "sample_rate": str(RATE)}
EAR = {"transcription_engine": "Deepgram", "model": "nova-3", "language": "en"}
EAR |= {"input_format": "linear16", "sample_rate": "16000", "interim_results": "true"}
CLIPS = ("austen-0880.wav", "austen-0930.wav")
both = pytest.mark.parametrize("flavour", ["sync", "async"])


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    running = Client("telnyx", "telnyx_client.py", tmp_path_factory.mktemp("telnyx") / "log")
    yield running
    running.stop()


@both
def test_speech_to_the_end_of_its_socket(
    house: Gateway, sdk: Client, judge: Judge, flavour: str
) -> None:
    said = sdk.play(
        "say",
        host=house.address,
        key=house.key,
        flavour=flavour,
        query=VOICE,
        pieces=[word + " " for word in WATER.split(" ")],
    )
    assert judge.wer(WATER, unpacked(said["audio"])) <= 0.1
    *chunks, final = said["frames"]
    assert {frame["type"] for frame in chunks} == {"audio_chunk"}
    assert final == {"type": "final", "isFinal": True, "text": ""}


def test_speech_is_mp3_unless_asked(house: Gateway, sdk: Client, judge: Judge) -> None:
    said = sdk.play(
        "say", host=house.address, key=house.key, flavour="async", query=ASTRA, pieces=[TRAIN]
    )
    assert unpacked(said["audio"])[0] == 0xFF
    assert judge.wer_of_file(TRAIN, unpacked(said["audio"])) <= 0.1


@both
def test_utterances_of_one_socket(house: Gateway, sdk: Client, judge: Judge, flavour: str) -> None:
    texts = [WATER, TRAIN]
    said = sdk.play(
        "say_in_turn", host=house.address, key=house.key, flavour=flavour, query=VOICE, texts=texts
    )
    for text, audio in zip(texts, said, strict=True):
        assert judge.wer(text, unpacked(audio)) <= 0.1


@both
def test_force_interrupts(house: Gateway, sdk: Client, judge: Judge, flavour: str) -> None:
    said = sdk.play(
        "interrupt",
        host=house.address,
        key=house.key,
        flavour=flavour,
        query=VOICE,
        text=LONG,
        then=TRAIN,
    )
    assert said["first"] > 0
    # Nothing tells what was on its way from what was forced; but it ends with that, and soon.
    forced = unpacked(said["said"])
    assert len(forced) < 2 * RATE * 15
    heard = normalise(judge.hear(forced, RATE, "linear16"))
    assert heard[-len(normalise(TRAIN)) :] == normalise(TRAIN)
    assert judge.wer(TRAIN, unpacked(said["again"])) <= 0.1


@both
def test_a_voice_without_a_right_key_is_refused(
    house: Gateway, sdk: Client, journal: Journal, flavour: str
) -> None:
    with pytest.raises(RaisedError) as caught:
        sdk.play(
            "say", host=house.address, key="wrong", flavour=flavour, query=VOICE, pieces=[WATER]
        )
    assert caught.value.status == 401
    assert len(journal.all("refused")) == 1


def test_a_format_that_is_none_is_refused(house: Gateway, sdk: Client) -> None:
    query = VOICE | {"audio_format": "vinyl"}
    with pytest.raises(RaisedError) as caught:
        sdk.play("say", host=house.address, key=house.key, flavour="async", query=query, pieces=[])
    assert caught.value.status == 400


@both
def test_recognition_finalized_twice(house: Gateway, sdk: Client, flavour: str) -> None:
    heard = sdk.play(
        "hear",
        host=house.address,
        key=house.key,
        flavour=flavour,
        query=EAR,
        clips=[packed(clip(name)[0]) for name in CLIPS],
    )
    finals = [frame["transcript"] for frame in heard if frame.get("is_final")]
    assert wer(" ".join(clip(name)[1] for name in CLIPS), " ".join(finals)) <= 0.2
    assert {frame["type"] for frame in heard} == {"transcript", "next"}
    assert any(not frame["is_final"] for frame in heard if "is_final" in frame)


@both
@pytest.mark.parametrize("wrong", ["key", "input_format"])
def test_a_listener_is_told_of_an_error_in_the_socket(
    house: Gateway, sdk: Client, flavour: str, wrong: str
) -> None:
    query = EAR | ({"input_format": "vinyl"} if wrong == "input_format" else {})
    key = "wrong" if wrong == "key" else house.key
    told, end = sdk.play("listen", host=house.address, key=key, flavour=flavour, query=query)
    assert (told["class"], told["type"]) == ("SttErrorFrame", "error")
    assert told["error"]
    assert end == {"closed": 1008}
