"""From what a client asked for to what the model will do: defaults filled in, the rest told.

What cannot be is an error that names the field; what is merely not known to the model is left out
with one warning each. A model that stands in for another is lenient: it was not the one meant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from ..audio.formats import INPUT_ENCODINGS, OUTPUT_ENCODINGS, checked_rate, encoding_named
from ..catalog import Model
from ..engines.align import can_align
from ..errors import ConfigError
from ..events import ListenOptions, SpeakOptions, Turns, Warning

Options = TypeVar("Options", SpeakOptions, ListenOptions)
T = TypeVar("T")

BIT_RATES = (8_000, 320_000)  # bits per second of mp3, opus and aac
MAX_TURN_TIMEOUT = 60.0  # seconds

# Options that are on or off -> the capability a model needs for them.
NEEDS = {"word_timestamps": "word_timestamps", "vad_events": "vad", "diarization": "diarization"}


class Resolver:
    """Collects the warnings while options are resolved for one model."""

    def __init__(self, model: Model, *, is_lenient: bool = False) -> None:
        self.warnings: list[Warning] = []
        self.aligns = False  # the times of words are found here
        self._model = model
        self._is_lenient = is_lenient

    def speech(self, options: SpeakOptions) -> SpeakOptions:
        """Speaking options in force. Raises ConfigError naming the field, the value, the bounds."""
        checked_bit_rate(options.extra.get("bit_rate"))
        checked_seed(options.extra.get("seed"))
        encoding = self._encoding(options.encoding)
        return self._without_unknown(
            msgspec.structs.replace(
                options,
                voice=self._or_default("voice", options.voice, self._voice),
                language=self._or_default("language", options.language, self._language),
                encoding=encoding,
                sample_rate=self._rate(options.sample_rate, encoding),
                speed=self._or_default("speed", options.speed, self._speed),
            )
        )

    def listening(self, options: ListenOptions) -> ListenOptions:
        """Listening options in force. Raises ConfigError naming the field."""
        checked_turns(options.turns)
        if options.turns is not None and "turns" not in self._model.capabilities:
            said = f"{self._model.id} tells no turns: they are made of its pauses"
            self.warnings.append(Warning("turns_by_pause", said, "turns"))
        return self._without_unknown(
            msgspec.structs.replace(
                options,
                language=self._or_default("language", options.language, self._language),
                encoding=self._encoding(options.encoding),
                # A container says its own rate: what the client names besides is of no weight.
                sample_rate=self._rate(options.sample_rate, "linear16"),
            )
        )

    def change(self, now: SpeakOptions, wanted: SpeakOptions) -> SpeakOptions:
        """The options after a `configure`: voice, language and speed may change."""
        return msgspec.structs.replace(
            now,
            voice=self._or_default("voice", wanted.voice or now.voice, self._voice),
            language=self._or_default("language", wanted.language or now.language, self._language),
            speed=self._or_default("speed", wanted.speed or now.speed, self._speed),
        )

    def changes(self, wanted: ListenOptions) -> ListenOptions:
        """What of an `Adjust` this model knows."""
        checked_turns(wanted.turns)
        return self._without_unknown(ListenOptions(turns=wanted.turns, extra=wanted.extra))

    def _encoding(self, name: str | None) -> str:
        """Any that the gateway can convert to what the model speaks, or from it."""
        kind = self._model.kind
        known = OUTPUT_ENCODINGS if kind == "tts" else INPUT_ENCODINGS
        return encoding_named(name or self._model.default_encoding, known, "encoding")

    def _or_default(
        self, option: str, value: T | None, check: Callable[[T | None], T | None]
    ) -> T | None:
        try:
            return check(value)
        except ConfigError as error:
            if not self._is_lenient:
                raise
            self._warn(option, f"{error.message}; the default is used")
            return check(None)

    def _voice(self, voice: str | None) -> str | None:
        model = self._model
        # A voice that is not listed may be one of this provider: not if another one was meant.
        is_open = model.open_voices and not self._is_lenient
        if voice is not None and not is_open and voice not in model.voices:
            known = ", ".join(model.voices) or "the only one, which has no name"
            raise ConfigError(f"voice {voice[:60]!r} is not one of {known}", param="voice")
        return voice or model.default_voice or None

    def _language(self, language: str | None) -> str | None:
        """Known by its primary part: a region (`en-IN`) is taken as it is."""
        model = self._model
        if language is not None and not model.open_languages and not knows(model, language):
            raise ConfigError(
                f"language {language[:20]!r} is not one of {', '.join(model.languages)}",
                param="language",
            )
        return language or model.default_language or None

    def _rate(self, rate: int | None, encoding: str) -> int:
        wanted = self._model.default_rate if rate is None else rate
        return checked_rate(wanted, encoding, "sample_rate")

    def _speed(self, speed: float | None) -> float:
        slowest, fastest = self._model.speeds
        if speed is not None and not slowest <= speed <= fastest:
            raise ConfigError(
                f"speed {speed:g} is outside {slowest:g}-{fastest:g} of {self._model.id}",
                param="speed",
            )
        return 1.0 if speed is None else speed

    def _without_unknown(self, options: Options) -> Options:
        able: tuple[str, ...] = self._model.capabilities
        for option, capability in NEEDS.items():
            if not getattr(options, option, False) or capability in able:
                continue
            if option == "word_timestamps" and can_align(options.language):
                self.aligns = True
                said = f"{self._model.id} gives no times of words: they are found in the audio"
                self.warnings.append(Warning("aligned", said, option))
            else:
                self._warn(option, f"{self._model.id} gives no {option}")
                options = msgspec.structs.replace(options, **{option: False})
        # A capability that is an option, like a seed, and what the catalog passes on.
        known = {*able, *self._model.options, "bit_rate"}  # the gateway itself can see to that one
        for option in sorted(set(options.extra) - known):
            self._warn(option, f"{self._model.id} does not know {option[:60]!r}; it has no effect")
        extra = {key: value for key, value in options.extra.items() if key in known}
        return msgspec.structs.replace(options, extra=extra)

    def _warn(self, option: str, message: str) -> None:
        self.warnings.append(Warning("unsupported_option", message, option[:60]))


def able(model: Model, resolver: Resolver) -> tuple[str, ...]:
    """What a session can do: what the model can, and what is made up for it."""
    return (*model.capabilities, "aligned_words") if resolver.aligns else model.capabilities


def checked_bit_rate(wanted: object) -> None:
    """Raises ConfigError for a bit rate that no encoder could give."""
    least, most = BIT_RATES
    if wanted is not None and not (isinstance(wanted, int) and least <= wanted <= most):
        raise ConfigError(f"bit_rate {wanted!r} is outside {least}-{most}", param="bit_rate")


def checked_turns(wanted: Turns | None) -> None:
    """Raises ConfigError for a confidence or a time that cannot be."""
    if wanted is None:
        return
    for option, value in (
        ("eot_threshold", wanted.threshold),
        ("eager_eot_threshold", wanted.eager_threshold),
    ):
        if value is not None and not 0.0 < value <= 1.0:
            raise ConfigError(f"{option} {value!r} is not above 0 and up to 1", param=option)
    if wanted.timeout is not None and not 0.0 < wanted.timeout <= MAX_TURN_TIMEOUT:
        text = f"eot_timeout_ms {wanted.timeout * 1000:g} is not 1-{MAX_TURN_TIMEOUT * 1000:g}"
        raise ConfigError(text, param="eot_timeout_ms")


def checked_seed(wanted: object) -> None:
    """Raises ConfigError for a seed that no generator could take."""
    if wanted is not None and not (isinstance(wanted, int) and wanted >= 0):
        raise ConfigError(f"seed {wanted!r} is not a whole number of at least 0", param="seed")


def knows(model: Model, language: str) -> bool:
    """Whether a model speaks or understands it: `en-IN` is `en` to one that lists no regions."""
    lower = language.lower().replace("_", "-")
    known = [name.lower() for name in model.languages]
    return lower in known or lower.split("-")[0] in known or "multi" in known
