"""Deepgram's recognition socket, frame by frame: every field that its clients index without asking,
and when each message comes."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from voxway import events as e
from voxway.errors import ConfigError, GatewayError, ProtocolError
from voxway.wire.base import Address, Frame, Opening, decode
from voxway.wire.deepgram_listen import WIRE, Client, Server

URL = "wss://api.deepgram.com"
RAW = (("model", "nova-3"), ("encoding", "linear16"), ("sample_rate", "16000"))
WORDS = (
    e.Word(text="Hello,", start=0.12, end=0.5, confidence=0.9, speaker=1),
    e.Word(text="world!", start=0.61234, end=1.0),
)
HELLO = e.Transcript("Hello, world!", True, False, 0.95, "en", 0.0, 1.1, WORDS)


def server(*query: tuple[str, str]) -> Server:
    created = "2026-05-04T10:11:12.131Z"
    return Server(Opening(query, request_id="request-1", model="our/model", created=created))


def raw(*query: tuple[str, str]) -> Server:
    return server(*RAW, *query)


def options_of(*query: tuple[str, str]) -> e.ListenOptions:
    [start] = raw(*query).opening()
    assert isinstance(start, e.Start)
    assert isinstance(start.options, e.ListenOptions)
    return start.options


def client(**options: Any) -> Client:
    return Client(e.ListenOptions(**options), Address(URL, "nova-3", "key-1"))


def told(it: Server, *events: e.Event) -> list[Any]:
    """What a server says of these events."""
    return [json.loads(frame) for event in events for frame in it.encode(event)]


# The URL


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ((), {"partials": False}),
        ((("interim_results", "true"), ("language", "en-US")), {"language": "en-US"}),
        ((("interim_results", "1"), ("vad_events", "true")), {"vad_events": True}),
        # What ends an utterance is found by voice activity, too.
        (
            (("interim_results", "true"), ("utterance_end_ms", "1000")),
            {"vad_events": True, "extra": {"utterance_end_ms": 1000}},
        ),
        ((("diarize", "true"),), {"partials": False, "diarization": True}),
        (
            (("diarize_model", "v2"),),
            {"partials": False, "diarization": True, "extra": {"diarize_model": "v2"}},
        ),
        (
            (("keyterm", "alpha"), ("keyterm", "be ta"), ("endpointing", "300")),
            {"partials": False, "extra": {"keyterm": ("alpha", "be ta"), "endpointing": 300}},
        ),
        (
            (("endpointing", "false"), ("smart_format", "true"), ("novelty", "x")),
            {
                "partials": False,
                "extra": {"endpointing": False, "smart_format": True, "novelty": "x"},
            },
        ),
        ((("token", "KEY"), ("channels", "1"), ("multichannel", "false")), {"partials": False}),
    ],
)
def test_the_url_configures(query: tuple[tuple[str, str], ...], options: dict[str, Any]) -> None:
    assert options_of(*query) == e.ListenOptions(
        encoding="linear16", sample_rate=16_000, word_timestamps=True, **options
    )


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("encoding", "pcm"),
        ("encoding", "opus"),
        ("encoding", "amr-nb"),
        ("sample_rate", "fast"),
        ("channels", "2"),
        ("interim_results", "maybe"),
        ("utterance_end_ms", "999"),
        ("endpointing", "soon"),
        ("callback", "https://x.example"),
    ],
)
def test_a_parameter_that_cannot_be_is_named(param: str, value: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        server((param, value), *RAW)
    assert caught.value.param == param


@pytest.mark.parametrize("encoding", ["linear16", "linear32", "mulaw", "alaw"])
def test_raw_audio_needs_a_rate(encoding: str) -> None:
    with pytest.raises(ConfigError, match="sample_rate"):
        server(("encoding", encoding))


def test_several_channels_are_refused_by_either_name() -> None:
    with pytest.raises(ConfigError, match="only one"):
        raw(("multichannel", "true"))


@pytest.mark.parametrize(("name", "ours"), [("flac", "flac"), ("ogg-opus", "opus")])
def test_containers_that_are_named(name: str, ours: str) -> None:
    [start] = server(("encoding", name)).opening()
    assert isinstance(start, e.Start)
    assert getattr(start.options, "encoding", None) == ours


def test_a_tag_is_the_clients_name_of_the_conversation() -> None:
    [start] = raw(("tag", "a"), ("tag", "b")).opening()
    assert isinstance(start, e.Start)
    assert start.tag == "a,b"


# Audio that has to tell what it is


@pytest.mark.parametrize(
    ("audio", "encoding"),
    [
        (b"RIFF\0\0\0\0WAVEfmt ", "wav"),
        (b"OggS" + bytes(12), "opus"),
        (b"fLaC" + bytes(12), "flac"),
        (b"\x1a\x45\xdf\xa3" + bytes(12), "webm"),
        (b"ID3" + bytes(12), "mp3"),
    ],
)
def test_without_encoding_the_first_audio_tells(audio: bytes, encoding: str) -> None:
    it = server(("language", "de"))
    assert list(it.opening()) == []
    assert decode(it, audio[:5]) == []
    start, first = decode(it, audio[5:])
    assert isinstance(start, e.Start)
    assert start.options == e.ListenOptions(
        language="de", encoding=encoding, partials=False, word_timestamps=True
    )
    assert first == e.Audio(audio)
    assert decode(it, b"more") == [e.Audio(b"more")]


def test_audio_that_nobody_can_tell_costs_the_socket() -> None:
    it = server()
    [bad] = decode(it, bytes(32))
    assert isinstance(bad, e.Malformed)
    assert bad.is_fatal
    assert it.closing(1008, bad.code) == (
        1008,
        "The payload could not be understood. See https://dpgr.am/data0000",
    )


def test_a_finalize_without_audio_is_answered_all_the_same() -> None:
    start, flush = decode(server(), '{"type":"Finalize"}')
    assert isinstance(start, e.Start)
    assert flush == e.Flush()


# What a client says


@pytest.mark.parametrize(
    ("frame", "command"),
    [
        (b"\0\1", e.Audio(b"\0\1")),
        (b"", e.Finish()),
        ('{"type":"KeepAlive"}', e.KeepAlive()),
        ('{"type":"Finalize"}', e.Flush()),
        ('{"type":"Finalize","channel":0}', e.Flush()),
        ('{"type":"CloseStream"}', e.Finish()),
    ],
)
def test_commands(frame: Frame, command: e.Event) -> None:
    assert decode(raw(), frame) == [command]


@pytest.mark.parametrize(
    "frame", ["Hello?", "{}", "[]", '{"type":"Finalise"}', '{"type":"finalize"}', '{"type":17}']
)
def test_a_bad_message_is_told_with_its_text_and_the_socket_stays(frame: str) -> None:
    it = raw()
    [bad] = decode(it, frame)
    assert isinstance(bad, e.Malformed)
    assert not bad.is_fatal
    assert told(it, e.Failed(bad.code, bad.message, param=bad.param)) == [
        {
            "type": "Error",
            "variant": "SchemaError",
            "description": bad.message,
            "message": frame,
        }
    ]
    assert bad.message.startswith("Could not deserialize last text message: ")
    assert decode(it, '{"type":"KeepAlive"}') == [e.KeepAlive()]


def test_a_bad_message_is_told_once_and_not_at_any_length() -> None:
    it = raw()
    decode(it, "x" * 5000)
    failed = e.Failed("invalid_request", "no")
    assert [len(error["message"]) for error in told(it, failed, failed)] == [1000, 0]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"keyterms": ["alpha"]}, "CONFIGURE_KEYTERMS_NOT_SUPPORTED"),
        ({"keyterms": [], "features": {}}, "CONFIGURE_KEYTERMS_NOT_SUPPORTED"),
        ({"features": {"numerals": True}}, "CONFIGURE_INTERNAL_ERROR"),
        ({}, "CONFIGURE_INTERNAL_ERROR"),
    ],
)
def test_a_change_of_an_open_stream_is_declined(message: dict[str, Any], code: str) -> None:
    it = raw()
    [bad] = decode(it, json.dumps({"type": "Configure", **message}))
    assert isinstance(bad, e.Malformed)
    assert told(it, e.Failed(bad.code, bad.message, param=bad.param)) == [
        {
            "type": "ConfigureFailure",
            "request_id": "request-1",
            "code": code,
            "description": bad.message,
        }
    ]


# What a client is told


def test_results_are_whole() -> None:
    it = raw()
    [results] = told(it, HELLO)
    uuid = results["metadata"].pop("model_uuid")
    assert uuid.count("-") == 4
    assert results == {
        "type": "Results",
        "channel_index": [0, 1],
        "duration": 1.1,
        "start": 0.0,
        "is_final": True,
        "speech_final": True,
        "channel": {
            "alternatives": [
                {
                    "transcript": "Hello, world!",
                    "confidence": 0.95,
                    "words": [
                        {
                            "word": "hello",
                            "start": 0.12,
                            "end": 0.5,
                            "confidence": 0.9,
                            "punctuated_word": "Hello,",
                            "speaker": 1,
                        },
                        {
                            "word": "world",
                            "start": 0.612,
                            "end": 1.0,
                            "confidence": 0.95,
                            "punctuated_word": "world!",
                        },
                    ],
                }
            ]
        },
        "metadata": {
            "request_id": "request-1",
            "model_info": {"name": "nova-3", "version": "unknown", "arch": "nova-3"},
        },
        "from_finalize": False,
    }


def test_what_is_false_or_empty_is_on_the_wire_too() -> None:
    it = raw(("interim_results", "true"))
    [results] = told(it, e.Transcript("", False))
    assert results["is_final"] is results["speech_final"] is results["from_finalize"] is False
    assert results["start"] == results["duration"] == 0.0
    assert results["channel"]["alternatives"] == [
        {"transcript": "", "confidence": 0.0, "words": []}
    ]


@pytest.mark.parametrize(
    ("transcript", "flags"),
    [
        (e.Transcript("a", True, is_endpoint=True), (True, True, False)),
        (e.Transcript("a", True, is_endpoint=False), (True, False, False)),
        (e.Transcript("a", True, from_finalize=True), (True, True, True)),
        (e.Transcript("", True, from_finalize=True, is_endpoint=False), (True, False, True)),
        (e.Transcript("a", False), (False, False, False)),
    ],
)
def test_what_ended_a_segment(transcript: e.Transcript, flags: tuple[bool, bool, bool]) -> None:
    [results] = told(raw(("interim_results", "true")), transcript)
    assert (results["is_final"], results["speech_final"], results["from_finalize"]) == flags


def test_confidence_is_a_number_even_if_nobody_knows() -> None:
    word = e.Word(text="…", start=0.0, end=0.1)
    [results] = told(raw(), e.Transcript("a …", True, words=(word,)))
    [said] = results["channel"]["alternatives"]
    assert said["confidence"] == said["words"][0]["confidence"] == 1.0
    assert said["words"][0]["word"] == "…"


def test_a_recognizer_without_times_is_given_those_of_the_audio() -> None:
    it = raw(("interim_results", "true"))
    decode(it, bytes(32_000))
    first = told(it, e.Transcript("a", False), e.Transcript("a.", True))
    decode(it, bytes(16_000))
    second = told(it, e.Transcript("b.", True))
    times = [(results["start"], results["duration"]) for results in first + second]
    assert times == [(0.0, 1.0), (0.0, 1.0), (1.0, 0.5)]


def test_interim_results_are_for_those_who_ask() -> None:
    partial = e.Transcript("a", False)
    assert told(raw(), partial) == []
    assert len(told(raw(("interim_results", "true")), partial)) == 1


@pytest.mark.parametrize(("language", "languages"), [("multi", ["es"]), ("es", None)])
def test_the_language_is_told_where_there_are_several(
    language: str, languages: list[str] | None
) -> None:
    [results] = told(raw(("language", language)), e.Transcript("hola", True, language="es"))
    assert results["channel"]["alternatives"][0].get("languages") == languages


@pytest.mark.parametrize(
    ("query", "types"),
    [
        ((), []),
        ((("vad_events", "true"),), ["SpeechStarted"]),
        ((("utterance_end_ms", "1000"),), ["UtteranceEnd"]),
        ((("vad_events", "true"), ("utterance_end_ms", "1500")), ["SpeechStarted", "UtteranceEnd"]),
    ],
)
def test_voice_activity_is_told_as_far_as_it_is_asked_for(
    query: tuple[tuple[str, str], ...], types: list[str]
) -> None:
    messages = told(raw(*query), e.SpeechStarted(0.5), e.UtteranceEnd(1.25))
    assert [message["type"] for message in messages] == types


def test_voice_activity_messages() -> None:
    it = raw(("vad_events", "true"), ("utterance_end_ms", "1000"))
    assert told(it, e.SpeechStarted(0.5), e.UtteranceEnd(1.25), e.UtteranceEnd()) == [
        {"type": "SpeechStarted", "channel": [0, 1], "timestamp": 0.5},
        {"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": 1.25},
        {"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": -1},
    ]


def test_metadata_comes_at_the_end_and_sums_up() -> None:
    it = raw()
    assert told(it, e.Ready("s1", "r1", "m", "linear16", 16_000)) == []
    decode(it, b"\1\2" * 8000)
    decode(it, b"\3\4" * 8000)
    assert told(it, e.Ended("client_closed")) == [
        {
            "type": "Metadata",
            "transaction_key": "deprecated",
            "request_id": "request-1",
            "sha256": hashlib.sha256(b"\1\2" * 8000 + b"\3\4" * 8000).hexdigest(),
            "created": "2026-05-04T10:11:12.131Z",
            "duration": 1.0,
            "channels": 1,
        }
    ]
    assert it.closing(1000, "client_closed") == (1000, "")


def test_the_duration_of_a_container_is_where_the_last_final_ends() -> None:
    it = server(("encoding", "flac"))
    decode(it, bytes(500))
    told(it, e.Transcript("a", True, start=0.5, duration=1.25), e.Transcript("b", False, start=9.0))
    [summary] = told(it, e.Ended("client_closed"))
    assert summary["duration"] == 1.75


@pytest.mark.parametrize("reason", ["idle_timeout_exceeded", "backend_error", "draining"])
def test_a_stream_that_breaks_is_not_summed_up(reason: str) -> None:
    assert told(raw(), e.Ended(reason)) == []


def test_deepgram_has_no_warnings_here() -> None:
    assert told(raw(), e.Warning("unsupported_option", "x"), e.KeepAlive()) == []


@pytest.mark.parametrize(
    ("code", "variant"),
    [("config_error", "SchemaError"), ("rate_limit", "DATA-0001"), ("backend_error", "NET-0000")],
)
def test_other_errors_have_the_same_fields(code: str, variant: str) -> None:
    assert told(raw(), e.Failed(code, "no")) == [
        {"type": "Error", "variant": variant, "description": "no", "message": ""}
    ]


@pytest.mark.parametrize(
    ("reason", "close_code", "link"),
    [
        ("invalid_request", 1008, "data0000"),
        ("payload_too_large", 1009, "big0000"),
        ("backend_error", 1011, "net0000"),
        ("idle_timeout_exceeded", 1011, "net0001"),
        ("max_connection_duration_exceeded", 1011, "net0003"),
    ],
)
def test_close_codes(reason: str, close_code: int, link: str) -> None:
    code, text = raw().closing(4000, reason)
    assert code == close_code
    assert text.endswith(f". See https://dpgr.am/{link}")


def test_a_refusal_has_deepgrams_shape() -> None:
    refused = WIRE.refusal(GatewayError("no model x", code="model_not_found"), "r1")
    body = msgspec.json.encode(refused.body)
    assert refused.status == 400
    assert json.loads(body) == {
        "err_code": "INVALID_QUERY_PARAMETER",
        "err_msg": "no model x",
        "request_id": "r1",
    }
    assert refused.headers["dg-error"] == "no model x"


# The gateway as Deepgram's client


def test_what_the_client_says() -> None:
    it = client()
    commands = (
        e.Start(e.ListenOptions()),
        e.Audio(b"\0\1"),
        e.Audio(b""),  # would close the stream
        e.KeepAlive(),
        e.Flush(),
        e.Text("x"),
        e.Finish(),
    )
    assert [frame for command in commands for frame in it.encode(command)] == [
        b"\0\1",
        '{"type":"KeepAlive"}',
        '{"type":"Finalize"}',
        '{"type":"CloseStream"}',
    ]


def results(text: str = "", **fields: Any) -> str:
    words = [{"word": w, "start": 0.1, "end": 0.2, "confidence": 0.5} for w in text.split()]
    said = {"transcript": text, "confidence": 0.75, "words": words}
    message = {
        "type": "Results",
        "channel_index": [0, 1],
        "duration": 1,
        "start": 0.5,
        "is_final": True,
        "speech_final": False,
        "channel": {"alternatives": [said]},
        "from_finalize": False,
        "entities": [],
    }
    return json.dumps(message | fields)


def test_results_are_read() -> None:
    word = e.Word(text="hello", start=0.1, end=0.2, confidence=0.5)
    heard = e.Transcript("hello", True, False, 0.75, None, 0.5, 1.0, (word,), is_endpoint=False)
    assert decode(client(), results("hello")) == [heard]


def test_words_are_read_as_they_are_written() -> None:
    timed = {"word": "hello", "punctuated_word": "Hello,", "start": 0, "end": 1, "speaker": 2}
    said = {"transcript": "Hello,", "confidence": None, "words": [timed], "languages": ["en"]}
    [heard] = decode(client(), results(channel={"alternatives": [said]}))
    assert isinstance(heard, e.Transcript)
    assert heard.words == (e.Word(text="Hello,", start=0.0, end=1.0, speaker=2),)
    assert (heard.language, heard.confidence) == ("en", None)


@pytest.mark.parametrize(
    ("fields", "final", "is_endpoint"),
    [
        ({"speech_final": True}, True, True),
        ({"is_final": False}, False, False),
        ({"is_final": None, "from_finalize": None}, False, False),
    ],
)
def test_what_ended_a_segment_is_read(
    fields: dict[str, Any], final: bool, is_endpoint: bool
) -> None:
    [heard] = decode(client(), results("a", **fields))
    assert isinstance(heard, e.Transcript)
    assert (heard.final, heard.is_endpoint, heard.from_finalize) == (final, is_endpoint, False)


def test_an_empty_result_is_a_boundary_and_no_text() -> None:
    assert decode(client(), results("", speech_final=True)) == []
    assert decode(client(), results("", is_final=False)) == []
    assert decode(client(), results("", channel={"alternatives": []})) == []


def test_a_finalize_has_one_answer_even_an_empty_one() -> None:
    it = client()
    list(it.encode(e.Flush()))
    answer, late = results("", from_finalize=True), results("late", from_finalize=True)
    heard = [event for frame in (answer, answer, late) for event in decode(it, frame)]
    told = [(t.text, t.from_finalize) for t in heard if isinstance(t, e.Transcript)]
    assert told == [("", True), ("late", False)]


def test_partials_that_nobody_wants_are_left_out() -> None:
    it = client(partials=False, vad_events=True)
    assert decode(it, results("a", is_final=False)) == []
    assert len(decode(it, results("a"))) == 1


@pytest.mark.parametrize(
    ("frame", "events"),
    [
        ('{"type":"SpeechStarted","channel":[0,1],"timestamp":0.5}', [e.SpeechStarted(0.5)]),
        ('{"type":"UtteranceEnd","channel":[0,1],"last_word_end":1.5}', [e.UtteranceEnd(1.5)]),
        ('{"type":"UtteranceEnd","channel":[0,1],"last_word_end":-1}', [e.UtteranceEnd()]),
        # Only at the end it means the end.
        ('{"type":"Metadata","request_id":"r"}', []),
        (
            '{"type":"Error","variant":"SchemaError","description":"d","message":"m"}',
            [e.Failed("invalid_request", "d")],
        ),
        (
            '{"type":"Error","description":"d","code":"NET-0001"}',
            [e.Failed("idle_timeout_exceeded", "d", retryable=True)],
        ),
        ('{"type":"ConfigureSuccess","request_id":"r"}', []),
        ('{"type":"Novelty","channel":"x"}', []),
        ('{"type":"Results","start":"x"}', None),
        ("Results", None),
    ],
)
def test_what_deepgram_says(frame: str, events: list[e.Event] | None) -> None:
    got = decode(client(), frame)
    if events is None:
        assert [type(event) for event in got] == [e.Malformed]
    else:
        assert got == events


def test_metadata_after_the_end_of_the_stream_is_the_end() -> None:
    it = client()
    list(it.encode(e.Finish()))
    assert decode(it, '{"type":"Metadata","request_id":"r"}') == [e.Ended("client_closed")]


def query_of(**options: Any) -> dict[str, list[str]]:
    endpoint = WIRE.endpoint(e.ListenOptions(**options), Address(URL, "nova-3", "key-1"))
    assert endpoint.headers == {"Authorization": "Token key-1"}
    assert endpoint.url.startswith(f"{URL}/v1/listen?")
    return parse_qs(urlsplit(endpoint.url).query)


def test_the_address_carries_the_whole_configuration() -> None:
    extra = {"keyterm": ("alpha", "be ta"), "endpointing": False, "novelty": 1}
    assert query_of(
        language="en-US",
        encoding="linear16",
        sample_rate=16_000,
        vad_events=True,
        diarization=True,
        word_timestamps=True,
        extra=extra,
    ) == {
        "model": ["nova-3"],
        "language": ["en-US"],
        "encoding": ["linear16"],
        "sample_rate": ["16000"],
        "interim_results": ["true"],
        "vad_events": ["true"],
        "utterance_end_ms": ["1000"],
        "diarize": ["true"],
        "keyterm": ["alpha", "be ta"],
        "endpointing": ["false"],
    }


@pytest.mark.parametrize("encoding", ["wav", "mp3", "ogg", "opus", "flac", "webm", None])
def test_a_container_tells_what_it_is_itself(encoding: str | None) -> None:
    assert query_of(encoding=encoding, sample_rate=16_000, partials=False) == {
        "model": ["nova-3"],
        "interim_results": ["false"],
    }


def test_ends_of_utterances_need_interim_results() -> None:
    asked = query_of(partials=False, vad_events=True, extra={"utterance_end_ms": 2000})
    assert (asked["interim_results"], asked["utterance_end_ms"]) == (["true"], ["2000"])


@pytest.mark.parametrize(
    ("able", "told_so"), [(("partials",), None), (("finalize", "aligned_words"), True)]
)
def test_the_last_message_says_that_times_were_found_here(
    able: tuple[str, ...], told_so: bool | None
) -> None:
    it = raw()
    [metadata] = told(it, e.Ready("s", capabilities=able), HELLO, e.Ended("client_closed"))[1:]
    assert metadata["type"] == "Metadata"
    assert metadata.get("aligned_words") is told_so
