"""Turns in a recognition session: told by the model, or made of its pauses."""

from __future__ import annotations

import pytest
from msgspec import structs

from voxway.catalog import MOONSHINE, Model
from voxway.events import (
    Adjust,
    Adjusted,
    Event,
    Failed,
    ListenOptions,
    SpeechStarted,
    Start,
    Transcript,
    Turn,
    Turns,
    UtteranceEnd,
    Warning,
)
from voxway.limits import TIERS, Meter
from voxway.session.actions import Action, Brief, Identity, ToClient, ToUpstream
from voxway.session.stt import SttSession

IDENTITY = Identity("s1", "r1", "m")
ABLE = structs.replace(MOONSHINE, options=("keyterm",))
PAUSES = structs.replace(MOONSHINE, capabilities=("partials", "finalize", "vad"))
DEAF = structs.replace(MOONSHINE, capabilities=("finalize",))
ASKED = Turns(threshold=0.8, eager_threshold=0.5)
FINAL = Transcript("Well.", True, start=0.0, duration=1.0)


def session(model: Model, **options: object) -> tuple[SttSession, ListenOptions]:
    """A session that began so, and what the recognizer was asked for."""
    s = SttSession(Brief(IDENTITY, model), Meter(TIERS["enterprise"], 0.0))
    given = structs.replace(ListenOptions(turns=ASKED), **options)
    [start] = s.from_client(Start(given), 0.0)
    assert isinstance(start, ToUpstream)
    assert isinstance(start.event, Start)
    assert isinstance(start.event.options, ListenOptions)
    return s, start.event.options


def hear(s: SttSession, *events: Event) -> list[Event]:
    return told([action for event in events for action in s.from_upstream(event, 0, 0.0)])


def told(actions: list[Action]) -> list[Event]:
    return [action.event for action in actions if isinstance(action, ToClient)]


def test_a_model_that_tells_turns_is_asked_for_them() -> None:
    s, asked = session(ABLE)
    assert asked.turns == ASKED
    events: list[Event] = [Turn("start", at=0.0), FINAL, Turn("end", "Well.", 0.9, 2.0, "model")]
    assert hear(s, *events) == events


def test_turns_that_nobody_asked_for_are_not_told() -> None:
    s, _ = session(ABLE, turns=None)
    assert hear(s, Turn("start", at=0.0), FINAL, Turn("end", "Well.")) == [FINAL]


def test_where_silence_is_told_it_ends_a_turn() -> None:
    s, asked = session(PAUSES, partials=False)
    assert (asked.turns, asked.vad_events, asked.partials) == (None, True, True)
    assert hear(s, SpeechStarted(0.0), Transcript("We", False, start=0.0)) == [
        Turn("start", at=0.0)
    ]
    assert hear(s, FINAL) == [FINAL, Turn("eager_end", "Well.")]
    again = Transcript("I do.", True, start=1.2, duration=1.0)
    told = [Turn("resumed", "Well.", at=1.2), again, Turn("eager_end", "Well. I do.")]
    assert hear(s, again) == told
    assert hear(s, UtteranceEnd(2.2)) == [Turn("end", "Well. I do.", at=2.2, trigger="timeout")]


def test_what_was_asked_for_is_told_besides() -> None:
    s, _ = session(PAUSES, vad_events=True)
    events: list[Event] = [SpeechStarted(0.0), Transcript("We", False), FINAL, UtteranceEnd(1.0)]
    assert [event for event in hear(s, *events) if not isinstance(event, Turn)] == events


def test_where_nothing_is_told_of_silence_a_pause_ends_a_turn() -> None:
    s, asked = session(DEAF, partials=True)
    assert (asked.turns, asked.vad_events) == (None, False)
    end = Turn("end", "Well.", trigger="timeout")
    assert hear(s, FINAL) == [Turn("start", at=0.0), FINAL, end]
    cut = structs.replace(FINAL, is_endpoint=False)
    assert hear(s, cut) == [Turn("start", at=0.0), cut]


def test_of_turns_that_come_unasked_none_is_told_twice() -> None:
    s, _ = session(DEAF)
    events: list[Event] = [Turn("start"), FINAL, Turn("end", "Well.", 0.9)]
    end = Turn("end", "Well.", trigger="timeout")
    assert hear(s, *events) == [Turn("start", at=0.0), FINAL, end]


def test_a_finalize_ends_the_turn() -> None:
    s, _ = session(DEAF)
    answer = Transcript("Well.", True, from_finalize=True, is_endpoint=False)
    end = Turn("end", "Well.", trigger="manual")
    assert hear(s, answer) == [Turn("start"), answer, end]


def test_that_turns_are_made_of_pauses_is_said() -> None:
    s, _ = session(PAUSES)
    [warning] = [n for n in s._life._notices if isinstance(n, Warning)]
    assert (warning.code, warning.option) == ("turns_by_pause", "turns")


def test_thresholds_change_on_the_way() -> None:
    s, asked = session(ABLE)
    wanted = ListenOptions(turns=Turns(threshold=0.9), extra={"keyterm": ("x",), "y": 1})
    actions = list(s.from_client(Adjust(wanted), 0.0))
    turns = structs.replace(ASKED, threshold=0.9)
    changed = structs.replace(asked, turns=turns, extra={"keyterm": ("x",)})
    assert [a.event for a in actions if isinstance(a, ToUpstream)] == [Adjust(changed)]
    warning, adjusted = told(actions)
    assert isinstance(warning, Warning)
    assert warning.option == "y"
    assert adjusted == Adjusted(changed)


def test_of_turns_that_are_made_here_the_recognizer_learns_nothing() -> None:
    s, _ = session(PAUSES, turns=Turns())
    assert hear(s, FINAL)[-1] == FINAL
    [adjusted] = s.from_client(Adjust(ListenOptions(turns=ASKED)), 0.0)
    assert isinstance(adjusted, ToClient)
    assert hear(s, structs.replace(FINAL, start=2.0))[-1] == Turn("eager_end", "Well. Well.")


@pytest.mark.parametrize(
    ("turns", "param"),
    [
        (Turns(threshold=0.0), "eot_threshold"),
        (Turns(threshold=1.1), "eot_threshold"),
        (Turns(eager_threshold=-1.0), "eager_eot_threshold"),
        (Turns(timeout=0.0), "eot_timeout_ms"),
        (Turns(timeout=61.0), "eot_timeout_ms"),
    ],
)
def test_what_cannot_be_is_refused_by_name(turns: Turns, param: str) -> None:
    s, _ = session(ABLE)
    [failed] = told(list(s.from_client(Adjust(ListenOptions(turns=turns)), 0.0)))
    assert isinstance(failed, Failed)
    assert (failed.code, failed.param) == ("config_error", param)


def test_who_asked_for_no_turns_changes_none() -> None:
    s, _ = session(ABLE, turns=None)
    [failed] = told(list(s.from_client(Adjust(ListenOptions(turns=ASKED)), 0.0)))
    assert isinstance(failed, Failed)
    assert failed.code == "invalid_request"
