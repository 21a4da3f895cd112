"""The heads of AAC's frames in a stream: ADTS (ISO 13818-7, 14496-3), seven bytes each."""

from __future__ import annotations

# By their number in a head (Hz).
RATES = (
    *(96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050),
    *(16_000, 12_000, 11_025, 8_000, 7_350),
)
SAMPLES = 1024  # of a block
HEAD = 7  # bytes

_SYNC, _SYNC_BITS = 0xFFF0 << 40, 0xFFF6 << 40  # and layer 0
_NO_CHECKSUM, _LOW_COMPLEXITY, _MONO = 1 << 40, 1 << 38, 1 << 30
_VARIABLE_RATE = 0x7FF << 2  # in place of how full a buffer would be


def head(rate: int, size: int) -> bytes:
    """What goes in front of `size` bytes of one block of mono audio at one of RATES."""
    fixed = _SYNC | _NO_CHECKSUM | _LOW_COMPLEXITY | RATES.index(rate) << 34 | _MONO
    return (fixed | HEAD + size << 13 | _VARIABLE_RATE).to_bytes(HEAD, "big")


def frame(start: bytes) -> tuple[int, float] | None:
    """The size of a frame in bytes, and its length in seconds, by its HEAD; None if no frame begins
    so."""
    word = int.from_bytes(start[:HEAD], "big")
    rate, size, blocks = word >> 34 & 15, word >> 13 & 0x1FFF, (word & 3) + 1
    if len(start) < HEAD or word & _SYNC_BITS != _SYNC or rate >= len(RATES) or size <= HEAD:
        return None
    return size, blocks * SAMPLES / RATES[rate]
