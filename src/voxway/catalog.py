"""The models: what each can do, and which one answers a request.

The entries of the local models are here; which of them run is a matter of the settings.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from .audio.formats import INPUT_ENCODINGS, MAX_RATE, MIN_RATE, OUTPUT_ENCODINGS
from .errors import ProtocolError

Kind = Literal["tts", "stt"]


class Model(Struct, frozen=True, kw_only=True):
    """What one model does. Rates in Hz; `speeds` is the range of the speed factor."""

    id: str
    kind: Kind
    provider: str
    languages: tuple[str, ...]
    encodings: tuple[str, ...]
    default_rate: int
    default_encoding: str = "linear16"
    min_rate: int = MIN_RATE
    max_rate: int = MAX_RATE
    voices: tuple[str, ...] = ()
    speeds: tuple[float, float] = (1.0, 1.0)
    capabilities: tuple[str, ...] = ()


HIBARI = Model(
    id="local/hibari:en",
    kind="tts",
    provider="local",
    languages=("en",),
    voices=("heart",),
    encodings=OUTPUT_ENCODINGS,
    default_rate=24_000,
    speeds=(0.5, 2.0),
    capabilities=("flush", "clear", "cancel", "segments", "speed", "word_timestamps"),
)
MOONSHINE = Model(
    id="local/moonshine:tiny-en",
    kind="stt",
    provider="local",
    languages=("en",),
    encodings=INPUT_ENCODINGS,
    default_rate=16_000,
    capabilities=("partials", "finalize", "vad", "word_timestamps", "diarization"),
)
LOCAL: dict[str, Model] = {model.id: model for model in (HIBARI, MOONSHINE)}


class Found(Struct, frozen=True):
    """The model that answers. `asked` differs from its id only when another stands in for it."""

    model: Model
    asked: str

    @property
    def is_substitute(self) -> bool:
        return self.asked != self.model.id


class Catalog:
    """The models of this gateway."""

    def __init__(self, models: Iterable[Model], *, dev: bool = False) -> None:
        self._models = {model.id: model for model in models}
        self._dev = dev

    def __iter__(self) -> Iterable[Model]:
        return iter(self._models.values())

    def find(self, kind: Kind, asked: str) -> Found:
        """The model for an id in a URL. Raises ProtocolError(model_not_found) with near matches."""
        model = self._models.get(asked)
        if model is not None and model.kind == kind:
            return Found(model, asked)
        stand_in = next((m for m in self._models.values() if m.kind == kind), None)
        if self._dev and stand_in is not None and model is None:
            return Found(stand_in, asked)
        raise ProtocolError(self._not_found(kind, asked, model), code="model_not_found")

    def _not_found(self, kind: Kind, asked: str, other: Model | None) -> str:
        if other is not None:
            return f"model {asked!r} is for {other.kind}, not {kind}"
        ids = [model.id for model in self._models.values() if model.kind == kind]
        near = difflib.get_close_matches(asked, ids, n=3, cutoff=0.3) or ids
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        return f"no {kind} model {asked[:100]!r} here{hint}"
