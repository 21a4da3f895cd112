"""Cartesia's generation request: what every message of a context says, and the options it means.

Facts: cartesia 4.2, docs.cartesia.ai (2026).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from ..errors import ProtocolError
from ..events import SpeakOptions
from .base import Frame, parser
from .cartesia import NATIVE, OURS

SPEEDS = {"slow": 0.7, "normal": 1.0, "fast": 1.3}  # of the models before sonic-3


class OutputFormat(Struct, frozen=True):
    container: str
    encoding: str
    sample_rate: int


class Voice(Struct, frozen=True):
    """Since the API of 2026-08-14 without `mode`, or the bare id (cartesia 4.2)."""

    id: str
    mode: Literal["id"] | None = None


ALLOWED: dict[str, tuple[object, ...]] = {
    "container": ("raw",),
    "encoding": tuple(OURS),
    "sample_rate": (8_000, 16_000, 22_050, 24_000, 44_100, 48_000),
}


class RequestMsg(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Its first fields differ from message to message; the settings do not."""

    context_id: Annotated[str, Meta(min_length=1)]
    transcript: str | None = None
    continue_: bool | None = field(name="continue", default=None)
    flush: bool | None = None
    cancel: bool | None = None
    model_id: str | None = None
    voice: Voice | str | None = None
    output_format: OutputFormat | None = None
    language: str | None = None
    add_timestamps: bool | None = None
    generation_config: dict[str, Any] | None = None
    speed: float | Literal["slow", "normal", "fast"] | None = None
    max_buffer_delay_ms: int | None = None
    pronunciation_dict_id: str | None = None


class NamedMsg(Struct, frozen=True):
    """Any message, of which only this much can be read."""

    context_id: str = ""


EXTRA = ("model_id", "generation_config", "max_buffer_delay_ms", "pronunciation_dict_id")
SETTINGS = ("voice", "output_format", "language", "add_timestamps", "speed", *EXTRA)

read_request, _named = parser(RequestMsg), parser(NamedMsg)


def context_named(frame: Frame) -> str:
    """The context of a message that is malformed otherwise, or nothing."""
    try:
        return str(_named(frame).context_id)
    except ProtocolError:
        return ""


def options_of(request: RequestMsg) -> SpeakOptions:
    """Raises ProtocolError for a format that Cartesia's socket does not know, or no speed."""
    voice, format = request.voice, request.output_format
    for name, allowed in ALLOWED.items() if format is not None else ():
        if (value := getattr(format, name)) not in allowed:
            name = f"output_format.{name}"
            text = f"{name} {value!r:.40} is not one of {', '.join(map(str, allowed))}"
            raise ProtocolError(text, param=name)
    extra = {name: getattr(request, name) for name in EXTRA}
    return SpeakOptions(
        voice=voice.id if isinstance(voice, Voice) else voice,
        language=request.language,
        encoding=None if format is None else OURS[format.encoding],
        sample_rate=None if format is None else format.sample_rate,
        speed=_speed(request),
        word_timestamps=bool(request.add_timestamps),
        extra={name: value for name, value in extra.items() if value is not None},
    )


def _speed(request: RequestMsg) -> float | None:
    speed = (request.generation_config or {}).get("speed", request.speed)
    speed = SPEEDS.get(speed, speed) if isinstance(speed, str) else speed
    if speed is None or isinstance(speed, int | float):
        return speed
    name = "generation_config.speed"
    raise ProtocolError(f"{name}: a number is expected", param=name)


def differing(first: RequestMsg, later: RequestMsg) -> str:
    """The setting that a later message of a context has otherwise. What it leaves out is as it
    was."""
    for name in SETTINGS:
        if getattr(later, name) not in (None, getattr(first, name)):
            return name
    return ""


class Utterance(Struct):
    """What the gateway has a context of the provider's for: one utterance, in one of ours."""

    id: str
    context: str
    model: str
    options: SpeakOptions
    is_ended: bool = False

    def request(self, text: str) -> RequestMsg:
        """Another message. Whole sentences are sent: the provider need not wait for more."""
        options, extra = self.options, self.options.extra
        encoding = NATIVE.get(options.encoding or "", "pcm_s16le")
        given = extra.get("generation_config")
        config = dict(given) if isinstance(given, dict) else {}
        if "speed" in config or options.speed not in (None, 1.0):  # sonic-2 knows none
            config["speed"] = options.speed
        return RequestMsg(
            context_id=self.id,
            transcript=text,
            continue_=not self.is_ended,
            model_id=self.model,
            voice=Voice(options.voice, "id") if options.voice else None,
            output_format=OutputFormat("raw", encoding, options.sample_rate or 24_000),
            language=options.language.split("-")[0] if options.language else None,
            add_timestamps=options.word_timestamps or None,
            generation_config=config or None,
            max_buffer_delay_ms=extra.get("max_buffer_delay_ms", 0),
            pronunciation_dict_id=extra.get("pronunciation_dict_id"),
        )
