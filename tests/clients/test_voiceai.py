"""voiceai-sdk 0.1.0, as it is on PyPI, against a gateway with the local engines."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator

import pytest

from conftest import Gateway
from speech import DATA, SENTENCES, clip, wer

from .client import Client, RaisedError, needs_clients, packed, unpacked
from .conftest import Journal, Judge

pytestmark = needs_clients
HOSTED = "slng/deepgram/aura:2-en"
EAR = "slng/deepgram/nova:3-en"


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    running = Client("voiceai", "voiceai_client.py", tmp_path_factory.mktemp("voiceai") / "log")
    yield running
    running.stop()


def spoken(audio: str) -> tuple[bytes, int]:
    """Samples and rate of a WAV file that a client was given."""
    with wave.open(io.BytesIO(unpacked(audio))) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return file.readframes(file.getnframes()), file.getframerate()


@pytest.mark.parametrize("model", [HOSTED, "cartesia/sonic:3", "elevenlabs/eleven-flash:2.5"])
def test_speech(house: Gateway, sdk: Client, judge: Judge, model: str) -> None:
    text = SENTENCES[8]
    said = sdk.play("speak", url=house.http, key=house.key, model=model, text=text)
    assert said["content_type"].startswith("audio/")
    assert "/v1/bridges/unmute/tts/" + model.replace("/", "%2F") == said["path"]
    assert judge.wer(text, *spoken(said["audio"])) <= 0.15


def test_voice_and_place_are_accepted(house: Gateway, sdk: Client, judge: Judge) -> None:
    text = SENTENCES[15]
    said = sdk.play(
        "speak",
        url=house.http,
        key=house.key,
        model=HOSTED,
        text=text,
        voice="aura-2-thalia-en",
        region="eu-north-1",
        world_part="eu",
    )
    assert said["path"].endswith("?region=eu-north-1&world-part=eu")
    assert judge.wer(text, *spoken(said["audio"])) <= 0.15


def test_several_at_once(house: Gateway, sdk: Client, judge: Judge) -> None:
    texts = list(SENTENCES[13:17])
    all_said = sdk.play("speak_async", url=house.http, key=house.key, model=HOSTED, texts=texts)
    for text, said in zip(texts, all_said, strict=True):
        assert judge.wer(text, *spoken(said)) <= 0.15


def test_speech_is_heard_before_it_is_whole(house: Gateway, sdk: Client) -> None:
    text = " ".join(SENTENCES)
    said = sdk.play("stream", url=house.http, key=house.key, model=HOSTED, text=text)
    assert said["first"] < said["whole"] / 2


@pytest.mark.parametrize("name", ["jfk.wav", "austen-0870.wav"])
def test_transcript_of_a_file(house: Gateway, sdk: Client, name: str) -> None:
    _, text = clip(name)
    heard = sdk.play(
        "transcribe",
        url=house.http,
        key=house.key,
        model=EAR,
        audio=packed((DATA / name).read_bytes()),
        filename=name,
        language="en",
        region="us-east-1",
    )
    assert heard["path"] == "/v1/bridges/unmute/stt/slng%2Fdeepgram%2Fnova:3-en?region=us-east-1"
    answer = heard["answer"]
    assert (answer["type"], answer["is_final"]) == ("transcription", True)
    assert wer(text, answer["alternatives"][0]["transcript"]) <= 0.25


def test_transcript_of_bare_samples(house: Gateway, sdk: Client) -> None:
    pcm, text = clip("austen-0880.wav")
    heard = sdk.play(
        "transcribe",
        url=house.http,
        key=house.key,
        model="deepgram/nova:3",
        audio=packed(pcm),
        filename="speech.raw",
        encoding="linear16",
        sample_rate=16_000,
        enable_partials=True,
        enable_vad=True,
    )
    assert wer(text, heard["answer"]["alternatives"][0]["transcript"]) <= 0.25


def test_a_wrong_key_is_an_authentication_error_and_not_tried_again(
    house: Gateway, sdk: Client, journal: Journal
) -> None:
    raised = sdk.play("fail", url=house.http, key="zpka_wrong", model=HOSTED, text="Hello.")
    assert (raised["type"], raised["status"]) == ("AuthenticationError", 401)
    assert raised["body"]["code"] == "auth_error"
    assert raised["requests"] == 1
    assert "zpka_wrong" not in str(raised)


def test_an_unknown_model_is_not_found(gateway: Gateway, sdk: Client) -> None:
    raised = sdk.play("fail", url=gateway.http, key=gateway.key, model="no/one:1", text="Hello.")
    assert (raised["type"], raised["status"]) == ("NotFoundError", 404)
    assert raised["body"]["code"] == "model_not_found"
    assert raised["requests"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"extra_body": {"config": {"encoding": "mp3"}}},
        {"extra_body": {"text": 7}},
        {"extra_headers": {"X-Slng-Provider-Key": "sk-mine"}},
    ],
)
def test_a_bad_request_says_what_is_wrong(
    house: Gateway, sdk: Client, wrong: dict[str, object]
) -> None:
    raised = sdk.play("fail", url=house.http, key=house.key, model=HOSTED, text="Hello.", **wrong)
    assert (raised["type"], raised["status"]) == ("BadRequestError", 400)
    assert raised["body"]["message"]
    assert raised["requests"] == 1


def test_audio_that_is_none_is_a_bad_request(house: Gateway, sdk: Client) -> None:
    with pytest.raises(RaisedError) as caught:
        sdk.play(
            "transcribe",
            url=house.http,
            key=house.key,
            model=EAR,
            audio=packed(b"no audio at all" * 100),
            filename="x.wav",
        )
    assert caught.value.status == 400
    assert caught.value.body["message"]
