"""What a Flux voice has said: its turns, their sizes, and how far the listener came.

A turn is what is said up to a `Flush`. Offsets are of the session's audio as it was played, so an
interruption sets its clock back to what was heard.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from uuid import NAMESPACE_URL, uuid5

from msgspec import Struct

from ..audio.formats import AudioFormat
from ..events import Word
from . import deepgram_flux_speak_messages as m
from .deepgram_flux_query import SPEEDS, in_steps

TEXTS = {
    "NO_ACTIVE_SPEECH": "There is no turn to do that to",
    "INVALID_INTERRUPT_OFFSET": "The offset is not after that of the last interruption",
    "NO_SYNTHESIZABLE_TEXT": "There was nothing to speak in the text",
}
NO_CONTROLS = m.Controls(0, 0, 0)


class Speech:
    """One turn. Times of words are from its start, in seconds."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.text = ""
        self.audio = 0.0  # seconds
        self.words: list[Word] = []
        self.is_flushed = self.is_started = False

    @property
    def milliseconds(self) -> int:
        return round(self.audio * 1000)

    def metadata(self) -> m.SpeechMetadataMsg:
        size = len(self.text)
        return m.SpeechMetadataMsg(self.id, self.milliseconds, size, size, NO_CONTROLS)

    def cut(self, played: float) -> tuple[str, str]:
        """The text that was heard, and the rest."""
        if not self.words:  # without times, as much of the text as of the audio
            share = min(1.0, played / self.audio) if self.audio else 0.0
            at = self.text.rfind(" ", 0, round(share * len(self.text)) + 1) + 1
            at = len(self.text) if share == 1.0 else at
            return self.text[:at], self.text[at:]
        at = 0
        for word in self.words:
            if word.start >= played:
                break
            found = self.text.find(word.text, at)
            at = found + len(word.text) if found >= 0 else at
        return self.text[:at], self.text[at:]


class Session:
    """The turns that are not over, the first of which is being spoken."""

    def __init__(self, request_id: str, format: AudioFormat) -> None:
        self._request_id = request_id
        self._format = format
        self._turns: deque[Speech] = deque()
        self._count = 0
        self._played = 0.0  # seconds of audio up to the turn that is spoken
        self._interrupted_at = -1  # ms: the next one must be later
        self._characters = 0

    @property
    def has_text(self) -> bool:
        """Whether there is something to flush."""
        return bool(self._turns) and not self._turns[-1].is_flushed

    def say(self, text: str) -> None:
        if not self.has_text:
            self._count += 1
            name = f"{self._request_id} {self._count}"
            self._turns.append(Speech(f"dg_sp_{uuid5(NAMESPACE_URL, name).hex[:12]}"))
        self._turns[-1].text += text
        self._characters += len(text)

    def flush(self) -> None:
        self._turns[-1].is_flushed = True

    def words(self, words: tuple[Word, ...]) -> None:
        if self._turns:
            self._turns[0].words += words

    def begin(self) -> m.SpeechStartedMsg | None:
        """The first turn begins, if it has not."""
        if not self._turns or self._turns[0].is_started:
            return None
        self._turns[0].is_started = True
        return m.SpeechStartedMsg(self._turns[0].id)

    def audio(self, data: bytes) -> None:
        if self._turns:
            self._turns[0].audio += self._format.seconds(len(data))

    def end(self) -> Iterator[Struct]:
        """The first turn is out."""
        if not self._turns:
            return
        if (started := self.begin()) is not None:
            yield started
            yield warning("NO_SYNTHESIZABLE_TEXT")
        speech = self._turns.popleft()
        self._played += speech.audio
        yield m.FlushedMsg(speech.id)
        yield speech.metadata()

    def refuses(self, offset: m.Offset | None) -> str:
        """Why an interruption there means nothing, if it does not."""
        if not self._turns:
            return "NO_ACTIVE_SPEECH"
        is_late = offset is None or offset.value > self._interrupted_at
        return "" if is_late else "INVALID_INTERRUPT_OFFSET"

    def interrupt(self, offset: m.Offset | None) -> m.SpeechInterruptedMsg | None:
        """All that was to be said is void."""
        if not self._turns:
            return None
        speech = self._turns[0]
        self._turns.clear()
        now = self._played + speech.audio
        played = min(now, max(self._played, offset.value / 1000)) if offset else now
        texts = speech.cut(played - self._played) if offset else (None, None)
        self._played = played
        self._interrupted_at = offset.value if offset else round(played * 1000)
        size = len(speech.text)
        metadata = m.Metadata(speech.id, speech.milliseconds, size, size, NO_CONTROLS)
        return m.SpeechInterruptedMsg(self._interrupted_at, metadata, *texts)

    def totals(self) -> m.SessionMetadataMsg:
        heard = self._played + sum(speech.audio for speech in self._turns)
        return m.SessionMetadataMsg(round(heard * 1000), self._characters, self._characters)


def warning(code: str) -> m.WarningMsg:
    return m.WarningMsg(code, TEXTS[code])


def refused_speed(speed: float | None) -> m.UnconfiguredMsg | None:
    """The answer to a speed that cannot be."""
    least, most = SPEEDS
    if speed is None:
        return None
    if not least <= speed <= most:
        text = f"speed {speed:g} is not within {least:g} and {most:g}"
        return m.UnconfiguredMsg("SPEED_OUT_OF_RANGE", text, "speed", speed)
    if abs(in_steps(speed) - speed) > 1e-6:
        text = f"speed {speed:g} is no multiple of 0.05"
        return m.UnconfiguredMsg("SPEED_INCREMENT_INVALID", text, "speed", speed)
    return None
