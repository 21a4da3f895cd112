"""The forms in which speech leaves over HTTP: its container, and how it is called."""

from __future__ import annotations

from msgspec import Struct

from ..audio.formats import SAMPLE_BYTES
from ..audio.wav import wav_header
from ..errors import ConfigError

# Without a container, raw audio says in its media type what a header would have said.
MEDIA_TYPES: dict[str, str] = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "flac": "audio/flac",
    "aac": "audio/aac",
    "linear16": "audio/pcm;encoding=signed-integer;bits=16;rate={rate};channels=1",
    "linear32": "audio/pcm;encoding=floating-point;bits=32;rate={rate};channels=1",
    "mulaw": "audio/pcmu;rate={rate};channels=1",
    "alaw": "audio/pcma;rate={rate};channels=1",
}
CONTAINERS = ("wav", "none")


class Form(Struct, frozen=True):
    """One encoding at one rate (Hz). `wav` puts raw audio behind a header; the other encodings
    have their own container."""

    encoding: str
    sample_rate: int
    wav: bool = True

    @property
    def has_header(self) -> bool:
        return self.wav and SAMPLE_BYTES[self.encoding] > 0

    @property
    def media_type(self) -> str:
        if self.has_header:
            return "audio/wav"
        return MEDIA_TYPES[self.encoding].format(rate=self.sample_rate)

    @property
    def head(self) -> bytes:
        """What comes before the audio: its length is not known yet."""
        return wav_header(self.sample_rate, encoding=self.encoding) if self.has_header else b""


def in_wav(container: str | None) -> bool:
    """Whether a client's `container` asks for WAV, as it does by default. Raises ConfigError."""
    name = (container or "wav").strip().lower()
    if name not in CONTAINERS:
        known = " or ".join(CONTAINERS)
        raise ConfigError(f"container {container!r} is not {known}", param="container")
    return name == "wav"
