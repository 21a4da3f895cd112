"""cartesia 4.2.0, as it is on PyPI, against a gateway with the local engines."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from conftest import Gateway
from speech import DATA, SENTENCES, clip, normalise, wer

from .client import Client, RaisedError, needs_clients, packed, unpacked
from .conftest import Journal, Judge, SecureGateway

pytestmark = needs_clients
WATER, TRAIN = SENTENCES[17], SENTENCES[14]
LONG = " ".join(SENTENCES[:12])
RATE = 24_000
BARBERSHOP = "a0e99841-438c-4a64-b679-ae501e7d6091"
FORMAT = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": RATE}
VOICE = {"model_id": "sonic-3", "voice": {"id": BARBERSHOP}, "output_format": FORMAT}
EAR = {"model": "ink-whisper", "language": "en", "encoding": "pcm_s16le", "sample_rate": 16_000}
CLIPS = ("austen-0880.wav", "austen-0930.wav")
both = pytest.mark.parametrize("flavour", ["sync", "async"])


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory, secure_house: SecureGateway) -> Iterator[Client]:
    log = tmp_path_factory.mktemp("cartesia") / "log"
    trust = {"SSL_CERT_FILE": str(secure_house.authority)}
    running = Client("cartesia", "cartesia_client.py", log, **trust)
    yield running
    running.stop()


def at(gateway: Gateway, **others: str) -> dict[str, str]:
    """How the client is pointed there."""
    plain = {"base_url": gateway.http, "websocket_base_url": gateway.url}
    return {"api_key": gateway.key} | plain | others


def in_pieces(text: str) -> list[str]:
    """As a language model would give it."""
    return [word + " " for word in text.split(" ")]


@both
def test_contexts_in_turn(
    house: Gateway, sdk: Client, judge: Judge, journal: Journal, flavour: str
) -> None:
    said = sdk.play(
        "say",
        where=at(house),
        flavour=flavour,
        options=VOICE | {"add_timestamps": True, "language": "en"},
        texts=[in_pieces(WATER), [TRAIN]],
    )
    assert len(journal.ended(1)) == 1, "both of one socket"
    for text, spoken in zip([WATER, TRAIN], said, strict=True):
        audio, words = unpacked(spoken["audio"]), spoken["words"]
        assert judge.wer(text, audio) <= 0.1
        assert [word["word"] for word in words] == text.split(" ")
        assert all(a["end"] <= b["start"] for a, b in pairwise(words))
        assert words[-1]["end"] <= len(audio) / 2 / RATE
        assert set(spoken["types"]) == {"chunk", "timestamps", "done"}


@both
def test_contexts_side_by_side(house: Gateway, sdk: Client, judge: Judge, flavour: str) -> None:
    texts = [WATER, TRAIN, SENTENCES[15]]
    said = sdk.play("say_at_once", where=at(house), flavour=flavour, options=VOICE, texts=texts)
    for text, spoken in zip(texts, said, strict=True):
        assert judge.wer(text, unpacked(spoken["audio"])) <= 0.1


@both
def test_flushes_of_one_context(house: Gateway, sdk: Client, judge: Judge, flavour: str) -> None:
    texts = [WATER + " ", TRAIN + " "]
    said = sdk.play("say_in_parts", where=at(house), flavour=flavour, options=VOICE, texts=texts)
    assert said["flushed"] == [1, 2]
    for text, id in zip(texts, "12", strict=True):
        assert judge.wer(text, unpacked(said["parts"][id])) <= 0.1


@both
def test_what_follows_a_cancel_is_clean(
    house: Gateway, sdk: Client, judge: Judge, flavour: str
) -> None:
    said = sdk.play(
        "interrupt", where=at(house), flavour=flavour, options=VOICE, text=LONG, then=TRAIN
    )
    assert 0 < said["heard"] < 2 * RATE * 10, "the long text was cut short"
    assert judge.wer(TRAIN, unpacked(said["said"]["audio"])) <= 0.1


def as_samples(floats: bytes) -> bytes:
    """linear16 of float samples in the byte order of this machine."""
    return array("h", (round(sample * 32_767) for sample in array("f", floats))).tobytes()


@both
def test_the_defaults_and_a_bare_voice(
    house: Gateway, sdk: Client, judge: Judge, flavour: str
) -> None:
    said = sdk.play(
        "say", where=at(house), flavour=flavour, options={"voice": BARBERSHOP}, texts=[[WATER]]
    )
    assert judge.wer(WATER, as_samples(unpacked(said[0]["audio"])), 44_100) <= 0.1


@both
def test_tls_by_the_base_url_alone(
    secure_house: SecureGateway, sdk: Client, judge: Judge, flavour: str
) -> None:
    where = {"api_key": secure_house.key, "base_url": secure_house.http}
    said = sdk.play("say", where=where, flavour=flavour, options=VOICE, texts=[[WATER]])
    assert judge.wer(WATER, unpacked(said[0]["audio"])) <= 0.1


@both
def test_the_methods_of_its_second_generation(
    house: Gateway, sdk: Client, judge: Judge, flavour: str
) -> None:
    request = VOICE | {"transcript": WATER, "add_timestamps": True}
    said = sdk.play("say_as_before", where=at(house), flavour=flavour, request=request)
    assert judge.wer(WATER, unpacked(said["audio"])) <= 0.1
    assert said["words"]["words"] == WATER.split(" ")


@both
def test_an_unknown_key_is_refused(
    house: Gateway, sdk: Client, journal: Journal, flavour: str
) -> None:
    where = at(house, api_key="wrong")
    with pytest.raises(RaisedError) as caught:
        sdk.play("say", where=where, flavour=flavour, options=VOICE, texts=[[WATER]])
    assert caught.value.status == 401
    with pytest.raises(RaisedError) as caught:
        sdk.play("hear", where=where, flavour=flavour, options=EAR, clips=[])
    assert caught.value.status == 401
    assert len(journal.all("refused")) == 2


@both
def test_a_format_that_is_none_fails_its_context(house: Gateway, sdk: Client, flavour: str) -> None:
    options = VOICE | {"output_format": FORMAT | {"sample_rate": 12_345}}
    (said,) = sdk.play("say", where=at(house), flavour=flavour, options=options, texts=[[WATER]])
    assert said["types"] == ["error"]
    assert said["error"]["status_code"] == 400
    assert said["error"]["title"]
    assert "sample_rate" in said["error"]["message"]


@both
@pytest.mark.parametrize("method", ["generate", "generate_bytes"])
def test_speech_over_http(
    house: Gateway, sdk: Client, judge: Judge, flavour: str, method: str
) -> None:
    request = VOICE | {"transcript": WATER}
    said = sdk.play(method, where=at(house), flavour=flavour, request=request)
    assert judge.wer(WATER, unpacked(said)) <= 0.1


@pytest.mark.parametrize(
    ("format", "magic"),
    [
        ({"container": "wav", "encoding": "pcm_s16le", "sample_rate": 16_000}, b"RIFF"),
        ({"container": "mp3", "bit_rate": 64_000, "sample_rate": 24_000}, b"\xff"),
    ],
)
def test_files_of_speech(
    house: Gateway, sdk: Client, judge: Judge, format: dict[str, Any], magic: bytes
) -> None:
    request = VOICE | {"transcript": TRAIN, "output_format": format}
    audio = unpacked(sdk.play("generate", where=at(house), flavour="sync", request=request))
    assert audio.startswith(magic)
    assert judge.wer_of_file(TRAIN, audio) <= 0.1


@both
def test_a_stream_of_events(house: Gateway, sdk: Client, judge: Judge, flavour: str) -> None:
    request = VOICE | {"transcript": WATER, "add_timestamps": True}
    said = sdk.play("generate_sse", where=at(house), flavour=flavour, request=request)
    assert judge.wer(WATER, unpacked(said["audio"])) <= 0.1
    assert [word["word"] for word in said["words"]] == WATER.split(" ")
    assert said["types"][-1] == "done"


@both
@pytest.mark.parametrize(
    ("wrong", "type", "status"),
    [
        ({"api_key": "wrong"}, "AuthenticationError", 401),
        ({"sample_rate": 12_345}, "BadRequestError", 400),
    ],
)
def test_http_errors(
    house: Gateway, sdk: Client, flavour: str, wrong: dict[str, Any], type: str, status: int
) -> None:
    where = at(house) | {name: wrong[name] for name in ("api_key",) if name in wrong}
    format = FORMAT | {name: wrong[name] for name in ("sample_rate",) if name in wrong}
    request = VOICE | {"transcript": WATER, "output_format": format}
    with pytest.raises(RaisedError) as caught:
        sdk.play("generate", where=where, flavour=flavour, request=request)
    assert (caught.value.type, caught.value.status) == (type, status)
    assert {"error_code", "title", "message", "request_id"} <= caught.value.body.keys()


def finals(heard: list[dict[str, Any]]) -> str:
    """Deltas are joined as they are."""
    return "".join(event["text"] for event in heard if event.get("is_final"))


@both
def test_recognition_finalized_twice(
    house: Gateway, sdk: Client, journal: Journal, flavour: str
) -> None:
    heard = sdk.play(
        "hear",
        where=at(house),
        flavour=flavour,
        options=EAR,
        clips=[packed(clip(name)[0]) for name in CLIPS],
    )
    text = " ".join(clip(name)[1] for name in CLIPS)
    assert wer(text, finals(heard)) <= 0.2
    assert len(normalise(finals(heard))) >= 12, "words of two transcripts do not run together"
    types = [event["type"] for event in heard if event["type"] != "transcript"]
    assert types == ["flush_done", "next", "flush_done", "next", "done"]
    timed = next(event for event in heard if event.get("is_final"))["words"]
    assert timed[0]["word"] == "He"
    assert len(journal.ended(1)) == 1


def test_close_brings_the_rest(house: Gateway, sdk: Client) -> None:
    pcm, text = clip("austen-0930.wav")
    where = {"api_key": house.key, "base_url": house.http}
    heard = sdk.play(
        "hear", where=where, flavour="async", options=EAR, clips=[packed(pcm)], finalize=False
    )
    assert wer(text, finals(heard)) <= 0.25
    assert heard[-1]["type"] == "done"


def test_an_encoding_that_is_none_is_refused(house: Gateway, sdk: Client) -> None:
    options = EAR | {"encoding": "vinyl"}
    with pytest.raises(RaisedError) as caught:
        sdk.play("hear", where=at(house), flavour="async", options=options, clips=[])
    assert caught.value.status == 400


@both
def test_a_transcript_over_http(house: Gateway, sdk: Client, flavour: str) -> None:
    name = "austen-0870.wav"
    answer = sdk.play(
        "transcribe",
        where=at(house),
        flavour=flavour,
        audio=packed((DATA / name).read_bytes()),
        options={"model": "ink-whisper", "language": "en", "timestamp_granularities": ["word"]},
    )
    assert wer(clip(name)[1], answer["text"]) <= 0.2
    assert answer["type"] == "transcript"
    assert answer["words"][-1]["end"] <= answer["duration"]


@both
def test_recognition_in_turns(house: Gateway, sdk: Client, journal: Journal, flavour: str) -> None:
    heard = sdk.play(
        "hear_turns",
        where=at(house),
        flavour=flavour,
        options={
            "model": "ink-2",
            "encoding": "pcm_s16le",
            "sample_rate": 16_000,
            "turn_end_timeout_ms": 2_000,
        },
        clips=[packed(clip(name)[0] + bytes(32_000 * 3)) for name in CLIPS],
        config={"end_threshold": 0.3, "end_timeout_ms": 1_500},
    )
    assert heard[0]["type"] == "connected"
    ends = [event for event in heard if event["type"] == "turn.end"]
    for name, end in zip(CLIPS, ends, strict=True):
        assert wer(clip(name)[1], end["transcript"]) <= 0.25
    order = [event["type"] for event in heard]
    # In audio that comes all at once no end need be foretold.
    besides = ("turn.update", "turn.eager_end", "turn.resume")
    assert [kind for kind in order if kind not in besides] == [
        "connected",
        *["turn.start", "turn.end", "next"] * 2,
    ]
    updates = [event["transcript"] for event in heard if event["type"] == "turn.update"]
    assert ends[-1]["transcript"] == updates[-1], "each has all of the turn"
    assert len(journal.ended(1)) == 1
