"""What Flux heard: turns and transcripts as its `TurnInfo`, and back."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET

from .. import events as e
from . import deepgram_flux_messages as m

UNKNOWN = 0.5  # the confidence where none is told
EVENTS = {"start": "StartOfTurn", "eager_end": "EagerEndOfTurn", "resumed": "TurnResumed"}


class Report:
    """What a stream was told so far."""

    def __init__(self, request_id: str) -> None:
        self._id = request_id
        self._sequence = self._index = 0
        self._is_open = False
        self._start = self._end = 0.0  # of the turn's audio, seconds
        self._said = ""  # its finals
        self._words: tuple[m.SaidWord, ...] = ()

    def turn(self, turn: e.Turn) -> m.TurnInfoMsg:
        if turn.phase == "end":
            return self._ended(turn)
        self._heard(turn.at)
        if turn.phase == "start":
            self._is_open, self._start = True, self._end if turn.at is None else turn.at
        unsure = UNKNOWN if turn.phase == "eager_end" else 0.0
        sure = unsure if turn.confidence is None else turn.confidence
        return self._info(EVENTS[turn.phase], "", (), sure)

    def transcript(self, t: e.Transcript) -> Iterator[m.TurnInfoMsg]:
        words = spoken(t)
        self._heard(None if t.start is None else t.start + (t.duration or 0.0))
        if t.text:
            yield self._info("Update", t.text, words, 0.0)
        if t.final:
            self._said, self._words = f"{self._said} {t.text}".strip(), self._words + words
        if t.from_finalize and not self._is_open:
            yield self._ended(e.Turn("end", trigger="manual"))

    def _ended(self, turn: e.Turn) -> m.TurnInfoMsg:
        self._heard(turn.at)
        sure = UNKNOWN if turn.confidence is None else turn.confidence
        told = self._info("EndOfTurn", "", (), sure, turn.trigger or "model")
        self._said, self._words, self._is_open = "", (), False
        self._index += 1
        return told

    def _info(
        self, event: str, more: str, words: tuple[m.SaidWord, ...], sure: float, trigger: str = ""
    ) -> m.TurnInfoMsg:
        return m.TurnInfoMsg(
            self._id,
            self.next(),
            event,
            self._index,
            round(self._start, 3),
            round(max(self._start, self._end), 3),
            f"{self._said} {more}".strip(),
            self._words + words,
            sure,
            trigger or UNSET,
        )

    def _heard(self, until: float | None) -> None:
        self._end = max(self._end, until or 0.0)

    def next(self) -> int:
        self._sequence += 1
        return self._sequence - 1


def spoken(t: e.Transcript) -> tuple[m.SaidWord, ...]:
    """livekit-plugins-deepgram 1.8 takes a transcript without words for none."""
    sure = 1.0 if t.confidence is None else t.confidence
    if not t.words:
        return tuple(m.SaidWord(word, sure) for word in t.text.split())
    return tuple(
        m.SaidWord(
            w.text,
            sure if w.confidence is None else w.confidence,
            round(w.start, 3),
            round(w.end, 3),
        )
        for w in t.words
    )


def heard(r: m.ListenReply, *, final: bool) -> e.Transcript:
    sure = [word.confidence for word in r.words if word.confidence is not None]
    timed = tuple(
        e.Word(text=w.word, start=w.start, end=w.end, confidence=w.confidence)
        for w in r.words
        if w.start is not None and w.end is not None
    )
    is_asked = r.trigger == "manual"
    return e.Transcript(
        r.transcript,
        final,
        final and is_asked,
        round(sum(sure) / len(sure), 3) if sure else None,
        r.languages[0] if r.languages else None,
        r.audio_window_start,
        round(max(0.0, r.audio_window_end - r.audio_window_start), 3),
        timed if len(timed) == len(r.words) else (),
        not is_asked,
    )
