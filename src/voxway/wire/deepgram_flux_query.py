"""The URLs of Deepgram's second generation (Flux): read, and written."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, structs

from ..audio.formats import SAMPLE_BYTES
from ..errors import ConfigError
from ..events import ListenOptions, SpeakOptions, Turns
from .base import Address, Endpoint, Opening
from .deepgram import key_headers
from .deepgram_flux_messages import Thresholds
from .deepgram_query import ENCODINGS

SPEAK, LISTEN = "/v2/speak", "/v2/listen"
SPEEDS = (0.5, 1.5)
SURE, EAGER, TIMEOUT = (0.5, 1.0), (0.3, 0.9), (0.5, 10.0)  # bounds; the last in seconds


class ListenQuery(Struct, frozen=True):
    model: str = ""
    encoding: str | None = None
    sample_rate: int | None = None
    eot_threshold: Annotated[float, Meta(ge=0.5, le=1.0)] | None = None
    eager_eot_threshold: Annotated[float, Meta(ge=0.3, le=0.9)] | None = None
    eot_timeout_ms: Annotated[int, Meta(ge=500, le=10_000)] | None = None


class ListenExtra(Struct, frozen=True):
    """The options of Deepgram alone."""

    numerals: bool | None = None
    profanity_filter: bool | None = None
    mip_opt_out: bool | None = None
    keyterm: tuple[str, ...] = ()
    language_hint: tuple[str, ...] = ()
    redact: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()


class SpeakQuery(Struct, frozen=True):
    model: str = ""
    encoding: Literal["linear16", "mulaw", "alaw"] = "linear16"
    sample_rate: Literal[8_000, 16_000, 24_000, 32_000, 44_100, 48_000] | None = None
    speed: Annotated[float, Meta(ge=0.5, le=1.5)] | None = None
    expressivity: int | None = None
    mip_opt_out: bool = False
    tag: tuple[str, ...] = ()


def read_listen(opening: Opening) -> tuple[ListenOptions, str]:
    """The options, and a name for the conversation. Raises ProtocolError naming the parameter."""
    query, rest = opening.read(ListenQuery)
    own, _ = opening.read(ListenExtra)
    refuse_callbacks(rest)
    if query.encoding not in ENCODINGS or query.encoding == "flac":
        text = f"encoding {str(query.encoding)[:20]!r} is not one of linear16, linear32, mulaw, "
        raise ConfigError(f"{text}alaw, ogg-opus", param="encoding")
    encoding = ENCODINGS[query.encoding]
    if SAMPLE_BYTES[encoding] and not query.sample_rate:
        raise ConfigError(f"sample_rate: {encoding} needs one", param="sample_rate")
    thresholds = Thresholds(query.eager_eot_threshold, query.eot_threshold, query.eot_timeout_ms)
    given = {n: v for n, v in structs.asdict(own).items() if v not in (None, ()) and n != "tag"}
    options = ListenOptions(
        encoding=encoding,
        sample_rate=query.sample_rate,
        turns=thresholds.turns(),
        extra={n: v for n, v in rest.items() if n != "tag"} | given,
    )
    return options, ",".join(own.tag)


def read_speak(opening: Opening) -> tuple[SpeakOptions, SpeakQuery]:
    """Raises ProtocolError that names the parameter."""
    query, extra = opening.read(SpeakQuery)
    refuse_callbacks(extra)
    given = {"expressivity": query.expressivity, "mip_opt_out": query.mip_opt_out or None}
    options = SpeakOptions(
        # As in the first generation, the voice is the model.
        voice=query.model if query.model.startswith("flux") else None,
        encoding=query.encoding,
        sample_rate=query.sample_rate or (24_000 if query.encoding == "linear16" else 8_000),
        speed=query.speed,
        word_timestamps=True,  # to say what an interrupted speaker had said
        extra=extra | {name: value for name, value in given.items() if value is not None},
    )
    return options, query


def refuse_callbacks(rest: dict[str, Any]) -> None:
    if "callback" in rest:
        raise ConfigError("callback: a socket answers on itself alone", param="callback")


def within(turns: Turns | None) -> Thresholds:
    """As near as the bounds allow."""

    def near(value: float | None, bounds: tuple[float, float]) -> float | None:
        return None if value is None else min(max(value, bounds[0]), bounds[1])

    given = turns or Turns()
    kept = Turns(
        threshold=near(given.threshold, SURE),
        eager_threshold=near(given.eager_threshold, EAGER),
        timeout=near(given.timeout, TIMEOUT),
    )
    return Thresholds.of(kept)


def listen_endpoint(options: ListenOptions, address: Address) -> Endpoint:
    is_raw = bool(SAMPLE_BYTES.get(options.encoding or ""))
    extra = {n: options.extra[n] for n in ListenExtra.__struct_fields__ if n in options.extra}
    url = address.join(
        LISTEN,
        model=address.model,
        encoding=options.encoding if is_raw else "ogg-opus",
        sample_rate=options.sample_rate if is_raw else None,
        **structs.asdict(within(options.turns)),
        **extra,
    )
    return Endpoint(url, key_headers(address))


def speak_endpoint(options: SpeakOptions, address: Address) -> Endpoint:
    voice, language = options.voice or "", options.language or "en"
    named = voice if voice.startswith("flux") else f"{address.model}-{voice}-{language[:2]}"
    url = address.join(
        SPEAK,
        model=named if voice else address.model,
        encoding=options.encoding,
        sample_rate=options.sample_rate,
        speed=None if options.speed in (None, 1.0) else in_steps(options.speed),
        expressivity=options.extra.get("expressivity"),
        mip_opt_out=options.extra.get("mip_opt_out"),
    )
    return Endpoint(url, key_headers(address))


def in_steps(speed: float) -> float:
    """A speed comes in steps of 0.05."""
    return round(round(speed * 20) / 20, 2)
