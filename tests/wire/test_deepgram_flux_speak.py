"""Flux speech, frame by frame: turns, their ends, and what an interrupted listener had heard."""

from __future__ import annotations

import json
from typing import Any

import pytest

from voxway import events as e
from voxway.errors import ProtocolError
from voxway.wire.base import Address, Opening, decode
from voxway.wire.deepgram_flux_speak import WIRE, Server
from voxway.wire.deepgram_flux_speak_client import Client

ADDRESS = Address("wss://api.deepgram.com", "flux", "KEY")
URL = ("model", "flux-alexis-en"), ("encoding", "linear16"), ("sample_rate", "8000")
HALF = bytes(8_000)  # half a second
CONTROLS = {"pronunciations_applied": 0, "breaks_applied": 0, "pronunciation_warnings": 0}


def server(*query: tuple[str, str]) -> Server:
    return Server(Opening(query=(*URL, *query), request_id="req-1"))


def client() -> Client:
    return Client(e.SpeakOptions(encoding="linear16", sample_rate=8_000), ADDRESS)


def told(it: Server, *events: e.Event) -> list[Any]:
    """Frames: messages read, and audio as it is."""
    frames = [frame for event in events for frame in it.encode(event)]
    return [frame if isinstance(frame, bytes) else json.loads(frame) for frame in frames]


def said(it: Server, **message: Any) -> list[e.Event]:
    return decode(it, json.dumps(message))


def types(frames: list[Any]) -> list[str]:
    return ["audio" if isinstance(frame, bytes) else frame["type"] for frame in frames]


def heard(it: Client, *frames: Any) -> list[e.Event]:
    given = [frame if isinstance(frame, bytes) else json.dumps(frame) for frame in frames]
    return [event for frame in given for event in decode(it, frame)]


def turn(it: Server, text: str, *events: e.Event) -> list[Any]:
    """One that was said and flushed; what is told of what became of it."""
    assert said(it, type="Speak", text=text) == [e.Text(text)]
    assert said(it, type="Flush") == [e.Flush()]
    return told(it, *events)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        (("encoding", "mp3"), "encoding"),
        (("sample_rate", "22050"), "sample_rate"),
        (("speed", "1.6"), "speed"),
        (("expressivity", "very"), "expressivity"),
        (("callback", "https://example.com"), "callback"),
    ],
)
def test_what_cannot_be_is_refused_by_name(query: tuple[str, str], name: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        Server(Opening(query=(query,)))
    assert refused.value.param == name


def test_the_voice_is_the_model() -> None:
    [start] = server(("speed", "1.1"), ("expressivity", "2"), ("tag", "a"), ("tag", "b")).opening()
    assert isinstance(start, e.Start)
    options = e.SpeakOptions(
        voice="flux-alexis-en",
        encoding="linear16",
        sample_rate=8_000,
        speed=1.1,
        word_timestamps=True,
        extra={"expressivity": 2},
    )
    assert (start.options, start.tag) == (options, "a,b")
    assert "model=flux-alexis-en" in WIRE.endpoint(options, ADDRESS).url
    named = e.SpeakOptions(voice="alexis", language="en-GB", speed=1.03)
    assert "model=flux-alexis-en" in WIRE.endpoint(named, ADDRESS).url
    assert "speed=1.05" in WIRE.endpoint(named, ADDRESS).url
    assert "model=flux&" in WIRE.endpoint(e.SpeakOptions(encoding="mulaw"), ADDRESS).url


def test_a_turn_ends_with_its_metadata() -> None:
    it = server()
    [connected] = told(it, e.Ready(model="m"))
    assert connected.keys() == {"type", "request_id", "model_name", "model_version", "model_uuids"}
    assert connected["model_name"] == "flux-alexis-en"
    frames = turn(it, "One two.", e.Audio(HALF), e.Audio(HALF), e.Flushed())
    assert types(frames) == ["SpeechStarted", "audio", "audio", "Flushed", "SpeechMetadata"]
    started, *_, flushed, metadata = frames
    assert started["speech_id"] == flushed["speech_id"] == metadata["speech_id"]
    assert started["speech_id"].startswith("dg_sp_")
    assert len(started["speech_id"]) == len("dg_sp_") + 12
    assert metadata == {
        "type": "SpeechMetadata",
        "speech_id": started["speech_id"],
        "audio_duration_ms": 1000,
        "input_character_count": 8,
        "billable_character_count": 8,
        "controls_applied": CONTROLS,
    }
    [second, *_] = turn(it, "Three.", e.Audio(HALF), e.Flushed())
    assert second["speech_id"] != started["speech_id"]
    [totals] = told(it, e.Ended("client_closed"))
    assert totals == {
        "type": "SessionMetadata",
        "total_audio_duration_ms": 1500,
        "total_input_character_count": 14,
        "total_billable_character_count": 14,
    }


def test_a_turn_without_sound_ends_too() -> None:
    started, warning, flushed, metadata = turn(server(), "...", e.Flushed())
    assert warning["code"] == "NO_SYNTHESIZABLE_TEXT"
    assert metadata["audio_duration_ms"] == 0
    assert started["speech_id"] == flushed["speech_id"]


@pytest.mark.parametrize("message", [{"type": "Flush"}, {"type": "Interrupt"}])
def test_without_a_turn_there_is_nothing_to_end(message: dict[str, str]) -> None:
    it = server()
    assert said(it, **message) == [e.Aside()]
    [warning] = told(it, e.Aside())
    assert (warning["type"], warning["code"]) == ("Warning", "NO_ACTIVE_SPEECH")
    assert told(it, e.Aside()) == []


WORDS = e.Words(
    (
        e.Word(text="One", start=0.0, end=0.4),
        e.Word(text="two", start=0.4, end=0.9),
        e.Word(text="three.", start=0.9, end=1.5),
    )
)


@pytest.mark.parametrize(
    ("words", "played", "spoken", "remaining"),
    [
        ((WORDS,), 0, "", "One two three."),
        ((WORDS,), 300, "One", " two three."),
        ((WORDS,), 401, "One two", " three."),
        ((WORDS,), 1400, "One two three.", ""),
        # Without times it is as much of the text as of the audio.
        ((), 0, "", "One two three."),
        ((), 500, "One two ", "three."),
        ((), 1000, "One two three.", ""),
    ],
)
def test_who_interrupts_learns_what_was_heard(
    words: tuple[e.Words, ...], played: int, spoken: str, remaining: str
) -> None:
    it = server()
    turn(it, "Before.", e.Audio(HALF), e.Flushed())
    turn(it, "One two three.", *words, e.Audio(HALF), e.Audio(HALF))
    offset = {"type": "time_ms", "value": 500 + played}
    assert said(it, type="Interrupt", playback_offset=offset) == [e.Clear()]
    [interrupted] = told(it, e.Cleared())
    assert interrupted["type"] == "SpeechInterrupted"
    assert interrupted["audio_played_ms"] == 500 + played
    assert (interrupted["text_spoken"], interrupted["text_remaining"]) == (spoken, remaining)
    assert interrupted["metadata"]["audio_duration_ms"] == 1000
    assert interrupted["metadata"]["controls_applied"] == CONTROLS


def test_a_first_interruption_may_come_before_anything_was_played() -> None:
    it = server()
    turn(it, "One two three.", WORDS, e.Audio(HALF))
    offset = {"type": "time_ms", "value": 0}
    assert said(it, type="Interrupt", playback_offset=offset) == [e.Clear()]
    [interrupted] = told(it, e.Cleared())
    assert (interrupted["audio_played_ms"], interrupted["text_spoken"]) == (0, "")


def test_offsets_go_on_from_what_was_played() -> None:
    it = server()
    turn(it, "One two three.", WORDS, e.Audio(HALF), e.Audio(HALF))
    said(it, type="Interrupt", playback_offset={"type": "time_ms", "value": 300})
    told(it, e.Cleared())
    turn(it, "Four.", e.Audio(HALF))
    assert said(it, type="Interrupt", playback_offset={"type": "time_ms", "value": 300}) == [
        e.Aside()
    ]
    [warning] = told(it, e.Aside())
    assert warning["code"] == "INVALID_INTERRUPT_OFFSET"
    assert said(it, type="Interrupt") == [e.Clear()]
    [interrupted] = told(it, e.Cleared())
    # Without an offset all that was made is taken for played, and nothing is said of the text.
    assert interrupted["audio_played_ms"] == 800
    assert "text_spoken" not in interrupted
    [totals] = told(it, e.Ended("client_closed"))
    assert totals["total_audio_duration_ms"] == 800


@pytest.mark.parametrize(
    ("speed", "code"),
    [(0.9, ""), (1.55, "SPEED_OUT_OF_RANGE"), (0.92, "SPEED_INCREMENT_INVALID"), (None, "")],
)
def test_the_speed_changes_and_the_change_is_confirmed(speed: float | None, code: str) -> None:
    it = server()
    *configure, aside = said(it, type="Configure", speed=speed)
    assert configure == ([] if code else [e.Configure(e.SpeakOptions(speed=speed))])
    [answer] = told(it, aside)
    if code:
        assert (answer["type"], answer["code"], answer["value"]) == (
            "ConfigureFailure",
            code,
            speed,
        )
        assert answer["description"]
    else:
        applied = {} if speed is None else {"speed": speed}
        assert answer == {"type": "ConfigureSuccess", "applied": applied}


def test_a_speed_that_the_model_has_not_is_not_confirmed() -> None:
    it = server()
    said(it, type="Configure", speed=1.5)
    failed = e.Failed("config_error", "speed 1.5 is outside 0.8-1.2", param="speed")
    [answer] = told(it, failed, e.Aside())
    assert (answer["type"], answer["field"]) == ("ConfigureFailure", "speed")
    said(it, type="Configure", speed=1.0)
    [answer] = told(it, e.Aside())
    assert answer["type"] == "ConfigureSuccess"


@pytest.mark.parametrize(
    ("frame", "fault", "code"),
    [
        (b"audio", "MESSAGE-0000", 1003),
        ("{}", "DATA-0000", 1008),
        ('{"type":"Clear"}', "DATA-0000", 1008),
    ],
)
def test_what_it_does_not_know_costs_the_socket(frame: str | bytes, fault: str, code: int) -> None:
    it = server()
    [bad] = decode(it, frame)
    assert isinstance(bad, e.Malformed)
    assert bad.is_fatal
    [error] = told(it, e.Failed("invalid_request", bad.message))
    assert (error["type"], error["code"]) == ("Error", fault)
    assert it.closing(1008, "invalid_request")[0] == code


# The gateway's side

METADATA = {"type": "SpeechMetadata", "speech_id": "x", "audio_duration_ms": 1500}


def warning(code: str) -> dict[str, str]:
    return {"type": "Warning", "code": code, "description": "..."}


def test_only_the_metadata_ends_an_utterance() -> None:
    it = client()
    assert heard(it, {"type": "SpeechStarted", "speech_id": "x"}, b"ab") == [e.Audio(b"ab")]
    assert heard(it, {"type": "Flushed", "speech_id": "x"}, b"cd") == [e.Audio(b"cd")]
    assert heard(it, METADATA) == [e.Flushed(1.5)]


@pytest.mark.parametrize(
    "answer",
    [
        {"type": "SpeechInterrupted", "audio_played_ms": 10},
        warning("NO_ACTIVE_SPEECH"),
        warning("INTERRUPT_IN_PROGRESS"),
    ],
)
def test_every_interruption_is_over_once(answer: dict[str, Any]) -> None:
    it = client()
    list(it.encode(e.Clear()))
    assert heard(it, answer) == [e.Cleared()]
    assert e.Cleared() not in heard(it, answer)


def test_what_is_spoken_though_it_was_interrupted_is_not_heard() -> None:
    """Flux refuses to interrupt before the session's first audio."""
    it = client()
    list(it.encode(e.Text("Never.", partial=False)))
    list(it.encode(e.Clear()))
    assert heard(it, warning("NO_AUDIO_GENERATED")) == [e.Cleared()]
    # It is still in the buffer there: it must be spoken before anything else is said.
    frames = [json.loads(str(f)) for f in it.encode(e.Text("Now.", partial=False))]
    assert frames == [{"type": "Flush"}, {"type": "Speak", "text": "Now. "}]
    assert heard(it, b"never", METADATA) == []
    assert heard(it, b"now", METADATA) == [e.Audio(b"now"), e.Flushed(1.5)]


def test_what_is_new_there_is_nothing_to_us() -> None:
    it = client()
    assert heard(it, {"type": "Novelty"}) == []
    assert heard(it, warning("SYNTHESIS_RETRYING")) == [e.Warning("synthesis_retrying", "...")]
    [failed] = heard(it, {"type": "Error", "code": "NET-0000", "description": "bye"})
    assert isinstance(failed, e.Failed)
    assert failed.code == "provider_error"
