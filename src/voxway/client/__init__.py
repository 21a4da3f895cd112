"""A client for any gateway that speaks the unified protocol, and for providers directly.

async with Voxway("wss://speech.example.com", key) as vox:
    async with vox.tts() as tts:
        async for chunk in tts.stream("Hello."):
            play(chunk.data)

`voxway.client.sync` has the same for programs without a loop.
"""

from ..errors import GatewayError
from ..events import Turn, Turns
from . import notices
from .capture import QueueFullError
from .cutting import FlushPolicy
from .failures import UnreachableError
from .gateway import Gateway, find_gateway
from .heard import Heard
from .http import health, list_models
from .metrics import Measurement, Metrics, Snapshot
from .notices import Notice, State
from .playback import PlaybackBuffer
from .reconnect import NEVER, SLNG, TELNYX, Retry
from .speaking import SpeechEvent
from .stt import HearingEvent, Listening, Stt
from .transcript import Assembly
from .tts import Chunk, Delivery, Tts
from .voxway import Speech, Voxway

__all__ = [
    "NEVER",
    "SLNG",
    "TELNYX",
    "Assembly",
    "Chunk",
    "Delivery",
    "FlushPolicy",
    "Gateway",
    "GatewayError",
    "Heard",
    "HearingEvent",
    "Listening",
    "Measurement",
    "Metrics",
    "Notice",
    "PlaybackBuffer",
    "QueueFullError",
    "Retry",
    "Snapshot",
    "Speech",
    "SpeechEvent",
    "State",
    "Stt",
    "Tts",
    "Turn",
    "Turns",
    "UnreachableError",
    "Voxway",
    "find_gateway",
    "health",
    "list_models",
    "notices",
]
