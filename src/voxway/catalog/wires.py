"""The wires that a catalog may name, and those of them that this release speaks: a line each."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from ..wire import (
    base,
    bridge,
    cartesia_stt,
    cartesia_tts,
    cartesia_turns,
    deepgram_flux_listen,
    deepgram_flux_speak,
    deepgram_listen,
    deepgram_speak,
    elevenlabs,
    elevenlabs_multi,
    elevenlabs_stt,
    kyutai_stt,
    kyutai_tts,
    openai_http,
    openai_realtime,
    orpheus,
    rime_http,
    rime_v1,
    rime_ws,
    rime_ws3,
    telnyx_stt,
    telnyx_tts,
)
from .model import Kind


class Wire(Struct, frozen=True):
    """What a backend's wire can carry, and whether it is there yet."""

    kinds: tuple[Kind, ...]
    implemented: bool = False


WIRES: dict[str, tuple[base.Wire, ...]] = {
    "engine": (bridge.VOICE, bridge.EAR),  # a worker that VOXWAY_ENGINES names
    "unified": (bridge.VOICE, bridge.EAR),  # another gateway that speaks our protocol
    "cartesia_stt": (cartesia_stt.WIRE,),
    "cartesia_tts": (cartesia_tts.WIRE,),
    "cartesia_turns": (cartesia_turns.WIRE,),
    "deepgram_listen": (deepgram_listen.WIRE,),
    "deepgram_speak": (deepgram_speak.WIRE,),
    "deepgram_flux_listen": (deepgram_flux_listen.WIRE,),
    "deepgram_flux_speak": (deepgram_flux_speak.WIRE,),
    "elevenlabs": (elevenlabs.WIRE,),
    "elevenlabs_multi": (elevenlabs_multi.WIRE,),
    "elevenlabs_stt": (elevenlabs_stt.WIRE,),
    "kyutai_stt": (kyutai_stt.WIRE,),
    "kyutai_tts": (kyutai_tts.WIRE,),
    "openai_http": (openai_http.SPEECH, openai_http.TRANSCRIPTIONS),
    "openai_realtime": (openai_realtime.WIRE,),
    "orpheus": (orpheus.WIRE,),
    "rime_http": (rime_http.WIRE,),
    "rime_v1": (rime_v1.WIRE,),
    "rime_ws": (rime_ws.WIRE,),
    "rime_ws3": (rime_ws3.WIRE,),
    "telnyx_stt": (telnyx_stt.WIRE,),
    "telnyx_tts": (telnyx_tts.WIRE,),
}
KNOWN_WIRES: Mapping[str, Wire] = {
    name: Wire(tuple(wire.task for wire in wires), implemented=True)
    for name, wires in WIRES.items()
}


def wire_named(name: str, kind: Kind) -> base.Wire:
    """The wire of a backend of that kind. KeyError if there is none."""
    return next(wire for wire in WIRES[name] if wire.task == kind)
