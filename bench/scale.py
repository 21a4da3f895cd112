"""How much is measured: a full run for the record, a quick one to see whether something broke."""

from __future__ import annotations

from msgspec import Struct


class Scale(Struct, frozen=True, kw_only=True):
    """Counts and lengths of all measurements. Times in seconds."""

    sentences: int
    helps: int
    repeats: int
    frames: int
    loads: tuple[int, ...]
    windows: int
    window: float
    hearings: int
    rounds: int
    admissions: int
    refusals: int


FULL = Scale(
    sentences=50,
    helps=10,
    repeats=7,
    frames=20_000,
    loads=(100, 300),
    windows=5,
    window=3.0,
    hearings=10,
    rounds=10,
    admissions=5_000,
    refusals=5_000,
)
QUICK = Scale(
    sentences=20,
    helps=5,
    repeats=3,
    frames=5_000,
    loads=(100,),
    windows=1,
    window=2.0,
    hearings=2,
    rounds=3,
    admissions=1_000,
    refusals=1_000,
)
