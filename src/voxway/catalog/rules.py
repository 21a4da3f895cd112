"""What must hold for an entry of the catalog, one function a rule.

Each yields what is wrong: the place in the entry, and the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator

from ..audio.formats import INPUT_ENCODINGS, MAX_RATE, MIN_RATE, OUTPUT_ENCODINGS
from .document import Path
from .find import is_region
from .model import Backend, Kind, Model
from .site import VARIABLE, is_address
from .wires import KNOWN_WIRES

Fault = tuple[Path, str]
PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
ID = re.compile(rf"{PART}(/{PART})*(:{PART})?")
ENCODINGS: dict[Kind, tuple[str, ...]] = {"tts": OUTPUT_ENCODINGS, "stt": INPUT_ENCODINGS}
CAPABILITIES: dict[Kind, tuple[str, ...]] = {
    "tts": (
        "flush",
        "clear",
        "cancel",
        "segments",
        "speed",
        "word_timestamps",
        "seed",
        "bit_rate",
        "contexts",
        "ssml",
        "voice_cloning",
    ),
    "stt": (
        "partials",
        "finalize",
        "vad",
        "word_timestamps",
        "diarization",
        "language_detection",
        "turns",
    ),
}


def faults(model: Model) -> Iterator[Fault]:
    """All that is wrong with an entry, taken for itself."""
    for rule in RULES:
        yield from rule(model)


def _id(model: Model) -> Iterator[Fault]:
    if not ID.fullmatch(model.id):
        yield ("id",), f"id {model.id!r} is not like provider/model:variant"


def _defaults(model: Model) -> Iterator[Fault]:
    yield from _one_of("default_language", model.default_language, model.languages, model)
    yield from _one_of("default_voice", model.default_voice, model.voices, model)
    yield from _one_of("default_encoding", model.default_encoding, model.encodings, model)


OPEN = {"default_language": "open_languages", "default_voice": "open_voices"}


def _one_of(field: str, value: str, listed: Collection[str], model: Model) -> Iterator[Fault]:
    is_open = field in OPEN and getattr(model, OPEN[field])
    if value and value not in listed and not is_open:
        yield (field,), f"{field} {value!r} is not one of {', '.join(listed) or 'none listed'}"


def _languages(model: Model) -> Iterator[Fault]:
    if not model.languages and not model.open_languages:
        yield ("languages",), "languages are none: list them, or say open_languages = true"


def _encodings(model: Model) -> Iterator[Fault]:
    if not model.encodings:
        yield ("encodings",), "encodings are none"
    yield from _known("encodings", model.encodings, ENCODINGS[model.kind])


def _capabilities(model: Model) -> Iterator[Fault]:
    yield from _known("capabilities", model.capabilities, CAPABILITIES[model.kind])


def _known(field: str, names: Collection[str], known: Collection[str]) -> Iterator[Fault]:
    for i, name in enumerate(names):
        if name not in known:
            yield (field, i), f"{field}: {name!r} is not one of {', '.join(known)}"


def _rates(model: Model) -> Iterator[Fault]:
    named: list[tuple[Path, int]] = [(("rates", i), rate) for i, rate in enumerate(model.rates)]
    for encoding, rates in model.rates_of.items():
        named += [(("rates_of", encoding, i), rate) for i, rate in enumerate(rates)]
        if encoding not in model.encodings:
            yield ("rates_of", encoding), f"{encoding} is none of its encodings"
    if not model.rates:
        named += [(("min_rate",), model.min_rate), (("max_rate",), model.max_rate)]
    for path, rate in [*named, (("default_rate",), model.default_rate)]:
        if not MIN_RATE <= rate <= MAX_RATE:
            yield path, f"{path[0]}: {rate} is outside {MIN_RATE}-{MAX_RATE} Hz"
    if model.rates and model.default_rate not in model.rates:
        listed = ", ".join(map(str, model.rates))
        yield ("default_rate",), f"default_rate {model.default_rate} is not one of {listed}"
    if not model.min_rate <= model.default_rate <= model.max_rate:
        bounds = f"{model.min_rate}-{model.max_rate} Hz"
        yield ("default_rate",), f"default_rate {model.default_rate} is outside {bounds}"


def _speeds(model: Model) -> Iterator[Fault]:
    slowest, fastest = model.speeds
    if not 0 < slowest <= 1 <= fastest:
        yield ("speeds",), f"speeds {slowest:g}-{fastest:g} do not hold 1, the normal speed"


def _backends(model: Model) -> Iterator[Fault]:
    if not model.backends:
        yield ("backends",), f"backends are none: nobody does the work of {model.id}"
    for i, backend in enumerate(model.backends):
        for field, reason in _backend(backend, model.kind):
            yield ("backends", i, field), reason


def _backend(backend: Backend, kind: Kind) -> Iterator[tuple[str, str]]:
    wire = KNOWN_WIRES.get(backend.wire)
    if wire is None:
        yield "wire", f"wire {backend.wire!r} is not one of {', '.join(KNOWN_WIRES)}"
    elif kind not in wire.kinds:
        yield "wire", f"wire {backend.wire} is not for {kind}"
    if backend.wire == "engine":
        if backend.url:
            yield "url", "url: an engine has none; VOXWAY_ENGINES says where it runs"
    elif not backend.url:
        yield "url", f"url is missing: the {backend.wire} wire needs an address"
    elif not VARIABLE.search(backend.url) and not is_address(backend.url):
        yield "url", f"url {backend.url!r} is no ws://, wss://, http:// or https:// address"
    if backend.region and not is_region(backend.region):
        yield "region", f"region {backend.region!r} is not like eu-north-1"


RULES: tuple[Callable[[Model], Iterator[Fault]], ...] = (
    _id,
    _languages,
    _encodings,
    _defaults,
    _rates,
    _speeds,
    _capabilities,
    _backends,
)
