"""What Cartesia's recognition in turns says and is told; facts in `cartesia_turns`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from ..events import Turns
from . import cartesia
from .base import parser

BOUNDS = {"end": (0.05, 0.5), "eager_end": (0.3, 0.6), "timeout": (640.0, 11_200.0)}

Probability = Annotated[float, Meta(ge=0.0, le=1.0)]
Milliseconds = Annotated[float, Meta(ge=100.0, le=60_000.0)]


class Query(Struct, frozen=True):
    model: str | None = None
    encoding: str | None = None
    sample_rate: int | None = None
    turn_start_threshold: Probability | None = None
    turn_eager_end_threshold: Probability | None = None
    turn_end_threshold: Probability | None = None
    turn_end_timeout_ms: Milliseconds | None = None
    keyterm: tuple[str, ...] = ()
    cartesia_version: str | None = None


class Settings(Struct, frozen=True, omit_defaults=True):
    start_threshold: Probability | None = None
    eager_end_threshold: Probability | None = None
    end_threshold: Probability | None = None
    end_timeout_ms: Milliseconds | None = None

    def turns(self, now: Turns = Turns()) -> Turns:  # noqa: B008 - it is frozen
        def sure(threshold: float | None, otherwise: float | None) -> float | None:
            return otherwise if threshold is None else round(max(0.01, 1.0 - threshold), 3)

        ms = self.end_timeout_ms
        return Turns(
            threshold=sure(self.end_threshold, now.threshold),
            eager_threshold=sure(self.eager_end_threshold, now.eager_threshold),
            timeout=now.timeout if ms is None else ms / 1000,
        )


class ConfigMsg(Struct, tag="config", frozen=True):
    turn: Settings = Settings()


class CloseMsg(Struct, tag="close", frozen=True):
    pass


class PlainMsg(Struct, frozen=True):
    """`connected`, `turn.start` and `turn.resume`."""

    type: str
    request_id: str


class TurnMsg(Struct, frozen=True):
    """`turn.update`, `turn.eager_end` and `turn.end`."""

    type: str
    request_id: str
    transcript: str


class Reply(cartesia.Reply, frozen=True):
    transcript: str = ""


def within(turns: Turns | None) -> Settings:
    """As near as the bounds allow."""

    def near(value: float | None, bounds: tuple[float, float]) -> float | None:
        return None if value is None else round(min(max(value, bounds[0]), bounds[1]), 3)

    def rest(threshold: float | None) -> float | None:
        return None if threshold is None else 1.0 - threshold

    given = turns or Turns()
    ms = None if given.timeout is None else given.timeout * 1000
    return Settings(
        eager_end_threshold=near(rest(given.eager_threshold), BOUNDS["eager_end"]),
        end_threshold=near(rest(given.threshold), BOUNDS["end"]),
        end_timeout_ms=near(ms, BOUNDS["timeout"]),
    )


read_command, read_reply = parser(ConfigMsg | CloseMsg), parser(Reply)
