"""Rime's v1 socket, envelope by envelope: one payload each, a context an utterance."""

from __future__ import annotations

import json
from typing import Any

import pytest

from voxway import events as e
from voxway.errors import RULES
from voxway.wire.base import Address, Opening, decode
from voxway.wire.rime_v1 import WIRE, Server
from voxway.wire.rime_v1_client import Client

ADDRESS = Address("wss://coda.api.rime.ai", "coda", "KEY")
WORDS = (e.Word(text="Hello", start=0.0, end=0.4), e.Word(text="you.", start=0.5, end=0.9))


def server() -> Server:
    return Server(Opening(request_id="req"))


def client(**options: Any) -> Client:
    return Client(e.SpeakOptions(**options), ADDRESS)


def heard(it: Server, *messages: dict[str, Any]) -> list[e.Event]:
    return [command for message in messages for command in decode(it, json.dumps(message))]


def told(it: Server, *events: e.Event) -> list[Any]:
    return [json.loads(frame) for event in events for frame in it.encode(event)]


def said(it: Client, *commands: e.Event) -> list[Any]:
    return [json.loads(frame) for command in commands for frame in it.encode(command)]


def back(it: Client, *messages: dict[str, Any]) -> list[e.Event]:
    return [event for message in messages for event in decode(it, json.dumps(message))]


def start(name: str = "a", **asked: Any) -> dict[str, Any]:
    return {"contextId": name, "start": asked}


def test_ready_comes_before_anything_is_asked() -> None:
    it = server()
    assert told(it, *it.opening()) == [{"ready": {"protocol": 1}}]


@pytest.mark.parametrize(
    ("asked", "options"),
    [
        ({}, {}),
        ({"speaker": "lyra", "language": "eng"}, {"voice": "lyra", "language": "en"}),
        ({"language": "pt-BR"}, {"language": "pt-BR"}),
        (
            {"audioParameters": {"audioFormat": "audio/PCMU", "samplingRate": 8000}},
            {"encoding": "mulaw", "sample_rate": 8_000},
        ),
        ({"audioParameters": {"audioFormat": "audio/L16"}}, {}),
        ({"audioParameters": {"audioFormat": "audio/mpeg"}}, {"encoding": "mp3"}),
        ({"audioParameters": {"audioFormat": "audio/ogg; codecs=opus"}}, {"encoding": "opus"}),
        ({"audioParameters": {"timeScaleFactor": 0.8}}, {"speed": 1.25}),
        ({"timestamps": {"enable": True}}, {"word_timestamps": True}),
        (
            {
                "splitStrategy": "SPLIT_STRATEGY_ACCUMULATE_SENTENCE",
                "codaParameters": {"textLookaheadTokens": 4},
                "mistParameters": {"saveOovs": False},
            },
            {"extra": {"textLookaheadTokens": 4, "saveOovs": False}},
        ),
    ],
)
def test_how_a_context_is_started(asked: dict[str, Any], options: dict[str, Any]) -> None:
    usual: dict[str, Any] = {"encoding": "linear16", "sample_rate": 24_000}
    assert heard(server(), start("a", **asked)) == [
        e.Start(e.SpeakOptions(**usual | options), context="a"),
        e.Aside(context="a"),
    ]


def test_defaults_are_under_what_a_start_says() -> None:
    it = server()
    defaults = {"speaker": "luna", "language": "en", "audioParameters": {"samplingRate": 8000}}
    (started, _) = heard(it, {"config": {"defaults": defaults}}, start("a", speaker="lyra"))
    assert started == e.Start(
        e.SpeakOptions(voice="lyra", language="en", encoding="linear16", sample_rate=8_000),
        context="a",
    )


def test_contexts_side_by_side() -> None:
    it = server()
    heard(it, start("a"), start("b"), start(""))
    assert heard(
        it,
        {"contextId": "a", "text": "One. "},
        {"contextId": "b", "text": "Two. "},
        {"text": "Three. "},
        {"contextId": "b", "end": {}},
        {"contextId": "b", "end": {}},
        {"contextId": "a", "cancel": {}},
        {"contextId": "nobody", "cancel": {}},
        {"contextId": "nobody", "end": {}},
    ) == [
        e.Text("One. ", context="a"),
        e.Text("Two. ", context="b"),
        e.Text("Three. ", context="default"),
        e.Finish(context="b"),
        *(e.Cancel(context="a"), e.Finish(abort=True, context="a")),
        e.Cancel(context="nobody"),
    ], "to end twice and to cancel what is none are no errors"


def test_a_text_in_the_start_is_all_of_it() -> None:
    it = server()
    (_, _, *rest) = heard(it, start("a", text="One shot."))
    assert rest == [e.Text("One shot.", context="a"), e.Finish(context="a")]
    (bad, end) = heard(it, {"contextId": "a", "text": "More."})
    assert isinstance(bad, e.Malformed)
    assert (bad.param, bad.context) == ("text", "a")
    assert end == e.Finish(abort=True, context="a"), "an error ends the context that it names"


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({}, "start"),
        ({"contextId": "x"}, "start"),
        ({"contextId": "x", "text": "a", "end": {}}, "start"),
        ({"contextId": "x", "text": 5}, "text"),
        ({"contextId": "x", "text": "a"}, "text"),
        (
            start("x", audioParameters={"audioFormat": "audio/webm;codecs=opus"}),
            "start.audioParameters.audioFormat",
        ),
        (
            start("x", audioParameters={"timeScaleFactor": 0}),
            "start.audioParameters.timeScaleFactor",
        ),
    ],
)
def test_what_the_wire_does_not_allow(message: dict[str, Any], param: str) -> None:
    (bad,) = heard(server(), message)
    assert isinstance(bad, e.Malformed)
    assert (bad.param, bad.is_fatal) == (param, False)


def test_an_identifier_may_be_used_again_after_its_end() -> None:
    it = server()
    heard(it, start("a"))
    (bad, *_) = heard(it, start("a"))
    assert isinstance(bad, e.Malformed)
    assert bad.param == "contextId"
    assert told(it, e.Ended(context="a")) == []
    assert isinstance(heard(it, start("a"))[0], e.Start)


def test_what_is_told_of_a_context() -> None:
    it = server()
    asked = {"audioParameters": {"audioFormat": "audio/pcm"}, "timestamps": {"enable": True}}
    (_, aside) = heard(it, start("a", **asked))
    assert told(
        it,
        e.Ready(context="a"),
        aside,
        e.SegmentStart("s0", context="a"),
        e.Words(WORDS, context="a"),
        e.Audio(b"\1\0", context="a"),
        e.Flushed(context="a"),
        e.Ended("context_closed", context="a"),
        e.Audio(b"\2\0", context="a"),
    ) == [
        {"contextId": "a", "started": {"requestId": "req.1"}},
        {"contextId": "a", "audio": "AQA="},
        {
            "contextId": "a",
            "done": {
                "timestamps": {
                    "spans": [
                        {"text": "Hello", "start": "0.000s", "end": "0.400s"},
                        {"text": "you.", "start": "0.500s", "end": "0.900s"},
                    ],
                    "status": {},
                }
            },
        },
    ]
    heard(it, start("b"))
    assert told(it, e.Words(WORDS, context="b"), e.Ended(context="b")) == [
        {"contextId": "b", "done": {}}
    ], "of whoever does not ask for times nothing is told"


def test_wav_has_a_header_in_each_context() -> None:
    it = server()
    heard(it, start("a"), start("b"))
    events = [e.Audio(b"\1\0", context=name) for name in "aab"]
    assert [len(said["audio"]) > 8 for said in told(it, *events)] == [True, False, True]


def test_a_cancel_is_the_end_and_told_once() -> None:
    it = server()
    heard(it, start("a"), {"contextId": "a", "cancel": {}})
    assert told(it, e.Cleared(cancelled=True, context="a"), e.Ended(context="a")) == [
        {"contextId": "a", "cancelled": {}}
    ]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("invalid_request", "invalid_input"),
        ("config_error", "invalid_input"),
        ("auth_error", "unauthenticated"),
        ("quota_exceeded", "permission_denied"),
        ("model_not_found", "not_found"),
        ("rate_limit", "resource_exhausted"),
        ("idle_timeout_exceeded", "timeout"),
        ("not_ready", "unavailable"),
        ("provider_error", "internal"),
        ("of_a_provider", "internal"),
    ],
)
def test_errors_have_a_kind(code: str, kind: str) -> None:
    it = server()
    told(it, *heard(it, start("a")))
    assert told(it, e.Failed(code, "no", context="a"), e.Ended(context="a")) == [
        {"contextId": "a", "error": {"kind": kind, "message": "no", "requestId": "req.1"}}
    ], "which is the end of its context"
    assert told(it, e.Failed(code, "no")) == [{"error": {"kind": kind, "message": "no"}}]
    if code in RULES and code not in ("config_error", "quota_exceeded", "idle_timeout_exceeded"):
        (failed,) = back(client(), {"error": {"kind": kind, "message": "no"}})
        assert failed == e.Failed(code, "no", RULES[code].retryable)


def test_a_context_that_is_refused_never_started() -> None:
    it = server()
    _, aside = heard(it, start("a"))
    [error] = told(it, e.Failed("config_error", "10 contexts are open already", context="a"))
    assert error["error"]["kind"] == "invalid_input"
    assert told(it, aside) == []
    assert isinstance(heard(it, start("a"))[0], e.Start), "its name is free"


def test_utterances_of_the_client() -> None:
    it = client(voice="lyra", language="en", encoding="mulaw", sample_rate=8_000, speed=1.25)
    asked = {
        "language": "en",
        "speaker": "lyra",
        "audioParameters": {
            "audioFormat": "audio/pcmu",
            "samplingRate": 8000,
            "timeScaleFactor": 0.8,
        },
    }
    assert said(it, e.Start(), e.Text("One."), e.Text("Two."), e.Flush()) == [
        {"contextId": "voxway-1", "start": asked},
        {"contextId": "voxway-1", "text": "One. "},
        {"contextId": "voxway-1", "text": "Two. "},
        {"contextId": "voxway-1", "end": {}},
    ]
    other = e.SpeakOptions(voice="luna", word_timestamps=True, extra={"saveOovs": True, "x": 1})
    plain = {"audioFormat": "audio/pcm", "samplingRate": 24000}
    assert said(it, e.Configure(other), e.Text("Three.")) == [
        {
            "contextId": "voxway-2",
            "start": {
                "speaker": "luna",
                "audioParameters": plain,
                "mistParameters": {"saveOovs": True},
                "timestamps": {"enable": True},
            },
        },
        {"contextId": "voxway-2", "text": "Three. "},
    ], "settings are those of a context, not of the socket"
    assert said(it, e.Clear()) == [
        {"contextId": "voxway-1", "cancel": {}},
        {"contextId": "voxway-2", "cancel": {}},
    ]
    assert said(it, e.Finish()) == []


def test_what_the_client_hears() -> None:
    it = client()
    assert back(it, {"ready": {"protocol": 1, "languages": ["en"]}}) == [e.Ready()]
    said(it, e.Start(e.SpeakOptions(), context="ours"), e.Text("One.", context="ours"))
    said(it, e.Flush(context="ours"))
    spans = [{"text": "One.", "start": "0s", "end": "0.25s"}, {"text": "x", "end": "soon"}]
    assert back(
        it,
        {"contextId": "voxway-1", "started": {"requestId": "r"}},
        {"contextId": "voxway-1", "audio": "AQA="},
        {"contextId": "voxway-1", "audio": ""},
        {"contextId": "stranger", "audio": "AQA="},
        {"contextId": "stranger", "error": {"kind": "internal"}},
        {"contextId": "voxway-1", "done": {"timestamps": {"status": {}, "spans": spans}}},
        {"contextId": "voxway-1", "done": {}},
    ) == [
        e.Audio(b"\1\0", context="ours"),
        e.Words(
            (e.Word(text="One.", start=0.0, end=0.25), e.Word(text="x", start=0.0, end=0.0)),
            context="ours",
        ),
        e.Flushed(context="ours"),
    ]


def test_an_error_ends_the_utterance_that_it_names() -> None:
    it = client()
    said(it, e.Text("One."), e.Flush(), e.Text("Two."))
    fault = {"kind": "resource_exhausted", "message": "too many"}
    failed = e.Failed("rate_limit", "too many", retryable=True)
    assert back(it, {"contextId": "voxway-1", "error": fault}) == [failed, e.Flushed()]
    assert back(it, {"contextId": "voxway-2", "error": fault}) == [failed]
    assert said(it, e.Text("Three."))[0]["contextId"] == "voxway-3"


def test_where_to_connect() -> None:
    endpoint = WIRE.endpoint(e.SpeakOptions(voice="lyra"), ADDRESS)
    assert endpoint.url == "wss://coda.api.rime.ai/ws"
    assert endpoint.headers == {"Authorization": "Bearer KEY"}
    assert endpoint.subprotocols == ("rime.v1.json",)


@pytest.mark.parametrize(
    ("message", "is_full"),
    [
        ({"error": {"kind": "resource_exhausted", "message": "no"}}, True),
        ({"error": {"kind": "unavailable"}}, True),
        ({"error": {"kind": "unauthenticated"}}, False),
        ({"ready": {"protocol": 1}}, False),
        ("nonsense", False),
    ],
)
def test_whether_there_is_no_room(message: Any, is_full: bool) -> None:
    assert WIRE.turned_away is not None
    assert WIRE.turned_away(json.dumps(message)) is is_full


@pytest.mark.parametrize(
    ("frame", "key"),
    [
        ({"config": {"authorization": "Api-Key KEY"}}, "KEY"),
        ({"config": {"authorization": " KEY "}}, "KEY"),
        ({"config": {}}, ""),
        ({"text": "KEY"}, ""),
        ([], ""),
    ],
)
def test_a_browser_shows_its_key_in_the_first_message(frame: Any, key: str) -> None:
    assert WIRE.key_in is not None
    assert WIRE.key_in(json.dumps(frame)) == key
