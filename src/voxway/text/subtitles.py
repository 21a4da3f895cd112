"""What was heard as subtitles: SubRip and WebVTT; and who said it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from msgspec import Struct

from ..events import Transcript, Word

MAX_CUE = 84  # characters: two lines of a screen
PAUSE = 1.0  # seconds after which another cue begins
ENDS = (".", "?", "!", "\u3002", "\uff1f", "\uff01")


class Cue(Struct, frozen=True):
    """Seconds from the start of the recording. `speaker` is empty if it is not to be shown."""

    start: float
    end: float
    text: str
    speaker: str = ""


def speaker_name(speaker: int | None) -> str:
    return "Speaker ?" if speaker is None else f"Speaker {speaker}"


def turns(words: Iterable[Word]) -> Iterator[tuple[int | None, list[Word]]]:
    """The words of each speaker until another one speaks."""
    for speaker, said in groupby(words, lambda word: word.speaker):
        yield speaker, list(said)


def joined(words: Iterable[Word]) -> str:
    return " ".join(word.text for word in words)


def cues(finals: Iterable[Transcript], *, speakers: bool = False) -> list[Cue]:
    """A cue for each sentence, or less; with `speakers`, none for two of them. Where words have no
    times, for each final."""
    found: list[Cue] = []
    for final in finals:
        if final.words and speakers:
            for speaker, words in turns(final.words):
                found += (_cue(cut, speaker_name(speaker)) for cut in _cut(words))
        elif final.words:
            found += map(_cue, _cut(final.words))
        elif final.text:
            start = final.start or (found[-1].end if found else 0.0)
            found.append(Cue(start, start + (final.duration or 0.0), final.text))
    return found


def _cut(words: Sequence[Word]) -> Iterator[list[Word]]:
    held: list[Word] = []
    size = 0
    for word in words:
        is_apart = held and (word.start - held[-1].end > PAUSE or held[-1].text.endswith(ENDS))
        if is_apart or (held and size + len(word.text) > MAX_CUE):
            yield held
            held, size = [], 0
        held.append(word)
        size += len(word.text) + 1
    if held:
        yield held


def _cue(words: Sequence[Word], speaker: str = "") -> Cue:
    return Cue(words[0].start, words[-1].end, joined(words), speaker)


def srt(cues: Iterable[Cue]) -> str:
    """SubRip."""
    blocks = [
        f"{number}\n{_time(cue.start, ',')} --> {_time(cue.end, ',')}\n{_line(cue)}\n"
        for number, cue in enumerate(cues, 1)
    ]
    return "\n".join(blocks)


def vtt(cues: Iterable[Cue]) -> str:
    """WebVTT. An arrow in a text would be taken for one between times, and these characters for
    its markup."""
    blocks = [
        f"{_time(cue.start, '.')} --> {_time(cue.end, '.')}\n{_voiced(cue)}\n" for cue in cues
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def _line(cue: Cue) -> str:
    return f"{cue.speaker}: {cue.text}" if cue.speaker else cue.text


def _voiced(cue: Cue) -> str:
    text = cue.text.replace("-->", "->").replace("&", "&amp;").replace("<", "&lt;")
    return f"<v {cue.speaker}>{text}" if cue.speaker else text


def _time(seconds: float, mark: str) -> str:
    whole, ms = divmod(round(seconds * 1000), 1000)
    minutes, seconds = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{ms:03}"
