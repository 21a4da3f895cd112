"""Which audio formats there are, and the arithmetic between bytes, samples and seconds.

All audio inside the gateway is mono. `linear16` is signed 16-bit little-endian PCM, `linear32` is
32-bit little-endian float in [-1, 1], `opus` is Opus in Ogg, `aac` is AAC in ADTS.
"""

from __future__ import annotations

from msgspec import Struct

from ..errors import ConfigError

MIN_RATE, MAX_RATE = 8_000, 48_000  # Hz

# Bytes of one sample; 0 where bytes do not tell time.
SAMPLE_BYTES: dict[str, int] = {
    "linear16": 2,
    "linear32": 4,
    "mulaw": 1,
    "alaw": 1,
    "mp3": 0,
    "opus": 0,
    "wav": 0,
    "flac": 0,
    "aac": 0,
    "ogg": 0,
    "webm": 0,
}
OUTPUT_ENCODINGS = ("linear16", "linear32", "mulaw", "alaw", "mp3", "opus", "flac", "aac")
INPUT_ENCODINGS = tuple(SAMPLE_BYTES)

# MPEG audio (mp3, aac) knows these rates; every other encoding takes any.
MPEG = ("mp3", "aac")
MPEG_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)

# Other names that clients use for the same thing.
ALIASES: dict[str, str] = {
    "pcm": "linear16",
    "pcm16": "linear16",
    "pcm_s16le": "linear16",
    "s16le": "linear16",
    "pcm_f32le": "linear32",
    "f32le": "linear32",
    "ulaw": "mulaw",
    "pcm_mulaw": "mulaw",
    "pcm_alaw": "alaw",
    "ogg_opus": "opus",
    "ogg-opus": "opus",
}


SILENT_BYTE = {"mulaw": b"\xff", "alaw": b"\xd5"}  # else zero


class AudioFormat(Struct, frozen=True):
    """One encoding at one rate (Hz), mono."""

    encoding: str
    sample_rate: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample, or 0 for a compressed encoding."""
        return SAMPLE_BYTES[self.encoding]

    def seconds(self, size: int) -> float:
        """How long `size` bytes sound; 0.0 for a compressed encoding."""
        return size / (self.frame_bytes * self.sample_rate) if self.frame_bytes else 0.0

    def bytes_for(self, seconds: float) -> int:
        """The bytes that sound for `seconds`, whole samples; 0 for a compressed encoding."""
        return round(seconds * self.sample_rate) * self.frame_bytes

    def silence(self, seconds: float) -> bytes:
        """So much of it; nothing in a compressed encoding."""
        return SILENT_BYTE.get(self.encoding, b"\0") * self.bytes_for(seconds)


def encoding_named(name: str, allowed: tuple[str, ...], param: str) -> str:
    """Our name for `name` (letter case and aliases accepted), or ConfigError that lists ours."""
    lower = name.strip().lower()
    known = ALIASES.get(lower, lower)
    if known not in allowed:
        raise ConfigError(f"{param} {name!r} is not one of {', '.join(allowed)}", param=param)
    return known


def checked_rate(rate: int, encoding: str, param: str) -> int:
    """`rate` if it is within 8000-48000 Hz and `encoding` can have it, else ConfigError."""
    if not MIN_RATE <= rate <= MAX_RATE:
        raise ConfigError(f"{param} {rate} is outside {MIN_RATE}-{MAX_RATE} Hz", param=param)
    if encoding in MPEG and rate not in MPEG_RATES:
        known = ", ".join(map(str, MPEG_RATES))
        raise ConfigError(f"{param} {rate} is none of {encoding}: {known} Hz", param=param)
    return rate
