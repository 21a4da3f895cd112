"""Rime over HTTP, request by request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from voxway import events as e
from voxway.wire.base import Address, Frame, decode, dump
from voxway.wire.http import ASK_FOR_MARK, END, MARK, Failure
from voxway.wire.rime_http import WIRE, Client

ADDRESS = Address("https://users.rime.ai", "coda", "KEY")
OPTIONS = e.SpeakOptions(
    voice="astra",
    language="en-US",
    encoding="linear16",
    sample_rate=16_000,
    speed=1.25,
    extra={"temperature": 0.5, "bit_rate": 64_000},
)


def client(**options: Any) -> Client:
    return Client(e.SpeakOptions(**options), ADDRESS)


def heard(it: Client, *frames: Frame) -> list[e.Event]:
    return [event for frame in frames for event in decode(it, frame)]


def test_a_request_a_sentence_and_a_mark_an_utterance() -> None:
    it = Client(OPTIONS, ADDRESS)
    commands = (e.Start(OPTIONS), e.Text("One."), e.Text("Two."), e.Flush(), e.KeepAlive())
    first, second, mark = (frame for command in commands for frame in it.encode(command))
    assert json.loads(first) == {
        "text": "One.",
        "modelId": "coda",
        "samplingRate": 16_000,
        "speaker": "astra",
        "lang": "eng",
        "temperature": 0.5,
        "timeScaleFactor": 0.8,
    }
    assert json.loads(second)["text"] == "Two."
    assert mark == ASK_FOR_MARK
    list(it.encode(e.Configure(e.SpeakOptions(voice="luna"))))
    (after,) = it.encode(e.Text("Three."))
    assert json.loads(after)["speaker"] == "luna"
    assert json.loads(after)["timeScaleFactor"] == 0.8


def test_an_answer_is_audio_cut_anywhere() -> None:
    it = client(encoding="linear16", sample_rate=8_000)
    assert heard(it, b"\1\0\2", b"\0\3\0", END, b"\4\0", END, MARK) == [
        e.Audio(b"\1\0"),
        e.Audio(b"\2\0\3\0"),
        e.Audio(b"\4\0"),
        e.Flushed(4 / 8_000),
    ]


@pytest.mark.parametrize(("encoding", "seconds"), [("mulaw", 3 / 8_000), ("mp3", 0.0)])
def test_other_formats_pass_as_they_are(encoding: str, seconds: float) -> None:
    it = client(encoding=encoding, sample_rate=8_000)
    assert heard(it, b"\1\2\3", END, MARK) == [e.Audio(b"\1\2\3"), e.Flushed(seconds)]


def test_what_went_wrong_is_plain_text() -> None:
    (failed,) = heard(client(), dump(Failure(400, "text is too long")))
    assert isinstance(failed, e.Failed)
    assert (failed.code, failed.retryable) == ("invalid_request", False)
    assert "text is too long" in failed.message


@pytest.mark.parametrize(
    ("url", "there"),
    [
        ("https://users.rime.ai", "https://users.rime.ai/v1/rime-tts"),
        ("http://gpu:8000/v1", "http://gpu:8000/v1/rime-tts"),
        ("http://gpu:8000/speech", "http://gpu:8000/speech"),
    ],
)
def test_where_to_post(url: str, there: str) -> None:
    endpoint = WIRE.endpoint(e.SpeakOptions(encoding="mulaw"), Address(url, "coda", "KEY"))
    assert endpoint.url == there
    assert endpoint.headers == {
        "Content-Type": "application/json",
        "Authorization": "Bearer KEY",
        "Accept": "audio/x-mulaw",
    }
