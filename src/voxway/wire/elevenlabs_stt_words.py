"""Words with their times in ElevenLabs' realtime Scribe, from ours and to ours.

Spaces are words there, `logprob` is the logarithm of our confidence, and speakers have names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import exp, log

from msgspec import UNSET, structs

from .. import events as e
from .elevenlabs_stt_messages import ReplyMsg, TimedWord, TimestampedMsg
from .elevenlabs_stt_options import TWO_LETTERS, Query


def timestamped(
    text: str, segments: Sequence[e.Transcript], config: Query
) -> Iterator[TimestampedMsg]:
    """A commit of these segments for the second time, if times or languages were asked for."""
    if not (config.include_timestamps or config.include_language_detection):
        return
    languages = [segment.language for segment in segments if segment.language]
    words = None
    if config.include_timestamps:
        told = [word for segment in segments for word in segment.words]
        words = tuple(timed(told, segments[-1].confidence))
    yield TimestampedMsg(text, languages[-1] if languages else config.language_code, words)


def timed(words: Sequence[e.Word], sure: float | None) -> Iterator[TimedWord]:
    """Words and the spaces between them. livekit 1.8.9 makes its confidence of the `logprob` of
    words: what is not known of one is as of the whole."""
    before: e.Word | None = None
    for word in words:
        if before is not None:
            yield TimedWord(" ", round(before.end, 3), round(word.start, 3), "spacing", 0.0)
        confidence = sure if word.confidence is None else word.confidence
        logprob = 0.0 if confidence is None else log(min(max(confidence, 1e-9), 1.0))
        speaker = UNSET if word.speaker is None else f"speaker_{word.speaker}"
        start, end = round(word.start, 3), round(word.end, 3)
        yield TimedWord(word.text, start, end, "word", round(logprob, 6), speaker)
        before = word


def _word(timed: TimedWord) -> e.Word | None:
    """Nothing for a space, or what has no time."""
    if timed.type == "spacing" or not timed.text or timed.start is None or timed.end is None:
        return None
    number = (timed.speaker_id or "").rpartition("_")[2]
    return e.Word(
        text=timed.text,
        start=timed.start,
        end=timed.end,
        confidence=None if timed.logprob is None else exp(min(timed.logprob, 0.0)),
        speaker=int(number) if number.isdecimal() else None,
    )


def transcript(
    said: ReplyMsg, silences: Sequence[tuple[float, float]], *, answers: bool
) -> e.Transcript:
    """A commit. `silences` (when, how long) were put into the audio: times are told without."""
    words = []
    for word in filter(None, map(_word, said.words or ())):
        shift = sum(seconds for at, seconds in silences if at < word.start)
        words.append(structs.replace(word, start=word.start - shift, end=word.end - shift))
    sure = [word.confidence for word in words if word.confidence is not None]
    return e.Transcript(
        said.text.strip(),
        True,
        from_finalize=answers,
        confidence=sum(sure) / len(sure) if sure else None,
        language=TWO_LETTERS.get(said.language_code or "", said.language_code),
        start=words[0].start if words else None,
        duration=words[-1].end - words[0].start if words else None,
        words=tuple(words),
        is_endpoint=not answers,
    )
