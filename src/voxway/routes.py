"""What a URL asks for: task, dialect and model, by one table of path shapes.

Matched on the percent-decoded path, so that a model id may come with its slashes encoded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct, structs

from .catalog import Kind
from .errors import ProtocolError
from .wire import legacy, unified
from .wire.base import Codec
from .wire.unified import Style


class Target(Struct, frozen=True):
    """What was asked for. `model` is the id as the URL gives it, `style` that of the unified
    protocol; `is_legacy`: in its first generation."""

    kind: Kind
    model: str
    style: Style
    is_legacy: bool = False

    def codec(self, context_id: str, language: str | None) -> Codec:
        """The gateway's side of the dialect. `language` is the URL's."""
        if self.is_legacy:
            return legacy.Server(self.kind, context_id, language)
        return unified.Server(self.style, context_id)


BRIDGE_VOICE = Style("tts", binary_audio=True, terminals="audio_end", is_bridge=True)
BRIDGE_EAR = Style("stt", is_bridge=True)
VOICE, EAR = Style("tts"), Style("stt")

# One line per URL shape; the first that fits decides.
ROUTES: tuple[tuple[re.Pattern[str], Style, bool], ...] = (
    (re.compile(r"/v1/bridges/unmute/tts/(?P<model>.+?)/?"), BRIDGE_VOICE, False),
    (re.compile(r"/v1/bridges/unmute/stt/(?P<model>.+?)/?"), BRIDGE_EAR, False),
    (re.compile(r"/v1/tts/(slng/)?(?P<model>[^/]+)-websocket-stream/?"), VOICE, True),
    (re.compile(r"/v1/stt/(slng/)?(?P<model>[^/]+)-websocket-stream/?"), EAR, True),
    (re.compile(r"/v1/tts/(?P<model>.+?)/?"), VOICE, False),
    (re.compile(r"/v1/stt/(?P<model>.+?)/?"), EAR, False),
)


def target(path: str) -> Target | None:
    """What the path asks for, or None if it is no WebSocket route."""
    for shape, style, is_legacy in ROUTES:
        if found := shape.fullmatch(path):
            return Target(style.task, found["model"], style, is_legacy)
    return None


def adapted(target: Target, headers: Mapping[str, str], audio: str | None) -> Target:
    """The target in the form that this client wants: `audio` is the query's `binary` or `json`.
    Raises ProtocolError for another value."""
    style = target.style
    if audio is not None:
        if audio not in ("binary", "json"):
            raise ProtocolError(f"audio {audio[:20]!r} is not binary or json", param="audio")
        style = structs.replace(style, binary_audio=audio == "binary")
    # livekit-plugins-slng 1.5 keeps sockets in a pool and takes either terminal as the end of an
    # utterance: the second one would end the next. It is known by sending its key twice.
    if "authorization" in headers and "x-api-key" in headers:
        style = structs.replace(style, terminals="audio_end")
    return structs.replace(target, style=style)
