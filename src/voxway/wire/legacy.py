"""The first generation of the unified protocol: `/v1/{tts,stt}/{name}-websocket-stream`.

Its commands are a part of today's, so reading is shared; its events have other fields. Every event
carries the `context_id`, given by the client or made for it, and recognition tells segments by
`transcript` and the whole up to a finalize by `final_transcript`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from ..events import (
    Cleared,
    Event,
    Flushed,
    ListenOptions,
    Ready,
    SegmentEnd,
    SegmentStart,
    Start,
    Transcript,
    Words,
)
from . import unified
from .base import Frame, Task, dump
from .unified_messages import ClearedMsg, FlushedMsg, Message


class ReadyMsg(Message, tag="ready", frozen=True):
    session: str
    session_id: str
    capabilities: tuple[str, ...]
    model_id: str
    sample_rate: int
    encoding: str


class AudioEndMsg(Message, tag="audio_end", frozen=True):
    id: str
    total_duration_ms: int


class TranscriptMsg(Message, tag="transcript", frozen=True):
    text: str
    is_final: bool
    timestamp: float
    confidence: float | None = None


class FinalTranscriptMsg(Message, tag="final_transcript", frozen=True):
    text: str
    audio_duration_seconds: float
    timestamp: float


# What this generation had no word for.
UNSAID = (SegmentStart, SegmentEnd, Words)


class Server:
    """The gateway's side of one socket. `language` is the URL's, for recognition."""

    def __init__(self, task: Task, context_id: str, language: str | None = None) -> None:
        self._unified = unified.Server(unified.Style(task), context_id)
        self._language = language
        self._utterances = 0
        self._segments: list[str] = []
        self._heard = 0.0  # seconds up to the end of the last segment
        self._finalized = 0.0  # of those, the ones that a final transcript has told

    def opening(self) -> Iterable[Event]:
        return ()

    def closing(self, code: int, reason: str) -> tuple[int, str]:
        return code, reason

    def decode(self, frame: Frame) -> Iterator[Event]:
        for command in self._unified.decode(frame):
            yield from self._with_language(command)

    def _with_language(self, command: Event) -> Iterator[Event]:
        language, self._language = self._language, None
        if language is None:
            yield command
        elif isinstance(command, Start) and isinstance(command.options, ListenOptions):
            given = command.options.language or language
            options = msgspec.structs.replace(command.options, language=given)
            yield msgspec.structs.replace(command, options=options)
        else:
            yield Start(ListenOptions(language=language))
            yield command

    def encode(self, event: Event) -> Iterable[Frame]:
        if isinstance(event, UNSAID):
            return ()
        if isinstance(event, Ready):
            list(self._unified.encode(event))  # it learns the format, for durations
        messages = self._messages(event)
        if messages is None:
            return map(self._with_context, self._unified.encode(event))
        return [self._with_context(dump(message)) for message in messages]

    def _with_context(self, frame: Frame) -> Frame:
        context_id = self._unified.context_id
        if isinstance(frame, bytes) or frame.startswith('{"type":"audio_chunk"'):
            return frame
        return dump(msgspec.json.decode(frame) | {"context_id": context_id})

    def _messages(self, event: Event) -> list[Message] | None:
        """This generation's own form, or None where it is today's."""
        match event:
            case Ready() as r:
                return [
                    ReadyMsg(
                        r.session_id,
                        r.session_id,
                        r.capabilities,
                        r.model,
                        r.sample_rate,
                        r.encoding,
                    )
                ]
            case Flushed(duration=duration):
                return [FlushedMsg(), self._audio_end(duration or 0.0)]
            case Cleared(cancelled=cancelled):
                return [self._audio_end(0.0) if cancelled else ClearedMsg()]
            case Transcript():
                return list(self._transcript(event))
            case _:
                return None

    def _audio_end(self, duration: float) -> AudioEndMsg:
        self._utterances += 1
        return AudioEndMsg(f"utt_{self._utterances}", round(duration * 1000))

    def _transcript(self, t: Transcript) -> Iterator[Message]:
        if t.start is not None:
            self._heard = t.start + (t.duration or 0.0)
        if t.text or not t.from_finalize:
            yield TranscriptMsg(t.text, t.final, round(self._heard, 3), t.confidence)
        if t.final and t.text:
            self._segments.append(t.text)
        if t.from_finalize:
            seconds = round(self._heard - self._finalized, 3)
            yield FinalTranscriptMsg(" ".join(self._segments), seconds, round(self._heard, 3))
            self._segments, self._finalized = [], self._heard
