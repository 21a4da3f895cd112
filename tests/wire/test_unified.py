"""The unified wire, frame by frame: tables, both sides back to back, and garbage."""

from __future__ import annotations

import json
import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxway.errors import ProtocolError
from voxway.events import (
    Audio,
    Cancel,
    Clear,
    Cleared,
    Configure,
    Ended,
    Event,
    Failed,
    Finish,
    Flush,
    Flushed,
    KeepAlive,
    ListenOptions,
    Malformed,
    Pronunciation,
    Ready,
    SegmentEnd,
    SegmentStart,
    SpeakOptions,
    SpeechStarted,
    Start,
    Text,
    Transcript,
    Usage,
    UtteranceEnd,
    Warning,
    Word,
    Words,
)
from voxway.wire import unified_messages as m
from voxway.wire.base import Codec, Frame, decode
from voxway.wire.unified import Client, Server, Style

TTS, STT = Style("tts"), Style("stt")
BINARY = Style("tts", binary_audio=True, terminals="audio_end")


def said(style: Style, frame: Frame) -> list[Event]:
    return list(Server(style).decode(frame))


def frames(style: Style, *events: Event) -> list[Any]:
    server = Server(style)
    out = [frame for event in events for frame in server.encode(event)]
    return [json.loads(frame) if isinstance(frame, str) else frame for frame in out]


@pytest.mark.parametrize(
    ("frame", "events"),
    [
        ('{"type":"init"}', [Start(SpeakOptions())]),
        (
            '{"type":"init","model":"x","voice":"v","config":{"language":"en","encoding":"mp3",'
            '"sample_rate":16000,"speed":1.5,"new_field":1},"other":2}',
            [
                Start(
                    SpeakOptions(
                        voice="v",
                        language="en",
                        encoding="mp3",
                        sample_rate=16000,
                        speed=1.5,
                        extra={"new_field": 1, "other": 2},
                    )
                )
            ],
        ),
        ('{"type":"text","text":"Hi"}', [Text("Hi")]),
        ('{"type":"text","text":"Hi","flush":true}', [Text("Hi"), Flush()]),
        ('{"type":"text","text":"Hi","partial":false}', [Text("Hi", partial=False)]),
        (
            '{"type":"text","text":"Hi","pronunciation":{"mode":"rewrite","name":"x"}}',
            [Text("Hi", pronunciation=Pronunciation(name="x"))],
        ),
        (
            '{"type":"init","config":{"pronunciation":{"mode":"rewrite","dictionary_id":"pd_1"}}}',
            [Start(SpeakOptions(pronunciation=Pronunciation(dictionary_id="pd_1")))],
        ),
        ('{"type":"flush"}', [Flush()]),
        ('{"type":"clear"}', [Clear()]),
        ('{"type":"cancel"}', [Cancel()]),
        ('{"type":"close"}', [Finish(abort=True)]),
        ('{"type":"stop"}', [Cancel()]),
        ('{"type":"configure","voice_id":"v"}', [Configure(SpeakOptions(voice="v"))]),
        ('{"type":"init","context_id":"c1"}', [Start(SpeakOptions(), "c1")]),
        ('{"type":"keepalive"}', [KeepAlive()]),
        ('{"type":"ping"}', [KeepAlive(reply=True)]),
        ('{"type":"FLUSH"}', [Flush()]),
        ('{"type":"Text","text":"Hi"}', [Text("Hi")]),
        ('{"type":"input_text","text":"Hi"}', [Text("Hi")]),
        ('{"type":"speak","text":"Hi","flush":true}', [Text("Hi"), Flush()]),
    ],
)
def test_what_a_speech_client_says(frame: str, events: list[Event]) -> None:
    assert said(TTS, frame) == events


@pytest.mark.parametrize(
    ("frame", "events"),
    [
        (
            '{"type":"init","config":{"enable_vad":true,"enable_diarization":true,'
            '"enable_word_timestamps":true,"enable_partials":false,"language":"en"}}',
            [
                Start(
                    ListenOptions(
                        language="en",
                        partials=False,
                        vad_events=True,
                        word_timestamps=True,
                        diarization=True,
                    )
                )
            ],
        ),
        (
            '{"type":"init","config":{"enable_partial_transcripts":false}}',
            [Start(ListenOptions(partials=False))],
        ),
        ('{"type":"start","language":"en"}', [Start(ListenOptions(language="en"))]),
        (b"\x01\x02", [Audio(b"\x01\x02")]),
        ('{"type":"audio","data":"AQI="}', [Audio(b"\x01\x02")]),
        ('{"type":"finalize"}', [Flush()]),
        ('{"type":"close"}', [Finish()]),
        ('{"type":"stop"}', [Finish()]),
    ],
)
def test_what_a_recognition_client_says(frame: Frame, events: list[Event]) -> None:
    assert said(STT, frame) == events


@pytest.mark.parametrize(
    ("frame", "param", "message"),
    [
        ("", None, "not JSON"),
        ("hello", None, "not JSON"),
        ("[1,2]", "type", "not array"),
        ('"text"', "type", "not str"),
        ("17", "type", "not int"),
        ("null", "type", "not NoneType"),
        ("{}", "type", "no `type`"),
        ('{"type":5}', "type", "not a string"),
        ('{"type":"sing"}', "type", "unknown message type 'sing'"),
        ('{"type":"text"}', "text", "missing required field `text`"),
        ('{"type":"text","text":5}', "text", "Expected `str`, got `int`"),
        ('{"type":"text","text":"a","flush":"yes"}', "flush", "Expected `bool`"),
        ('{"type":"init","config":[]}', "config", "Expected `object`"),
        ('{"type":"init","config":{"sample_rate":"16k"}}', "config.sample_rate", "Expected `int"),
        ('{"type":"audio","data":"%%%"}', "data", "base64"),
        ('{"type":"text","text":"\\ud800"}', None, "not JSON"),
    ],
)
def test_what_is_wrong_with_a_frame_is_said_with_its_field(
    frame: str, param: str | None, message: str
) -> None:
    [event] = decode(Server(TTS), frame)
    assert isinstance(event, Malformed)
    assert event.code == "invalid_request"
    assert event.param == param
    assert message in event.message


@pytest.mark.parametrize(
    "given", ['{"mode":"rewrite"}', '{"mode":"rewrite","name":"a","dictionary_id":"b"}']
)
@pytest.mark.parametrize(
    ("frame", "param"),
    [
        ('{"type":"text","text":"Hi","pronunciation":GIVEN}', "pronunciation"),
        ('{"type":"init","config":{"pronunciation":GIVEN}}', "config.pronunciation"),
    ],
)
def test_a_dictionary_is_named_once(frame: str, param: str, given: str) -> None:
    [event] = decode(Server(TTS), frame.replace("GIVEN", given))
    assert isinstance(event, Malformed)
    assert (event.code, event.param) == ("invalid_pronunciation", param)


def test_speech_on_a_documented_route_is_json_with_both_terminals() -> None:
    ready = Ready("s1", encoding="linear16", sample_rate=24000)
    got = frames(TTS, ready, Audio(bytes(4800)), Audio(b"\0\0"), Flushed(0.1), Cleared())
    assert got[0] == {
        "type": "ready",
        "session_id": "s1",
        "encoding": "linear16",
        "sample_rate": 24000,
    }
    assert got[1]["sequence"] == 0
    assert got[1]["duration_ms"] == 100
    assert got[2] == {"type": "audio_chunk", "data": "AAA=", "sequence": 1}
    assert got[3:] == [
        {"type": "flushed"},
        {"type": "audio_end", "duration": 0.1},
        {"type": "cleared"},
    ]


def test_speech_on_a_binary_route_is_bytes_with_one_terminal() -> None:
    assert frames(BINARY, Audio(b"ab"), Flushed(0.5)) == [
        b"ab",
        {"type": "audio_end", "duration": 0.5},
    ]


def test_a_cancel_is_acknowledged_by_audio_end_where_the_route_says_so() -> None:
    silent = Style("tts", is_bridge=True)
    assert frames(TTS, Cleared(cancelled=True)) == [{"type": "audio_end"}]
    assert frames(silent, Cleared(cancelled=True)) == []


def test_the_bridge_has_binary_audio_one_terminal_and_says_text_twice() -> None:
    bridge = Style("tts", binary_audio=True, terminals="audio_end", is_bridge=True)
    assert frames(bridge, Ready("s1"), Audio(b"ab"), Flushed(0.5)) == [
        {"type": "ready", "session_id": "s1", "accepts_partial_text": True},
        b"ab",
        {"type": "audio_end", "duration": 0.5},
    ]
    heard = frames(Style("stt", is_bridge=True), Transcript("hi", False), Transcript("Hi.", True))
    assert [(m["transcript"], m["text"]) for m in heard] == [("hi", "hi"), ("Hi.", "Hi.")]


def test_on_the_bridge_an_unknown_type_may_be_ignored() -> None:
    bridge = Style("tts", is_bridge=True)
    [event] = decode(Server(bridge), '{"type":"sing"}')
    assert isinstance(event, Malformed)
    assert event.is_ignorable
    [event] = decode(Server(bridge), '{"type":5}')
    assert isinstance(event, Malformed)
    assert not event.is_ignorable


def test_init_may_choose_the_transport_and_the_terminal() -> None:
    server = Server(TTS)
    list(
        server.decode('{"type":"init","config":{"audio_transport":"binary","terminal":"flushed"}}')
    )
    assert [*server.encode(Audio(b"a")), *server.encode(Flushed(1.0))] == [
        b"a",
        '{"type":"flushed"}',
    ]


def test_the_context_id_of_init_is_in_audio_terminals_and_errors() -> None:
    server = Server(TTS)
    list(server.decode('{"type":"init","context_id":"c\\"1"}'))
    events = (Audio(b"\0\0"), Flushed(), Failed("config_error", "no"), Ended("client_closed"))
    out = [json.loads(f) for event in events for f in server.encode(event)]
    assert [f.get("context_id") for f in out] == ['c"1', None, 'c"1', 'c"1', 'c"1']


def test_an_error_always_says_whether_to_retry() -> None:
    assert frames(TTS, Failed("rate_limit", "slow", param="text")) == [
        {
            "type": "error",
            "code": "rate_limit",
            "message": "slow",
            "retryable": False,
            "param": "text",
        }
    ]


WORD = st.builds(
    Word,
    text=st.text(min_size=1),
    start=st.integers(0, 10**6).map(lambda ms: ms / 1000),
    end=st.integers(0, 10**6).map(lambda ms: ms / 1000),
    confidence=st.none() | st.floats(0, 1),
    speaker=st.none() | st.integers(0, 9),
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
OPTIONAL = st.none() | st.floats(0, 1)
DICTIONARIES = st.none() | st.one_of(
    st.builds(Pronunciation, name=TEXTS), st.builds(Pronunciation, dictionary_id=TEXTS)
)
SPEECH_COMMANDS = st.one_of(
    st.builds(Text, TEXTS, st.booleans(), DICTIONARIES),
    st.sampled_from([Flush(), Clear(), Cancel(), KeepAlive(), KeepAlive(reply=True)]),
    st.just(Finish(abort=True)),
    st.builds(
        Start,
        st.builds(
            SpeakOptions,
            voice=st.none() | TEXTS.filter(bool),
            sample_rate=st.none() | st.integers(1, 48000),
            speed=OPTIONAL,
            word_timestamps=st.booleans(),
            pronunciation=DICTIONARIES,
        ),
    ),
)
SPEECH_EVENTS = st.one_of(
    st.builds(Audio, st.binary(min_size=1)),
    st.builds(SegmentStart, TEXTS, st.none() | TEXTS),
    st.builds(SegmentEnd, TEXTS),
    st.builds(Words, st.lists(WORD).map(tuple)),
    st.builds(Flushed, OPTIONAL),
    st.builds(Cleared, cancelled=st.booleans()),
    st.builds(Warning, TEXTS, TEXTS, st.none() | TEXTS),
    st.builds(Failed, TEXTS, TEXTS, st.booleans(), retry_after=OPTIONAL),
    st.builds(Ended, TEXTS, st.none() | st.builds(Usage, characters=st.integers(0, 99))),
)
LISTEN_EVENTS = st.one_of(
    st.builds(Transcript, TEXTS, st.just(False), confidence=OPTIONAL),
    st.builds(
        Transcript,
        TEXTS,
        st.just(True),
        st.booleans(),
        OPTIONAL,
        st.none() | TEXTS,
        OPTIONAL,
        OPTIONAL,
        st.lists(WORD).map(tuple),
    ),
    st.builds(SpeechStarted, st.floats(0, 99)),
    st.builds(UtteranceEnd, OPTIONAL),
)


def cross(sender: Codec, receiver: Codec, events: list[Event]) -> list[Event]:
    return [out for e in events for frame in sender.encode(e) for out in receiver.decode(frame)]


@given(st.lists(SPEECH_COMMANDS))
def test_commands_survive_the_wire(commands: list[Event]) -> None:
    assert cross(Client(TTS), Server(TTS), commands) == commands


@given(st.lists(SPEECH_EVENTS))
def test_speech_survives_the_wire(events: list[Event]) -> None:
    assert cross(Server(TTS), Client(TTS), events) == events


@given(st.lists(LISTEN_EVENTS))
def test_transcripts_survive_the_wire(events: list[Event]) -> None:
    assert cross(Server(STT), Client(STT), events) == events


@given(st.text() | st.binary())
def test_garbage_is_malformed_or_an_event(frame: Frame) -> None:
    for codec in (Server(TTS), Server(STT), Client(TTS), Client(STT)):
        assert all(isinstance(event, Event) for event in decode(codec, frame))


WRONG: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just([]) | st.just({})
)
STRUCTS = typing.get_args(m.CommandMsg) + typing.get_args(m.ReplyMsg)


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
@given(data=st.data())
def test_every_message_with_wrong_fields_is_malformed_or_an_event(
    struct: type[m.Message], data: st.DataObject
) -> None:
    message: dict[str, Any] = {"type": struct.__struct_config__.tag}
    for field in struct.__struct_fields__:
        message[field] = data.draw(WRONG)
    frame = json.dumps(message)
    for codec in (Server(TTS), Client(STT)):
        assert all(isinstance(event, Event) for event in decode(codec, frame))


def test_a_codec_does_not_say_what_is_not_its_own_to_say() -> None:
    with pytest.raises(TypeError):
        list(Server(TTS).encode(Flush()))
    with pytest.raises(TypeError):
        list(Client(TTS).encode(Flushed()))


def test_a_reader_of_replies_names_the_field_too() -> None:
    with pytest.raises(ProtocolError) as caught:
        list(Client(TTS).decode('{"type":"ready"}'))
    assert caught.value.param == "session_id"
