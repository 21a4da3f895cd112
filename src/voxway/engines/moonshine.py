"""The embedded English recognizer: moonshine-voice with the model in its wheel, 16 kHz.

It finds the pauses itself: a *line* is what was said between two. Twice a second of audio it reads
the line anew, so partials grow and change until the pause makes them final. About three live
streams a core are heard without lag.
"""

from __future__ import annotations

from threading import Lock

from msgspec.structs import replace

from ..events import ListenOptions, Reply, SpeechStarted, Transcript, UtteranceEnd, Word
from .align import Aligner
from .invented import without_invented
from .libmoonshine import Line, Stream, Transcriber, Turn
from .timing import shifted, spread, words_in

SAMPLE_RATE = 16_000
_BYTES_PER_SECOND = 2 * SAMPLE_RATE

# Seconds between updates. More often, the library answers with text that is older than the audio.
# An update takes about 17 ms a second of the open line: a long line is read half as often.
_UPDATE = 0.5
_LONG_UPDATE = 1.0
_LONG_LINE = 8.0

# Fed before a line is forced to its end, so that the last word is heard out.
_TAIL = bytes(_BYTES_PER_SECOND // 2)

# The library keeps all lines of a stream. In a pause after this long, a new one is begun, with
# some of the pause in it: the library looks back a little for the onset of speech.
_RENEW_AFTER = 60.0  # seconds
_PAUSE = 1.5
_LOOK_BACK = 0.5

_SPEAKER_LAG = 2.0  # seconds
_MARGIN = 0.1  # seconds around a line in which its words are looked for
_LONGEST_LINE = 20.0  # seconds of audio kept in any case: to check what a line ends with
_RING = 60.0  # seconds of audio kept for word times, more than any line lasts


class MoonshineEar:
    """Hears English. `diarization` costs 0.8 s a second of audio on two cores (1.5 of CPU), so it
    is for a stream or two; its model is loaded when first asked for."""

    sample_rate = SAMPLE_RATE

    def __init__(self, renew_after: float = _RENEW_AFTER) -> None:
        self._renew_after = renew_after
        self._plain = Transcriber()
        self._diarizing: Transcriber | None = None
        self._aligner = Aligner()
        self._lock = Lock()

    def listen(self, options: ListenOptions) -> MoonshineHearing:
        """Open one stream. Raises UpstreamError if the library does not give one."""
        transcriber = self._with_speakers() if options.diarization else self._plain
        return MoonshineHearing(transcriber.open(), self._aligner, options, self._renew_after)

    def _with_speakers(self) -> Transcriber:
        with self._lock:
            if self._diarizing is None:
                self._diarizing = Transcriber(diarization=True)
            return self._diarizing


class MoonshineHearing:
    """One stream. Speakers of `diarization` are numbered from 0 in order of appearance; after a
    finalize the same speaker gets a new number."""

    def __init__(
        self, stream: Stream, aligner: Aligner, options: ListenOptions, renew_after: float
    ) -> None:
        self._renew_after = renew_after
        self._stream = stream
        self._aligner = aligner
        self._options = options
        # All times are seconds from the start of the hearing.
        self._heard = 0.0
        self._updated = 0.0
        self._origin = 0.0  # where the library's stream begins
        self._last_end = 0.0  # of the last final
        self._open: dict[int, str] = {}  # the text so far of each line that is not final
        self._given: set[int] = set()  # the lines that are
        self._speakers: dict[int, int] = {}  # the library's numbers have gaps
        self._recent = bytearray()

    def feed(self, pcm: bytes) -> list[Reply]:
        """Take audio; give what it changes: partials, and finals of lines that a pause ended."""
        if not pcm:
            return []
        self._stream.add(pcm)
        self._heard += len(pcm) / _BYTES_PER_SECOND
        self._remember(pcm)
        if self._heard - self._updated < self._interval():
            return []
        self._updated = self._heard
        replies: list[Reply] = []
        for line in self._new(self._stream.lines()):
            if self._awaits_speaker(line):
                break
            replies += self._ended(line) if line.complete else self._grown(line)
        return replies + self._renew()

    def finalize(self) -> list[Reply]:
        """Give all that was heard as finals, the last with `from_finalize`. A line that is cut
        short by this gets no UtteranceEnd: its speaker did not pause."""
        replies: list[Reply] = []
        if self._heard > self._origin:
            self._stream.add(_TAIL)
            for line in self._new(self._stream.end()):
                replies += self._final(line)
        replies += [Transcript(text="", final=True, language="en") for _ in self._open]
        self._begin(self._heard)
        last = replies.pop() if replies else Transcript(text="", final=True, language="en")
        return [*replies, replace(last, from_finalize=True)]

    def close(self) -> None:
        """Free the stream. Safe to call twice."""
        self._stream.close()

    def _interval(self) -> float:
        pause = max(self._last_end, self._origin)
        is_long = bool(self._open) and self._heard - pause > _LONG_LINE
        return _LONG_UPDATE if is_long else _UPDATE

    def _new(self, lines: list[Line]) -> list[Line]:
        return [line for line in lines if line.id not in self._given]

    def _awaits_speaker(self, line: Line) -> bool:
        """Diarization lags behind: a line is held back a little until its speaker is known."""
        wanted = self._options.diarization and line.complete and not line.turns
        return wanted and self._heard - self._origin - line.end < _SPEAKER_LAG

    def _grown(self, line: Line) -> list[Reply]:
        if not line.text or line.text == self._open.get(line.id):
            return []
        replies = self._started(line)
        self._open[line.id] = line.text
        if self._options.partials:
            start, end = self._span(line)
            partial = Transcript(
                text=line.text,
                final=False,
                language="en",
                start=start,
                duration=round(end - start, 3),
            )
            replies.append(partial)
        return replies

    def _ended(self, line: Line) -> list[Reply]:
        replies = self._final(line)
        if replies and self._options.vad_events:
            replies.append(UtteranceEnd(last_word_end=self._last_end))
        return replies

    def _final(self, line: Line) -> list[Reply]:
        """The final of a line; nothing if it never had a word. A partial that proves to be noise
        is replaced by an empty final."""
        self._given.add(line.id)
        if not line.text and line.id not in self._open:
            return []
        replies = self._started(line)
        self._open.pop(line.id, None)
        text = without_invented(line.text, self._audio_of(line)[1], self._aligner)
        line = replace(line, text=text)
        start, end = self._span(line)
        final = Transcript(
            text=line.text,
            final=True,
            language="en",
            start=start,
            duration=round(end - start, 3),
            words=self._words(line),
        )
        self._last_end = end
        return [*replies, final]

    def _started(self, line: Line) -> list[Reply]:
        if line.id in self._open or not self._options.vad_events:
            return []
        return [SpeechStarted(at=self._span(line)[0])]

    def _span(self, line: Line) -> tuple[float, float]:
        """Start and end of a line. The library lets lines overlap by a quarter of a second, and
        ends a line in the tail that nobody sent."""
        end = min(self._origin + line.end, self._heard)
        start = min(max(self._origin + line.start, self._last_end), end)
        return round(start, 3), round(end, 3)

    def _words(self, line: Line) -> tuple[Word, ...]:
        if not (self._options.word_timestamps or self._options.diarization):
            return ()
        start, end = self._origin + line.start, min(self._origin + line.end, self._heard)
        if self._options.word_timestamps:
            begin, pcm = self._audio_of(line)
            words = shifted(self._aligner.align(pcm, line.text), begin, self._heard)
        else:
            words = shifted(spread(words_in(line.text), start, end), 0.0, self._heard)
        if not self._options.diarization:
            return words
        return tuple(replace(word, speaker=self._speaker(word, line.turns)) for word in words)

    def _audio_of(self, line: Line) -> tuple[float, bytes]:
        """When the audio of a line begins, with a margin, and as much of it as is kept."""
        start, end = self._origin + line.start, min(self._origin + line.end, self._heard)
        begin = max(start - _MARGIN, self._heard - len(self._recent) / _BYTES_PER_SECOND)
        return begin, self._recorded(begin, end + _MARGIN)

    def _speaker(self, word: Word, turns: tuple[Turn, ...]) -> int | None:
        """Who spoke most of `word`, or nearest to it."""

        def overlap(turn: Turn) -> float:
            start, end = self._origin + turn.start, self._origin + turn.end
            return min(word.end, end) - max(word.start, start)

        if not turns:
            return None
        index = max(turns, key=overlap).speaker
        return self._speakers.setdefault(index, len(self._speakers))

    def _remember(self, pcm: bytes) -> None:
        self._recent += pcm
        kept = _RING if self._options.word_timestamps else _LONGEST_LINE
        del self._recent[: max(0, len(self._recent) - round(kept * _BYTES_PER_SECOND))]

    def _recorded(self, start: float, end: float) -> bytes:
        """Audio that was heard, between two times."""
        begin = self._heard - len(self._recent) / _BYTES_PER_SECOND
        first, last = (max(0, 2 * round((time - begin) * SAMPLE_RATE)) for time in (start, end))
        return bytes(self._recent[first:last])

    def _renew(self) -> list[Reply]:
        """In a pause of a long stream, begin a new one in the library. Not with speakers: it
        would forget them."""
        pause = self._heard - max(self._last_end, self._origin)
        age = self._heard - self._origin
        if self._open or self._options.diarization or pause < _PAUSE or age < self._renew_after:
            return []
        replies: list[Reply] = []
        for line in self._new(self._stream.end()):
            replies += self._final(line)
        look_back = (
            b"" if replies else bytes(self._recent[-round(_LOOK_BACK * _BYTES_PER_SECOND) :])
        )
        self._begin(self._heard - len(look_back) / _BYTES_PER_SECOND)
        if look_back:
            self._stream.add(look_back)
        return replies

    def _begin(self, origin: float) -> None:
        self._origin = origin
        self._updated = self._heard
        self._open.clear()
        self._given.clear()
