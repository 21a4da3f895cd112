"""What a URL asks for: task, dialect and model, by one table of path shapes.

Matched on the percent-decoded path, so that a model id may come with its slashes encoded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct, structs

from .catalog import Kind, Model
from .catalog.wires import WIRES
from .errors import ProtocolError
from .wire import legacy, unified
from .wire.base import Dialect, Opening, Wire
from .wire.mixed import Mixed, open_with
from .wire.unified import Style


class Target(Struct, frozen=True):
    """What was asked for. `model` is the id as the URL gives it, `style` that of the unified
    protocol; `is_legacy`: in its first generation.

    In a provider's own dialect, `wire` is its name, `parts` are those of the path, `subprotocol` is
    the one that it is spoken by, and `named` is what the client calls the model there: an id of
    ours, or the provider's own name.
    """

    kind: Kind
    model: str
    style: Style
    is_legacy: bool = False
    wire: str = ""
    named: str = ""
    provider: str = ""
    parts: Mapping[str, str] = {}
    subprotocol: str = ""

    @property
    def native(self) -> Wire | None:
        """The provider's wire, if it is that what is spoken here."""
        return native_wire(self.wire, self.kind) if self.wire else None


def has_subprotocols(wires: Sequence[Wire]) -> bool:
    return any(wire.subprotocols for wire in wires)


BRIDGE_VOICE = Style("tts", binary_audio=True, terminals="audio_end", is_bridge=True)
BRIDGE_EAR = Style("stt", is_bridge=True)
VOICE, EAR = Style("tts"), Style("stt")

# One line per URL shape; the first that fits decides. Each wire brings those of its provider: at a
# path that two share, the one with subprotocols is asked first.
ROUTES: tuple[tuple[re.Pattern[str], Style, bool], ...] = (
    (re.compile(r"/v1/bridges/unmute/tts/(?P<model>.+?)/?"), BRIDGE_VOICE, False),
    (re.compile(r"/v1/bridges/unmute/stt/(?P<model>.+?)/?"), BRIDGE_EAR, False),
    (re.compile(r"/v1/tts/(slng/)?(?P<model>[^/]+)-websocket-stream/?"), VOICE, True),
    (re.compile(r"/v1/stt/(slng/)?(?P<model>[^/]+)-websocket-stream/?"), EAR, True),
    (re.compile(r"/v1/tts/(?P<model>.+?)/?"), VOICE, False),
    (re.compile(r"/v1/stt/(?P<model>.+?)/?"), EAR, False),
)
NATIVE_ROUTES: tuple[tuple[re.Pattern[str], str, Wire], ...] = tuple(
    (re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)), name, wire)
    for name, wires in sorted(WIRES.items(), key=lambda named: not has_subprotocols(named[1]))
    for wire in wires
    for path in wire.paths
)


def target(path: str, offered: Sequence[str] = ()) -> Target | None:
    """What the path asks for, with these subprotocols, or None if it is no WebSocket route."""
    for shape, style, is_legacy in ROUTES:
        if found := shape.fullmatch(path):
            return Target(style.task, found["model"], style, is_legacy)
    for shape, name, wire in NATIVE_ROUTES:
        spoken = next((each for each in offered if each in wire.subprotocols), "")
        if (found := shape.fullmatch(path.rstrip("/"))) and (spoken or not wire.subprotocols):
            asked = in_dialect(name, wire, parts=found.groupdict())
            return structs.replace(asked, subprotocol=spoken)
    return None


def in_dialect(name: str, wire: Wire, *, named: str = "", parts: Mapping[str, str] = {}) -> Target:
    """What a client of a provider asks for: over a socket of its wire, or over HTTP."""
    return Target(
        wire.task,
        "",
        Style(wire.task),
        wire=name,
        named=named,
        provider=wire.provider,
        parts=parts,
    )


def native_wire(name: str, kind: Kind) -> Wire:
    return next(wire for wire in WIRES[name] if wire.task == kind)


def natives(model: Model) -> list[Wire]:
    """The dialects of a model's provider that mix with the unified one, the choosiest first."""
    providers = {
        wire.provider
        for backend in model.backends
        for wire in WIRES.get(backend.wire, ())
        if wire.provider
    }
    wires = (wire for wires in WIRES.values() for wire in wires)
    fitting = [wire for wire in wires if wire.task == model.kind and wire.provider in providers]
    own = [wire for b in model.backends for wire in WIRES.get(b.wire, ())]
    return sorted(fitting, key=lambda wire: (not wire.marks.fields, wire not in own))


def dialect(
    target: Target, opening: Opening, model: Model | None, context_id: str, language: str | None
) -> Dialect:
    """The gateway's side of what the client speaks. `model` is the one asked for, if the catalog
    has it; `language` is the URL's. Raises ProtocolError for an opening that cannot be."""
    if target.native is not None:
        return target.native.server(opening)
    face: Dialect = unified.Server(target.style, context_id)
    if target.is_legacy:
        face = legacy.Server(target.kind, context_id, language)
    if model is None or target.style.is_bridge or not (wires := natives(model)):
        return face
    return Mixed(face, wires, open_with(opening))


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
