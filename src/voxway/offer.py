"""What a client of Wyoming may choose from, and which model and voice its choice is.

Home Assistant lists the voices of the first program alone, and names no recognizer: so all voices
stand in one program, and a recognizer is found by the language, or chosen as a program of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from . import __version__
from .auth import Account
from .catalog import Public
from .errors import ConfigError, ProtocolError
from .wire.wyoming_messages import (
    AsrProgramMsg,
    Attribution,
    InfoMsg,
    OfferMsg,
    TtsProgramMsg,
)
from .wire.wyoming_requests import Wanted

PROGRAM = "voxway"
VOICE = "#"  # between the id of a model and its voice; no id has it
US = Attribution("voxway", "")
SPOKEN = "en"  # what is said of a model that takes any language and lists none


class Choice(Struct, frozen=True):
    """Who does the work. Without a voice, the model's default one."""

    model: str
    voice: str | None = None


def offered(models: Sequence[Public], account: Account) -> tuple[Public, ...]:
    """The models that can be used with a key, those first that run here: they cost nothing."""
    able = [m for m in models if m.usable and account.scopes.allows(m.kind, m.id)]
    return tuple(sorted(able, key=lambda model: not model.hosted))


def info(models: Sequence[Public]) -> InfoMsg:
    """The answer to `describe`."""
    voices = tuple(each for model in models if model.kind == "tts" for each in _voices(model))
    ears = tuple(_offer(model, model.id, model.id) for model in models if model.kind == "stt")
    tts = (TtsProgramMsg(PROGRAM, US, "voxway", voices, __version__),) if voices else ()
    asr = [AsrProgramMsg(PROGRAM, US, "voxway", ears, __version__)] if ears else []
    if len(ears) > 1:
        asr += [AsrProgramMsg(e.name, e.attribution, e.name, (e,), __version__) for e in ears]
    return InfoMsg(tuple(asr), tts)


def choose(models: Sequence[Public], wanted: Wanted) -> Choice:
    """Who is meant. Raises ProtocolError, or ConfigError for a language that nobody knows."""
    fitting = [model for model in models if model.kind == wanted.task]
    if wanted.program not in ("", PROGRAM):
        fitting = [model for model in fitting if model.id == wanted.program] or fitting
    if not fitting:
        raise ProtocolError(f"no {wanted.task} model can be used here", code="model_not_found")
    if wanted.name not in ("", PROGRAM):
        return _named(fitting, wanted)
    if wanted.language is None:
        return Choice(fitting[0].id)
    for model in fitting:
        if knows(model, wanted.language):
            return Choice(model.id)
    raise ConfigError(f"nobody here knows the language {wanted.language[:20]!r}", param="language")


def knows(model: Public, language: str) -> bool:
    """Whether a model speaks or understands it, by its primary part."""
    known = {_primary(each) for each in model.languages}
    return model.open_languages or "multi" in known or _primary(language) in known


def _named(models: Sequence[Public], wanted: Wanted) -> Choice:
    id, _, voice = wanted.name.partition(VOICE)
    for model in models:
        if model.id == id:
            return Choice(id, voice or wanted.speaker or None)
    for model in models:  # the voice alone, as somebody may write it into an automation
        if wanted.name in model.voices:
            return Choice(model.id, wanted.name)
    message = f"no voice or model {wanted.name[:100]!r} here: `describe` tells which there are"
    raise ProtocolError(message, code="model_not_found", param="name")


def _voices(model: Public) -> list[OfferMsg]:
    if not model.voices:
        return [_offer(model, model.id, model.id)]
    first = model.default_voice
    ordered = sorted(model.voices, key=lambda voice: voice != first)
    return [_offer(model, f"{model.id}{VOICE}{v}", f"{v} ({model.id})") for v in ordered]


def _offer(model: Public, name: str, description: str) -> OfferMsg:
    languages = model.languages or (model.default_language or SPOKEN,)
    return OfferMsg(name, languages, Attribution(model.provider, ""), description)


def _primary(language: str) -> str:
    return language.lower().replace("_", "-").split("-")[0]
