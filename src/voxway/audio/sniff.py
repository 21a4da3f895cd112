"""What a file is by its first bytes, for clients that do not say."""

from __future__ import annotations

from . import adts

ENOUGH = 12  # bytes from which it can be told

_PRINTED = bytes(range(0x20, 0x7F)) + b"\t\n\r"

# MPEG audio: sync, version 1, 2 or 2.5, layer III, a bit rate and a sample rate that exist.
_MPEG_VERSIONS = (0b00, 0b10, 0b11)


def container(start: bytes) -> str | None:
    """Our name of the container that begins so; None for raw audio and whatever is not known."""
    if start.startswith(b"RIFF") and start[8:12] == b"WAVE":
        return "wav"
    if start.startswith(b"fLaC"):
        return "flac"
    if start.startswith(b"OggS"):
        return "ogg"
    if start.startswith(b"\x1a\x45\xdf\xa3"):
        return "webm"
    if adts.frame(start) is not None:
        return "aac"
    if start.startswith(b"ID3") or _is_mpeg_frame(start):
        return "mp3"
    return None


def is_text(start: bytes) -> bool:
    """Whether it is printed characters of ASCII and nothing else: no speech looks so."""
    return len(start) >= ENOUGH and not start.translate(None, _PRINTED)


def _is_mpeg_frame(start: bytes) -> bool:
    if len(start) < 4 or start[0] != 0xFF or start[1] & 0xE0 != 0xE0:
        return False
    version, layer = start[1] >> 3 & 3, start[1] >> 1 & 3
    bit_rate, rate = start[2] >> 4, start[2] >> 2 & 3
    # Bit rate 0 is "free", which nobody uses: it would take silence after a click for MPEG.
    return version in _MPEG_VERSIONS and layer == 0b01 and 0 < bit_rate < 15 and rate != 3
