"""The models: what each can do, who does the work, and which one answers a request.

`model` has the entries as values, `find` the choice among them, `reading` turns TOML into entries,
`files` is the one place that reads from the disk.
"""

from __future__ import annotations

from .find import Catalog, Found, Lack, Preference, preference
from .local import HIBARI, LOCAL, MOONSHINE
from .model import Backend, Kind, Model, Public, public
from .wires import KNOWN_WIRES, Wire

__all__ = [
    "HIBARI",
    "KNOWN_WIRES",
    "LOCAL",
    "MOONSHINE",
    "Backend",
    "Catalog",
    "Found",
    "Kind",
    "Lack",
    "Model",
    "Preference",
    "Public",
    "Wire",
    "preference",
    "public",
]
