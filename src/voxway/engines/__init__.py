"""The local engines, by model id. Loading one is slow and takes memory: only a worker does it."""

from __future__ import annotations

import os
from importlib import import_module

from ..errors import ConfigError
from .base import Ear, Voice

# model id -> (module, class); imported when asked for, since each needs an extra.
ENGINES: dict[str, tuple[str, str]] = {
    "local/hibari:en": ("hibari", "HibariVoice"),
    "local/moonshine:tiny-en": ("moonshine", "MoonshineEar"),
}


def load(model: str) -> Voice | Ear:
    """The engine for a model id. Raises ConfigError if there is none or its extra is missing."""
    if model not in ENGINES:
        raise ConfigError(f"no engine {model!r}; there are {', '.join(ENGINES)}", param="model")
    # Else the published builds of ONNX Runtime keep an id and send events to Microsoft.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    module, name = ENGINES[model]
    try:
        engine: Voice | Ear = getattr(import_module(f".{module}", __package__), name)()
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{model} needs the package {error.name}: pip install 'voxway[local]'"
        ) from error
    return engine
