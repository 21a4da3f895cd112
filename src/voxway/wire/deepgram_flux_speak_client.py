"""What the gateway says to Deepgram's Flux speech."""

from __future__ import annotations

from collections.abc import Iterator

from .. import events as e
from . import deepgram as dg
from . import deepgram_flux_speak_messages as m
from .base import Address, Frame, dump, parser

KNOWN = {"Connected", "SpeechMetadata", "SpeechInterrupted", "ConfigureFailure", "Warning", "Error"}
# Interruptions that are not answered by `SpeechInterrupted`.
UNHEARD = {"NO_ACTIVE_SPEECH", "NO_AUDIO_GENERATED", "INTERRUPT_IN_PROGRESS"}

_head = parser(m.Head)
_reply = parser(m.Reply)


class Client:
    """The gateway to Deepgram. An interruption before the session's first audio is refused there:
    what is spoken all the same is dropped here."""

    def __init__(self, options: e.SpeakOptions, address: Address) -> None:
        self._options = options
        self._interrupts = 0  # without an answer yet
        self._has_text = False  # that is not flushed
        self._is_stale = False  # what comes, up to the end of its turn

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Text(text=text, partial=partial):
                if self._is_stale and self._has_text:
                    yield dump(m.FlushMsg())
                self._has_text = True
                yield dump(m.SpeakMsg(text if partial else f"{text} "))
            case e.Flush():
                self._has_text = False
                yield dump(m.FlushMsg())
            case e.Clear() | e.Cancel():
                self._interrupts += 1
                yield dump(m.InterruptMsg())
            case e.Finish():
                yield dump(m.CloseMsg())

    def decode(self, frame: Frame) -> Iterator[e.Event]:  # noqa: C901 - one case a message
        if isinstance(frame, bytes):
            if not self._is_stale:
                yield e.Audio(frame)
            return
        if _head(frame).type not in KNOWN:
            return
        r: m.Reply = _reply(frame)
        match r.type:
            case "Connected":
                encoding, rate = self._options.encoding or "", self._options.sample_rate or 0
                yield e.Ready("", r.request_id, r.model_name, encoding, rate)
            case "SpeechMetadata":
                if not self._is_stale:
                    yield e.Flushed(r.audio_duration_ms / 1000)
                self._is_stale = False
            case "SpeechInterrupted":
                self._has_text = False
                yield from self._cleared()
            case "Warning" if self._interrupts and r.code in UNHEARD:
                self._is_stale |= r.code == "NO_AUDIO_GENERATED"
                yield from self._cleared()
            case "Warning" | "ConfigureFailure":
                yield e.Warning((r.code or "provider_warning").lower(), r.description or "")
            case "Error":
                yield dg.failure(r.code, r.description)

    def _cleared(self) -> Iterator[e.Event]:
        if self._interrupts:
            self._interrupts -= 1
            yield e.Cleared()
