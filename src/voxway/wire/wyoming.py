"""Wyoming, the gateway's side: what Home Assistant speaks with voices and recognizers.

A connection carries requests, one after the other; each is a conversation of its own here. Facts
from the package `wyoming` 1.10.2 and its README.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from .. import events as e
from ..errors import GatewayError, ProtocolError, TooLargeError
from . import wyoming_messages as m
from .wyoming_frames import Packet, packed
from .wyoming_requests import Wanted, check_place, rate_of, read

# A language model's words come one by one. They are handed on together, up to here or to so many
# characters: no voice speaks less than a sentence, and no word counts as a message.
ENDS = frozenset(".!?…。！？।\n")  # noqa: RUF001
MOST_HELD = 200


class Conversation(Protocol):
    """One request and its answer: a codec that is used once. `is_complete`: nothing more of the
    request will come."""

    is_complete: bool

    def opening(self) -> Iterable[e.Event]: ...

    def decode(self, packet: Any) -> Iterable[e.Event]: ...

    def encode(self, event: e.Event) -> Iterable[bytes]: ...


class Speaking:
    """A text, whole or in pieces, and its speech."""

    def __init__(self, wanted: Wanted, voice: str | None) -> None:
        self.is_complete = not wanted.is_streamed
        self._wanted = wanted
        self._voice = voice
        self._format: m.FormatMsg | None = None
        self._has_begun = False
        self._held = ""

    def opening(self) -> Iterator[e.Event]:
        language = self._wanted.language
        yield e.Start(e.SpeakOptions(voice=self._voice, language=language, encoding="linear16"))
        if self.is_complete:
            text = read(self._wanted.first, m.SynthesizeMsg).text
            yield from (e.Text(text, partial=False), e.Finish())

    def decode(self, packet: Packet) -> Iterator[e.Event]:
        match packet.type:
            case "synthesize-chunk":
                piece = read(packet, m.TextMsg).text
                self._held += piece
                if not ENDS.isdisjoint(piece) or len(self._held) > MOST_HELD:
                    yield from self._handed_on()
            case "synthesize-stop":
                self.is_complete = True
                yield from self._handed_on()
                yield e.Finish()
            case "synthesize":
                return  # the whole text again, for servers that know no pieces
            case other:
                check_place(other)

    def _handed_on(self) -> Iterator[e.Event]:
        held, self._held = self._held, ""
        if held:
            yield e.Text(held)

    def encode(self, event: e.Event) -> Iterator[bytes]:
        match event:
            case e.Ready(sample_rate=rate):
                self._format = m.FormatMsg(rate, 2, 1)
            case e.Audio(data=data):
                yield from self._begun()
                yield packed("audio-chunk", self._format, data)
            case e.Ended(reason="client_closed"):
                yield from self._begun()
                yield packed("audio-stop")
                if self._wanted.is_streamed:
                    yield packed("synthesize-stopped")
            case _:
                yield from trouble(event)

    def _begun(self) -> Iterator[bytes]:
        if not self._has_begun and self._format is not None:
            self._has_begun = True
            yield packed("audio-start", self._format)


class Hearing:
    """Audio, and what is heard in it: each final as a piece, and then the whole. `most` is how many
    seconds of audio are taken."""

    def __init__(self, wanted: Wanted, most: float) -> None:
        self.is_complete = False
        self._wanted = wanted
        self._left = self._most = most
        self._finals: list[str] = []
        self._language = wanted.language

    def opening(self) -> Iterator[e.Event]:
        language, rate = self._wanted.language, self._wanted.rate
        yield e.Start(
            e.ListenOptions(
                language=language, encoding="linear16", sample_rate=rate, partials=False
            )
        )
        if self._wanted.first.payload:
            yield from self.decode(self._wanted.first)

    def decode(self, packet: Packet) -> Iterator[e.Event]:
        match packet.type:
            case "audio-chunk":
                yield from self._heard(packet)
            case "audio-stop":
                self.is_complete = True
                yield e.Finish()
            case other:
                check_place(other)

    def _heard(self, packet: Packet) -> Iterator[e.Event]:
        rate, data = rate_of(packet), packet.payload
        if rate != self._wanted.rate:
            message = f"rate {rate} is not that of the audio's start, {self._wanted.rate}"
            raise ProtocolError(message, param="rate")
        if len(data) % 2:
            raise ProtocolError(f"audio of {len(data)} bytes is not whole samples", param="audio")
        self._left -= len(data) / 2 / rate
        if self._left < 0:
            raise TooLargeError(f"audio is longer than {self._most:g} s", param="audio")
        if data:
            yield e.Audio(data)

    def encode(self, event: e.Event) -> Iterator[bytes]:
        match event:
            case e.Transcript(text=text, final=True, language=language) if text:
                self._language = language or self._language
                yield from self._begun()
                # Pieces are joined as they are.
                yield packed("transcript-chunk", m.TextMsg(f" {text}" if self._finals else text))
                self._finals.append(text)
            case e.Ended(reason="client_closed"):
                yield from self._begun()
                # Whoever knows no pieces waits for this, whoever does for the next.
                whole = m.TranscriptMsg(" ".join(self._finals), self._language)
                yield packed("transcript", whole)
                yield packed("transcript-stop")
            case _:
                yield from trouble(event)

    def _begun(self) -> Iterator[bytes]:
        if not self._finals:
            yield packed("transcript-start", m.LanguageMsg(self._language))


def trouble(event: e.Event) -> Iterator[bytes]:
    """What is told when a session goes wrong, or ends before its time."""
    match event:
        case e.Failed(code=code, message=message):
            yield packed("error", m.ErrorMsg(message, code))
        case e.Ended(reason=reason):
            yield packed("error", m.ErrorMsg(f"the session ended: {reason}", reason))


def refusal(error: GatewayError) -> bytes:
    """How an error of ours is told."""
    return packed("error", m.ErrorMsg(error.message, error.error))


def conversation(wanted: Wanted, voice: str | None, most: float) -> Conversation:
    """The codec of a request: with this voice, or for so many seconds of audio."""
    return Speaking(wanted, voice) if wanted.task == "tts" else Hearing(wanted, most)
