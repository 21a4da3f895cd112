"""What Telnyx's URLs say: of recognition, its engine and the format of the audio; of speech, the
voice and the format.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from ..audio.formats import checked_rate
from ..errors import ConfigError, ProtocolError
from ..events import ListenOptions, SpeakOptions
from . import telnyx
from .base import Address, Opening

NAMES = (
    "Azure Deepgram Google Telnyx xAI Speechmatics Soniox Parakeet Humain Reson8 Cohere AssemblyAI"
)
ENGINES = {name.lower(): name for name in NAMES.split()}
RAW = ("linear16", "linear32", "mulaw", "alaw")
# Its names -> ours. Nothing here reads the last ones: its `opus` is packets in no container.
FORMATS = {name: name for name in (*RAW, "mp3", "wav", "webm", "ogg", "flac")}
FORMATS |= {"ogg_opus": "opus", "webm_opus": "webm"}
FORMATS |= dict.fromkeys(("opus", "amr_nb", "amr_wb", "g729", "speex"), "")
FLUX_FORMATS = (*RAW, "opus", "ogg_opus")
FLUX_ONLY = ("eot_threshold", "eot_timeout_ms", "eager_eot_threshold")

# Its names -> ours. `ogg_vorbis` is Telnyx's, too, but nothing here makes it.
SPOKEN = {
    "mp3": "mp3",
    "linear16": "linear16",
    "pcm": "linear16",
    "wav": "linear16",
    "mulaw": "mulaw",
    "alaw": "alaw",
}


class ListenQuery(Struct, frozen=True):
    transcription_engine: str | None = None
    model: str = ""
    input_format: str | None = None
    sample_rate: Annotated[int, Meta(ge=1)] | None = None
    language: str | None = None
    interim_results: bool = False
    keyterm: tuple[str, ...] = ()


def listen_options_of(opening: Opening) -> ListenOptions:
    """Raises ProtocolError for what Telnyx would refuse, and ConfigError for what we do."""
    query, extra = opening.read(ListenQuery)
    engine = (query.transcription_engine or "").lower()
    if engine and engine not in ENGINES:
        text = f"transcription_engine {engine[:20]!r} is not one of {NAMES}"
        raise ProtocolError(text, param="transcription_engine")
    for name in FLUX_ONLY:
        if name in extra and "flux" not in query.model:
            raise ProtocolError(f"{name} is for Flux", param=name)
    given = {"transcription_engine": ENGINES.get(engine), "keyterm": query.keyterm}
    encoding = _encoding(query)
    return ListenOptions(
        language=query.language,
        encoding=encoding,
        sample_rate=query.sample_rate if encoding in RAW else None,
        partials=query.interim_results,
        vad_events=engine == "deepgram",
        extra=extra | {name: value for name, value in given.items() if value},
    )


def _encoding(query: ListenQuery) -> str | None:
    """Our name of the format. Raises ProtocolError for those that Telnyx would refuse, and
    ConfigError for those that we do."""
    if query.input_format is None:
        return None
    name = query.input_format.lower().replace("-", "_")
    if name not in FORMATS:
        known = ", ".join(FORMATS)
        text = f"input_format {name[:20]!r} is not one of {known}"
        raise ProtocolError(text, param="input_format")
    if "flux" in query.model and name not in FLUX_FORMATS:
        raise ConfigError(telnyx.NOT_FOR_FLUX, param="input_format")
    if not FORMATS[name]:
        raise ConfigError(f"input_format {name} cannot be heard here", param="input_format")
    if name in RAW and query.sample_rate is None:
        raise ConfigError(telnyx.RATE_MISSING, param="sample_rate")
    if name in RAW:
        checked_rate(query.sample_rate or 0, name, "sample_rate")
    return FORMATS[name]


def listen_query_of(options: ListenOptions, address: Address) -> dict[str, Any]:
    """The catalog writes a model as its engine and the engine's own name: `Deepgram/nova-3`."""
    engine, _, model = address.model.partition("/")
    if engine.lower() not in ENGINES:
        engine, model = options.extra.get("transcription_engine") or "Telnyx", address.model
    encoding = options.encoding or "linear16"
    return options.extra | {
        "transcription_engine": ENGINES.get(engine.lower(), engine),
        "model": model or None,
        "input_format": "ogg_opus" if encoding == "opus" else encoding,
        "sample_rate": options.sample_rate if encoding in RAW else None,
        "language": options.language,
        "interim_results": options.partials,
    }


class SpeakQuery(Struct, frozen=True):
    """`voice` has it all, `Telnyx.NaturalHD.astra`; the others are its parts."""

    voice: str = ""
    provider: str = ""
    model_id: str = ""
    voice_id: str = ""
    audio_format: str = "mp3"  # livekit decodes MP3, whatever it asked for
    sample_rate: int | None = None
    language: str | None = None
    disable_cache: bool = False
    inactivity_timeout: float | None = None
    socket_id: str = ""


def speak_options_of(opening: Opening) -> tuple[SpeakOptions, bool]:
    """The options, and whether the audio is to have a WAV header. Raises ConfigError."""
    query, extra = opening.read(SpeakQuery)
    if query.audio_format not in SPOKEN:
        text = f"audio_format {query.audio_format[:20]!r} is not one of {', '.join(SPOKEN)}"
        raise ConfigError(text, param="audio_format")
    is_ours = "/" in query.voice or (query.voice == opening.model and "." not in query.voice)
    voice = "" if is_ours else query.voice.rpartition(".")[2]  # an id of a model of ours is none
    options = SpeakOptions(
        voice=voice or query.voice_id or None,
        language=query.language,
        encoding=SPOKEN[query.audio_format],
        sample_rate=query.sample_rate,
        extra=extra,
    )
    return options, query.audio_format == "wav"


def speak_query_of(options: SpeakOptions, address: Address) -> dict[str, Any]:
    """The catalog's model is all of the voice but its id: `Telnyx.NaturalHD`."""
    name, voice = address.model, options.voice or ""
    if voice.startswith(f"{name}."):
        name = voice
    elif voice and not name.endswith(f".{voice}"):
        name = f"{name}.{voice}"
    return {
        "voice": name,
        "audio_format": options.encoding or "linear16",
        "sample_rate": options.sample_rate,
        "language": options.language,
    }
