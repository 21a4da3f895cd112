"""How ElevenLabs' realtime Scribe is configured: by its URL, and nothing else."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, structs

from ..audio.formats import AudioFormat
from ..errors import ConfigError
from ..events import ListenOptions
from .base import Address, Endpoint, Opening

PATH = "/v1/speech-to-text/realtime"
FORMATS = {
    f"pcm_{rate}": AudioFormat("linear16", rate)
    for rate in (8_000, 16_000, 22_050, 24_000, 44_100, 48_000)
} | {"ulaw_8000": AudioFormat("mulaw", 8_000)}

Milliseconds = Annotated[int, Meta(ge=50, le=2000)]
# With a region (`en-US`) it is refused there.
Language = Annotated[str, Meta(pattern="^[A-Za-z]{2,3}$")]


class Query(Struct, frozen=True):
    """What the URL says, and what `session_started` repeats of it. `sample_rate` is not the URL's:
    the format says it."""

    sample_rate: int = 16_000
    audio_format: str = "pcm_16000"
    model_id: str | None = None
    language_code: Language | None = None
    commit_strategy: Literal["manual", "vad", "turn_prediction"] = "manual"
    vad_silence_threshold_secs: Annotated[float, Meta(ge=0.3, le=3.0)] = 1.5
    vad_threshold: Annotated[float, Meta(ge=0.1, le=0.9)] = 0.4
    min_speech_duration_ms: Milliseconds = 100
    min_silence_duration_ms: Milliseconds = 100
    enable_logging: bool = True
    include_timestamps: bool = False
    include_language_detection: bool = False
    keyterms: tuple[str, ...] = ()
    secondary_languages: tuple[str, ...] = ()
    no_verbatim: bool = False


# What a model may be asked for in ElevenLabs' own words.
OPTIONS = (
    "vad_silence_threshold_secs",
    "vad_threshold",
    "min_speech_duration_ms",
    "min_silence_duration_ms",
    "keyterms",
    "secondary_languages",
    "no_verbatim",
)

# pipecat 1.14 names languages by three letters (ISO 639-3), our models by two.
_NAMES = (
    "afr af amh am ara ar asm as aze az bel be ben bn bos bs bul bg cat ca ces cs cym cy dan da "
    "deu de ell el eng en est et fas fa fin fi fra fr gle ga glg gl guj gu hau ha heb he hin hi "
    "hrv hr hun hu hye hy ibo ig ind id isl is ita it jav jv jpn ja kan kn kat ka kaz kk khm km "
    "kir ky kor ko kur ku lao lo lav lv lin ln lit lt ltz lb lug lg mal ml mar mr mkd mk mlt mt "
    "mon mn mri mi msa ms mya my nep ne nld nl nor no nya ny oci oc ori or pan pa pol pl por pt "
    "pus ps ron ro rus ru slk sk slv sl sna sn snd sd som so spa es srp sr swa sw swe sv tam ta "
    "tel te tgk tg tha th tur tr ukr uk urd ur uzb uz vie vi wol wo xho xh zho zh zul zu"
)
TWO_LETTERS = dict(zip(_NAMES.split()[::2], _NAMES.split()[1::2], strict=True))


def options_in(opening: Opening) -> tuple[Query, ListenOptions]:
    """What a URL configures. Raises ConfigError for a format that is not listed."""
    query, extra = opening.read(Query)
    if query.audio_format not in FORMATS:
        message = f"audio_format {query.audio_format[:40]!r} is none of {', '.join(FORMATS)}"
        raise ConfigError(message, param="audio_format")
    format = FORMATS[query.audio_format]
    given = {name for name, _ in opening.query}
    language = query.language_code.lower() if query.language_code else None
    options = ListenOptions(
        language=TWO_LETTERS.get(language, language) if language else None,
        encoding=format.encoding,
        sample_rate=format.sample_rate,
        word_timestamps=query.include_timestamps,
        extra=extra | {name: getattr(query, name) for name in OPTIONS if name in given},
    )
    return structs.replace(query, sample_rate=format.sample_rate), options


def format_of(options: ListenOptions) -> AudioFormat:
    """What will be sent. Nothing said means ElevenLabs' default."""
    return AudioFormat(options.encoding or "linear16", options.sample_rate or 16_000)


def endpoint(options: ListenOptions, address: Address) -> Endpoint:
    """Where to connect. A pause commits, and so does the client when it does not want to wait for
    one. Times are always asked for: with them comes the language too."""
    wanted = format_of(options)
    name = next((name for name, listed in FORMATS.items() if listed == wanted), None)
    if name is None:
        message = f"ElevenLabs takes no {wanted.encoding} at {wanted.sample_rate} Hz"
        raise ConfigError(message, param="encoding")
    language = (options.language or "").replace("_", "-").split("-")[0]
    url = address.join(
        PATH,
        model_id=address.model,
        audio_format=name,
        commit_strategy="vad",
        language_code=language or None,
        include_timestamps=True,
        include_language_detection=None if language else True,
        **{name: options.extra[name] for name in OPTIONS if name in options.extra},
    )
    return Endpoint(url, {"xi-api-key": address.key} if address.key else {})
