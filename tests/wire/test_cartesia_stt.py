"""Cartesia recognition, frame by frame: bare words in, texts that are joined as they are out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import structs

from voxway import events as e
from voxway.errors import RULES, ConfigError, ProtocolError
from voxway.wire.base import Address, Frame, Opening, decode
from voxway.wire.cartesia_stt import WIRE, Client, Server

ADDRESS = Address("wss://api.cartesia.ai", "ink-whisper", "KEY")
WORDS = (e.Word(text="How", start=0.1, end=0.25), e.Word(text="nice.", start=0.3, end=0.6))
URL = ("model", "ink-whisper"), ("encoding", "pcm_s16le"), ("sample_rate", "16000")
PLAIN = e.ListenOptions(encoding="linear16", sample_rate=16_000, word_timestamps=True)


def server(*query: tuple[str, str]) -> Server:
    return Server(Opening(query=(*URL, *query), request_id="req-1"))


def client() -> Client:
    return Client(e.ListenOptions(), ADDRESS)


def told(it: Server, *events: e.Event) -> list[dict[str, Any]]:
    return [json.loads(frame) for event in events for frame in it.encode(event)]


def heard(it: Client, *frames: dict[str, Any]) -> list[e.Event]:
    return [event for frame in frames for event in decode(it, json.dumps(frame))]


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ((), {}),
        ((("language", "de"),), {"language": "de"}),
        ((("cartesia_version", "2025-04-16"), ("api_key", "KEY")), {}),
        (
            (("keyterm", "one"), ("keyterm", "two words"), ("min_volume", "0.2")),
            {"extra": {"keyterm": ("one", "two words"), "min_volume": "0.2"}},
        ),
        ((("new", "1"),), {"extra": {"new": "1"}}),
    ],
)
def test_the_url_configures(query: tuple[tuple[str, str], ...], options: dict[str, Any]) -> None:
    assert list(server(*query).opening()) == [e.Start(structs.replace(PLAIN, **options))]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("pcm_s16le", "linear16"),
        ("pcm_f32le", "linear32"),
        ("pcm_mulaw", "mulaw"),
        ("pcm_alaw", "alaw"),
    ],
)
def test_an_encoding_has_another_name_there(theirs: str, ours: str) -> None:
    (start,) = Server(Opening((("encoding", theirs),))).opening()
    assert isinstance(start, e.Start)
    assert start.options == e.ListenOptions(encoding=ours, word_timestamps=True)
    url = WIRE.endpoint(e.ListenOptions(encoding=ours), ADDRESS).url
    assert f"encoding={theirs}" in url


@pytest.mark.parametrize(
    ("name", "value"),
    [("encoding", "pcm_s32le"), ("encoding", "pcm_f16le"), ("encoding", "opus")],
)
def test_what_cannot_be_heard_here_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=value) as refused:
        Server(Opening(((name, value),)))
    assert refused.value.param == name


def test_a_rate_that_is_no_number_is_refused_by_name() -> None:
    with pytest.raises(ProtocolError) as refused:
        Server(Opening((("sample_rate", "many"),)))
    assert refused.value.param == "sample_rate"


@pytest.mark.parametrize(
    ("frame", "commands"),
    [
        (b"\x00\x01", [e.Audio(b"\x00\x01")]),
        (b"", []),
        ("finalize", [e.Flush()]),
        (" finalize\n", [e.Flush()]),
        ("close", [e.Finish()]),
        ("done", [e.Finish()]),
    ],
)
def test_what_clients_say(frame: Frame, commands: list[e.Event]) -> None:
    assert decode(server(), frame) == commands


@pytest.mark.parametrize("frame", ["", "Finalize", '{"type":"close"}', "x" * 9999])
def test_any_other_word_is_an_error_that_leaves_the_socket_open(frame: str) -> None:
    (bad,) = decode(server(), frame)
    assert isinstance(bad, e.Malformed)
    assert (bad.code, bad.is_fatal) == ("invalid_request", False)
    assert len(bad.message) < 100


def test_texts_are_told_since_the_last_final() -> None:
    """Joined as they are, they are the whole."""
    it = server()
    frames = told(
        it,
        e.Transcript("How", False),
        e.Transcript("How nice.", True, language="en", start=0.1, duration=0.5, words=WORDS),
        e.Transcript("", True),
        e.Transcript("I", False),
        e.Transcript("", False),
        e.Transcript("I agree.", True, from_finalize=True),
    )
    assert frames == [
        {"type": "transcript", "is_final": False, "request_id": "req-1", "text": "How"},
        {
            "type": "transcript",
            "is_final": True,
            "request_id": "req-1",
            "text": "How nice.",
            "duration": 0.6,
            "language": "en",
            "words": [
                {"word": "How", "start": 0.1, "end": 0.25},
                {"word": "nice.", "start": 0.3, "end": 0.6},
            ],
        },
        {"type": "transcript", "is_final": False, "request_id": "req-1", "text": " I"},
        {"type": "transcript", "is_final": True, "request_id": "req-1", "text": " I agree."},
        {"type": "flush_done", "request_id": "req-1"},
    ]
    finals = [m["text"] for m in frames if m.get("is_final")]
    assert "".join(finals) == "How nice. I agree."


def test_durations_add_up_to_the_time() -> None:
    """Clients have no other: silence before a segment is part of it."""
    frames = told(
        server(),
        e.Transcript("One.", True, start=1.0, duration=0.5),
        e.Transcript("Two.", False, start=3.0, duration=0.5),
        e.Transcript("Two.", True, start=3.0, duration=1.0),
        e.Transcript("Three.", True, duration=0.25),
        e.Transcript("Four.", True),
        e.Transcript("Early.", True, start=0.0, duration=1.0),
    )
    assert [m.get("duration") for m in frames] == [1.5, None, 2.5, 0.25, None, None]


def test_a_finalize_of_nothing_is_answered_all_the_same() -> None:
    assert told(server(), e.Transcript("", True, from_finalize=True)) == [
        {"type": "flush_done", "request_id": "req-1"}
    ]


def test_the_language_asked_for_is_that_of_the_text() -> None:
    (frame,) = told(server(("language", "de")), e.Transcript("Ja.", True))
    assert frame["language"] == "de"


def test_done_is_for_those_who_closed() -> None:
    done = {"type": "done", "request_id": "req-1"}
    assert told(server(), e.Ended("client_closed")) == [done]
    assert told(server(), e.Ended("idle_timeout_exceeded")) == []


def test_an_error_has_the_fields_of_both_ages() -> None:
    assert told(server(), e.Failed("config_error", "no language 'xx'", param="language")) == [
        {
            "type": "error",
            "done": True,
            "status_code": 400,
            "code": 400,
            "error_code": "config_error",
            "title": "Config error",
            "message": "no language 'xx'",
            "error": "Config error: no language 'xx'",
            "request_id": "req-1",
        }
    ]


@pytest.mark.parametrize(
    "event",
    [
        e.Ready(),
        e.SpeechStarted(0.1),
        e.UtteranceEnd(0.5),
        e.Warning("w", "x"),
        e.KeepAlive(),
        e.Cleared(),
    ],
)
def test_what_cartesia_has_no_word_for(event: e.Event) -> None:
    assert told(server(), event) == []


def test_an_idle_socket_is_closed_as_if_all_were_well() -> None:
    assert server().closing(1008, "idle_timeout_exceeded") == (1000, "connection idle timeout")
    assert server().closing(1000, "client_closed") == (1000, "")


def test_what_the_gateway_says() -> None:
    it = client()
    commands = (
        e.Start(e.ListenOptions()),
        e.Audio(b"\x00\x01"),
        e.Audio(b""),
        e.KeepAlive(),
        e.Flush(),
        e.Clear(),
        e.Finish(),
    )
    assert [f for c in commands for f in it.encode(c)] == [b"\x00\x01", "finalize", "close"]


def transcript(text: str, is_final: bool, **fields: Any) -> dict[str, Any]:
    return {"type": "transcript", "is_final": is_final, "request_id": "r", "text": text, **fields}


def test_what_the_gateway_hears() -> None:
    timed = [
        {"word": "How", "start": 0.1, "end": 0.25},
        {"word": "nice.", "start": 0.3, "end": 0.6},
    ]
    assert heard(
        client(),
        transcript("How", False),
        transcript("How nice.", True, duration=0.6, language="en", words=timed),
        transcript(" I agree.", True, duration=1.0, words=None),
        transcript(" Yes.", True),
        transcript("", True),
        transcript(" ", False),
        {"type": "flush_done", "request_id": "r"},
        {"type": "news"},
        {"type": "done", "request_id": "r"},
    ) == [
        e.Transcript("How", False),
        e.Transcript("How nice.", True, language="en", start=0.0, duration=0.6, words=WORDS),
        e.Transcript("I agree.", True, start=0.6, duration=1.0),
        e.Transcript("Yes.", True),
        e.Transcript("", True, from_finalize=True),
        e.Ended("client_closed"),
    ]


def test_a_final_without_a_text_takes_its_time() -> None:
    _, after = heard(
        client(),
        transcript("One.", True, duration=1.0),
        transcript("", True, duration=2.0),
        transcript("Two.", True, duration=0.5),
    )
    assert isinstance(after, e.Transcript)
    assert after.start == 3.0


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"error_code": "model_not_found", "status_code": 400}, "model_not_found"),
        ({"error_code": "concurrency_limited", "status_code": 429}, "rate_limit"),
        ({"code": 400}, "invalid_request"),
        ({"status_code": 500}, "provider_error"),
    ],
)
def test_errors_are_ours(fields: dict[str, Any], code: str) -> None:
    frame = {"type": "error", "message": "not so", "request_id": "r", **fields}
    assert heard(client(), frame) == [e.Failed(code, "not so", RULES[code].retryable)]


@pytest.mark.parametrize("frame", ["", "x", "[]", b"\x00", '{"type":"transcript","text":5}'])
def test_garbage_of_a_provider(frame: Frame) -> None:
    (bad,) = decode(client(), frame)
    assert isinstance(bad, e.Malformed)


def test_where_to_connect() -> None:
    options = e.ListenOptions(
        language="en-US",
        encoding="linear16",
        sample_rate=16_000,
        extra={"keyterm": ("one", "two"), "min_volume": 0.2, "other": 1},
    )
    there = WIRE.endpoint(options, ADDRESS)
    assert there.url == (
        "wss://api.cartesia.ai/stt/websocket?model=ink-whisper&encoding=pcm_s16le"
        "&sample_rate=16000&language=en&keyterm=one&keyterm=two&min_volume=0.2"
    )
    assert there.headers == {"X-API-Key": "KEY", "Cartesia-Version": "2026-03-01"}
