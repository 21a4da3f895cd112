"""What of the optional packages is not installed."""

from __future__ import annotations

from importlib.util import find_spec

from ..errors import ConfigError


def missing(*modules: str) -> str:
    """The names of those that cannot be imported, for a message; empty if all can."""
    return ", ".join(module for module in modules if find_spec(module) is None)


def need_audio(what: str) -> None:
    """Raises ConfigError if what decodes and converts audio is not there."""
    if lacking := missing("av", "numpy"):
        raise ConfigError(f"{what} needs {lacking}: pip install 'voxway[audio]'")
