"""Telnyx recognition, frame by frame: a URL that says it all, and errors with numbers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import structs

from voxway import events as e
from voxway.errors import RULES, GatewayError, ProtocolError
from voxway.wire.base import Address, Frame, Opening, decode
from voxway.wire.telnyx_stt import WIRE, Client, Server

ADDRESS = Address("wss://api.telnyx.com", "Deepgram/nova-3", "KEY")
DEEPGRAM = {"extra": {"transcription_engine": "Deepgram"}, "vad_events": True}
Query = dict[str, str]


def server(**query: str) -> Server:
    return Server(Opening(query=tuple(query.items()), request_id="req-1"))


def client() -> Client:
    return Client(e.ListenOptions(), ADDRESS)


def told(it: Server, *events: e.Event) -> list[dict[str, Any]]:
    return [json.loads(frame) for event in events for frame in it.encode(event)]


def heard(it: Client, *frames: dict[str, Any]) -> list[e.Event]:
    return [event for frame in frames for event in decode(it, json.dumps(frame))]


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ({}, {}),
        ({"transcription_engine": "deepgram", "model": "nova-3"}, DEEPGRAM),
        ({"transcription_engine": "XAI"}, {"extra": {"transcription_engine": "xAI"}}),
        ({"input_format": "wav", "language": "en"}, {"encoding": "wav", "language": "en"}),
        ({"input_format": "wav", "sample_rate": "16000"}, {"encoding": "wav"}),
        (
            {"input_format": "linear16", "sample_rate": "16000"},
            {"encoding": "linear16", "sample_rate": 16_000},
        ),
        ({"input_format": "ogg-opus"}, {"encoding": "opus"}),
        ({"input_format": "OGG_OPUS"}, {"encoding": "opus"}),
        ({"input_format": "webm_opus"}, {"encoding": "webm"}),
        ({"interim_results": "true"}, {"partials": True}),
        ({"interim_results": "false"}, {}),
        ({"endpointing": "false", "token": "KEY"}, {"extra": {"endpointing": "false"}}),
        ({"keyterm": "voxway"}, {"extra": {"keyterm": ("voxway",)}}),
        (
            {"model": "deepgram/flux", "eot_threshold": "0.7", "input_format": "ogg_opus"},
            {"encoding": "opus", "extra": {"eot_threshold": "0.7"}},
        ),
    ],
)
def test_the_url_configures(query: Query, options: dict[str, Any]) -> None:
    wanted = structs.replace(e.ListenOptions(partials=False), **options)
    assert list(server(**query).opening()) == [e.Start(wanted)]


RAW = {"input_format": "linear16"}
REFUSED: list[tuple[Query, str, str]] = [
    ({"input_format": "aac"}, "40001", "input_format"),
    ({"input_format": "g729"}, "40002", "input_format"),
    ({"input_format": "opus"}, "40002", "input_format"),
    (RAW, "40003", "sample_rate"),
    (RAW | {"sample_rate": "0"}, "40004", "sample_rate"),
    (RAW | {"sample_rate": "-8000"}, "40004", "sample_rate"),
    (RAW | {"sample_rate": "many"}, "40004", "sample_rate"),
    (RAW | {"sample_rate": "96000"}, "40005", "sample_rate"),
    ({"input_format": "mp3", "model": "flux"}, "40006", "input_format"),
    ({"transcription_engine": "Whisper"}, "40007", "transcription_engine"),
    ({"model": "nova-3", "eot_threshold": "0.7"}, "10015", "eot_threshold"),
    ({"interim_results": "perhaps"}, "10015", "interim_results"),
]


@pytest.mark.parametrize(("query", "number", "param"), REFUSED)
def test_each_bad_parameter_has_its_number(query: Query, number: str, param: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        server(**query)
    error = refused.value
    body: Any = WIRE.refusal(error, "req-1").body
    (item,) = body.errors
    assert (item.code, item.source.parameter, item.detail) == (number, param, error.message)
    # Told in the open socket, it is the same.
    (frame,) = told(server(), e.Failed(error.error, error.message, False, True, error.param))
    assert frame["errors"][0]["code"] == number


def test_an_error_has_the_shapes_of_the_documents_and_of_the_sdk() -> None:
    assert told(server(), e.Failed("config_error", "no pcm here", param="encoding")) == [
        {
            "type": "error",
            "error": "no pcm here",
            "errors": [
                {
                    "code": "40002",
                    "title": "Invalid Parameter",
                    "detail": "no pcm here",
                    "source": {"parameter": "input_format"},
                }
            ],
        }
    ]
    (plain,) = told(server(), e.Failed("provider_error", "gone"))
    assert plain["errors"] == [{"code": "10007", "title": "Unexpected error", "detail": "gone"}]


@pytest.mark.parametrize(
    ("code", "status", "number", "title"),
    [
        ("auth_error", 401, "10009", "Authentication failed"),
        ("forbidden", 403, "10010", "Authorization failed"),
        ("model_not_found", 404, "10005", "Resource not found"),
        ("rate_limit", 429, "10011", "Too many requests"),
        ("internal_error", 500, "10007", "Unexpected error"),
    ],
)
def test_a_refusal_has_a_number(code: str, status: int, number: str, title: str) -> None:
    refused = WIRE.refusal(GatewayError("no", code=code), "req-1")
    body: Any = refused.body
    (item,) = body.errors
    assert (refused.status, item.code, item.title) == (status, number, title)
    assert refused.headers["X-Request-Id"] == "req-1"


@pytest.mark.parametrize(
    ("frame", "commands"),
    [
        (b"RIFF", [e.Audio(b"RIFF")]),
        (b"", []),
        ('{"type":"Finalize"}', [e.Flush()]),
        ('{"type":"CloseStream"}', [e.Finish()]),
        ('{"type":"KeepAlive"}', [e.KeepAlive()]),
    ],
)
def test_what_clients_say(frame: Frame, commands: list[e.Event]) -> None:
    assert decode(server(), frame) == commands


@pytest.mark.parametrize("frame", ["", "hello", "[]", '{"type":"finalize"}', '{"type":5}', "{}"])
def test_unknown_text_is_ignored(frame: str) -> None:
    (ignored,) = decode(server(), frame)
    assert isinstance(ignored, e.Malformed)
    assert ignored.is_ignorable


def test_transcripts() -> None:
    it = server(interim_results="true")
    word = e.Word(text="Hello", start=0.1, end=0.5, confidence=0.9)
    assert told(
        it,
        e.Transcript("Hel", False),
        e.Transcript("Hello", True, False, 0.98, "en", 0.1, 0.4, (word,)),
        e.Transcript("you", True, is_endpoint=False),
        e.Transcript("", True),
        e.Transcript("", True, from_finalize=True),
        e.UtteranceEnd(0.5),
    ) == [
        {"type": "transcript", "transcript": "Hel", "is_final": False, "speech_final": False},
        {
            "type": "transcript",
            "transcript": "Hello",
            "is_final": True,
            "confidence": 0.98,
            "speech_final": True,
            "start_time": 0.1,
            "duration": 0.4,
            "words": [{"word": "Hello", "start": 0.1, "end": 0.5, "confidence": 0.9}],
        },
        {"type": "transcript", "transcript": "you", "is_final": True, "speech_final": False},
        {"type": "transcript", "transcript": "", "is_final": True, "speech_final": True},
        {"type": "transcript", "transcript": "", "is_final": True, "utterance_end": True},
    ]


def test_partials_are_for_those_who_asked() -> None:
    assert told(server(), e.Transcript("Hel", False)) == []


@pytest.mark.parametrize(
    "event",
    [
        e.Ready(),
        e.SpeechStarted(0.1),
        e.Warning("w", "x"),
        e.KeepAlive(),
        e.Cleared(),
        e.Ended("client_closed"),
    ],
)
def test_what_telnyx_has_no_word_for(event: e.Event) -> None:
    assert told(server(), event) == []


@pytest.mark.parametrize(
    ("code", "reason", "closed"),
    [
        (1000, "client_closed", (1000, "")),
        (1008, "idle_timeout_exceeded", (1000, "")),
        (1000, "finish_timeout", (1011, "finish_timeout")),
        (4000, "auth_error", (1008, "auth_error")),
        (1011, "provider_error", (1011, "provider_error")),
    ],
)
def test_how_it_is_closed(code: int, reason: str, closed: tuple[int, str]) -> None:
    assert server().closing(code, reason) == closed


def test_clients_that_never_say_that_they_are_done_are_not_waited_for() -> None:
    assert WIRE.quiet == 6.0
    assert WIRE.is_polite


def test_what_the_gateway_says() -> None:
    it = client()
    commands = (e.Start(None), e.Audio(b"ab"), e.Audio(b""), e.Flush(), e.KeepAlive(), e.Finish())
    assert [f for c in commands for f in it.encode(c)] == [
        b"ab",
        '{"type":"Finalize"}',
        '{"type":"KeepAlive"}',
        '{"type":"CloseStream"}',
    ]


def test_what_the_gateway_hears() -> None:
    it = client()
    assert heard(
        it,
        {"transcript": "Hel", "is_final": False, "confidence": 0.5},
        {"transcript": "Hello", "is_final": True, "confidence": None, "speech_final": False},
        {
            "transcript": " you ",
            "is_final": True,
            "start_time": 0.5,
            "duration": 0.4,
            "words": [{"word": "you", "start": 0.5, "end": 0.9}],
        },
        {"transcript": "", "is_final": True},
        {"transcript": "", "is_final": False},
        {"transcript": "", "is_final": True, "utterance_end": True},
        {"type": "news"},
    ) == [
        e.Transcript("Hel", False, confidence=0.5),
        e.Transcript("Hello", True, is_endpoint=False),
        e.Transcript(
            "you", True, start=0.5, duration=0.4, words=(e.Word(text="you", start=0.5, end=0.9),)
        ),
        e.UtteranceEnd(),
    ]


def test_the_first_final_after_a_finalize_is_its_answer() -> None:
    it = client()
    list(it.encode(e.Flush()))
    assert heard(
        it,
        {"transcript": "a", "is_final": False},
        {"transcript": "", "is_final": True, "utterance_end": True},
        {"transcript": "", "is_final": True},
        {"transcript": "b", "is_final": True},
    ) == [
        e.Transcript("a", False),
        e.UtteranceEnd(),
        e.Transcript("", True, from_finalize=True),
        e.Transcript("b", True),
    ]


@pytest.mark.parametrize(
    ("frame", "code", "text"),
    [
        (
            {"errors": [{"code": "40001", "title": "Invalid Parameter", "detail": "no aac"}]},
            "config_error",
            "Invalid Parameter: no aac",
        ),
        (
            {"errors": [{"code": "10009", "title": "Authentication failed", "detail": "no key"}]},
            "auth_error",
            "Authentication failed: no key",
        ),
        (
            {"errors": [{"code": "10011", "title": "Too many requests", "detail": "wait"}]},
            "rate_limit",
            "Too many requests: wait",
        ),
        (
            {"errors": [{"code": "10015", "title": "Bad Request", "detail": "what"}]},
            "config_error",
            "Bad Request: what",
        ),
        (
            {"errors": [{"code": "99999", "title": "New", "detail": "thing"}]},
            "provider_error",
            "New: thing",
        ),
        ({"type": "error", "error": "engine gone"}, "provider_error", "engine gone"),
    ],
)
def test_errors_are_ours(frame: dict[str, Any], code: str, text: str) -> None:
    assert heard(client(), frame) == [e.Failed(code, text, RULES[code].retryable)]


def test_an_error_of_ours_is_read_once() -> None:
    (frame,) = server().encode(e.Failed("rate_limit", "wait", retryable=True))
    (failed,) = decode(client(), frame)
    assert isinstance(failed, e.Failed)
    assert failed.code == "rate_limit"


@pytest.mark.parametrize("frame", ["", "x", "[]", b"\x00", '{"transcript":5}'])
def test_garbage_of_a_provider(frame: Frame) -> None:
    (bad,) = decode(client(), frame)
    assert isinstance(bad, e.Malformed)


PATH = "wss://api.telnyx.com/v2/speech-to-text/transcription?"


@pytest.mark.parametrize(
    ("model", "options", "query"),
    [
        (
            "Deepgram/nova-3",
            {"encoding": "linear16", "sample_rate": 16_000, "language": "en-US"},
            "transcription_engine=Deepgram&model=nova-3&input_format=linear16&sample_rate=16000"
            "&language=en-US&interim_results=true",
        ),
        (
            "telnyx/openai/whisper-large-v3-turbo",
            {"encoding": "wav", "sample_rate": 16_000, "partials": False},
            "transcription_engine=Telnyx&model=openai%2Fwhisper-large-v3-turbo&input_format=wav"
            "&interim_results=false",
        ),
        (
            "Azure",
            {"encoding": "opus"},
            "transcription_engine=Azure&input_format=ogg_opus&interim_results=true",
        ),
        (
            "nova-3",
            {
                "encoding": "mp3",
                "extra": {"transcription_engine": "deepgram", "keyterm": ("a", "b")},
            },
            "transcription_engine=Deepgram&keyterm=a&keyterm=b&model=nova-3&input_format=mp3"
            "&interim_results=true",
        ),
        (
            "fast",
            {},
            "transcription_engine=Telnyx&model=fast&input_format=linear16&interim_results=true",
        ),
    ],
)
def test_where_to_connect(model: str, options: dict[str, Any], query: str) -> None:
    address = structs.replace(ADDRESS, model=model)
    there = WIRE.endpoint(structs.replace(e.ListenOptions(), **options), address)
    assert there.url == PATH + query
    assert there.headers == {"Authorization": "Bearer KEY"}
    assert WIRE.endpoint(e.ListenOptions(), Address("ws://h", "fast")).headers == {}
