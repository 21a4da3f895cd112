"""What the client of a realtime transcription is told: a session, and pieces of speech (items).

A delta is added to those before it, while our partials replace each other: a partial is told as far
as it goes on from what was told. What was revised is told once, when its item is completed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from msgspec import UNSET, Struct, UnsetType

from . import openai_realtime_messages as m
from .openai_realtime_session import OLD_NAMES, AudioConfig, Format, Input

OBJECT = "realtime.transcription_session"


class Items:
    """The pieces of speech of one session, and all that is said of them."""

    def __init__(self, request_id: str) -> None:
        self._id = request_id
        self._events = self._count = 0
        self._open = ""  # the item that is not committed, if it has a name yet
        # The committed ones without their text. None: it was cleared, and is not told.
        self._pending: deque[str | None] = deque()
        self._last: str | None = None  # the item that was committed last
        self._told = ""  # its deltas
        self._is_revised = False
        self._texts: list[str] = []  # its finals

    @property
    def _current(self) -> str | None:
        """The item that the next text is of."""
        return self._pending[0] if self._pending else self._item()

    def _item(self) -> str:
        if not self._open:
            self._count += 1
            self._open = f"item_{self._id}_{self._count}"
        return self._open

    def session(self, type: str, input: Input) -> m.SessionMsg:
        told = m.Told("transcription", OBJECT, f"sess_{self._id}", AudioConfig(input))
        return m.SessionMsg(type, self.event(), told)

    def old_session(self, input: Input) -> m.SessionMsg:
        told = m.OldTold(
            OBJECT,
            f"sess_{self._id}",
            OLD_NAMES[(input.format or Format()).type],
            input.transcription or None,
            input.turn_detection or None,
        )
        return m.SessionMsg("transcription_session.updated", self.event(), told)

    def started(self, at: float) -> m.BufferMsg:
        return self.buffer("speech_started", item_id=self._item(), audio_start_ms=round(at * 1000))

    def stopped(self, at: float) -> m.BufferMsg:
        return self.buffer("speech_stopped", item_id=self._item(), audio_end_ms=round(at * 1000))

    def committed(self) -> Iterator[Struct]:
        """The audio up to here is one item."""
        id, before = self._item(), self._last
        self._open, self._last = "", id
        self._pending.append(id)
        yield self.buffer("committed", item_id=id, previous_item_id=before)
        part = m.Part("input_audio", None)
        item = m.Item(id, "realtime.item", "message", "completed", "user", (part,))
        yield m.ItemMsg("conversation.item.added", self.event(), before, item)

    def cleared(self) -> None:
        """What is heard up to here is nothing."""
        self._open = ""
        self._pending.append(None)

    def heard(self, text: str, *, final: bool) -> Iterator[m.DeltaMsg]:
        """More of the item: all of it is what has been final, and this."""
        if not text:
            return
        now = " ".join([*self._texts, text])
        if final:
            self._texts.append(text)
        self._is_revised |= not now.startswith(self._told)
        if self._is_revised or now == self._told or (item := self._current) is None:
            return
        delta, self._told = now[len(self._told) :], now
        yield m.DeltaMsg(self.event(), item, 0, delta)

    def completed(self, seconds: float) -> Iterator[m.CompletedMsg]:
        """The first item has all its text."""
        item, text = self._current, " ".join(self._texts)
        if self._pending:
            self._pending.popleft()
        self._open = "" if item == self._open else self._open
        self._told, self._is_revised = "", False
        self._texts.clear()
        if item is not None:
            usage = m.Usage("duration", round(seconds, 3))
            yield m.CompletedMsg(self.event(), item, 0, text, usage)

    def buffer(
        self,
        what: str,
        *,
        item_id: str | UnsetType = UNSET,
        previous_item_id: str | UnsetType | None = UNSET,
        audio_start_ms: int | UnsetType = UNSET,
        audio_end_ms: int | UnsetType = UNSET,
    ) -> m.BufferMsg:
        type = f"input_audio_buffer.{what}"
        return m.BufferMsg(
            type, self.event(), item_id, previous_item_id, audio_start_ms, audio_end_ms
        )

    def event(self) -> str:
        self._events += 1
        return f"event_{self._id}_{self._events}"
