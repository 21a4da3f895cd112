"""A client for any gateway that speaks the unified protocol.

async for event in speak(find_gateway(), "Hello."):
    if isinstance(event, Audio):
        play(event.data)
"""

from .connection import Connection, connect
from .failures import UnreachableError
from .gateway import Gateway, find_gateway
from .http import health, list_models
from .listen import transcribe
from .speak import speak

__all__ = [
    "Connection",
    "Gateway",
    "UnreachableError",
    "connect",
    "find_gateway",
    "health",
    "list_models",
    "speak",
    "transcribe",
]
