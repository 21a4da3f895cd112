"""Medians and percentiles, and how figures are written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms" if seconds >= 0.01 else f"{seconds * 1e3:.2f} ms"


def us(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} µs"


def mb(size: float) -> str:
    return f"{size / 1e6:.1f} MB"


def spread(values: Sequence[float]) -> str:
    """Median and 90th percentile, in milliseconds."""
    return f"{ms(median(values))} (p90 {ms(percentile(values, 90))})"
