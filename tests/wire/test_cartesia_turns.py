"""Cartesia's recognition in turns, frame by frame: each message has all of the turn."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import structs

from voxway import events as e
from voxway.errors import ConfigError, ProtocolError
from voxway.wire.base import Address, Frame, Opening, decode
from voxway.wire.cartesia_turns import WIRE, Client, Server

ADDRESS = Address("wss://api.cartesia.ai", "ink-2", "KEY")
URL = ("model", "ink-2"), ("encoding", "pcm_s16le"), ("sample_rate", "16000")
DEFAULT = e.Turns(threshold=0.8, eager_threshold=0.6, timeout=5.6)
PLAIN = e.ListenOptions(encoding="linear16", sample_rate=16_000, turns=DEFAULT)


def server(*query: tuple[str, str]) -> Server:
    return Server(Opening(query=(*URL, *query), request_id="req-1"))


def client(**options: Any) -> Client:
    return Client(structs.replace(PLAIN, **options), ADDRESS)


def told(it: Server, *events: e.Event) -> list[dict[str, Any]]:
    return [json.loads(frame) for event in events for frame in it.encode(event)]


def heard(it: Client, *frames: dict[str, Any]) -> list[e.Event]:
    return [event for frame in frames for event in decode(it, json.dumps(frame))]


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ((), {}),
        ((("turn_end_threshold", "0.1"),), {"turns": structs.replace(DEFAULT, threshold=0.9)}),
        (
            (("turn_eager_end_threshold", "0.5"), ("turn_end_timeout_ms", "640")),
            {"turns": e.Turns(threshold=0.8, eager_threshold=0.5, timeout=0.64)},
        ),
        ((("keyterm", "a"), ("keyterm", "b c")), {"extra": {"keyterm": ("a", "b c")}}),
        ((("turn_start_threshold", "0.7"), ("cartesia_version", "2026-03-01")), {}),
        ((("new", "1"),), {"extra": {"new": "1"}}),
    ],
)
def test_the_url_configures(query: tuple[tuple[str, str], ...], options: dict[str, Any]) -> None:
    assert list(server(*query).opening()) == [e.Start(structs.replace(PLAIN, **options))]


@pytest.mark.parametrize(
    ("name", "value"),
    [("turn_end_threshold", "1.5"), ("turn_end_timeout_ms", "1"), ("turn_end_threshold", "low")],
)
def test_what_cannot_be_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        server((name, value))
    assert refused.value.param == name
    with pytest.raises(ConfigError):
        Server(Opening((("encoding", "opus"),)))


def test_a_turn() -> None:
    frames = told(
        server(),
        e.Ready(),
        e.Turn("start", at=0.1),
        e.Transcript("Nobody", False),
        e.Transcript("Nobody knows.", True),
        e.Turn("eager_end", "Nobody knows.", 0.6, 1.5),
        e.Turn("resumed", "Nobody knows.", at=1.7),
        e.Transcript("Why?", True),
        e.Turn("end", "Nobody knows. Why?", 0.9, 3.0, "model"),
        e.Turn("start", at=5.0),
        e.Transcript("Well", False),
    )
    assert {frame["request_id"] for frame in frames} == {"req-1"}
    assert [(frame["type"], frame.get("transcript")) for frame in frames] == [
        ("connected", None),
        ("turn.start", None),
        ("turn.update", "Nobody"),
        ("turn.update", "Nobody knows."),
        ("turn.eager_end", "Nobody knows."),
        ("turn.resume", None),
        ("turn.update", "Nobody knows. Why?"),
        ("turn.end", "Nobody knows. Why?"),
        ("turn.start", None),
        ("turn.update", "Well"),
    ]


@pytest.mark.parametrize(
    ("frame", "commands"),
    [
        (b"ab", [e.Audio(b"ab")]),
        (b"", []),
        ('{"type":"close"}', [e.Finish()]),
        (
            '{"type":"config","turn":{"end_threshold":0.1,"end_timeout_ms":900}}',
            [e.Adjust(e.ListenOptions(turns=e.Turns(threshold=0.9, timeout=0.9)))],
        ),
        ('{"type":"config"}', [e.Adjust(e.ListenOptions(turns=e.Turns()))]),
    ],
)
def test_what_a_client_says(frame: Frame, commands: list[e.Event]) -> None:
    assert decode(server(), frame) == commands


@pytest.mark.parametrize(
    "frame", ["finalize", "{}", '{"type":"config","turn":{"end_threshold":9}}']
)
def test_what_it_does_not_know_is_an_error(frame: str) -> None:
    it = server()
    [bad] = decode(it, frame)
    assert isinstance(bad, e.Malformed)
    [error] = told(it, e.Failed(bad.code, bad.message))
    assert (error["type"], error["status_code"]) == ("error", 400)


# The gateway's side


def test_an_end_is_how_unlikely_speech_is() -> None:
    url = WIRE.endpoint(PLAIN, ADDRESS).url
    assert "turn_end_threshold=0.2" in url
    assert "turn_eager_end_threshold=0.4" in url
    assert "turn_end_timeout_ms=5600" in url
    far = e.Turns(threshold=0.1, eager_threshold=0.99, timeout=60.0)
    [frame] = client().encode(e.Adjust(e.ListenOptions(turns=far)))
    bounds = {"eager_end_threshold": 0.3, "end_threshold": 0.5, "end_timeout_ms": 11_200.0}
    assert json.loads(str(frame)) == {"type": "config", "turn": bounds}


def test_where_nobody_wants_turns_they_are_short() -> None:
    url = WIRE.endpoint(structs.replace(PLAIN, turns=None), ADDRESS).url
    assert "turn_end_timeout_ms=640" in url
    assert "threshold" not in url


def test_terms_of_several_words_have_no_plus() -> None:
    """It would be heard for one (pipecat 1.14)."""
    url = WIRE.endpoint(structs.replace(PLAIN, extra={"keyterm": ("a", "b c")}), ADDRESS).url
    assert url.endswith("&keyterm=a&keyterm=b%20c")


@pytest.mark.parametrize(
    ("turns", "seconds"), [(None, 1.6), (DEFAULT, 6.6), (e.Turns(timeout=1.0), 2.0)]
)
def test_a_finalize_is_silence_that_ends_a_turn(turns: e.Turns | None, seconds: float) -> None:
    frames = list(client(turns=turns).encode(e.Flush()))
    assert frames == [bytes(3_200)] * round(seconds * 10)
    mulaw = client(turns=turns, encoding="mulaw", sample_rate=8_000).encode(e.Flush())
    assert set(mulaw) == {b"\xff" * 800}


def test_a_turn_of_the_provider() -> None:
    it = client()
    events = heard(
        it,
        {"type": "turn.start"},
        {"type": "turn.update", "transcript": "Nobody"},
        {"type": "turn.eager_end", "transcript": "Nobody knows."},
        {"type": "turn.resume"},
        {"type": "turn.end", "transcript": "Nobody knows why."},
    )
    assert events == [
        e.Turn("start"),
        e.Transcript("Nobody", False),
        e.Turn("eager_end", "Nobody knows."),
        e.Turn("resumed"),
        e.Transcript("Nobody knows why.", True),
        e.Turn("end", "Nobody knows why.", trigger="model"),
    ]


def test_the_end_of_the_turn_answers_the_finalize() -> None:
    it = client()
    heard(it, {"type": "turn.start"})
    list(it.encode(e.Flush()))
    answer, end = heard(it, {"type": "turn.end", "transcript": "Well."})
    assert answer == e.Transcript("Well.", True, from_finalize=True, is_endpoint=False)
    assert end == e.Turn("end", "Well.", trigger="manual")
    [own, _] = heard(it, {"type": "turn.start"}, {"type": "turn.end", "transcript": "So."})[1:]
    assert own == e.Transcript("So.", True)


def test_a_turn_of_noise_is_no_transcript() -> None:
    events = heard(client(), {"type": "turn.start"}, {"type": "turn.end", "transcript": ""})
    assert events == [e.Turn("start"), e.Turn("end", trigger="model")]


def test_partials_that_nobody_wants_are_not_told() -> None:
    assert heard(client(partials=False), {"type": "turn.update", "transcript": "x"}) == []
