"""The URLs of Deepgram's sockets, which are their whole configuration: read, and written."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from msgspec import Meta, Struct, structs

from ..audio.formats import SAMPLE_BYTES
from ..errors import ConfigError
from ..events import ListenOptions, SpeakOptions
from .base import Address, Endpoint, Opening
from .deepgram import key_headers

T = TypeVar("T", bound=Struct)

SPEAK, LISTEN = "/v1/speak", "/v1/listen"
# The rates (Hz) of speech by encoding, the default first.
RATES: dict[str, tuple[int, ...]] = dict.fromkeys(("mulaw", "alaw"), (8_000, 16_000))
RATES["linear16"] = (24_000, 8_000, 16_000, 32_000, 48_000)
# What is heard: Deepgram's names -> ours. Its `opus` has no container, and nothing here takes that.
ENCODINGS = {name: name for name in ("linear16", "linear32", "mulaw", "alaw", "flac")}
ENCODINGS["ogg-opus"] = "opus"


class Asked(Struct, frozen=True):
    """What a URL says beside options. `has_vad`: the starts of speech are wanted."""

    model: str
    tag: str
    has_vad: bool = False


class SpeakQuery(Struct, frozen=True):
    model: str = ""
    encoding: Literal["linear16", "mulaw", "alaw"] = "linear16"
    sample_rate: int | None = None
    speed: Annotated[float, Meta(ge=0.7, le=1.5)] | None = None
    bit_rate: int | None = None
    mip_opt_out: bool = False
    tag: str = ""


class ListenQuery(Struct, frozen=True):
    model: str = ""
    language: str | None = None
    encoding: str | None = None
    sample_rate: int | None = None
    channels: int = 1
    multichannel: bool = False
    interim_results: bool = False
    vad_events: bool = False
    diarize: bool = False


class ListenExtra(Struct, frozen=True):
    """The options of Deepgram alone."""

    utterance_end_ms: Annotated[int, Meta(ge=1000)] | None = None
    endpointing: bool | int | None = None
    punctuate: bool | None = None
    smart_format: bool | None = None
    numerals: bool | None = None
    dictation: bool | None = None
    profanity_filter: bool | None = None
    filler_words: bool | None = None
    no_delay: bool | None = None
    detect_entities: bool | None = None
    mip_opt_out: bool | None = None
    diarize_model: str | None = None
    version: str | None = None
    redact: tuple[str, ...] = ()
    keyterm: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    language_hint: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


def read_speak(opening: Opening) -> tuple[SpeakOptions, Asked]:
    """Raises ProtocolError that names the parameter."""
    query, extra = _read(opening, SpeakQuery)
    rates = RATES[query.encoding]
    rate = query.sample_rate or rates[0]
    if rate not in rates:
        text = f"sample_rate {rate} is not one of {sorted(rates)} Hz of {query.encoding}"
        raise ConfigError(text, param="sample_rate")
    given = {"bit_rate": query.bit_rate, "mip_opt_out": query.mip_opt_out}
    options = SpeakOptions(
        # At Deepgram the voice is the model. Any other name is one of ours, and found already.
        voice=query.model if query.model.startswith("aura") else None,
        encoding=query.encoding,
        sample_rate=rate,
        speed=query.speed,
        extra=extra | {name: value for name, value in given.items() if value},
    )
    return options, Asked(query.model or opening.model, query.tag)


def read_listen(opening: Opening) -> tuple[ListenOptions, Asked]:
    """Raises ProtocolError that names the parameter. The encoding is None for any container."""
    query, extra = _read(opening, ListenQuery)
    own, _ = opening.read(ListenExtra)
    given = {n: value for n, value in structs.asdict(own).items() if value not in (None, ())}
    if query.channels != 1 or query.multichannel:
        raise ConfigError(f"channels {query.channels}: only one is heard", param="channels")
    options = ListenOptions(
        language=query.language,
        encoding=_encoding(query),
        sample_rate=query.sample_rate,
        partials=query.interim_results,
        vad_events=query.vad_events or own.utterance_end_ms is not None,
        word_timestamps=True,
        diarization=query.diarize or own.diarize_model is not None,
        extra=extra | given,
    )
    return options, Asked(query.model or opening.model, ",".join(own.tag), query.vad_events)


def _encoding(query: ListenQuery) -> str | None:
    if query.encoding is None:
        return None
    if query.encoding not in ENCODINGS:
        text = f"encoding {query.encoding[:20]!r} is not one of {', '.join(ENCODINGS)}"
        raise ConfigError(text, param="encoding")
    if SAMPLE_BYTES[ENCODINGS[query.encoding]] and not query.sample_rate:
        raise ConfigError(f"sample_rate: {query.encoding} needs one", param="sample_rate")
    return ENCODINGS[query.encoding]


def _read(opening: Opening, type: type[T]) -> tuple[T, dict[str, Any]]:
    query, rest = opening.read(type)
    if "callback" in rest:
        raise ConfigError("callback: a socket answers on itself alone", param="callback")
    return query, rest


def speak_endpoint(options: SpeakOptions, address: Address) -> Endpoint:
    url = address.join(
        SPEAK,
        model=_voice_model(options, address.model),
        encoding=options.encoding,
        sample_rate=options.sample_rate,
        # Not every voice takes a speed, so the usual one is not mentioned.
        speed=None if options.speed == 1.0 else options.speed,
        mip_opt_out=options.extra.get("mip_opt_out"),
    )
    return Endpoint(url, key_headers(address))


def _voice_model(options: SpeakOptions, family: str) -> str:
    """`aura-2-thalia-en` is of the family `aura-2`."""
    voice, language = options.voice or "", options.language or "en"
    if not voice or voice.startswith("aura") or family in voice:
        return voice or family
    return f"{family}-{voice}-{language.partition('-')[0]}"


def listen_endpoint(options: ListenOptions, address: Address) -> Endpoint:
    is_raw = bool(SAMPLE_BYTES.get(options.encoding or ""))  # else the container says what it is
    extra = {n: options.extra[n] for n in ListenExtra.__struct_fields__ if n in options.extra}
    if options.vad_events:
        extra.setdefault("utterance_end_ms", 1000)
    url = address.join(
        LISTEN,
        model=address.model,
        language=options.language,
        encoding=options.encoding if is_raw else None,
        sample_rate=options.sample_rate if is_raw else None,
        # The ends of utterances are told only with them.
        interim_results=options.partials or "utterance_end_ms" in extra,
        vad_events=options.vad_events or None,
        diarize=options.diarization or None,
        **extra,
    )
    return Endpoint(url, key_headers(address))
