"""wyoming 1.10.2, as it is on PyPI and as Home Assistant uses it, against a gateway with the local
engines."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Gateway
from speech import DATA, SENTENCES, clip, wer

from . import venvs
from .client import BOUND, Client, RaisedError, needs_clients, packed, unpacked
from .conftest import Journal, Judge, used

pytestmark = needs_clients
WATER, TRAIN = SENTENCES[17], SENTENCES[14]
VOICE = {"name": "local/hibari:en"}
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "home-assistant.md"
CLIPS = ("austen-0880.wav", "austen-0930.wav")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    yield from used(Gateway(tmp_path_factory.mktemp("home"), "--wyoming", "0"))


@pytest.fixture(scope="module")
def at(home: Gateway) -> int:
    """The port."""
    [port] = re.findall(r"Wyoming on tcp://127\.0\.0\.1:(\d+)", "".join(home.said))
    return int(port)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    running = Client("wyoming", "wyoming_client.py", tmp_path_factory.mktemp("wyoming") / "log")
    yield running
    running.stop()


def files(*names: str) -> list[str]:
    return [packed((DATA / name).read_bytes()) for name in names]


def heard(judge: Judge, said: dict[str, Any], text: str) -> float:
    return judge.wer(text, unpacked(said["audio"]), said["rate"])


@pytest.fixture
def judge(home: Gateway) -> Judge:
    return Judge(home)


def test_what_there_is(at: int, package: Client) -> None:
    found = package.play("describe", port=at)
    assert found["pong"] == "are you there?"
    [tts], [asr] = found["info"]["tts"], found["info"]["asr"]
    assert tts["supports_synthesize_streaming"]
    assert asr["supports_transcript_streaming"]
    [voice], [model] = tts["voices"], asr["models"]
    assert voice["name"].startswith("local/hibari:en#")
    assert (voice["languages"], voice["installed"]) == (["en"], True)
    assert model["name"] == "local/moonshine:tiny-en"


def test_texts_one_after_the_other(at: int, package: Client, judge: Judge) -> None:
    first, second = package.play("say", port=at, texts=[WATER, TRAIN], voice=VOICE)
    assert first["types"] == second["types"] == ["audio-start", "audio-chunk", "audio-stop"]
    assert heard(judge, first, WATER) <= 0.1
    assert heard(judge, second, TRAIN) <= 0.1


@pytest.mark.parametrize("voice", [{}, {"language": "en-GB"}])
def test_a_text_as_a_language_model_writes_it(
    at: int, package: Client, judge: Judge, voice: dict[str, str]
) -> None:
    text = f"{WATER} {TRAIN}"
    pieces = re.findall(r"\S+\s*", text)
    said = package.play("say_streamed", port=at, pieces=pieces, voice=voice)
    order = ["audio-start", "audio-chunk", "audio-stop", "synthesize-stopped"]
    assert said["types"] == order
    assert heard(judge, said, text) <= 0.1


@pytest.mark.parametrize("asked", [{"language": "en"}, {"name": "local/moonshine:tiny-en"}])
def test_speech_is_heard(at: int, package: Client, asked: dict[str, str]) -> None:
    answers = package.play("transcribe", port=at, clips=files(*CLIPS), **asked)
    for name, answer in zip(CLIPS, answers, strict=True):
        assert wer(clip(name)[1], answer["text"]) <= 0.2
        assert "".join(answer["pieces"]) == answer["text"]


def test_a_recognizer_is_chosen_as_a_program(at: int, package: Client) -> None:
    program = "local/moonshine:tiny-en"
    [answer] = package.play("transcribe", port=at, clips=files("jfk.wav"), program=program)
    assert wer(clip("jfk.wav")[1], answer["text"]) <= 0.2


def test_who_hangs_up_is_not_spoken_to(home: Gateway, at: int, package: Client) -> None:
    journal = Journal(home)
    assert package.play("interrupt", port=at, text=" ".join(SENTENCES * 4)) > 0
    [session] = journal.ended(1)
    assert session["audio_out"] < 200, "all was spoken, to nobody"


@pytest.mark.parametrize(
    ("scenario", "asked", "code"),
    [
        ("say", {"texts": ["x"], "voice": {"name": "nobody"}}, "model_not_found"),
        ("say", {"texts": ["x"], "voice": {"name": "local/hibari:en#nobody"}}, "config_error"),
        ("say", {"texts": ["x"], "voice": {"language": "fr"}}, "config_error"),
        ("say", {"texts": [" "], "voice": {}}, "invalid_request"),
        ("transcribe", {"clips": files(CLIPS[0]), "language": "fr"}, "config_error"),
        ("transcribe", {"clips": files(CLIPS[0]), "name": "nobody"}, "model_not_found"),
    ],
)
def test_errors_are_told_and_end_the_connection(
    at: int, package: Client, scenario: str, asked: dict[str, Any], code: str
) -> None:
    with pytest.raises(RaisedError) as caught:
        package.play(scenario, port=at, **asked)
    assert caught.value.type == "ToldError"
    assert caught.value.body == {"code": code, "closed": True}


def test_the_example_of_the_documents_runs(at: int, package: Client) -> None:
    [example] = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    here = example.replace("10200", str(at))
    command = [str(venvs.python("wyoming")), "-c", here]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=BOUND).stdout
    assert 0.5 < float(said.removesuffix(" s of speech\n")) < 2.5
