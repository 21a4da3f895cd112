"""What Rime's older sockets have in common: a URL that is the whole configuration, its formats and
languages, two parameters for speed that run against each other, and how they close.

Facts: docs.rime.ai (2026-09), livekit-plugins-rime 1.8.9, pipecat 1.14.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from ..errors import RULES, ConfigError
from ..events import Failed, SpeakOptions
from .base import Address, Opening

# Its names of formats -> ours; any other is WAV there, which is `pcm` with a header.
OURS = {"pcm": "linear16", "wav": "linear16", "mulaw": "mulaw", "mp3": "mp3", "ogg": "opus"}
NATIVE = {"linear16": "pcm", "mulaw": "mulaw", "mp3": "mp3", "opus": "ogg"}
RATE = 24_000  # Hz, where nobody says otherwise
LONGEST = 1000  # characters of a text

# ISO 639-2, as its examples have them. It takes those of 639-1, too.
LANGUAGES = {
    "ar": "ara",
    "de": "ger",
    "en": "eng",
    "es": "spa",
    "fr": "fra",
    "hi": "hin",
    "it": "ita",
    "ja": "jpn",
    "pt": "por",
}
SHORT = {long: short for short, long in LANGUAGES.items()} | {"deu": "de"}
TIMED = ("en", "es", None)  # languages of whose words it tells the times
SETTINGS = (
    *("repetition_penalty", "temperature", "top_p", "max_tokens"),
    *("reduceLatency", "pauseBetweenBrackets", "phonemizeBetweenBrackets"),
    *("noTextNormalization", "saveOovs", "inlineSpeedAlpha"),
)
UPSIDE_DOWN = ("mist", "mistv2")  # of these `speedAlpha` says how slow it is, not how fast

# Statuses of HTTP that stand before a message, as in `400: text is too long`.
CODES = {401: "auth_error", 402: "quota_exceeded", 403: "forbidden", 429: "rate_limit"}
_STATUS = re.compile(r"([45]\d\d): ")

Factor = Annotated[float, Meta(ge=0.01, le=100)]


class Query(Struct, frozen=True):
    speaker: str | None = None
    modelId: str = ""
    audioFormat: str = "wav"
    samplingRate: Annotated[int, Meta(ge=1)] = RATE
    lang: str | None = None
    segment: str = ""
    immediate: bool = False
    speedAlpha: Factor = 1.0
    timeScaleFactor: Factor = 1.0


class Asked(Struct, frozen=True):
    """What is asked for. `is_wav`: audio begins with a header; `is_immediate`: every text is an
    utterance."""

    options: SpeakOptions
    is_wav: bool
    is_immediate: bool


def asked_by(opening: Opening, *, is_timed: bool = True) -> Asked:
    """What a socket's URL says. Raises ConfigError for the one format that is not made here."""
    query, extra = opening.read(Query)
    return asked(query, extra, is_timed=is_timed)


def asked(query: Query, extra: dict[str, Any], *, is_timed: bool) -> Asked:
    """The same of what was read already; `extra`: what else was said."""
    if query.audioFormat == "webm":
        text = f"audioFormat webm is not one of {', '.join(OURS)}"
        raise ConfigError(text, param="audioFormat")
    language = SHORT.get(query.lang or "", query.lang) or None
    alpha = 1 / query.speedAlpha if query.modelId in UPSIDE_DOWN else query.speedAlpha
    speed = alpha / query.timeScaleFactor
    options = SpeakOptions(
        voice=query.speaker or None,
        language=language,
        encoding=OURS.get(query.audioFormat, "linear16"),
        sample_rate=query.samplingRate,
        speed=None if speed == 1.0 else round(speed, 3),
        word_timestamps=is_timed and language in TIMED,
        extra=extra,
    )
    is_wav = query.audioFormat == "wav" or query.audioFormat not in OURS
    return Asked(options, is_wav, query.immediate or query.segment == "immediate")


def url_of(path: str, options: SpeakOptions, address: Address) -> str:
    """Where to connect for these options."""
    return address.join(
        path,
        speaker=options.voice,
        modelId=address.model,
        audioFormat=NATIVE.get(options.encoding or "", "pcm"),
        samplingRate=options.sample_rate or RATE,
        lang=language_of(options),
        **settings_of(options, address),
    )


def language_of(options: SpeakOptions) -> str | None:
    language = (options.language or "").replace("_", "-").split("-")[0].lower()
    return LANGUAGES.get(language, language) or None


def settings_of(options: SpeakOptions, address: Address) -> dict[str, Any]:
    """What only some of its models know, and the speed: both parameters say how slow, for which
    model it is which."""
    given = {name: value for name, value in options.extra.items() if name in SETTINGS}
    if options.speed not in (None, 1.0):
        name = "speedAlpha" if address.model in UPSIDE_DOWN else "timeScaleFactor"
        given[name] = round(1 / (options.speed or 1.0), 3)
    return given


def key_headers(address: Address) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {address.key}"} if address.key else {}


def numbered(code: str, message: str) -> str:
    """An error's text as Rime writes it."""
    return f"{RULES[code].http_status}: {message}" if code in RULES else message


def failure(message: str) -> Failed:
    """What Rime says it of: mostly of what it was sent."""
    found = _STATUS.match(message)
    status = int(found[1]) if found else 400
    other = "invalid_request" if status < 500 else "provider_error"
    code = "config_error" if "Speaker not found" in message else CODES.get(status, other)
    return Failed(code, message, RULES[code].retryable)


def closing(code: int, reason: str) -> tuple[int, str]:
    """Whatever it is, 1011, with the status of HTTP that it would have had."""
    if reason == "client_closed":
        return 1000, ""
    return 1011, numbered(reason, reason)
