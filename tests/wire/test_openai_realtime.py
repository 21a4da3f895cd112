"""OpenAI's realtime transcription, frame by frame: pieces of speech, and what ends them."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from msgspec import structs

from voxway import events as e
from voxway.errors import ConfigError, GatewayError
from voxway.wire.base import Address, Opening, decode
from voxway.wire.openai_realtime import WIRE, Server
from voxway.wire.openai_realtime_client import Client
from voxway.wire.openai_realtime_session import EAGERNESS, detection_for, turns_of

ADDRESS = Address("wss://api.openai.com", "gpt-4o-transcribe", "KEY")
ASKED = e.ListenOptions(
    encoding="linear16", sample_rate=24_000, turns=e.Turns(threshold=1.0, timeout=0.5)
)
SECOND = bytes(48_000)
T = "conversation.item.input_audio_transcription"


def server(*query: tuple[str, str]) -> Server:
    return Server(Opening(query=(("intent", "transcription"), *query), request_id="r"))


def client(**options: Any) -> Client:
    return Client(structs.replace(ASKED, turns=None, **options), ADDRESS)


def told(it: Server, *events: e.Event) -> list[dict[str, Any]]:
    return [json.loads(frame) for event in events for frame in it.encode(event)]


def said(it: Server, type: str, **fields: Any) -> list[e.Event]:
    return decode(it, json.dumps({"type": type, **fields}))


def update(it: Server, **input: Any) -> list[e.Event]:
    return said(it, "session.update", session={"type": "transcription", "audio": {"input": input}})


def append(it: Server, data: bytes = SECOND) -> list[e.Event]:
    return said(it, "input_audio_buffer.append", audio=base64.b64encode(data).decode())


def types(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["type"].removeprefix("input_audio_buffer.") for frame in frames]


def heard(it: Client, *frames: dict[str, Any]) -> list[e.Event]:
    return [event for frame in frames for event in decode(it, json.dumps(frame))]


def test_who_connects_is_greeted_first() -> None:
    it = server(("model", "m"))
    assert list(it.opening()) == [e.Aside()]
    [created] = told(it, e.Aside())
    assert created["type"] == "session.created"
    session = created["session"]
    assert (session["type"], session["id"]) == ("transcription", "sess_r")
    assert session["audio"]["input"] == {
        "format": {"type": "audio/pcm", "rate": 24_000},
        "transcription": {"model": "m"},
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
        },
        "noise_reduction": None,
    }


@pytest.mark.parametrize(
    ("by_url", "named", "told_as"),
    [
        (None, "gpt-4o-transcribe", "gpt-4o-transcribe"),
        ("stt-1", "stt-1", "stt-1"),
        ("stt-1", "whisper-1", "openai/gpt-4o-transcribe:realtime"),
        (None, "whisper-1", "openai/gpt-4o-transcribe:realtime"),
        (None, None, None),
    ],
)
def test_the_model_that_answers_is_told(
    by_url: str | None, named: str | None, told_as: str | None
) -> None:
    it = server(*((("model", by_url),) if by_url else ()))
    update(it, transcription={"model": named, "language": "en"})
    [updated] = told(it, e.Ready(model="openai/gpt-4o-transcribe:realtime"))
    asked = updated["session"]["audio"]["input"]["transcription"]
    assert (asked.get("model"), asked["language"]) == (told_as, "en")
    # Said once more, it is no change.
    assert update(it, transcription={"model": named, "language": "en"}) == [e.Aside()]


def test_conversations_are_not_held() -> None:
    with pytest.raises(ConfigError) as refused:
        Server(Opening(query=(("intent", "conversation"),)))
    assert refused.value.param == "intent"


@pytest.mark.parametrize(
    ("input", "options"),
    [
        ({}, {}),
        ({"format": {"type": "audio/pcmu"}}, {"encoding": "mulaw", "sample_rate": 8_000}),
        ({"format": {"type": "audio/pcma"}}, {"encoding": "alaw", "sample_rate": 8_000}),
        (
            {"transcription": {"model": "m", "language": "de", "prompt": "Ships."}},
            {"language": "de", "extra": {"prompt": "Ships."}},
        ),
        ({"turn_detection": None}, {}),
        (
            {"turn_detection": {"type": "server_vad", "silence_duration_ms": 900}},
            {"turns": e.Turns(threshold=1.0, timeout=0.9)},
        ),
        (
            {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}},
            {"turns": e.Turns(threshold=0.9, timeout=8.0)},
        ),
        (
            {"turn_detection": {"type": "semantic_vad"}},
            {"turns": e.Turns(threshold=0.7, timeout=4.0)},
        ),
    ],
)
def test_the_first_update_configures(input: dict[str, Any], options: dict[str, Any]) -> None:
    it = server()
    assert update(it, **input) == [e.Start(structs.replace(ASKED, **options))]
    [updated] = told(it, e.Ready())
    assert updated["type"] == "session.updated"
    for name, value in input.items():
        assert updated["session"]["audio"]["input"][name] == value


@pytest.mark.parametrize(("type", "rate"), [("audio/pcm", 16_000), ("audio/pcmu", 24_000)])
def test_a_format_has_one_rate(type: str, rate: int) -> None:
    """Heard at another one, what is said is not what was spoken."""
    it = server()
    [bad] = update(it, format={"type": type, "rate": rate})
    assert isinstance(bad, e.Malformed)
    assert bad.param == "session.audio.input.format.rate"
    [start] = update(it, format={"type": "audio/pcmu", "rate": 8_000})
    assert start == e.Start(structs.replace(ASKED, encoding="mulaw", sample_rate=8_000))


def test_the_beta_is_understood() -> None:
    it = server()
    session = {
        "input_audio_format": "g711_ulaw",
        "input_audio_transcription": {"model": "whisper-1", "language": "en"},
        "turn_detection": None,
    }
    [start] = said(it, "transcription_session.update", session=session)
    options = structs.replace(ASKED, language="en", encoding="mulaw", sample_rate=8_000)
    assert start == e.Start(options)
    [updated] = told(it, e.Ready())
    assert updated["type"] == "transcription_session.updated"
    told_back = {name: updated["session"][name] for name in session}
    assert told_back == session, "as flat as it was asked for"


def test_audio_may_come_without_any_update() -> None:
    it = server()
    assert append(it) == [e.Start(ASKED), e.Audio(SECOND)]
    assert append(it) == [e.Audio(SECOND)]
    assert told(it, e.Ready()) == []


def test_what_began_stays_but_its_turns() -> None:
    it = server()
    update(it)
    told(it, e.Ready())
    [bad] = update(it, format={"type": "audio/pcmu"})
    assert isinstance(bad, e.Malformed)
    assert bad.param == "session.audio.input.format"
    [adjust] = update(it, turn_detection={"type": "semantic_vad", "eagerness": "high"})
    assert adjust == e.Adjust(e.ListenOptions(turns=e.Turns(threshold=0.5, timeout=2.0)))
    [updated] = told(it, e.Adjusted(ASKED))
    assert updated["session"]["audio"]["input"]["turn_detection"]["type"] == "semantic_vad"
    # Whether its client or its speaker ends a piece is nothing that a recognizer has to know.
    assert update(it, turn_detection=None) == [e.Aside()]
    [updated] = told(it, e.Aside())
    assert updated["session"]["audio"]["input"]["turn_detection"] is None


def test_a_piece_ends_where_its_speaker_does() -> None:
    it = server()
    append(it)
    frames = told(
        it,
        e.Turn("start", at=0.25),
        e.Transcript("Nobody", False),
        e.Transcript("Nobody knows", False),
        e.Transcript("Nobody knows why.", True),
        e.Turn("end", "Nobody knows why.", 0.9, 0.9, "timeout"),
    )
    assert types(frames) == [
        "speech_started",
        f"{T}.delta",
        f"{T}.delta",
        f"{T}.delta",
        "speech_stopped",
        "committed",
        "conversation.item.added",
        f"{T}.completed",
    ]
    items = [frame.get("item_id", frame.get("item", {}).get("id")) for frame in frames]
    assert set(items) == {"item_r_1"}
    assert (frames[0]["audio_start_ms"], frames[4]["audio_end_ms"]) == (250, 900)
    assert [frame["delta"] for frame in frames[1:4]] == ["Nobody", " knows", " why."]
    assert frames[5]["previous_item_id"] is None
    completed = frames[-1]
    assert completed["transcript"] == "Nobody knows why."
    assert completed["usage"] == {"type": "duration", "seconds": 1.0}
    assert completed["content_index"] == 0
    [started] = told(it, e.Turn("start", at=2.0))
    assert started["item_id"] == "item_r_2"


def test_what_is_revised_is_told_when_it_is_complete() -> None:
    it = server()
    append(it)
    partials = [e.Transcript(text, False) for text in ("No body", "Nobody", "Nobody knows")]
    final = e.Transcript("Nobody knows.", True)
    frames = told(it, *partials, final, e.Turn("end", trigger="model"))
    assert [frame["delta"] for frame in frames if "delta" in frame] == ["No body"]
    assert frames[-1]["transcript"] == "Nobody knows."


def test_who_commits_gets_what_was_heard_up_to_there() -> None:
    it = server()
    update(it, turn_detection=None)
    told(it, e.Ready())
    append(it)
    pause = e.Transcript("One.", True)
    # Pauses are nothing to whoever commits.
    assert types(told(it, e.Turn("start"), pause, e.Turn("end", trigger="model"))) == [f"{T}.delta"]
    assert said(it, "input_audio_buffer.commit") == [e.Aside(), e.Flush()]
    assert types(told(it, e.Aside())) == ["committed", "conversation.item.added"]
    append(it)
    assert said(it, "input_audio_buffer.commit") == [e.Aside(), e.Flush()]
    [committed, _] = told(it, e.Aside())
    assert (committed["item_id"], committed["previous_item_id"]) == ("item_r_2", "item_r_1")
    answer = e.Transcript("Two.", True, from_finalize=True)
    *_, first = told(it, answer)
    assert (first["item_id"], first["transcript"]) == ("item_r_1", "One. Two.")
    [second] = told(it, e.Transcript("", True, from_finalize=True))
    assert (second["item_id"], second["transcript"]) == ("item_r_2", "")


def test_answers_come_in_the_order_of_what_they_answer() -> None:
    it = server()
    update(it, turn_detection=None)
    append(it)
    assert said(it, "input_audio_buffer.commit") == [e.Aside(), e.Flush()]
    assert told(it, e.Aside()) == []
    frames = told(it, e.Ready())
    assert types(frames) == ["session.updated", "committed", "conversation.item.added"]


def test_too_little_cannot_be_committed_and_the_session_lives_on() -> None:
    it = server()
    [bad] = said(it, "input_audio_buffer.commit", event_id="mine")
    assert isinstance(bad, e.Malformed)
    assert not bad.is_fatal
    [error] = told(it, e.Failed(bad.code, bad.message, param=bad.param))
    assert error["error"]["type"] == "invalid_request_error"
    assert error["error"]["code"] == "input_audio_buffer_commit_empty"
    assert error["error"]["event_id"] == "mine"


def test_what_is_cleared_is_not_told() -> None:
    it = server()
    update(it, turn_detection=None)
    told(it, e.Ready())
    append(it)
    assert said(it, "input_audio_buffer.clear") == [e.Flush(), e.Aside()]
    assert types(told(it, e.Aside())) == ["cleared"]
    assert told(it, e.Transcript("Never mind.", True, from_finalize=True)) == []
    assert said(it, "input_audio_buffer.clear") == [e.Aside()]
    append(it)
    said(it, "input_audio_buffer.commit")
    *_, completed = told(it, e.Aside(), e.Transcript("Now.", True, from_finalize=True))
    assert completed["transcript"] == "Now."


@pytest.mark.parametrize(
    ("text", "event_id"),
    [("Hello", None), ("{}", None), ('{"type": "response.create", "event_id": "mine"}', "mine")],
)
def test_what_it_does_not_know_is_an_error(text: str, event_id: str | None) -> None:
    it = server()
    [bad] = decode(it, text)
    assert isinstance(bad, e.Malformed)
    [error] = told(it, e.Failed("invalid_request", bad.message))
    assert error["error"]["event_id"] == event_id


def test_a_refusal_has_its_shape() -> None:
    refused = WIRE.refusal(GatewayError("unknown API key", code="auth_error"), "r")
    assert refused.status == 401
    error = json.loads(msgspec.json.encode(refused.body))["error"]
    assert (error["code"], error["type"]) == ("invalid_api_key", "invalid_request_error")


# The gateway's side


def commit(it: Client) -> list[dict[str, Any]]:
    return [json.loads(str(frame)) for frame in it.encode(e.Flush())]


def test_the_client_configures_and_waits_for_it() -> None:
    it = client(language="en-US", extra={"prompt": "Ships."})
    [frame] = it.encode(e.Start())
    input = json.loads(str(frame))["session"]["audio"]["input"]
    assert input["transcription"] == {
        "model": "gpt-4o-transcribe",
        "language": "en",
        "prompt": "Ships.",
    }
    assert input["format"] == {"type": "audio/pcm", "rate": 24_000}
    assert heard(it, {"type": "session.created"}) == []
    [ready] = heard(it, {"type": "session.updated"})
    assert isinstance(ready, e.Ready)


def test_pieces_are_told_in_the_order_of_their_audio() -> None:
    it = client()
    list(it.encode(e.Audio(SECOND)))
    commit(it)
    committed = [{"type": "input_audio_buffer.committed", "item_id": id} for id in "ab"]
    stopped = {"type": "input_audio_buffer.speech_stopped", "item_id": "a", "audio_end_ms": 800}
    done = [{"type": f"{T}.completed", "item_id": id, "transcript": f" {id}."} for id in "ab"]
    assert heard(it, stopped, *committed, done[1]) == []
    own, answer = heard(it, done[0])
    assert isinstance(own, e.Transcript)
    assert isinstance(answer, e.Transcript)
    assert (own.text, own.from_finalize, own.is_endpoint) == ("a.", False, True)
    assert (answer.text, answer.from_finalize) == ("b.", True)


def test_what_is_too_short_is_filled_up_with_silence_that_is_not_told() -> None:
    it = client(vad_events=True)
    assert [m["type"].rpartition(".")[2] for m in commit(it)] == ["append", "commit"]
    started = {"type": "input_audio_buffer.speech_started", "item_id": "a", "audio_start_ms": 600}
    turn, start = heard(it, started)
    assert (turn, start) == (e.Turn("start", at=0.5), e.SpeechStarted(0.5))
    it = client()
    list(it.encode(e.Audio(SECOND)))
    assert [m["type"].rpartition(".")[2] for m in commit(it)] == ["commit"]


def test_an_empty_commit_is_answered_with_nothing() -> None:
    it = client()
    commit(it)
    error = {"type": "error", "error": {"code": "input_audio_buffer_commit_empty", "message": "x"}}
    assert heard(it, error) == [e.Transcript("", True, from_finalize=True)]
    assert heard(it, error) == []
    [failed] = heard(it, {"type": "error", "error": {"code": "rate_limit_exceeded"}})
    assert failed == e.Failed("rate_limit", "rate_limit_exceeded", True)


@pytest.mark.parametrize("eagerness", EAGERNESS)
def test_what_is_asked_of_turns_comes_through(eagerness: Any) -> None:
    assert detection_for(None).type == "server_vad"
    assert detection_for(e.Turns()).eagerness == "auto"
    assert detection_for(e.Turns(timeout=0.7)).silence_duration_ms == 700
    detection = detection_for(e.Turns(timeout=EAGERNESS[eagerness][0]))
    assert detection.eagerness == eagerness
    assert turns_of(detection).timeout == EAGERNESS[eagerness][0]
    assert turns_of(None) == ASKED.turns
