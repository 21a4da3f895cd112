"""The catalog on the disk: what comes with voxway, and what the operator wrote."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from ..errors import ConfigError
from .local import LOCAL
from .reading import Entry, parse

SHIPPED = files("voxway") / "data" / "catalog"


def shipped() -> tuple[Entry, ...]:
    """The entries that come with voxway: its own engines, then a file for each provider."""
    pages = sorted(page.name for page in SHIPPED.iterdir() if page.name.endswith(".toml"))
    return (
        *(Entry(model, "voxway") for model in LOCAL.values()),
        *(
            entry
            for page in pages
            for entry in parse((SHIPPED / page).read_text("utf-8"), f"voxway/data/catalog/{page}")
        ),
    )


def text_of(path: str, setting: str) -> str:
    """What a file says. Raises ConfigError with the name of the setting that led there."""
    try:
        return Path(path).read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"{setting}: cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{setting}: {path} is not UTF-8: {error.reason}") from error
