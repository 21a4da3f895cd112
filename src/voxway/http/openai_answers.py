"""What OpenAI's transcriptions are answered with, in each of their formats."""

from __future__ import annotations

from collections.abc import Iterable
from math import log
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from ..events import Transcript, Word
from ..text.subtitles import cues, joined, srt, turns, vtt
from .hearing import Heard

ResponseFormat = Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"]


class Usage(Struct, frozen=True):
    seconds: float
    type: str = "duration"


class HeardText(Struct, frozen=True):
    """The plain answer."""

    text: str
    usage: Usage


class WordTime(Struct, frozen=True):
    word: str
    start: float
    end: float


class Segment(Struct, frozen=True):
    """What was said between two pauses. What only one model can tell is as if it were sure."""

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: tuple[int, ...]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float


class HeardVerbosely(Struct, frozen=True):
    """The answer with times."""

    task: str
    language: str
    duration: float
    text: str
    usage: Usage
    segments: tuple[Segment, ...] | UnsetType = UNSET
    words: tuple[WordTime, ...] | UnsetType = UNSET


class SpeakerSegment(Struct, tag="transcript.text.segment", frozen=True):
    """What one speaker said at a time."""

    id: str
    start: float
    end: float
    text: str
    speaker: str


class HeardSpeakers(Struct, frozen=True):
    """The answer with speakers."""

    task: str
    duration: float
    text: str
    segments: tuple[SpeakerSegment, ...]
    usage: Usage


class DeltaMsg(Struct, tag="transcript.text.delta", frozen=True):
    delta: str


class DoneMsg(Struct, tag="transcript.text.done", frozen=True):
    text: str


def answer_in(
    heard: Heard, format: ResponseFormat, granularities: Iterable[str], language: str
) -> str | HeardText | HeardVerbosely | HeardSpeakers:
    """The answer in a format: a text, or what is JSON."""
    seconds = round(heard.seconds, 3)
    usage = Usage(seconds)
    match format:
        case "verbose_json":
            segments, words = _segments(heard.finals), tuple(map(_word, heard.words))
            return HeardVerbosely(
                "transcribe",
                language,
                seconds,
                heard.text,
                usage,
                segments if not granularities or "segment" in granularities else UNSET,
                words if "word" in granularities else UNSET,
            )
        case "diarized_json":
            by_speaker = tuple(speakers(heard.finals))
            return HeardSpeakers("transcribe", seconds, heard.text, by_speaker, usage)
        case "srt":
            return srt(cues(heard.finals))
        case "vtt":
            return vtt(cues(heard.finals))
        case "text":
            return f"{heard.text}\n"
        case "json":
            return HeardText(heard.text, usage)


def speakers(finals: Iterable[Transcript], begin: int = 1) -> Iterable[SpeakerSegment]:
    """The words of each speaker until another one speaks; ids count from `begin`."""
    words = [word for final in finals for word in final.words]
    for number, (speaker, said) in enumerate(turns(words), begin):
        yield SpeakerSegment(
            f"seg_{number:03}",
            round(said[0].start, 3),
            round(said[-1].end, 3),
            joined(said),
            _letter(speaker or 0),
        )


def _letter(number: int) -> str:
    """A to Z, then AA."""
    rest, last = divmod(number, 26)
    return (_letter(rest - 1) if rest else "") + chr(ord("A") + last)


def _segments(finals: Iterable[Transcript]) -> tuple[Segment, ...]:
    told = [final for final in finals if final.text]
    segments = []
    for id, final in enumerate(told):
        start, end = _span(final)
        sure = 0.0 if final.confidence is None else log(min(max(final.confidence, 1e-9), 1.0))
        segments.append(Segment(id, 0, start, end, final.text, (), 0.0, round(sure, 6), 1.0, 0.0))
    return tuple(segments)


def _span(final: Transcript) -> tuple[float, float]:
    start = final.words[0].start if final.words else final.start or 0.0
    end = final.words[-1].end if final.words else start + (final.duration or 0.0)
    return round(start, 3), round(end, 3)


def _word(word: Word) -> WordTime:
    return WordTime(word.text, round(word.start, 3), round(word.end, 3))
