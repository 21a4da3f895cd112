"""Words with their times as characters with theirs, and back: some wires time characters.

Such a wire tells them in chunks whose times begin at 0 each. Its clients find the place of a chunk
by the audio before it, or by adding up what the chunks before it cover; so chunks cover all time
without a gap, and white space stands for the silence between words.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct, structs

from ..audio.formats import AudioFormat
from ..events import Word


class Alignment(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Characters, and for each the ms from the start of the chunk and how long it sounds. The two
    last are how ElevenLabs' documentation has spelled the others."""

    chars: tuple[str, ...] | None = None
    char_start_times_ms: tuple[float, ...] | None = None
    char_durations_ms: tuple[float, ...] | None = None
    chars_start_times_ms: tuple[float, ...] | None = None
    chars_durations_ms: tuple[float, ...] | None = None

    @property
    def starts(self) -> tuple[float, ...]:
        return self.char_start_times_ms or self.chars_start_times_ms or ()

    @property
    def durations(self) -> tuple[float, ...]:
        return self.char_durations_ms or self.chars_durations_ms or ()

    @property
    def seconds(self) -> float:
        """How much time the chunk covers."""
        timed = zip(self.starts, self.durations, strict=False)
        return max((start + duration for start, duration in timed), default=0.0) / 1000


def spelled(words: Sequence[Word], since: float, until: float = 0.0) -> Alignment:
    """The characters of a chunk that begins at `since`. The last one is a space, which tells that
    the word before it is complete; it lasts `until` then, if that is later."""
    chars: list[str] = []
    times: list[float] = []
    at = since
    for word in words:
        start = max(word.start, at)
        if chars or start > at:
            chars.append(" ")
            times.append(at)
        at = max(word.end, start)
        chars.extend(word.text)
        times.extend(start + (at - start) * i / len(word.text) for i in range(len(word.text)))
    chars.append(" ")
    times += [at, max(at, until)]
    starts = [round((time - since) * 1000) for time in times]
    durations = tuple(after - start for start, after in pairwise(starts))
    return Alignment(tuple(chars), tuple(starts[:-1]), durations)


def words_in(
    alignment: Alignment, since: float, held: Word | None = None
) -> tuple[tuple[Word, ...], Word | None]:
    """The words that are complete with this chunk, and the one that may go on in the next. `held`
    is what the chunk before left so."""
    words: list[Word] = []
    timed = zip(alignment.chars or (), alignment.starts, alignment.durations, strict=False)
    for text, start, duration in timed:
        begin, end = since + start / 1000, since + (start + duration) / 1000
        if text.isspace():
            words += [held] if held else []
            held = None
        elif held:
            held = structs.replace(held, text=held.text + text, end=max(held.end, end))
        else:
            held = Word(text=text, start=begin, end=end)
    return tuple(words), held


class Speller:
    """Words, utterance after utterance, as chunks to send with their audio."""

    def __init__(self, format: AudioFormat) -> None:
        self._format = format
        # Seconds from the first audio: sent, covered by chunks, to the start of this utterance.
        self._sent = self._covered = self._began = 0.0
        self._waiting: list[Word] = []

    def sent(self, data: bytes) -> None:
        """So much audio goes out."""
        self._sent += self._format.seconds(len(data))

    def expect(self, words: Sequence[Word]) -> Alignment | None:
        """Words that go with the next audio. Before the first of them the silence at the end of
        the audio so far may have to be covered: by a chunk of its own, since the next audio's
        begins where that audio does."""
        began = self._began
        self._waiting += [
            structs.replace(word, start=began + word.start, end=began + word.end) for word in words
        ]
        until = min(self._sent, self._waiting[0].start) if self._waiting else 0.0
        silence = spelled((), self._covered, until)
        if len(self._waiting) > len(words) or not silence.seconds:
            return None
        self._covered += silence.seconds
        return silence

    def take(self, *, is_late: bool = False) -> Alignment | None:
        """The chunk of the words that wait, to go with their audio. If that is out already, the
        chunk covers it to its end."""
        if not self._waiting:
            return None
        alignment = spelled(self._waiting, self._covered, self._sent if is_late else 0.0)
        self._covered += alignment.seconds
        self._waiting = []
        return alignment

    def end(self) -> None:
        """The utterance is out."""
        self._began = self._sent or self._covered


class Reader:
    """Chunks with their audio, read as the words of one utterance."""

    def __init__(self, format: AudioFormat) -> None:
        self._format = format
        self._since = 0.0
        self._held: Word | None = None

    def read(self, alignment: Alignment | None, data: bytes) -> tuple[Word, ...]:
        """The words that are complete now. Where bytes tell no time, the chunks must. A chunk of
        words without audio is for the audio that came before."""
        given = alignment or Alignment()
        is_raw = self._format.frame_bytes
        is_late = is_raw and not data and any(not char.isspace() for char in given.chars or ())
        since = max(0.0, self._since - given.seconds) if is_late else self._since
        words, self._held = words_in(given, since, self._held)
        self._since += self._format.seconds(len(data)) if is_raw else given.seconds
        return words

    def rest(self) -> tuple[Word, ...]:
        """Nothing follows: the word that did not go on."""
        held, self._held = self._held, None
        return (held,) if held else ()
