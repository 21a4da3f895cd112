"""Cartesia speech, frame by frame: contexts on one side, utterances on the other."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

import pytest
from msgspec import structs

from voxway import events as e
from voxway.errors import RULES, GatewayError
from voxway.wire.base import Address, Opening, decode
from voxway.wire.cartesia_request import SETTINGS, RequestMsg
from voxway.wire.cartesia_tts import WIRE, Client, Server

VOICE = {"mode": "id", "id": "v1"}
FORMAT = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 24000}
OPTIONS = e.SpeakOptions(
    voice="v1",
    language="en",
    encoding="linear16",
    sample_rate=24_000,
    extra={"model_id": "sonic-3"},
)
ADDRESS = Address("wss://api.cartesia.ai", "sonic-3", "KEY")
HELLO = (e.Word(text="Hello", start=0.0, end=0.25), e.Word(text="you.", start=0.3, end=0.6))


def server() -> Server:
    return Server(Opening(request_id="req-1"))


def request(context_id: str = "c", **fields: Any) -> str:
    """A generation request as the SDK makes it."""
    message = {
        "context_id": context_id,
        "model_id": "sonic-3",
        "transcript": "",
        "voice": VOICE,
        "output_format": FORMAT,
        "continue": True,
        "language": "en",
    }
    fields = {name.rstrip("_"): value for name, value in fields.items()}
    return json.dumps(message | fields)


def cancel(context_id: str = "c") -> str:
    return json.dumps({"context_id": context_id, "cancel": True})


def heard(it: Server, *frames: str) -> list[e.Event]:
    return [command for frame in frames for command in decode(it, frame)]


def told(it: Server | Client, *events: e.Event) -> list[dict[str, Any]]:
    return [json.loads(frame) for event in events for frame in it.encode(event)]


def types(events: Iterable[e.Event]) -> list[str]:
    return [type(event).__name__ for event in events]


# What clients say.


def test_the_url_configures_nothing() -> None:
    assert list(server().opening()) == []


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({}, {}),
        (
            {"output_format": FORMAT | {"encoding": "pcm_f32le", "sample_rate": 44100}},
            {"encoding": "linear32", "sample_rate": 44_100},
        ),
        ({"output_format": FORMAT | {"encoding": "pcm_mulaw"}}, {"encoding": "mulaw"}),
        ({"output_format": FORMAT | {"encoding": "pcm_alaw"}}, {"encoding": "alaw"}),
        ({"language": None}, {"language": None}),
        ({"add_timestamps": True}, {"word_timestamps": True}),
        ({"add_timestamps": False, "flush": None, "speed": None}, {}),
        ({"speed": "slow"}, {"speed": 0.7}),
        ({"speed": "fast"}, {"speed": 1.3}),
        ({"speed": 1.25}, {"speed": 1.25}),
        (
            {"generation_config": {"speed": 1.2, "volume": 2}, "speed": "slow"},
            {
                "speed": 1.2,
                "extra": {
                    "model_id": "sonic-3",
                    "generation_config": {"speed": 1.2, "volume": 2},
                },
            },
        ),
        (
            {"max_buffer_delay_ms": 0, "pronunciation_dict_id": "d", "duration": 3},
            {
                "extra": {
                    "model_id": "sonic-3",
                    "max_buffer_delay_ms": 0,
                    "pronunciation_dict_id": "d",
                }
            },
        ),
        ({"model_id": None, "voice": None}, {"voice": None, "extra": {}}),
        ({"voice": {"id": "v2"}}, {"voice": "v2"}),
        ({"voice": "v3"}, {"voice": "v3"}),
    ],
)
def test_the_first_message_of_a_context_configures_it(
    fields: dict[str, Any], options: dict[str, Any]
) -> None:
    wanted = structs.replace(OPTIONS, **options)
    assert heard(server(), request(transcript="Hi", **fields)) == [
        e.Start(wanted, context="c"),
        e.Text("Hi", context="c"),
    ]


def test_later_messages_continue() -> None:
    it = server()
    heard(it, request(transcript="Hello "))
    assert heard(it, request(transcript="world. ", flush=True)) == [
        e.Text("world. ", context="c"),
        e.Flush(context="c"),
    ]
    assert heard(it, request(transcript="More.")) == [e.Text("More.", context="c")]
    assert heard(it, request(continue_=False)) == [e.Finish(context="c")]


def test_one_message_may_be_all() -> None:
    only = json.loads(request(transcript="Hi."))
    del only["continue"]
    assert types(heard(server(), json.dumps(only))) == ["Start", "Text", "Finish"]
    flushed = request(transcript="Hi.", flush=True, continue_=False)
    assert types(heard(server(), flushed)) == ["Start", "Text", "Flush", "Finish"]


def test_white_space_is_text_only_between_words() -> None:
    it = server()
    frames = [request(transcript=text) for text in (" ", "Hello", " ", "you.")]
    assert heard(it, *frames)[1:] == [
        e.Text("Hello", context="c"),
        e.Text(" ", context="c"),
        e.Text("you.", context="c"),
    ]
    assert types(heard(it, request(flush=True), request(transcript=" "))) == ["Flush"]


def test_what_a_later_message_leaves_out_is_as_it_was() -> None:
    it = server()
    heard(it, request(transcript="Hello "))
    later = json.dumps({"context_id": "c", "transcript": "you.", "continue": True})
    assert heard(it, later) == [e.Text("you.", context="c")]


def test_the_sdks_end_has_other_settings() -> None:
    """`no_more_inputs` of cartesia 4.2 says the default voice and format if the context has none
    of its own."""
    it = server()
    heard(it, request(transcript="Hello."))
    end = request(
        transcript="",
        continue_=False,
        model_id="sonic-latest",
        voice={"mode": "id", "id": "6ccbfb76"},
        output_format={"container": "raw", "encoding": "pcm_f32le", "sample_rate": 44100},
    )
    assert heard(it, end) == [e.Finish(context="c")]
    assert heard(it, end) == []


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"voice": {"mode": "id", "id": "v2"}}, "voice"),
        ({"output_format": FORMAT | {"sample_rate": 8000}}, "output_format"),
        ({"model_id": "sonic-2"}, "model_id"),
        ({"language": "de"}, "language"),
        ({"add_timestamps": True}, "add_timestamps"),
        ({"generation_config": {"speed": 1.1}}, "generation_config"),
        ({"speed": "fast"}, "speed"),
        ({"max_buffer_delay_ms": 1}, "max_buffer_delay_ms"),
        ({"pronunciation_dict_id": "d"}, "pronunciation_dict_id"),
    ],
)
def test_settings_are_the_same_throughout_a_context(fields: dict[str, Any], param: str) -> None:
    it = server()
    heard(it, request(transcript="Hello "))
    bad, left = heard(it, request(transcript="you.", **fields))
    assert isinstance(bad, e.Malformed)
    assert (bad.param, bad.context, bad.is_fatal) == (param, "c", False)
    assert left == e.Finish(abort=True, context="c"), "its client takes an error as the end"
    (error,) = told(it, e.Failed(bad.code, bad.message, context="c"))
    assert (error["context_id"], error["done"]) == ("c", True)
    assert told(it, e.Ended("context_closed", context="c")) == [], "which is told but once"
    assert types(heard(it, request(transcript="you.", **fields))) == ["Start", "Text"]


def test_a_text_after_the_end_is_an_error() -> None:
    it = server()
    heard(it, request(transcript="Hello.", continue_=False))
    bad, left = heard(it, request(transcript="Me, too."))
    assert isinstance(bad, e.Malformed)
    assert (bad.param, types([left])) == ("continue", ["Finish"])


@pytest.mark.parametrize(
    ("frame", "param", "context"),
    [
        (request(output_format=FORMAT | {"container": "mp3"}), "output_format.container", "c"),
        (request(output_format=FORMAT | {"encoding": "mp3"}), "output_format.encoding", "c"),
        (
            request(output_format=FORMAT | {"sample_rate": 11025}),
            "output_format.sample_rate",
            "c",
        ),
        (request(voice={"mode": "embedding", "embedding": [0.5]}), "voice.mode", "c"),
        (request(voice={"mode": "embedding", "id": "v1"}), "voice.mode", "c"),
        (request(speed="faster"), "speed", "c"),
        (request(generation_config={"speed": "faster"}), "generation_config.speed", "c"),
        (request(generation_config={"speed": []}), "generation_config.speed", "c"),
        (request(transcript=5), "transcript", "c"),
        (request(context_id=""), "context_id", ""),
        (json.dumps({"transcript": "Hi"}), "context_id", ""),
        (json.dumps({"transcript": "Hi", "context_id": 5}), "context_id", ""),
        ("[]", None, ""),
        ("finalize", None, ""),
    ],
)
def test_what_the_wire_does_not_allow(frame: str, param: str | None, context: str) -> None:
    (bad,) = heard(server(), frame)
    assert isinstance(bad, e.Malformed)
    assert (bad.code, bad.param, bad.context) == ("invalid_request", param, context)


def test_an_error_says_what_could_have_been() -> None:
    (bad,) = heard(server(), request(output_format=FORMAT | {"sample_rate": 11025}))
    assert isinstance(bad, e.Malformed)
    assert bad.message == (
        "output_format.sample_rate 11025 is not one of 8000, 16000, 22050, 24000, 44100, 48000"
    )


def test_audio_is_not_for_this_socket() -> None:
    assert types(decode(server(), b"\x00\x01")) == ["Malformed"]


def test_an_abort_is_answered_by_one_done_and_the_context_is_gone() -> None:
    it = server()
    heard(it, request(transcript="Hello."))
    assert heard(it, cancel()) == [
        e.Cancel(context="c"),
        e.Finish(abort=True, context="c"),
    ]
    answers = e.Cleared(cancelled=True, context="c"), e.Ended("context_closed", context="c")
    assert told(it, *answers) == [
        {"type": "done", "done": True, "status_code": 200, "context_id": "c"}
    ]
    assert told(it, e.Audio(b"late", context="c"), e.Flushed(1.0, context="c")) == []
    assert types(heard(it, request(transcript="Anew."))) == ["Start", "Text"]
    assert len(told(it, e.Ended("context_closed", context="c"))) == 1


def test_an_abort_of_what_is_over_is_nothing() -> None:
    it = server()
    assert heard(it, cancel()) == []
    heard(it, request(transcript="Hello.", continue_=False))
    told(it, e.Ended("context_closed", context="c"))
    assert heard(it, cancel()) == []


# What the gateway says.


def test_the_frames_of_a_context() -> None:
    it = server()
    heard(it, request(transcript="Hello you.", add_timestamps=True, continue_=False))
    c: Any = {"context": "c"}
    assert told(
        it,
        e.Ready("s", "r", "m", "linear16", 24_000, **c),
        e.SegmentStart("seg_0", "Hello you.", **c),
        e.Words(HELLO, **c),
        e.Audio(b"\x00\x01", **c),
        e.SegmentEnd("seg_0", **c),
        e.Warning("w", "x", **c),
        e.Flushed(0.6, **c),
        e.Ended("context_closed", **c),
    ) == [
        {
            "type": "timestamps",
            "done": False,
            "status_code": 206,
            "context_id": "c",
            "word_timestamps": {
                "words": ["Hello", "you."],
                "start": [0.0, 0.3],
                "end": [0.25, 0.6],
            },
        },
        {
            "type": "chunk",
            "context_id": "c",
            "data": base64.b64encode(b"\x00\x01").decode(),
            "done": False,
            "status_code": 206,
            "step_time": 0.0,
        },
        {"type": "done", "done": True, "status_code": 200, "context_id": "c"},
    ]


def test_words_are_told_to_those_who_asked() -> None:
    it = server()
    heard(it, request(transcript="Hello you."))
    assert told(it, e.Words(HELLO, context="c")) == []


def test_flushes_are_counted_and_words_timed_from_the_start_of_the_context() -> None:
    it = server()
    heard(it, request(transcript="Hello you.", flush=True, add_timestamps=True))
    first = told(
        it,
        e.Words(HELLO, context="c"),
        e.Audio(b"\x00\x01", context="c"),
        e.Flushed(0.75, context="c"),
    )
    assert [m.get("flush_id") for m in first] == [None, 1, 1]
    assert first[-1] == {
        "type": "flush_done",
        "done": False,
        "status_code": 206,
        "context_id": "c",
        "flush_done": True,
        "flush_id": 1,
    }
    heard(it, request(transcript="Hello you.", add_timestamps=True), request(flush=True))
    words, chunk, flushed = told(
        it,
        e.Words(HELLO, context="c"),
        e.Audio(b"\x00\x01", context="c"),
        e.Flushed(0.75, context="c"),
    )
    assert words["word_timestamps"]["start"] == [0.75, 1.05]
    assert words["word_timestamps"]["end"] == [1.0, 1.35]
    assert (chunk["flush_id"], flushed["flush_id"]) == (2, 2)


def test_the_end_is_no_flush() -> None:
    """Whether the session tells of the last utterance or not: `done`, and nothing else."""
    for last in ([], [e.Flushed(0.5, context="c")]):
        it = server()
        heard(it, request(transcript="Hello.", flush=True), request(continue_=False))
        events = [e.Flushed(0.5, context="c"), *last, e.Ended("context_closed", context="c")]
        assert [m["type"] for m in told(it, *events)] == ["flush_done", "done"]


def test_contexts_interleave() -> None:
    it = server()
    commands = heard(it, request("a", transcript="One."), request("b", transcript="Two."))
    assert [command.context for command in commands] == ["a", "a", "b", "b"]
    heard(it, request("b", continue_=False))
    frames = told(
        it,
        e.Audio(b"a", context="a"),
        e.Audio(b"b", context="b"),
        e.Ended("context_closed", context="b"),
    )
    assert [(m["type"], m["context_id"]) for m in frames] == [
        ("chunk", "a"),
        ("chunk", "b"),
        ("done", "b"),
    ]
    assert types(heard(it, request("b", transcript="Three."))) == ["Start", "Text"]
    assert types(heard(it, request("a", transcript="Four."))) == ["Text"]


def test_a_context_id_is_said_as_it_came() -> None:
    it = server()
    heard(it, request('q"\n', transcript="Hi."))
    (chunk,) = told(it, e.Audio(b"x", context='q"\n'))
    assert chunk["context_id"] == 'q"\n'


def test_an_error_has_both_shapes_and_names_its_context() -> None:
    it = server()
    heard(it, request(transcript="Hi."))
    failed = e.Failed("rate_limit", "too much", retryable=True, context="c")
    assert told(it, failed) == [
        {
            "type": "error",
            "done": True,
            "status_code": 429,
            "code": 429,
            "error_code": "concurrency_limited",
            "title": "Rate limit",
            "message": "too much",
            "error": "Rate limit: too much",
            "request_id": "req-1",
            "context_id": "c",
        }
    ]
    assert told(it, failed, e.Ended("context_closed", context="c")) == []


def test_a_context_that_failed_can_begin_anew() -> None:
    it = server()
    heard(it, request(transcript="Hi."))
    told(it, e.Failed("config_error", "no voice 'v1'", context="c"))
    assert types(heard(it, request(transcript="Hi."))) == ["Finish", "Start", "Text"]
    assert told(it, e.Ended("context_closed", context="c")) == []
    assert len(told(it, e.Audio(b"x", context="c"))) == 1


def test_what_ends_the_socket_is_told_to_every_context() -> None:
    it = server()
    (alone,) = told(it, e.Failed("not JSON", "x"))
    assert alone["context_id"] == ""
    heard(it, request("a", transcript="One."), request("b", transcript="Two."))
    (some,) = told(it, e.Failed("invalid_request", "not JSON"))
    assert some["context_id"] == ""
    all_of_them = told(it, e.Failed("provider_error", "gone", fatal=True))
    assert [m["context_id"] for m in all_of_them] == ["a", "b"]
    assert told(it, e.Ended("provider_error")) == []


@pytest.mark.parametrize(
    ("code", "reason", "closed"),
    [
        (1000, "client_closed", (1000, "")),
        (1008, "idle_timeout_exceeded", (1000, "connection idle timeout")),
        (1011, "provider_error", (1011, "provider_error")),
        (1012, "draining", (1012, "draining")),
        (4000, "auth_error", (1008, "auth_error")),
        (4001, "rate_limit", (1008, "rate_limit")),
        (1011, "internal_error", (1008, "internal_error")),
        (1000, "finish_timeout", (1011, "finish_timeout")),
    ],
)
def test_only_what_may_get_better_closes_with_a_code_to_come_back_for(
    code: int, reason: str, closed: tuple[int, str]
) -> None:
    assert server().closing(code, reason) == closed


def test_a_refusal_has_the_shape_of_the_http_errors() -> None:
    refused = WIRE.refusal(GatewayError("unknown API key", code="auth_error"), "req-1")
    assert refused.status == 401
    body: Any = refused.body
    assert (body.error_code, body.title, body.message, body.request_id) == (
        "auth_error",
        "Auth error",
        "unknown API key",
        "req-1",
    )
    assert refused.headers["X-Request-Id"] == refused.headers["Cartesia-Request-Id"] == "req-1"
    busy = WIRE.refusal(GatewayError("full", code="rate_limit", retry_after=2.0), "req-1")
    body = busy.body
    assert (busy.status, body.error_code) == (429, "concurrency_limited")
    assert busy.headers["Retry-After"] == "2"


# The gateway as a client.


def client(**options: Any) -> Client:
    given = e.SpeakOptions(voice="v1", language="en-US", encoding="linear16", sample_rate=24_000)
    return Client(structs.replace(given, **options), ADDRESS)


def reply(type: str, **fields: Any) -> str:
    context_id = fields.pop("context_id", "voxway-1")
    return json.dumps({"type": type, "context_id": context_id, **fields})


DONE = {"done": True, "status_code": 200}


def test_an_utterance_has_a_context_of_its_own() -> None:
    it = client(word_timestamps=True)
    assert told(it, e.Start(None)) == []
    settings = {
        "model_id": "sonic-3",
        "voice": VOICE,
        "output_format": FORMAT,
        "language": "en",
        "add_timestamps": True,
        "max_buffer_delay_ms": 0,
    }
    assert told(it, e.Text("One."), e.Text("Two."), e.Flush(), e.Text("Three.")) == [
        {"context_id": "voxway-1", "transcript": "One. ", "continue": True, **settings},
        {"context_id": "voxway-1", "transcript": "Two. ", "continue": True, **settings},
        {"context_id": "voxway-1", "transcript": "", "continue": False, **settings},
        {"context_id": "voxway-2", "transcript": "Three. ", "continue": True, **settings},
    ]


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ({}, {"add_timestamps": None, "generation_config": None}),
        ({"voice": None, "language": None}, {"voice": None, "language": None}),
        ({"speed": 1.0}, {"generation_config": None}),
        ({"speed": 1.2}, {"generation_config": {"speed": 1.2}}),
        (
            {"speed": 1.0, "extra": {"generation_config": {"speed": 2, "emotion": "calm"}}},
            {"generation_config": {"speed": 1.0, "emotion": "calm"}},
        ),
        ({"extra": {"generation_config": "loud"}}, {"generation_config": None}),
        ({"extra": {"max_buffer_delay_ms": 500}}, {"max_buffer_delay_ms": 500}),
        ({"extra": {"pronunciation_dict_id": "d"}}, {"pronunciation_dict_id": "d"}),
        ({"extra": {"model_id": "sonic-2"}}, {"model_id": "sonic-2"}),
        (
            {"encoding": "linear32", "sample_rate": 44_100},
            {"output_format": FORMAT | {"encoding": "pcm_f32le", "sample_rate": 44100}},
        ),
        ({"encoding": "mulaw"}, {"output_format": FORMAT | {"encoding": "pcm_mulaw"}}),
    ],
)
def test_options_are_settings_of_the_provider(
    options: dict[str, Any], fields: dict[str, Any]
) -> None:
    (message,) = told(client(**options), e.Text("Hi."))
    assert {name: message.get(name) for name in fields} == fields


def test_a_change_is_for_the_next_utterance() -> None:
    it = client()
    change = e.Configure(e.SpeakOptions(voice="v2", encoding="linear16", sample_rate=24_000))
    frames = told(it, e.Text("One."), change, e.Text("Two."), e.Flush(), e.Text("Three."))
    assert [m["voice"]["id"] for m in frames] == ["v1", "v1", "v1", "v2"]


def test_each_context_has_its_options() -> None:
    it = client()
    told(it, e.Start(e.SpeakOptions(voice="va"), context="a"))
    frames = told(it, e.Text("One.", context="a"), e.Text("Two.", context="b"))
    assert [m["voice"]["id"] for m in frames] == ["va", "v1"]


def test_what_the_client_hears() -> None:
    it = client()
    told(it, e.Text("Hello you.", context="a"), e.Flush(context="a"))
    data = base64.b64encode(b"\x00\x01").decode()
    timings = {"words": ["Hello", "you."], "start": [0.0, 0.3], "end": [0.25, 0.6]}
    frames = [
        reply("chunk", data=data, done=False, status_code=206, step_time=1.5),
        reply("chunk", data="", done=False, status_code=206, step_time=1.5),
        reply("timestamps", done=False, status_code=206, word_timestamps=timings),
        reply("timestamps", done=False, status_code=206, word_timestamps=None),
        reply("phoneme_timestamps", done=False, status_code=206),
        reply("flush_done", done=False, flush_done=True, flush_id=1, status_code=206),
        reply("news"),
        reply("done", **DONE),
        reply("done", **DONE),
    ]
    assert [event for frame in frames for event in decode(it, frame)] == [
        e.Audio(b"\x00\x01", context="a"),
        e.Words(HELLO, context="a"),
        e.Flushed(context="a"),
    ]


def test_what_is_said_of_an_abandoned_context_is_dropped() -> None:
    it = client()
    told(it, e.Text("One."), e.Flush(), e.Text("Two."))
    assert told(it, e.Clear()) == [
        {"context_id": "voxway-1", "cancel": True},
        {"context_id": "voxway-2", "cancel": True},
    ]
    for name in ("voxway-1", "voxway-2"):
        late = reply("chunk", data="AAAA", context_id=name), reply("done", context_id=name)
        assert [event for frame in late for event in decode(it, frame)] == []
        assert decode(it, reply("error", message="expired", context_id=name)) == []
    assert told(it, e.Clear()) == []
    (anew,) = told(it, e.Text("Three."))
    assert anew["context_id"] == "voxway-3"


def test_an_abort_is_of_one_context() -> None:
    it = client()
    told(it, e.Text("One.", context="a"), e.Text("Two.", context="b"))
    assert told(it, e.Cancel(context="b")) == [{"context_id": "voxway-2", "cancel": True}]
    (more,) = told(it, e.Text("More.", context="a"))
    assert more["context_id"] == "voxway-1"


def test_the_end_of_the_input_ends_what_is_open() -> None:
    it = client()
    told(it, e.Text("One.", context="a"), e.Text("Two.", context="b"), e.Flush(context="b"))
    (end,) = told(it, e.Finish())
    assert (end["context_id"], end["transcript"], end["continue"]) == ("voxway-1", "", False)
    assert told(it, e.Finish()) == []
    assert len(told(it, e.Finish(abort=True, context="a"))) == 1


def test_a_context_that_ended_too_early_is_replaced() -> None:
    """It dies a second after its last audio, if the next sentence takes longer to come."""
    it = client()
    told(it, e.Text("One."))
    assert decode(it, reply("done", **DONE)) == []
    two, end = told(it, e.Text("Two."), e.Flush())
    assert (two["context_id"], end["context_id"]) == ("voxway-2", "voxway-2")
    assert decode(it, reply("done", context_id="voxway-2", **DONE)) == [e.Flushed()]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"error_code": "concurrency_limited", "status_code": 429}, "rate_limit"),
        ({"error_code": "model_not_found", "status_code": 400}, "model_not_found"),
        ({"error_code": "voice_not_found", "status_code": 404}, "config_error"),
        ({"error_code": "new_code", "status_code": 400}, "invalid_request"),
        ({"error_code": None, "status_code": 401}, "auth_error"),
        ({"status_code": 402}, "forbidden"),
        ({"status_code": 503}, "provider_error"),
        ({"code": 429}, "rate_limit"),
        ({"code": "429", "status_code": None}, "provider_error"),
        ({}, "provider_error"),
    ],
)
def test_errors_are_ours(fields: dict[str, Any], code: str) -> None:
    it = client()
    told(it, e.Text("Hi.", context="a"), e.Flush(context="a"))
    frame = reply("error", title="No", message="not so", done=True, **fields)
    assert decode(it, frame) == [
        e.Failed(code, "No: not so", RULES[code].retryable, context="a"),
        e.Flushed(context="a"),
    ]


def test_an_error_before_the_flush_leaves_the_flush_to_come() -> None:
    it = client()
    told(it, e.Text("Hi."))
    old = reply("error", error="Bad: thing", done=True, status_code=500)
    assert decode(it, old) == [e.Failed("provider_error", "Bad: thing", retryable=True)]
    (end,) = told(it, e.Flush())
    assert end["context_id"] == "voxway-2"
    assert decode(it, reply("done", context_id="voxway-2", **DONE)) == [e.Flushed()]


def test_an_error_of_the_socket_has_no_context() -> None:
    frame = json.dumps({"type": "error", "done": True, "status_code": 500})
    assert decode(client(), frame) == [
        e.Failed("provider_error", "an error without a text", retryable=True)
    ]


@pytest.mark.parametrize("frame", ["", "x", "[]", '{"type":5}', '{"type":"chunk","data":"%"}'])
def test_garbage_of_a_provider(frame: str) -> None:
    assert types(decode(client(), frame)) == ["Malformed"]


def test_where_to_connect() -> None:
    there = WIRE.endpoint(e.SpeakOptions(), ADDRESS)
    assert there.url == "wss://api.cartesia.ai/tts/websocket"
    assert there.headers == {"X-API-Key": "KEY", "Cartesia-Version": "2026-03-01"}
    keyless = WIRE.endpoint(e.SpeakOptions(), Address("http://h/gw", "m"))
    assert keyless.url == "ws://h/gw/tts/websocket"
    assert "X-API-Key" not in keyless.headers


def test_a_request_is_what_the_other_side_reads() -> None:
    """Back to back, word for word."""
    it, gateway = server(), client(word_timestamps=True, speed=1.2)
    frames = [f for c in (e.Text("Hello you."), e.Flush()) for f in gateway.encode(c)]
    start, text, finish = heard(it, *map(str, frames))
    assert isinstance(start, e.Start)
    assert isinstance(start.options, e.SpeakOptions)
    assert (start.options.voice, start.options.speed) == ("v1", 1.2)
    assert (text, finish) == (
        e.Text("Hello you. ", context="voxway-1"),
        e.Finish(context="voxway-1"),
    )
    back = [
        e.Words(HELLO, context="voxway-1"),
        e.Audio(b"\x00\x01", context="voxway-1"),
        e.Flushed(0.6, context="voxway-1"),
        e.Ended("context_closed", context="voxway-1"),
    ]
    answers = [a for event in back for f in it.encode(event) for a in decode(gateway, f)]
    assert answers == [e.Words(HELLO), e.Audio(b"\x00\x01"), e.Flushed()]


def test_only_the_first_fields_of_a_request_may_change() -> None:
    """A new setting is compared, too: the table of them is complete."""
    changing = {"context_id", "transcript", "continue_", "flush", "cancel"}
    assert {*SETTINGS} == {*RequestMsg.__struct_fields__} - changing
