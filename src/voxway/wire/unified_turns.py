"""Turns in the unified protocol: asked for by `enable_turns`, told by four messages.

The names of the settings are those by which clients know them from Deepgram and Telnyx.
"""

from __future__ import annotations

from typing import Any

from ..events import Adjust, ListenOptions, Turn, Turns
from . import unified_messages as m

TurnMsg = m.TurnStartMsg | m.TurnEagerEndMsg | m.TurnResumedMsg | m.TurnEndMsg


def turns_in(given: m.Config | m.ConfigureMsg) -> Turns:
    """When turns end, as a message has it."""
    ms = given.eot_timeout_ms
    timeout = None if ms is None else ms / 1000
    return Turns(
        threshold=given.eot_threshold, eager_threshold=given.eager_eot_threshold, timeout=timeout
    )


def settings(turns: Turns | None) -> dict[str, Any]:
    """The same as fields of a message."""
    if turns is None:
        return {}
    return {
        "eot_threshold": turns.threshold,
        "eager_eot_threshold": turns.eager_threshold,
        "eot_timeout_ms": None if turns.timeout is None else turns.timeout * 1000,
    }


def adjustment(given: m.ConfigureMsg) -> Adjust:
    return Adjust(ListenOptions(turns=turns_in(given)))


def message(turn: Turn) -> TurnMsg:
    at = None if turn.at is None else round(turn.at, 3)
    match turn.phase:
        case "start":
            return m.TurnStartMsg(at)
        case "eager_end":
            return m.TurnEagerEndMsg(turn.text, turn.confidence, at)
        case "resumed":
            return m.TurnResumedMsg(at)
        case "end":
            return m.TurnEndMsg(turn.text, turn.trigger or "model", turn.confidence, at)


def event(said: TurnMsg) -> Turn:
    match said:
        case m.TurnStartMsg(timestamp=at):
            return Turn("start", at=at)
        case m.TurnEagerEndMsg(transcript=text, confidence=sure, timestamp=at):
            return Turn("eager_end", text, sure, at)
        case m.TurnResumedMsg(timestamp=at):
            return Turn("resumed", at=at)
        case m.TurnEndMsg(transcript=text, trigger=trigger, confidence=sure, timestamp=at):
            return Turn("end", text, sure, at, trigger)
