"""Flux, frame by frame: a turn is told by `TurnInfo`, from its first word to its end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import structs

from voxway import events as e
from voxway.errors import ConfigError, ProtocolError
from voxway.wire.base import Address, Opening, decode
from voxway.wire.deepgram_flux_listen import WIRE, Client, Server

ADDRESS = Address("wss://api.deepgram.com", "flux-general-en", "KEY")
URL = ("model", "flux-general-en"), ("encoding", "linear16"), ("sample_rate", "16000")
ASKED = e.ListenOptions(encoding="linear16", sample_rate=16_000, turns=e.Turns())
WORDS = (
    e.Word(text="Nobody", start=0.1, end=0.5, confidence=0.9),
    e.Word(text="knows.", start=0.5, end=1.0, confidence=0.8),
)
FINAL = e.Transcript("Nobody knows.", True, start=0.1, duration=0.9, words=WORDS)


def server(*query: tuple[str, str]) -> Server:
    return Server(Opening(query=(*URL, *query), request_id="req-1"))


def client(options: e.ListenOptions = ASKED) -> Client:
    return Client(options, ADDRESS)


def told(it: Server, *events: e.Event) -> list[dict[str, Any]]:
    return [json.loads(frame) for event in events for frame in it.encode(event)]


def heard(it: Client, *frames: dict[str, Any]) -> list[e.Event]:
    return [event for frame in frames for event in decode(it, json.dumps(frame))]


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ((), {}),
        ((("eot_threshold", "0.8"),), {"turns": e.Turns(threshold=0.8)}),
        (
            (("eager_eot_threshold", "0.4"), ("eot_timeout_ms", "1500")),
            {"turns": e.Turns(eager_threshold=0.4, timeout=1.5)},
        ),
        (
            (("keyterm", "one"), ("keyterm", "two"), ("numerals", "true"), ("tag", "t")),
            {"extra": {"keyterm": ("one", "two"), "numerals": True}},
        ),
        ((("new", "1"),), {"extra": {"new": "1"}}),
    ],
)
def test_the_url_configures(query: tuple[tuple[str, str], ...], options: dict[str, Any]) -> None:
    [start] = server(*query).opening()
    assert isinstance(start, e.Start)
    assert start.options == structs.replace(ASKED, **options)
    assert start.tag == dict(query).get("tag", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("eot_threshold", "0.4"),
        ("eot_threshold", "1.1"),
        ("eager_eot_threshold", "0.95"),
        ("eot_timeout_ms", "499"),
        ("eot_timeout_ms", "soon"),
        ("callback", "https://example.com"),
    ],
)
def test_what_cannot_be_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        server((name, value))
    assert refused.value.param == name


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ((), "encoding"),
        ((("encoding", "mp3"),), "encoding"),
        ((("encoding", "flac"),), "encoding"),
        ((("encoding", "mulaw"),), "sample_rate"),
    ],
)
def test_the_audio_must_be_named(query: tuple[tuple[str, str], ...], param: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Server(Opening(query=query))
    assert refused.value.param == param


def test_a_turn_is_told_with_all_that_clients_read() -> None:
    it = server()
    frames = told(
        it,
        e.Ready(),
        e.Turn("start", at=0.1),
        e.Transcript("Nobody", False, start=0.1, duration=0.4),
        structs.replace(FINAL),
        e.Turn("eager_end", "Nobody knows.", 0.55, 1.4),
        e.Turn("resumed", "Nobody knows.", at=1.6),
        e.Transcript("Why?", True, start=1.6, duration=0.4),
        e.Turn("end", "Nobody knows. Why?", 0.8, 3.0, "model"),
        e.Turn("start", at=5.0),
    )
    assert frames[0] == {"type": "Connected", "request_id": "req-1", "sequence_id": 0}
    assert [frame["sequence_id"] for frame in frames] == list(range(9))
    assert {frame["request_id"] for frame in frames} == {"req-1"}
    infos = frames[1:]
    assert [(i["event"], i["turn_index"], i["transcript"]) for i in infos] == [
        ("StartOfTurn", 0, ""),
        ("Update", 0, "Nobody"),
        ("Update", 0, "Nobody knows."),
        ("EagerEndOfTurn", 0, "Nobody knows."),
        ("TurnResumed", 0, "Nobody knows."),
        ("Update", 0, "Nobody knows. Why?"),
        ("EndOfTurn", 0, "Nobody knows. Why?"),
        ("StartOfTurn", 1, ""),
    ]
    confidences = [i["end_of_turn_confidence"] for i in infos]
    assert confidences == [0.0, 0.0, 0.0, 0.55, 0.0, 0.0, 0.8, 0.0]
    end = infos[6]
    assert [i.get("trigger") for i in infos] == [None] * 6 + ["model", None]
    assert (end["audio_window_start"], end["audio_window_end"]) == (0.1, 3.0)
    # Each word has a confidence, whether its model tells one or not; times only where they are.
    assert end["words"] == [
        {"word": "Nobody", "confidence": 0.9, "start": 0.1, "end": 0.5},
        {"word": "knows.", "confidence": 0.8, "start": 0.5, "end": 1.0},
        {"word": "Why?", "confidence": 1.0},
    ]
    assert infos[7]["audio_window_start"] == 5.0


def test_where_nobody_is_sure_it_says_so() -> None:
    it = server()
    *_, end = told(it, e.Turn("start"), FINAL, e.Turn("end", trigger="timeout"))
    assert (end["end_of_turn_confidence"], end["trigger"]) == (0.5, "timeout")


def test_every_forced_end_is_answered_once() -> None:
    it = server()
    [flush] = decode(it, '{"type": "ForceEndTurn"}')
    assert flush == e.Flush()
    answer = structs.replace(FINAL, from_finalize=True, is_endpoint=False)
    frames = told(it, e.Turn("start"), answer, e.Turn("end", trigger="manual"))
    assert [frame["event"] for frame in frames] == ["StartOfTurn", "Update", "EndOfTurn"]
    [empty] = told(it, e.Transcript("", True, from_finalize=True))
    assert (empty["event"], empty["transcript"], empty["trigger"]) == ("EndOfTurn", "", "manual")
    assert empty["turn_index"] == 1


def test_thresholds_change_and_the_change_is_confirmed() -> None:
    it = server(("keyterm", "one"))
    told(it, e.Ready())
    configure = {"type": "Configure", "thresholds": {"eot_threshold": 0.9}, "keyterms": "two"}
    [adjust] = decode(it, json.dumps(configure))
    wanted = e.ListenOptions(turns=e.Turns(threshold=0.9), extra={"keyterm": ("two",)})
    assert adjust == e.Adjust(wanted)
    turns = e.Turns(threshold=0.9, timeout=2.0)
    [frame] = told(it, e.Adjusted(e.ListenOptions(turns=turns, extra={"keyterm": ("two",)})))
    assert frame == {
        "type": "ConfigureSuccess",
        "request_id": "req-1",
        "sequence_id": 1,
        "thresholds": {"eot_threshold": 0.9, "eot_timeout_ms": 2000},
        "keyterms": ["two"],
    }
    failed = e.Failed("config_error", "eot_threshold 2 is not above 0", param="eot_threshold")
    [frame] = told(it, failed)
    assert frame["type"] == "ConfigureFailure"
    assert frame["code"]
    assert "eot_threshold" in frame["description"]


def test_who_speaks_before_the_greeting_is_greeted_first() -> None:
    it = server()
    assert told(it, e.Adjusted(e.ListenOptions(turns=e.Turns()))) == []
    frames = told(it, e.Ready())
    assert [frame["type"] for frame in frames] == ["Connected", "ConfigureSuccess"]
    assert [frame["sequence_id"] for frame in frames] == [0, 1]


@pytest.mark.parametrize("text", ["Hello", "{}", '{"type": "KeepAlive"}', '{"type": "Finalize"}'])
def test_what_it_does_not_know_costs_the_socket(text: str) -> None:
    it = server()
    [bad] = decode(it, text)
    assert isinstance(bad, e.Malformed)
    assert bad.is_fatal
    [error] = told(it, e.Failed("invalid_request", bad.message))
    assert (error["type"], error["code"]) == ("Error", "UNPARSABLE_CLIENT_MESSAGE")
    assert it.closing(1008, "invalid_request")[0] == 1008


def test_what_is_not_the_end_is_only_warned_of() -> None:
    """An `Error` is the end to its clients."""
    failed = e.Failed("invalid_request", "audio: frame of 0 bytes")
    [warning] = told(server(), failed)
    assert (warning["type"], warning["code"]) == ("Warning", "INVALID_REQUEST")
    [error] = told(server(), structs.replace(failed, code="backend_error", fatal=True))
    assert error["type"] == "Error"


def test_nothing_is_said_to_keep_it_awake() -> None:
    it = client()
    assert list(it.encode(e.KeepAlive())) == []
    assert list(it.encode(e.Audio(b""))) == []
    assert WIRE.policy.keepalive == "silence"


def test_bounds_are_kept_by_the_client() -> None:
    turns = e.Turns(threshold=0.2, eager_threshold=0.95, timeout=60.0)
    url = WIRE.endpoint(structs.replace(ASKED, turns=turns), ADDRESS).url
    assert "eot_threshold=0.5" in url
    assert "eager_eot_threshold=0.9" in url
    assert "eot_timeout_ms=10000" in url
    [frame] = client().encode(e.Adjust(e.ListenOptions(turns=turns, extra={"keyterm": ("x",)})))
    thresholds = {"eager_eot_threshold": 0.9, "eot_threshold": 0.5, "eot_timeout_ms": 10000.0}
    said = {"type": "Configure", "thresholds": thresholds, "keyterms": ["x"]}
    assert json.loads(str(frame)) == said
    assert "eot" not in WIRE.endpoint(structs.replace(ASKED, turns=None), ADDRESS).url


def info(event: str, text: str = "", **more: Any) -> dict[str, Any]:
    window = {"audio_window_start": 0.1, "audio_window_end": 1.0}
    words = [{"word": word, "confidence": 0.9} for word in text.split()]
    return {
        "type": "TurnInfo",
        "event": event,
        "transcript": text,
        "words": words,
        **window,
        **more,
    }


def test_a_turn_of_the_provider() -> None:
    it = client()
    events = heard(
        it,
        info("StartOfTurn"),
        info("Update", "Nobody"),
        info("EagerEndOfTurn", "Nobody knows.", end_of_turn_confidence=0.5),
        info("TurnResumed", "Nobody knows."),
        info("EndOfTurn", "Nobody knows why.", end_of_turn_confidence=0.9, trigger="model"),
    )
    turns = [event for event in events if isinstance(event, e.Turn)]
    assert turns == [
        e.Turn("start", at=0.1),
        e.Turn("eager_end", "Nobody knows.", 0.5, 1.0),
        e.Turn("resumed", "Nobody knows.", at=1.0),
        e.Turn("end", "Nobody knows why.", 0.9, 1.0, "model"),
    ]
    [final] = [event for event in events if isinstance(event, e.Transcript) and event.final]
    assert (final.text, final.is_endpoint, final.from_finalize) == (
        "Nobody knows why.",
        True,
        False,
    )
    assert (final.start, final.duration, final.confidence) == (0.1, 0.9, 0.9)
    assert events.index(final) == len(events) - 2


def test_only_the_end_that_we_asked_for_is_the_answer() -> None:
    it = client()
    list(it.encode(e.Flush()))
    [own, _] = heard(it, info("StartOfTurn"), info("EndOfTurn", "Well.", trigger="timeout"))[1:]
    [answer] = heard(it, info("EndOfTurn", trigger="manual"))
    assert isinstance(own, e.Transcript)
    assert not own.from_finalize
    assert answer == e.Transcript("", True, True, start=0.1, duration=0.9, is_endpoint=False)


def test_partials_that_nobody_wants_are_not_told() -> None:
    it = client(structs.replace(ASKED, partials=False))
    events = heard(it, info("StartOfTurn", "Well"), info("Update", "Well I"))
    assert events == [e.Turn("start", at=0.1)]


def test_what_is_new_there_is_nothing_to_us() -> None:
    it = client()
    assert heard(it, {"type": "Novelty"}, info("TurnPondered", "x"))[1:] == []
    [failed] = heard(it, {"type": "Error", "code": "NET-0001", "description": "bye"})
    assert failed == e.Failed("idle_timeout_exceeded", "bye", True)
