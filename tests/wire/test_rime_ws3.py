"""Rime's JSON socket, frame by frame: a buffer of text, labels, `done`, and speeds upside down."""

from __future__ import annotations

import json
from typing import Any

import pytest

from voxway import events as e
from voxway.errors import ConfigError, ProtocolError
from voxway.wire.base import Address, Opening, decode
from voxway.wire.rime_ws3 import WIRE, Client, Server

HOST = "wss://users-ws.rime.ai"
SAID = (e.Word(text="Hello", start=0.0, end=0.4), e.Word(text="you.", start=0.5, end=0.9))
THEN = (e.Word(text="Again.", start=1.0, end=1.5),)


def server(**query: str) -> Server:
    return Server(Opening(tuple(query.items())))


def client(model: str = "coda", **options: Any) -> Client:
    return Client(e.SpeakOptions(**options), Address(HOST, model))


def heard(it: Server, *messages: dict[str, Any]) -> list[e.Event]:
    return [command for message in messages for command in decode(it, json.dumps(message))]


def told(it: Server, *events: e.Event) -> list[Any]:
    return [json.loads(frame) for event in events for frame in it.encode(event)]


def said(it: Client, *commands: e.Event) -> list[Any]:
    return [json.loads(frame) for command in commands for frame in it.encode(command)]


def back(it: Client, *messages: dict[str, Any]) -> list[e.Event]:
    return [event for message in messages for event in decode(it, json.dumps(message))]


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ({}, {"word_timestamps": True}),
        (
            {"speaker": "astra", "modelId": "coda", "audioFormat": "pcm", "lang": "fra"},
            {"voice": "astra", "language": "fr"},
        ),
        ({"lang": "eng"}, {"language": "en", "word_timestamps": True}),
        ({"lang": "es"}, {"language": "es", "word_timestamps": True}),
        ({"lang": "deu"}, {"language": "de"}),
        ({"lang": "sin"}, {"language": "sin"}),
        (
            {"audioFormat": "mulaw", "samplingRate": "8000", "lang": "hi"},
            {"encoding": "mulaw", "sample_rate": 8_000, "language": "hi"},
        ),
        ({"audioFormat": "ogg", "lang": "ja"}, {"encoding": "opus", "language": "ja"}),
        ({"audioFormat": "mp3", "lang": "ja"}, {"encoding": "mp3", "language": "ja"}),
        ({"audioFormat": "aiff", "lang": "ja"}, {"language": "ja"}),
        (
            {"temperature": "0.5", "token": "KEY", "lang": "ja"},
            {"language": "ja", "extra": {"temperature": "0.5"}},
        ),
    ],
)
def test_the_url_is_the_configuration(query: dict[str, str], options: dict[str, Any]) -> None:
    usual: dict[str, Any] = {"encoding": "linear16", "sample_rate": 24_000}
    assert list(server(**query).opening()) == [e.Start(e.SpeakOptions(**usual | options))]


@pytest.mark.parametrize(
    ("model", "query", "speed"),
    [
        ("coda", {"timeScaleFactor": "0.8"}, 1.25),
        ("mistv3", {"speedAlpha": "1.25"}, 1.25),
        ("mistv2", {"speedAlpha": "0.8"}, 1.25),
        ("coda", {"timeScaleFactor": "2", "speedAlpha": "2"}, None),
    ],
)
def test_which_way_a_speed_goes(model: str, query: dict[str, str], speed: float | None) -> None:
    (start,) = server(modelId=model, **query).opening()
    assert isinstance(start, e.Start)
    assert isinstance(start.options, e.SpeakOptions)
    assert start.options.speed == speed


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"samplingRate": "high"}, "samplingRate"),
        ({"samplingRate": "0"}, "samplingRate"),
        ({"speedAlpha": "0"}, "speedAlpha"),
        ({"timeScaleFactor": "-1"}, "timeScaleFactor"),
    ],
)
def test_a_url_that_cannot_be(query: dict[str, str], param: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        server(**query)
    assert caught.value.param == param


def test_the_one_format_that_is_not_made_here() -> None:
    with pytest.raises(ConfigError, match="webm"):
        server(audioFormat="webm")


def test_a_turn_of_a_client() -> None:
    it = server()
    assert heard(
        it,
        {"text": "Hello "},
        {"text": "you. ", "contextId": "a", "phonemizeBetweenBrackets": True},
        {"operation": "flush", "contextId": "a"},
        {"operation": "flush"},
        {"text": " "},
        {"operation": "flush"},
        {"operation": "clear"},
        {"operation": "eos"},
    ) == [
        e.Text("Hello "),
        e.Text("you. "),
        e.Flush(),
        e.Text(" "),
        e.Clear(),
        e.Finish(),
    ], "there is nothing to flush after a flush, and in white space"


@pytest.mark.parametrize("query", [{"segment": "immediate"}, {"immediate": "true"}])
def test_at_once_every_text_is_an_utterance(query: dict[str, str]) -> None:
    assert heard(server(**query), {"text": "One."}, {"text": " "}, {"text": "Two."}) == [
        *(e.Text("One."), e.Flush()),
        e.Text(" "),
        *(e.Text("Two."), e.Flush()),
    ]


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({}, "text"),
        ({"contextId": "a"}, "text"),
        ({"text": 5}, "text"),
        ({"operation": "stop"}, "operation"),
        ({"text": "Hi", "contextId": []}, "contextId"),
    ],
)
def test_what_is_not_well_formed_costs_an_error(message: dict[str, Any], param: str) -> None:
    it = server()
    (bad,) = heard(it, message)
    assert isinstance(bad, e.Malformed)
    assert (bad.param, bad.is_fatal) == (param, False)
    assert told(it, e.Failed("invalid_request", "no")) == [
        {"type": "error", "message": "400: no"},
    ]


def test_events_carry_the_label_of_their_text() -> None:
    it = server(audioFormat="pcm")
    chunk = e.Audio(b"\0\0")

    def labels(*events: e.Event) -> list[Any]:
        return [message["contextId"] for message in told(it, *events)]

    assert labels(chunk) == [None]
    heard(it, {"text": "One. ", "contextId": "a"}, {"operation": "flush"})
    heard(it, {"text": "Two. ", "contextId": "b"}, {"text": "Three."}, {"operation": "flush"})
    assert labels(chunk, e.Words(SAID), e.Flushed()) == ["a", "a", "a"]
    assert labels(chunk, e.Flushed(), chunk) == ["b", "b", "b"], "a text without one keeps it"
    heard(it, {"text": "Four.", "contextId": "c"}, {"operation": "flush"}, {"operation": "clear"})
    heard(it, {"text": "Five.", "contextId": "d"})
    assert labels(chunk) == ["d"], "what was cleared is not waited for"


def test_what_is_told_of_an_utterance() -> None:
    it = server(audioFormat="pcm")
    heard(it, {"text": "Hello you. Again."}, {"operation": "flush"})
    assert told(
        it,
        e.Ready("s", "r", "m", "linear16", 24_000),
        e.SegmentStart("s0", "Hello you."),
        e.Words(SAID),
        e.Audio(b"\1\0"),
        e.SegmentEnd("s0"),
        e.Words(THEN),
        e.Flushed(1.5),
        e.Words(THEN),
        e.Cleared(),
        e.Warning("x", "y"),
        e.KeepAlive(),
    ) == [
        {
            "type": "timestamps",
            "word_timestamps": {"words": ["Hello", "you."], "start": [0.0, 0.5], "end": [0.4, 0.9]},
            "contextId": None,
        },
        {"type": "chunk", "data": "AQA=", "contextId": None},
        {
            "type": "timestamps",
            "word_timestamps": {"words": ["Again."], "start": [0.1], "end": [0.6]},
            "contextId": None,
        },
        {"type": "done", "done": True, "contextId": None},
        {
            "type": "timestamps",
            "word_timestamps": {"words": ["Again."], "start": [1.0], "end": [1.5]},
            "contextId": None,
        },
    ], "times are from the end of what was told before, and begin anew with each utterance"


def test_the_end_says_done_whatever_was_before() -> None:
    it = server()
    done = {"type": "done", "done": True, "contextId": None}
    assert told(it, e.Ended("client_closed")) == [done]
    assert told(it, e.Ended("idle_timeout_exceeded")) == []


@pytest.mark.parametrize("format", ["wav", "", "aiff"])
def test_wav_has_a_header_for_each_utterance(format: str) -> None:
    it = server(audioFormat=format) if format else server()
    chunk = e.Audio(b"\1\0")
    chunks = [m for m in told(it, chunk, chunk, e.Flushed(), chunk) if m["type"] == "chunk"]
    assert [len(m["data"]) > 8 for m in chunks] == [True, False, True]
    assert chunks[0]["data"].startswith("UklGR")


@pytest.mark.parametrize(
    ("code", "reason", "closed"),
    [
        (1000, "client_closed", (1000, "")),
        (1008, "idle_timeout_exceeded", (1011, "408: idle_timeout_exceeded")),
        (4001, "rate_limit", (1011, "429: rate_limit")),
        (1000, "finish_timeout", (1011, "finish_timeout")),
    ],
)
def test_a_close_has_the_status_in_its_reason(
    code: int, reason: str, closed: tuple[int, str]
) -> None:
    assert server().closing(code, reason) == closed


def test_where_to_connect() -> None:
    address = Address(HOST, "coda", "KEY")
    options = e.SpeakOptions(
        voice="astra",
        language="en-US",
        encoding="mulaw",
        sample_rate=8_000,
        speed=1.25,
        extra={"temperature": 0.5, "bit_rate": 64_000},
    )
    endpoint = WIRE.endpoint(options, address)
    assert endpoint.url == (
        f"{HOST}/ws3?speaker=astra&modelId=coda&audioFormat=mulaw&samplingRate=8000&lang=eng"
        "&temperature=0.5&timeScaleFactor=0.8"
    )
    assert endpoint.headers == {"Authorization": "Bearer KEY"}
    plain = WIRE.endpoint(e.SpeakOptions(speed=1.0), Address(HOST, "coda"))
    assert plain.url == f"{HOST}/ws3?modelId=coda&audioFormat=pcm&samplingRate=24000"
    assert plain.headers == {}
    slow = WIRE.endpoint(e.SpeakOptions(speed=0.5), Address(HOST, "mistv2"))
    assert slow.url.endswith("&speedAlpha=2.0")


def test_the_last_sentence_of_an_utterance_waits_for_its_end() -> None:
    it = client()
    flush = {"operation": "flush"}
    assert said(it, e.Start(), e.Text("One.", partial=False)) == []
    assert said(it, e.Text("Two.", partial=False)) == [{"text": "One. ", "contextId": "u0"}]
    assert said(it, e.Flush()) == [{"text": "Two. ", "contextId": "u1"}, flush]
    assert said(it, e.Text("Three.", partial=False), e.Flush()) == [
        {"text": "Three. ", "contextId": "u2"},
        flush,
    ]
    assert said(it, e.Finish()) == [{"operation": "eos"}]


def test_a_done_that_was_under_way_ends_nothing() -> None:
    it = client()
    said(it, e.Text("One."), e.Text("Two."))
    assert back(it, {"type": "done", "contextId": "u0"}) == []
    said(it, e.Flush())
    assert back(it, {"type": "done", "contextId": "u0"}) == []
    assert back(it, {"type": "done", "done": True, "contextId": "u1"}) == [e.Flushed()]
    assert back(it, {"type": "done", "contextId": "u1"}) == []
    said(it, e.Text("Three."), e.Flush())
    assert back(it, {"type": "done", "contextId": None}) == [e.Flushed()], "or without any label"


def test_times_are_added_up() -> None:
    it = client()
    said(it, e.Text("One."), e.Flush())
    first = {"words": ["Hello", "you."], "start": [0, 0.5], "end": [0.5, 1.0]}
    then = {"words": ["Again."], "start": [0.25], "end": [0.5]}
    events = back(
        it,
        {"type": "timestamps", "word_timestamps": first, "contextId": "u1"},
        {"type": "timestamps", "word_timestamps": then, "contextId": "u1"},
        {"type": "done", "contextId": "u1"},
        {"type": "timestamps", "word_timestamps": then, "contextId": "u2"},
    )
    times = [(w.text, w.start, w.end) for event in events for w in getattr(event, "words", ())]
    assert times == [
        ("Hello", 0, 0.5),
        ("you.", 0.5, 1.0),
        ("Again.", 1.25, 1.5),
        ("Again.", 0.25, 0.5),
    ]


@pytest.mark.parametrize(
    ("message", "code", "retryable"),
    [
        ("400: text is too long", "invalid_request", False),
        ("401: invalid api key", "auth_error", False),
        ("429: Currently at websocket limit", "rate_limit", True),
        ("500: internal error", "provider_error", True),
        ("Speaker not found", "config_error", False),
        ("unexpected input", "invalid_request", False),
    ],
)
def test_what_an_error_means(message: str, code: str, retryable: bool) -> None:
    assert back(client(), {"type": "error", "message": message}) == [
        e.Failed(code, message, retryable)
    ]


def test_news_is_no_error() -> None:
    assert back(client(), {"type": "phonemes", "data": "AA=="}, {"type": "chunk"}, {}) == []
