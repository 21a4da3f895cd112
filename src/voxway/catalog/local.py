"""The entries of the models whose engines are part of this package.

They are values and not TOML because workers need them, too, which read no catalog.
"""

from __future__ import annotations

from ..audio.formats import INPUT_ENCODINGS, OUTPUT_ENCODINGS
from .model import Backend, Model

ENGINE = (Backend(wire="engine"),)

HIBARI = Model(
    id="local/hibari:en",
    kind="tts",
    provider="local",
    languages=("en",),
    voices=("heart",),
    encodings=OUTPUT_ENCODINGS,
    default_rate=24_000,
    speeds=(0.5, 2.0),
    capabilities=(
        "flush",
        "clear",
        "cancel",
        "segments",
        "speed",
        "word_timestamps",
        "seed",
        "bit_rate",
    ),
    backends=ENGINE,
)
MOONSHINE = Model(
    id="local/moonshine:tiny-en",
    kind="stt",
    provider="local",
    languages=("en",),
    encodings=INPUT_ENCODINGS,
    default_rate=16_000,
    capabilities=("partials", "finalize", "vad", "word_timestamps", "diarization", "turns"),
    backends=ENGINE,
)
LOCAL: dict[str, Model] = {model.id: model for model in (HIBARI, MOONSHINE)}
