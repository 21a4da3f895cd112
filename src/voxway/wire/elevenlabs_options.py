"""How ElevenLabs' speech sockets are configured: audio formats, the URL, the first message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from msgspec import Struct, structs

from ..audio.formats import AudioFormat
from ..errors import ConfigError
from ..events import SpeakOptions
from .base import Address, Endpoint, Opening
from .elevenlabs_messages import InputMsg


class Format(Struct, frozen=True):
    """What an `output_format` is in our words. `kbps` is 0 where it says none."""

    encoding: str
    sample_rate: int
    kbps: int = 0


ENCODINGS = {"mp3": "mp3", "pcm": "linear16", "ulaw": "mulaw", "alaw": "alaw", "opus": "opus"}
LISTED = (
    "mp3_22050_32 mp3_44100_32 mp3_44100_64 mp3_44100_96 mp3_44100_128 mp3_44100_192 pcm_8000 "
    "pcm_16000 pcm_22050 pcm_24000 pcm_44100 pcm_48000 ulaw_8000 alaw_8000 opus_48000_32 "
    "opus_48000_64 opus_48000_96 opus_48000_128 opus_48000_192"
)


def formats(listed: str) -> dict[str, Format]:
    """Formats by their names there."""
    return {
        whole: Format(ENCODINGS[name], *map(int, numbers))
        for whole in listed.split()
        for name, *numbers in [whole.split("_")]
    }


FORMATS = formats(LISTED)
# How to buffer text is nothing to us: a sentence is spoken as soon as it is there.
IGNORED = {
    "model_id",
    "inactivity_timeout",
    "enable_logging",
    "sync_alignment",
    "auto_mode",
    "optimize_streaming_latency",
}
# livekit 1.8.9 always says these, which ask for nothing.
DEFAULTS = {"enable_ssml_parsing": "false", "apply_text_normalization": "auto"}
# The other models refuse a `language_code` (pipecat 1.14).
TAKE_LANGUAGE = ("_v2_5", "_v3", "_v4")


class Query(Struct, frozen=True):
    output_format: str = "mp3_44100_128"
    language_code: str | None = None
    seed: int | None = None


def options_in(opening: Opening, known: Mapping[str, Format] = FORMATS) -> SpeakOptions:
    """What a URL configures. Raises ConfigError for a format that is not known."""
    query, rest = opening.read(Query)
    if query.output_format not in known:
        message = f"output_format {query.output_format[:40]!r} is none of {', '.join(known)}"
        raise ConfigError(message, param="output_format")
    given = known[query.output_format]
    asked = {name: value for name, value in rest.items() if value != DEFAULTS.get(name)}
    extra: dict[str, Any] = {name: value for name, value in asked.items() if name not in IGNORED}
    return SpeakOptions(
        voice=opening.path.get("voice"),
        language=query.language_code,
        encoding=given.encoding,
        sample_rate=given.sample_rate,
        word_timestamps=True,
        extra=extra
        | ({"bit_rate": given.kbps * 1000} if given.kbps else {})
        | ({"seed": query.seed} if query.seed is not None else {}),
    )


def options_with(options: SpeakOptions, first: InputMsg) -> SpeakOptions:
    """The same with what a first message says. The speed is a setting of the voice there."""
    settings = dict(first.voice_settings or {})
    speed = settings.pop("speed", None)
    given = {
        "voice_settings": {name: value for name, value in settings.items() if value is not None},
        "generation_config": first.generation_config or first.generator_config,
        "pronunciation_dictionary_locators": first.pronunciation_dictionary_locators,
    }
    extra = options.extra | {name: value for name, value in given.items() if value}
    return structs.replace(options, speed=speed, extra=extra)


def first_message(options: SpeakOptions, context: str | None = None) -> InputMsg:
    """What begins a context. Settings that it does not have cannot be given later (1008)."""
    given = options.extra.get("voice_settings")
    settings = dict(given) if isinstance(given, dict) else {}
    if options.speed not in (None, 1.0):
        settings["speed"] = options.speed
    return InputMsg(
        " ",
        context,
        voice_settings=settings or None,
        generation_config=options.extra.get("generation_config"),
        pronunciation_dictionary_locators=options.extra.get("pronunciation_dictionary_locators"),
    )


def audio_of(options: SpeakOptions) -> AudioFormat:
    """What comes back. Nothing said means ElevenLabs' default."""
    return AudioFormat(options.encoding or "mp3", options.sample_rate or 44_100)


def format_for(options: SpeakOptions) -> str:
    """The listed format that fits best. What says its own rate may come at another one; for raw
    samples that is a ConfigError."""
    wanted = audio_of(options)
    rate = wanted.sample_rate
    kbps = options.extra.get("bit_rate", 128_000) / 1000
    fitting = {
        name: (listed.sample_rate < rate, abs(listed.sample_rate - rate), abs(listed.kbps - kbps))
        for name, listed in FORMATS.items()
        if listed.encoding == wanted.encoding and (listed.sample_rate == rate or listed.kbps)
    }
    if not fitting:
        message = f"ElevenLabs gives no {wanted.encoding} at {rate} Hz"
        raise ConfigError(message, param="sample_rate")
    return min(fitting, key=fitting.__getitem__)


def endpoint_at(route: str, options: SpeakOptions, address: Address) -> Endpoint:
    """Where to connect. Our texts are whole sentences, which is what `auto_mode` is for."""
    takes_language = any(part in address.model for part in TAKE_LANGUAGE)
    language = (options.language or "").replace("_", "-").split("-")[0]
    url = address.join(
        f"/v1/text-to-speech/{quote(options.voice or '', safe='')}/{route}",
        model_id=address.model,
        output_format=format_for(options),
        language_code=language or None if takes_language else None,
        inactivity_timeout=180,  # the longest there is
        sync_alignment=True,
        auto_mode=True,
        apply_text_normalization=options.extra.get("apply_text_normalization"),
        enable_ssml_parsing=options.extra.get("enable_ssml_parsing"),
        seed=options.extra.get("seed"),
    )
    return Endpoint(url, {"xi-api-key": address.key} if address.key else {})
