"""What a Wyoming connection asks for: where a request begins, and what it says.

Facts from the package `wyoming` 1.10.2 and its README.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec import Struct

from ..audio.formats import checked_rate
from ..errors import ConfigError, ProtocolError
from . import wyoming_messages as m
from .base import Task, invalid
from .wyoming_frames import Packet, packed

T = TypeVar("T", bound=Struct)

# What begins a request, and so has no place inside of another one.
BEGINNINGS = {"describe", "synthesize", "synthesize-start", "transcribe", "audio-start"}


class Describe(Struct, frozen=True):
    """Which voices and recognizers there are is asked."""


class Wanted(Struct, frozen=True):
    """A request for speech or recognition: `name` is that of a voice or a model, `program` the one
    chosen for the connection, `rate` (Hz) that of audio to hear, `first` what it began with."""

    task: Task
    first: Packet
    name: str = ""
    speaker: str = ""
    language: str | None = None
    program: str = ""
    rate: int = 0
    is_streamed: bool = False


class Requests:
    """Finds the beginnings of requests in what a connection says."""

    def __init__(self) -> None:
        self._program = ""
        self._listen = m.TranscribeMsg()

    def take(self, packet: Packet) -> Describe | Wanted | None:
        """None: no request yet, or nothing that we know. Raises ProtocolError."""
        match packet.type:
            case "describe":
                return Describe()
            case "select-program":
                self._program = read(packet, m.SelectMsg).name
            case "transcribe":
                self._listen = read(packet, m.TranscribeMsg)
            case "synthesize":
                if not read(packet, m.SynthesizeMsg).text.strip():
                    raise ProtocolError("text: there is nothing to say", param="text")
                return self._speech(packet, is_streamed=False)
            case "synthesize-start":
                return self._speech(packet, is_streamed=True)
            case "audio-start" | "audio-chunk":  # some begin without saying that they do
                return self._recognition(packet)
        return None

    def _speech(self, packet: Packet, *, is_streamed: bool) -> Wanted:
        said = read(packet, m.SynthesizeStartMsg)
        if said.text_format != "text":
            message = f"text_format {said.text_format[:20]!r} is not text"
            raise ConfigError(message, param="text_format")
        voice = said.voice
        return Wanted(
            "tts",
            packet,
            voice.name or "",
            voice.speaker or "",
            voice.language,
            self._program,
            is_streamed=is_streamed,
        )

    def _recognition(self, packet: Packet) -> Wanted:
        listen, self._listen = self._listen, m.TranscribeMsg()
        rate, name = rate_of(packet), listen.name or ""
        return Wanted("stt", packet, name, "", listen.language, self._program, rate)


def pong(packet: Packet) -> bytes | None:
    """The answer to a ping: whatever else goes on, it has one."""
    return packed("pong", read(packet, m.PingMsg)) if packet.type == "ping" else None


def check_place(type: str) -> None:
    """Raises ProtocolError for the beginning of a request in the midst of another. What we do not
    know is passed over, as in every server."""
    if type in BEGINNINGS:
        raise ProtocolError(f"{type} before the request before it was complete", param="type")


def rate_of(packet: Packet) -> int:
    """The rate (Hz) of audio to come. Raises ConfigError for a rate that nobody has,
    and for what is not mono in 16 bits."""
    format = read(packet, m.FormatMsg)
    if (format.width, format.channels) != (2, 1):
        message = f"audio of {format.channels} channels with {format.width} bytes a sample is not "
        raise ConfigError(
            f"{message}mono with 2", param="width" if format.width != 2 else "channels"
        )
    return checked_rate(format.rate, "linear16", "rate")


def read(packet: Packet, type: type[T]) -> T:
    """The data of an event. Raises ProtocolError naming the field."""
    try:
        return msgspec.convert(packet.data, type)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None
