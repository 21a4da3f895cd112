"""The data of Wyoming's events, as far as the gateway says and reads them (`wyoming` 1.10.2)."""

from __future__ import annotations

from msgspec import Struct

# What is asked


class VoiceMsg(Struct, frozen=True):
    """By name, or whichever speaks the language."""

    name: str | None = None
    language: str | None = None
    speaker: str | None = None


class SynthesizeMsg(Struct, frozen=True):
    text: str
    voice: VoiceMsg = VoiceMsg()
    text_format: str = "text"


class SynthesizeStartMsg(Struct, frozen=True):
    voice: VoiceMsg = VoiceMsg()
    text_format: str = "text"


class TextMsg(Struct, frozen=True, omit_defaults=True):
    """A piece of text, to speak or heard."""

    text: str


class TranscribeMsg(Struct, frozen=True):
    name: str | None = None
    language: str | None = None


class SelectMsg(Struct, frozen=True):
    name: str


class FormatMsg(Struct, frozen=True):
    """Hz, bytes of a sample, channels."""

    rate: int
    width: int
    channels: int


class PingMsg(Struct, frozen=True, omit_defaults=True):
    text: str | None = None


# What is answered


class TranscriptMsg(Struct, frozen=True, omit_defaults=True):
    text: str
    language: str | None = None


class LanguageMsg(Struct, frozen=True, omit_defaults=True):
    language: str | None = None


class ErrorMsg(Struct, frozen=True):
    text: str
    code: str


class Attribution(Struct, frozen=True):
    name: str
    url: str


class OfferMsg(Struct, frozen=True):
    """A voice or a model. `installed` and `version` are read as mandatory by the package."""

    name: str
    languages: tuple[str, ...]
    attribution: Attribution
    description: str
    installed: bool = True
    version: str | None = None


class TtsProgramMsg(Struct, frozen=True):
    name: str
    attribution: Attribution
    description: str
    voices: tuple[OfferMsg, ...]
    version: str
    installed: bool = True
    supports_synthesize_streaming: bool = True


class AsrProgramMsg(Struct, frozen=True):
    """`requires_external_vad`: the gateway listens until it is told that the audio is over."""

    name: str
    attribution: Attribution
    description: str
    models: tuple[OfferMsg, ...]
    version: str
    installed: bool = True
    supports_transcript_streaming: bool = True
    requires_external_vad: bool = True
    prefers_auto_gain_enabled: bool = False
    prefers_noise_reduction_enabled: bool = False


class InfoMsg(Struct, frozen=True):
    """Clients look for every kind of service, and read a missing one as none."""

    asr: tuple[AsrProgramMsg, ...] = ()
    tts: tuple[TtsProgramMsg, ...] = ()
