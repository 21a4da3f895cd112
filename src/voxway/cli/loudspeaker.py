"""The loudspeaker, for those who ask for it."""

from __future__ import annotations

from ..client.devices import playable
from ..client.sinks import Loudspeaker


def loudspeaker() -> Loudspeaker:
    """This machine's. Raises ConfigError that says what it lacks."""
    playable()
    return Loudspeaker()
