"""Orpheus, frame by frame: settings, bare text and control on one side, words on the other."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from voxway import events as e
from voxway.wire.base import Address, Frame, Opening, decode
from voxway.wire.orpheus import WIRE, Client, Server

RECORDINGS = Path(__file__).parents[1] / "recordings" / "orpheus"
RAW = e.SpeakOptions(encoding="linear16", sample_rate=24_000)
URL = "wss://model-1.api.baseten.co"


def server() -> Server:
    return Server(Opening(query=(("model", "x"),)))


def client(**options: Any) -> Client:
    return Client(e.SpeakOptions(**options), Address(URL, "orpheus"))


def heard(*frames: Frame) -> list[e.Event]:
    """What a server makes of these frames, one after the other."""
    it = server()
    return [command for frame in frames for command in decode(it, frame)]


def said(codec: Client, *commands: e.Event) -> list[Frame]:
    return [frame for command in commands for frame in codec.encode(command)]


@pytest.mark.parametrize(
    ("metadata", "options"),
    [
        ("{}", RAW),
        (
            '{"voice":"tara","max_tokens":6144,"buffer_size":10,"temperature":0.6,"top_p":0.8,'
            '"repetition_penalty":1.3}',
            e.SpeakOptions(
                voice="tara",
                encoding="linear16",
                sample_rate=24_000,
                extra={
                    "max_tokens": 6144,
                    "buffer_size": 10,
                    "temperature": 0.6,
                    "top_p": 0.8,
                    "repetition_penalty": 1.3,
                },
            ),
        ),
        (
            ' {"voice":"kanak","language":"hi"}',
            e.SpeakOptions(voice="kanak", language="hi", encoding="linear16", sample_rate=24_000),
        ),
        ('{"encoding":"pcm_mulaw"}', e.SpeakOptions(encoding="mulaw", sample_rate=24_000)),
        ('{"encoding":"pcm_s16le","voice":"","top_p":null}', RAW),
        (
            '{"seed":7}',
            e.SpeakOptions(encoding="linear16", sample_rate=24_000, extra={"seed": 7}),
        ),
    ],
)
def test_the_first_frame_configures(metadata: str, options: e.SpeakOptions) -> None:
    assert heard(metadata) == [e.Start(options)]


@pytest.mark.parametrize(
    ("frame", "command"),
    [
        ("Hello", e.Text("Hello ")),
        ("Hello\n", e.Text("Hello\n")),
        ("4711", e.Text("4711 ")),
        ('"quoted"', e.Text('"quoted" ')),
        ("[1]", e.Text("[1] ")),
        ("{smiles}", e.Text("{smiles} ")),
        ("{" * 100_000, e.Text("{" * 100_000 + " ")),
        ("finalize", e.Text("finalize ")),
        ("__END__ ", e.Finish()),
        ('{"type":"control","action":"flush"}', e.Flush()),
        ('{"type":"control","action":"stop"}', e.Clear()),
        ('{"type":"control","action":"clear"}', e.Clear()),
        ('{"type":"control","action":"close"}', e.Finish()),
        ('{"type":"control","action":"end"}', e.Finish()),
    ],
)
def test_what_follows_the_settings(frame: str, command: e.Event) -> None:
    assert heard("{}", frame) == [e.Start(RAW), command]


@pytest.mark.parametrize("frame", ["", "  \n"])
def test_a_frame_without_a_word_says_nothing(frame: str) -> None:
    assert heard(frame) == []


def test_words_of_two_frames_stay_two_words() -> None:
    texts = [c.text for c in heard("{}", "Good", "morning.") if isinstance(c, e.Text)]
    assert "".join(texts).split() == ["Good", "morning."]


@pytest.mark.parametrize("frame", ["Hi", '{"type":"control","action":"flush"}'])
def test_who_sends_no_settings_gets_the_defaults_once(frame: str) -> None:
    commands = heard(frame, "there")
    assert [type(c) for c in commands].count(e.Start) == 1
    assert commands[0] == e.Start(RAW)
    assert commands[-1] == e.Text("there ")


@pytest.mark.parametrize(
    ("frame", "param"),
    [
        ('{"voice":5}', "voice"),
        ('{"buffer_size":"many"}', "buffer_size"),
        ('{"temperature":[]}', "temperature"),
    ],
)
def test_settings_that_cannot_be_close_the_socket(frame: str, param: str) -> None:
    (bad,) = heard(frame)
    assert isinstance(bad, e.Malformed)
    assert (bad.param, bad.is_start, bad.is_fatal) == (param, True, True)


@pytest.mark.parametrize(
    ("frame", "param"),
    [
        (b"\x00\x01", "audio"),
        ('{"type":"control","action":"dance"}', "action"),
        ('{"type":"control"}', "action"),
        ('{"type":"init"}', "type"),
        ('{"type":7}', "type"),
    ],
)
def test_what_the_wire_does_not_allow(frame: Frame, param: str) -> None:
    (bad,) = heard(frame)
    assert isinstance(bad, e.Malformed)
    assert (bad.param, bad.is_fatal) == (param, False)


def test_only_audio_is_said() -> None:
    word = e.Word(text="Hi", start=0.0, end=0.2)
    said_by_server: list[e.Event] = [
        e.Ready(),
        e.Audio(b"\x01\x00"),
        e.Words((word,)),
        e.SegmentStart("s1"),
        e.SegmentEnd("s1"),
        e.Flushed(1.0),
        e.Cleared(),
        e.Warning("x", "y"),
        e.Failed("provider_error", "broken"),
        e.Ended("client_closed"),
        e.KeepAlive(),
    ]
    it = server()
    assert list(it.opening()) == []
    assert [f for event in said_by_server for f in it.encode(event)] == [b"\x01\x00"]


@pytest.mark.parametrize(
    ("code", "reason", "closed"),
    [
        (1000, "client_closed", (1000, "")),
        (1000, "finish_timeout", (1011, "finish_timeout")),
        (4000, "auth_error", (1008, "auth_error")),
        (1008, "idle_timeout_exceeded", (1008, "idle_timeout_exceeded")),
        (1011, "provider_error", (1011, "provider_error")),
        (1012, "draining", (1011, "draining")),
    ],
)
def test_1000_is_kept_for_what_is_complete(code: int, reason: str, closed: tuple[int, str]) -> None:
    assert server().closing(code, reason) == closed


def test_one_utterance_of_the_client() -> None:
    options = {"voice": "tara", "extra": {"buffer_size": 20, "bit_rate": 64_000}}
    assert said(
        client(**options),
        e.Start(),
        e.Text("Nothing beside remains.", partial=False),
        e.Text("Round the decay.", partial=False),
        e.Flush(),
        e.Finish(),
    ) == [
        '{"voice":"tara","buffer_size":20}',
        *("Nothing", "beside", "remains.", "Round", "the", "decay."),
        "__END__",
    ]


def test_a_client_without_options_configures_all_the_same() -> None:
    assert said(client(), e.Start()) == ["{}"]


def test_the_language_of_indic_goes_along() -> None:
    assert said(client(voice="kanak", language="hi"), e.Start()) == [
        '{"voice":"kanak","language":"hi"}'
    ]


def test_text_cannot_end_the_utterance() -> None:
    assert said(client(), e.Text("say __END__ now")) == ["say", "END", "now"]


@pytest.mark.parametrize(
    "command",
    [
        e.Audio(b"x"),
        e.Clear(),
        e.Cancel(),
        e.Configure(e.SpeakOptions(voice="leo")),
        e.KeepAlive(),
        e.Malformed("bad"),
    ],
)
def test_what_orpheus_has_no_word_for(command: e.Event) -> None:
    assert said(client(), command) == []


def test_what_the_client_hears() -> None:
    it = client()
    assert decode(it, b"\x01\x00") == [e.Audio(b"\x01\x00")]
    assert decode(it, b"") == []
    assert decode(it, '{"some":"news"}') == []


def test_back_to_back() -> None:
    commands = heard(
        *said(client(voice="tara"), e.Start(), e.Text("I am here.", partial=False), e.Flush())
    )
    assert commands[0] == e.Start(
        e.SpeakOptions(voice="tara", encoding="linear16", sample_rate=24_000)
    )
    assert "".join(c.text for c in commands if isinstance(c, e.Text)) == "I am here. "
    assert commands[-1] == e.Finish()
    (frame,) = server().encode(e.Audio(b"\x05\x00"))
    assert decode(client(), frame) == [e.Audio(b"\x05\x00")]


def test_a_recorded_utterance_is_ours_word_for_word() -> None:
    first, *lines = map(json.loads, (RECORDINGS / "sentence.jsonl").read_text().splitlines())
    texts = [line["text"] for line in lines if line["from"] == "client"]
    audio = [base64.b64decode(line["binary"]) for line in lines if line["from"] == "server"]
    (started, *words, ended) = heard(*texts)
    assert isinstance(started, e.Start)
    assert isinstance(started.options, e.SpeakOptions)
    it = Client(started.options, Address(URL, "orpheus", "KEY"))
    assert said(it, started, *words, e.Flush()) == texts
    assert ended == e.Finish()
    assert [decode(it, data) for data in audio] == [[e.Audio(data)] for data in audio]
    there = WIRE.endpoint(started.options, Address(URL, "orpheus", "KEY"))
    assert there.url == URL + first["connect"]
    assert {name.lower(): value for name, value in there.headers.items()} == first["headers"]


@pytest.mark.parametrize(
    ("url", "there"),
    [
        (URL, URL + "/environments/production/websocket"),
        ("http://gpu:8080/", "ws://gpu:8080/environments/production/websocket"),
        ("ws://gpu:8080/v1/websocket", "ws://gpu:8080/v1/websocket"),
        ("https://gpu/orpheus/", "wss://gpu/orpheus"),
    ],
)
def test_where_to_connect(url: str, there: str) -> None:
    endpoint = WIRE.endpoint(e.SpeakOptions(), Address(url, "orpheus"))
    assert (endpoint.url, dict(endpoint.headers)) == (there, {})


def test_its_frames_can_be_told_from_unified_ones() -> None:
    assert WIRE.marks.types == {"control"}
    assert WIRE.marks.untyped
    assert WIRE.marks.bare_text
    assert WIRE.policy.per_utterance
