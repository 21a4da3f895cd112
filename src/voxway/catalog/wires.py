"""The wires that a catalog may name, and which of them this release speaks."""

from __future__ import annotations

from msgspec import Struct

from .model import Kind

TTS: tuple[Kind, ...] = ("tts",)
STT: tuple[Kind, ...] = ("stt",)


class Wire(Struct, frozen=True):
    """What a backend's wire can carry, and whether it is there yet."""

    kinds: tuple[Kind, ...]
    implemented: bool = False


KNOWN_WIRES: dict[str, Wire] = {
    "engine": Wire(TTS + STT, implemented=True),  # a worker that VOXWAY_ENGINES names
    "unified": Wire(TTS + STT, implemented=True),  # another gateway that speaks our protocol
    "cartesia_stt": Wire(STT),
    "cartesia_tts": Wire(TTS),
    "deepgram_listen": Wire(STT),
    "deepgram_speak": Wire(TTS),
    "elevenlabs": Wire(TTS),
    "elevenlabs_multi": Wire(TTS),
    "elevenlabs_stt": Wire(STT),
    "kyutai_stt": Wire(STT),
    "kyutai_tts": Wire(TTS),
    "openai_http": Wire(TTS + STT),
    "orpheus": Wire(TTS),
    "rime_ws3": Wire(TTS),
    "telnyx_stt": Wire(STT),
    "telnyx_tts": Wire(TTS),
}
