"""Telnyx speech, frame by frame: a handshake, texts, an empty one; audio in JSON."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from msgspec import structs

from voxway import events as e
from voxway.audio.wav import wav_header
from voxway.errors import ConfigError, GatewayError, ProtocolError
from voxway.wire.base import Address, Frame, Opening, decode
from voxway.wire.telnyx_tts import WIRE, Client, Server

ADDRESS = Address("wss://api.telnyx.com", "Telnyx.NaturalHD", "KEY")
MP3 = e.SpeakOptions(encoding="mp3")
FINAL = {"type": "final", "audio": None, "text": "", "isFinal": True}


def server(**query: str) -> Server:
    return Server(Opening(query=tuple(query.items()), request_id="req-1", model="acme"))


def client(**options: Any) -> Client:
    return Client(structs.replace(e.SpeakOptions(), **options), ADDRESS)


def heard(it: Server, *messages: dict[str, Any]) -> list[e.Event]:
    return [command for message in messages for command in decode(it, json.dumps(message))]


def told(it: Server | Client, *events: e.Event) -> list[dict[str, Any]]:
    return [json.loads(frame) for event in events for frame in it.encode(event)]


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ({}, {}),
        ({"voice": "Telnyx.NaturalHD.astra"}, {"voice": "astra"}),
        ({"voice": "aws.Polly.Generative.Lucia"}, {"voice": "Lucia"}),
        ({"voice": "azure.en-US-AvaMultilingualNeural"}, {"voice": "en-US-AvaMultilingualNeural"}),
        ({"voice": "astra"}, {"voice": "astra"}),
        ({"voice": "acme"}, {"voice": None}),
        ({"voice": "slng/deepgram/aura:2.5"}, {"voice": None}),
        (
            {"provider": "telnyx", "model_id": "NaturalHD", "voice_id": "astra"},
            {"voice": "astra"},
        ),
        ({"audio_format": "linear16"}, {"encoding": "linear16"}),
        (
            {"audio_format": "pcm", "sample_rate": "16000"},
            {"encoding": "linear16", "sample_rate": 16_000},
        ),
        ({"audio_format": "wav"}, {"encoding": "linear16"}),
        ({"audio_format": "mulaw"}, {"encoding": "mulaw"}),
        ({"audio_format": "alaw"}, {"encoding": "alaw"}),
        ({"language": "en", "socket_id": "s", "disable_cache": "true"}, {"language": "en"}),
        ({"inactivity_timeout": "60", "access_token": "KEY"}, {}),
        ({"text_type": "ssml"}, {"extra": {"text_type": "ssml"}}),
    ],
)
def test_the_url_configures_and_the_handshake_starts(
    query: dict[str, str], options: dict[str, Any]
) -> None:
    it = server(**query)
    assert list(it.opening()) == []
    assert heard(it, {"text": " "}) == [e.Start(structs.replace(MP3, **options))]


@pytest.mark.parametrize(
    ("settings", "speed"),
    [
        ({"voice_speed": 1.2}, 1.2),
        ({"speed": 2, "vol": 1}, 2),
        ({"voice_speed": "fast"}, None),
        ({"style": "calm"}, None),
    ],
)
def test_the_handshake_may_have_settings(settings: dict[str, Any], speed: float | None) -> None:
    wanted = structs.replace(MP3, speed=speed, extra={"voice_settings": settings})
    assert heard(server(), {"text": " ", "voice_settings": settings}) == [e.Start(wanted)]


@pytest.mark.parametrize(
    ("name", "value"),
    [("audio_format", "ogg_vorbis"), ("audio_format", "opus"), ("audio_format", "")],
)
def test_a_format_that_cannot_be_made_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"'{value}'.* mp3, linear16, pcm, wav") as refused:
        server(**{name: value})
    assert refused.value.param == name


def test_a_rate_that_is_no_number_is_refused_by_name() -> None:
    with pytest.raises(ProtocolError) as refused:
        server(sample_rate="many")
    assert refused.value.param == "sample_rate"


def test_a_conversation() -> None:
    assert heard(
        server(),
        {"text": " "},
        {"text": "Hello world. "},
        {"text": " "},
        {"text": "How are you?", "flush": True},
        {"text": " ", "flush": True},
        {"force": True},
        {"text": "Never mind.", "force": True},
        {"text": ""},
    ) == [
        e.Start(MP3),
        e.Text("Hello world. "),
        e.KeepAlive(),
        e.Text("How are you?"),
        e.Flush(),
        e.KeepAlive(),
        e.Flush(),
        e.Clear(),
        e.Clear(),
        e.Text("Never mind."),
        e.Finish(),
    ]


def test_text_without_a_handshake_is_spoken_too() -> None:
    assert heard(server(), {"text": "Hello."}) == [e.Start(MP3), e.Text("Hello.")]
    assert heard(server(), {"force": True}) == [e.Clear()]
    assert heard(server(), {"text": ""}) == [e.Finish()]


@pytest.mark.parametrize(
    ("frame", "param"),
    [
        ("{}", "text"),
        ('{"flush":true}', "text"),
        ('{"text":5}', "text"),
        ('{"text":" ","voice_settings":"loud"}', "voice_settings"),
        ('{"text":"a","flush":"yes"}', "flush"),
        ("Hello.", None),
        ("[]", None),
        (b"\x00\x01", None),
    ],
)
def test_an_error_closes_the_socket(frame: Frame, param: str | None) -> None:
    (bad,) = decode(server(), frame)
    assert isinstance(bad, e.Malformed)
    assert (bad.code, bad.param, bad.is_fatal) == ("invalid_request", param, True)


def test_the_frames_of_a_synthesis() -> None:
    it = server()
    heard(it, {"text": " "}, {"text": "Hello.", "flush": True})
    assert told(
        it,
        e.Ready("s", "r", "m", "mp3", 24_000),
        e.SegmentStart("seg_0", "Hello."),
        e.Words((e.Word(text="Hello.", start=0.0, end=0.5),)),
        e.Audio(b"\x00\x01"),
        e.SegmentEnd("seg_0"),
        e.Warning("w", "x"),
        e.KeepAlive(),
        e.Flushed(0.5),
        e.Cleared(),
    ) == [
        {
            "type": "audio_chunk",
            "audio": base64.b64encode(b"\x00\x01").decode(),
            "text": None,
            "isFinal": False,
            "cached": False,
        },
        FINAL,
    ]


def test_the_end_has_one_final_whether_its_flush_is_told_or_not() -> None:
    for last in ([], [e.Flushed(0.5)]):
        it = server()
        heard(it, {"text": " "}, {"text": "Hello."}, {"text": ""})
        assert told(it, *last, e.Ended("client_closed")) == [FINAL]
    assert told(server(), e.Ended("provider_error")) == []


def test_what_was_interrupted_has_no_final() -> None:
    it = server()
    heard(it, {"text": " "}, {"text": "A long story.", "flush": True}, {"force": True})
    assert told(it, e.Cleared()) == []
    heard(it, {"text": "Yes?", "flush": True})
    assert told(it, e.Flushed(0.5)) == [FINAL]
    assert told(it, e.Flushed(0.5)) == []


def test_a_wav_has_a_header_for_each_synthesis() -> None:
    it = server(audio_format="wav")
    heard(it, {"text": " "}, {"text": "One.", "flush": True}, {"text": "Two.", "flush": True})
    frames = told(
        it,
        e.Ready("s", "r", "m", "linear16", 16_000),
        *(e.Audio(b"ab"), e.Audio(b"cd"), e.Flushed(0.1)),
        e.Audio(b"ef"),
    )
    header = wav_header(16_000)
    assert [base64.b64decode(m["audio"]) for m in frames if m["audio"]] == [
        header + b"ab",
        b"cd",
        header + b"ef",
    ]


@pytest.mark.parametrize(("query", "rate"), [({"sample_rate": "8000"}, 8000), ({}, 24_000)])
def test_a_wav_has_the_rate_that_was_asked_for(query: dict[str, str], rate: int) -> None:
    it = server(audio_format="wav", **query)
    (frame,) = told(it, e.Ready(), e.Audio(b"ab"))
    assert base64.b64decode(frame["audio"]) == wav_header(rate) + b"ab"


def test_an_error() -> None:
    (frame,) = told(server(), e.Failed("provider_error", "Error in audio response"))
    assert (frame["type"], frame["error"]) == ("error", "Error in audio response")
    refused = WIRE.refusal(GatewayError("unknown API key", code="auth_error"), "req-1")
    body: Any = refused.body
    assert (refused.status, body.errors[0].code) == (401, "10009")
    assert not WIRE.is_polite


def test_how_it_is_closed() -> None:
    assert server().closing(1000, "client_closed") == (1000, "")
    assert server().closing(4001, "rate_limit") == (1008, "rate_limit")


@pytest.mark.parametrize(
    ("options", "handshake"),
    [
        ({}, {"text": " "}),
        ({"speed": 1.0}, {"text": " "}),
        ({"speed": 1.5}, {"text": " ", "voice_settings": {"voice_speed": 1.5}}),
        (
            {"speed": 1.5, "extra": {"voice_settings": {"style": "calm"}}},
            {"text": " ", "voice_settings": {"style": "calm", "voice_speed": 1.5}},
        ),
        ({"extra": {"voice_settings": "loud"}}, {"text": " "}),
    ],
)
def test_the_gateway_shakes_hands(options: dict[str, Any], handshake: dict[str, Any]) -> None:
    assert told(client(**options), e.Start(None)) == [handshake]


def test_an_utterance_of_the_gateway() -> None:
    commands = (e.Text("One."), e.KeepAlive(), e.Text("Two."), e.Flush(), e.Finish(), e.Clear())
    assert told(client(), *commands) == [
        {"text": "One. "},
        {"text": " "},
        {"text": "Two. "},
        {"text": ""},
    ]
    assert told(client(), e.Finish()) == [{"text": ""}]


def test_what_the_gateway_hears() -> None:
    it = client()
    early = {"audio": None, "text": "", "isFinal": True}
    frames: list[dict[str, Any]] = [
        {"audio": "AAE=", "text": "One.", "isFinal": False, "timeToFirstAudioFrameMs": 12},
        {"audio": None, "text": "One.", "isFinal": False},
        early,
    ]
    assert [x for f in frames for x in decode(it, json.dumps(f))] == [e.Audio(b"\x00\x01")]
    told(it, e.Flush())
    last = {"type": "final", "audio": "AAE=", "text": "", "isFinal": True}
    assert decode(it, json.dumps(last)) == [e.Audio(b"\x00\x01"), e.Flushed()]
    assert decode(it, '{"news":1}') == []


def test_an_error_is_ours() -> None:
    frame = '{"error":"Error in audio response"}'
    assert decode(client(), frame) == [
        e.Failed("provider_error", "Error in audio response", retryable=True)
    ]


@pytest.mark.parametrize("frame", ["", "x", "[]", '{"audio":"%"}', '{"isFinal":"yes"}', b"\x00"])
def test_garbage_of_a_provider(frame: Frame) -> None:
    (bad,) = decode(client(), frame)
    assert isinstance(bad, e.Malformed)


@pytest.mark.parametrize(
    ("model", "voice", "name"),
    [
        ("Telnyx.NaturalHD", "astra", "Telnyx.NaturalHD.astra"),
        ("Telnyx.NaturalHD", "Telnyx.NaturalHD.astra", "Telnyx.NaturalHD.astra"),
        ("Telnyx.NaturalHD.astra", "astra", "Telnyx.NaturalHD.astra"),
        ("Telnyx.NaturalHD.astra", None, "Telnyx.NaturalHD.astra"),
    ],
)
def test_a_voice_is_named_in_full(model: str, voice: str | None, name: str) -> None:
    address = structs.replace(ADDRESS, model=model)
    options = e.SpeakOptions(voice=voice, encoding="linear16", sample_rate=24_000)
    there = WIRE.endpoint(options, address)
    assert there.url == (
        f"wss://api.telnyx.com/v2/text-to-speech/speech?voice={name}&audio_format=linear16"
        "&sample_rate=24000"
    )
    assert there.headers == {"Authorization": "Bearer KEY"}
