"""What a URL asks for: task, dialect and model, by one table of path shapes.

Matched on the percent-decoded path, so that a model id may come with its slashes encoded.
"""

from __future__ import annotations

import re

from msgspec import Struct

from .catalog import Kind
from .wire.unified import Style


class Target(Struct, frozen=True):
    """What was asked for. `model` is the id as the URL gives it."""

    kind: Kind
    model: str
    style: Style


# One line per URL shape; the first that fits decides.
ROUTES: tuple[tuple[re.Pattern[str], Style], ...] = (
    (re.compile(r"/v1/tts/(?P<model>.+?)/?"), Style("tts")),
    (re.compile(r"/v1/stt/(?P<model>.+?)/?"), Style("stt")),
)


def target(path: str) -> Target | None:
    """What the path asks for, or None if it is no WebSocket route."""
    for shape, style in ROUTES:
        if found := shape.fullmatch(path):
            return Target(style.task, found["model"], style)
    return None
