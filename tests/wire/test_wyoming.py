"""Wyoming as a transcript: events of the connection in, commands out; and the other way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxway import events as e
from voxway.errors import ConfigError, GatewayError, ProtocolError
from voxway.wire.base import decode
from voxway.wire.wyoming import Conversation, conversation, refusal
from voxway.wire.wyoming_frames import Frames, Packet
from voxway.wire.wyoming_requests import Describe, Requests, Wanted, pong

PCM = {"rate": 16_000, "width": 2, "channels": 1}
START, STOP = Packet("audio-start", PCM), Packet("audio-stop", {"timestamp": 5})
CHUNK = Packet("audio-chunk", PCM | {"timestamp": 0}, b"\1\0" * 1_600)
SAY = Packet("synthesize", {"text": "Hello there.", "voice": {"name": "a/b#v"}})
DONE = e.Ended("client_closed")


def asked(*packets: Packet) -> list[Describe | Wanted]:
    requests = Requests()
    return [found for packet in packets if (found := requests.take(packet)) is not None]


def begun(*packets: Packet, voice: str | None = None, most: float = 60.0) -> Conversation:
    [wanted] = asked(*packets)
    assert isinstance(wanted, Wanted)
    return conversation(wanted, voice, most)


def told(codec: Conversation, *events: e.Event) -> list[tuple[str, dict[str, Any], bytes]]:
    frames = Frames()
    stream = [data for event in events for data in codec.encode(event)]
    return [(p.type, p.data, p.payload) for data in stream for p in frames.feed(data)]


def types(heard: Iterable[tuple[str, dict[str, Any], bytes]]) -> list[str]:
    return [type for type, _, _ in heard]


# What is asked


@pytest.mark.parametrize(
    ("packets", "task", "wishes"),
    [
        ([SAY], "tts", {"name": "a/b#v"}),
        ([Packet("synthesize", {"text": "x", "voice": {}})], "tts", {}),
        (
            [Packet("synthesize", {"text": "x", "voice": {"name": "v", "speaker": "s"}})],
            "tts",
            {"name": "v", "speaker": "s"},
        ),
        (
            [Packet("synthesize-start", {"voice": {"language": "de"}})],
            "tts",
            {"language": "de", "is_streamed": True},
        ),
        ([Packet("select-program", {"name": "p"}), SAY], "tts", {"name": "a/b#v", "program": "p"}),
        ([START], "stt", {"rate": 16_000}),
        ([CHUNK], "stt", {"rate": 16_000}),
        (
            [Packet("transcribe", {"name": "m", "language": "en"}), START],
            "stt",
            {"name": "m", "language": "en", "rate": 16_000},
        ),
        ([Packet("transcribe", {"context": {"a": 1}}), START], "stt", {"rate": 16_000}),
    ],
)
def test_where_a_request_begins(packets: list[Packet], task: Any, wishes: dict[str, Any]) -> None:
    assert asked(*packets) == [Wanted(task, packets[-1], **wishes)]


def test_what_is_no_request() -> None:
    others = ["audio-stop", "synthesize-chunk", "synthesize-stop", "detect", "run-satellite", ""]
    assert asked(*map(Packet, others)) == []
    assert asked(Packet("describe")) == [Describe()]


def test_a_transcribe_is_for_the_next_audio_alone() -> None:
    first, second = asked(Packet("transcribe", {"language": "en"}), START, START)
    assert isinstance(first, Wanted)
    assert isinstance(second, Wanted)
    assert (first.language, second.language) == ("en", None)


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (Packet("synthesize", {}), "text"),
        (Packet("synthesize", {"text": 5}), "text: Expected `str`"),
        (Packet("synthesize", {"text": "  "}), "there is nothing to say"),
        (Packet("synthesize", {"text": "x", "text_format": "ssml"}), "text_format 'ssml' is not"),
        (Packet("synthesize-start", {"voice": {"name": 5}}), "voice.name: Expected"),
        (Packet("transcribe", {"language": 5}), "language: Expected"),
        (Packet("select-program"), "name"),
        (Packet("audio-start"), "rate"),
        (Packet("audio-start", PCM | {"width": 4}), "1 channels with 4 bytes .* not mono with 2"),
        (Packet("audio-start", PCM | {"channels": 2}), "audio of 2 channels"),
        (Packet("audio-chunk", PCM | {"rate": "fast"}, b"ab"), "rate: Expected `int`"),
        (Packet("audio-chunk", PCM | {"rate": 0}, b"ab"), "rate 0 is outside 8000-48000 Hz"),
    ],
)
def test_what_cannot_be_asked(packet: Packet, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        asked(packet)


def test_a_ping_is_answered_with_its_text() -> None:
    assert pong(Packet("ping", {"text": "x"})) == (
        b'{"type":"pong","version":"1.10.2","data_length":12}\n{"text":"x"}'
    )
    assert pong(Packet("describe")) is None


# Speech


def test_a_text_is_said_whole() -> None:
    codec = begun(SAY, voice="v")
    assert codec.is_complete
    assert list(codec.opening()) == [
        e.Start(e.SpeakOptions(voice="v", encoding="linear16")),
        e.Text("Hello there.", partial=False),
        e.Finish(),
    ]


def test_a_text_in_pieces_is_handed_on_by_sentences() -> None:
    codec = begun(Packet("synthesize-start", {"voice": {"language": "en"}}))
    assert list(codec.opening()) == [e.Start(e.SpeakOptions(language="en", encoding="linear16"))]
    said: list[e.Event] = []
    for piece in ("It", " boils.", " At", " 100", "°"):
        said += decode_one(codec, Packet("synthesize-chunk", {"text": piece}))
    said += decode_one(codec, SAY)
    assert said == [e.Text("It boils.")]
    assert not codec.is_complete
    assert decode_one(codec, Packet("synthesize-stop")) == [e.Text(" At 100°"), e.Finish()]
    assert codec.is_complete


def test_a_text_without_an_end_is_not_held_for_ever() -> None:
    codec = begun(Packet("synthesize-start"))
    word = Packet("synthesize-chunk", {"text": "word "})
    said = [each for _ in range(100) for each in decode_one(codec, word)]
    assert [type(each) for each in said] == [e.Text, e.Text]


@given(st.lists(st.text(max_size=60), max_size=20))
def test_no_text_is_lost(pieces: list[str]) -> None:
    codec = begun(Packet("synthesize-start"))
    packets = [Packet("synthesize-chunk", {"text": piece}) for piece in pieces]
    said = [
        each
        for packet in (*packets, Packet("synthesize-stop"))
        for each in decode_one(codec, packet)
    ]
    assert said[-1] == e.Finish()
    texts = [each.text for each in said if isinstance(each, e.Text)]
    assert "".join(texts) == "".join(pieces)
    assert all(texts)


def decode_one(codec: Conversation, packet: Packet) -> list[e.Event]:
    frame: Any = packet
    return decode(codec, frame)


@pytest.mark.parametrize("is_streamed", [False, True])
def test_speech_is_told_between_a_start_and_a_stop(is_streamed: bool) -> None:
    codec = begun(Packet("synthesize-start") if is_streamed else SAY)
    format = {"rate": 24_000, "width": 2, "channels": 1}
    events: list[e.Event] = [e.Ready(encoding="linear16", sample_rate=24_000)]
    events += [e.SegmentStart("s", "Hello."), e.Audio(b"ab"), e.Warning("x", "y")]
    events += [e.Audio(b"cd"), e.Flushed(), DONE]
    assert told(codec, *events) == [
        ("audio-start", format, b""),
        ("audio-chunk", format, b"ab"),
        ("audio-chunk", format, b"cd"),
        ("audio-stop", {}, b""),
        *([("synthesize-stopped", {}, b"")] if is_streamed else []),
    ]


def test_speech_of_nothing_is_told_as_such() -> None:
    ready = e.Ready(sample_rate=24_000)
    assert types(told(begun(SAY), ready, DONE)) == ["audio-start", "audio-stop"]
    assert types(told(begun(SAY), DONE)) == ["audio-stop"]


# Recognition


def test_audio_is_heard() -> None:
    codec = begun(Packet("transcribe", {"language": "en"}), START)
    options = e.ListenOptions(
        language="en", encoding="linear16", sample_rate=16_000, partials=False
    )
    assert list(codec.opening()) == [e.Start(options)]
    assert decode_one(codec, CHUNK) == [e.Audio(CHUNK.payload)]
    assert decode_one(codec, Packet("audio-chunk", PCM)) == []
    assert not codec.is_complete
    assert decode_one(codec, STOP) == [e.Finish()]
    assert codec.is_complete


def test_audio_that_begins_without_a_start_is_heard_from_its_first_chunk() -> None:
    start, first = begun(CHUNK).opening()
    assert isinstance(start, e.Start)
    assert first == e.Audio(CHUNK.payload)


def test_finals_are_told_as_pieces_and_as_a_whole() -> None:
    codec = begun(Packet("transcribe", {"language": "en"}), START)
    finals = (
        e.Transcript("I see", final=False),
        e.Transcript("I see.", final=True, language="en-GB"),
        e.Transcript("", final=True),
        e.Transcript("You, too.", final=True),
    )
    assert told(codec, e.Ready(), *finals, DONE) == [
        ("transcript-start", {"language": "en-GB"}, b""),
        ("transcript-chunk", {"text": "I see."}, b""),
        ("transcript-chunk", {"text": " You, too."}, b""),
        ("transcript", {"text": "I see. You, too.", "language": "en-GB"}, b""),
        ("transcript-stop", {}, b""),
    ]


def test_silence_is_an_empty_transcript() -> None:
    assert told(begun(START), e.Ready(), DONE) == [
        ("transcript-start", {}, b""),
        ("transcript", {"text": ""}, b""),
        ("transcript-stop", {}, b""),
    ]


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (Packet("audio-chunk", PCM | {"rate": 8_000}, b"ab"), "rate 8000 is not that of .* 16000"),
        (Packet("audio-chunk", PCM, b"abc"), "audio of 3 bytes is not whole samples"),
        (Packet("audio-chunk", {}, b"ab"), "rate"),
        (Packet("audio-start", PCM), "audio-start before the request before it was complete"),
        (SAY, "synthesize before the request"),
        (Packet("transcribe"), "transcribe before the request"),
    ],
)
def test_what_has_no_place_in_audio(packet: Packet, reason: str) -> None:
    [malformed] = decode_one(begun(START), packet)
    assert isinstance(malformed, e.Malformed)
    with pytest.raises(ProtocolError, match=reason):
        raise ProtocolError(malformed.message)


def test_audio_is_bounded_in_its_length() -> None:
    codec = begun(START, most=0.25)
    heard = [each for _ in range(3) for each in decode_one(codec, CHUNK)]
    assert list(map(type, heard)) == [e.Audio, e.Audio, e.Malformed]


def test_what_has_no_place_in_a_streamed_text() -> None:
    codec = begun(Packet("synthesize-start"))
    for type in ("synthesize-start", "transcribe", "audio-start", "describe"):
        assert isinstance(decode_one(codec, Packet(type))[0], e.Malformed)
    assert decode_one(codec, Packet("run-pipeline")) == []
    assert decode_one(begun(START), Packet("voice-started")) == []


# What goes wrong


@pytest.mark.parametrize("first", [SAY, START])
@pytest.mark.parametrize(
    ("event", "code", "text"),
    [
        (e.Failed("rate_limit", "too much"), "rate_limit", "too much"),
        (e.Ended("draining"), "draining", "the session ended: draining"),
    ],
)
def test_errors_are_told(first: Packet, event: e.Event, code: str, text: str) -> None:
    assert told(begun(first), event) == [("error", {"text": text, "code": code}, b"")]


@pytest.mark.parametrize(
    "error", [ConfigError("no", param="x"), GatewayError("no", code="config_error")]
)
def test_a_refusal(error: GatewayError) -> None:
    [packet] = Frames().feed(refusal(error))
    assert packet == Packet("error", {"text": "no", "code": "config_error"})


@pytest.mark.parametrize("first", [SAY, START])
def test_what_wyoming_has_no_word_for_is_not_told(first: Packet) -> None:
    nothing: list[e.Event] = [e.Words((e.Word(text="a", start=0, end=1),)), e.SegmentEnd("s")]
    nothing += [e.Cleared(), e.SpeechStarted(1.0), e.UtteranceEnd(), e.Warning("a", "b")]
    assert told(begun(first), *nothing) == []


TYPES = ["describe", "select-program", "transcribe", "audio-start", "audio-chunk", "audio-stop"]
TYPES += ["synthesize", "synthesize-start", "synthesize-chunk", "synthesize-stop", "ping", "x"]
FIELDS = ["name", "language", "rate", "width", "channels", "text", "text_format", "voice"]
WRONG: list[Any] = [0, -1, 10**30, 1.5, True, "", "x", [], {}, {"name": 0}, {"speaker": []}]


@given(
    st.lists(
        st.builds(
            lambda type, data, payload: Packet(type, PCM | {"text": "Hi."} | data, payload),
            st.sampled_from(TYPES),
            st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(WRONG), max_size=2),
            st.binary(max_size=3),
        ),
        max_size=8,
    )
)
def test_nothing_but_errors_of_the_protocol_comes_of_wrong_values(packets: list[Packet]) -> None:
    requests = Requests()
    codec: Conversation | None = None
    for packet in packets:
        try:
            pong(packet)
            if codec is not None and not codec.is_complete:
                decode_one(codec, packet)
            elif isinstance(wanted := requests.take(packet), Wanted):
                codec = conversation(wanted, None, 60.0)
                assert list(codec.opening())
        except ProtocolError:
            continue
