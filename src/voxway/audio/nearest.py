"""Which format to ask for, and whether it takes work to make another of it."""

from __future__ import annotations

from collections.abc import Callable

from .formats import AudioFormat


def is_light(source: AudioFormat, target: AudioFormat) -> bool:
    """Whether a chunk is converted in well under a millisecond."""
    return bool(source.frame_bytes and target.frame_bytes)


def nearest(
    wanted: AudioFormat,
    encodings: tuple[str, ...],
    rates: Callable[[str], tuple[int, ...]],
    default_rate: int,
) -> AudioFormat:
    """The format to ask of somebody who gives only these, for one who wants that: the same where
    it can be, else the one that loses least. `rates` of an encoding are those it has there: none
    for any."""
    encoding, rate = wanted.encoding, wanted.sample_rate
    if encoding in encodings and (not rates(encoding) or rate in rates(encoding)):
        return wanted
    if "linear16" in encodings:
        encoding = "linear16"
    elif encoding not in encodings:
        encoding = encodings[0]
    if not wanted.frame_bytes and not rates(encoding):
        rate = default_rate  # of a compressed stream the rate may be anything
    if (known := rates(encoding)) and rate not in known:
        rate = min((r for r in known if r >= rate), default=max(known))
    return AudioFormat(encoding, rate)
