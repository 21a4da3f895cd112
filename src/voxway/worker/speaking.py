"""One session of an engine that speaks: text in, sentences of audio out.

Text is spoken in the order it came. A clear empties what waits and is answered at once; the
sentence that is being made when it comes is thrown away.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from msgspec import structs

from ..audio.encode import Encoder
from ..audio.formats import AudioFormat
from ..audio.slicing import slices
from ..engines.base import Spoken, Voice
from ..errors import ProtocolError, UpstreamError
from ..events import (
    Audio,
    Clear,
    Cleared,
    Configure,
    Event,
    Finish,
    Flush,
    Flushed,
    KeepAlive,
    Malformed,
    Ready,
    SegmentEnd,
    SegmentStart,
    SpeakOptions,
    Start,
    Text,
    Warning,
    Words,
)
from ..net.base import Socket
from ..text.sentences import speakable
from ..wire.base import Frame
from ..wire.unified import Server, Style
from .line import Inbox, Job, Line, Turns, receive

STYLE = Style("tts", binary_audio=True, terminals="audio_end")
MAX_QUEUED = 1_000_000  # characters that may wait: reading cannot pause, a clear must overtake
CHUNK_MS = 100  # no frame of audio is longer
FIRST_SECONDS = 0.2
LONGEST_SENTENCE = 3600.0  # seconds: longer than any


class SpeakingSession:
    """Receiver of the session's socket."""

    def __init__(self, voice: Voice, turns: Turns) -> None:
        self._voice = voice
        self._turns = turns
        self._line = Line(Server(STYLE))
        self._job = Job(self._line)
        self._inbox = Inbox()
        self._epoch = 0
        self._segments = 0
        self._spoken = 0.0  # seconds since the last flush
        self._unspoken = ""  # text since the last flush, of which nothing was heard yet
        self._queued = 0  # characters in the inbox
        self._configure(SpeakOptions())

    def opened(self, socket: Socket) -> None:
        self._line.open(socket)
        self._job.start(self._work)

    def frame(self, frame: Frame) -> None:
        receive(self._line, frame, self._command)

    def writable(self, writable: bool) -> None:
        self._line.writable(writable)

    def closed(self, code: int, reason: str) -> None:
        self._epoch += 1
        self._line.close()
        self._job.stop()

    def _configure(self, options: SpeakOptions) -> None:
        self._options = options
        self._format = AudioFormat(
            options.encoding or "linear16", options.sample_rate or self._voice.sample_rate
        )
        self._encoder = self._new_encoder()
        # Encoding a whole sentence to mp3 takes longer than making it: its first part goes first.
        first = FIRST_SECONDS if not self._format.frame_bytes else LONGEST_SENTENCE
        self._first_bytes = round(first * self._voice.sample_rate) * 2

    def _new_encoder(self) -> Encoder:
        bit_rate = self._options.extra.get("bit_rate")
        return Encoder(self._format, self._voice.sample_rate, bit_rate=bit_rate)

    def _command(self, command: Event) -> None:
        match command:
            case Start(options=options):
                self._configure(options if isinstance(options, SpeakOptions) else SpeakOptions())
                self._line.say(
                    Ready(
                        "engine",
                        encoding=self._format.encoding,
                        sample_rate=self._format.sample_rate,
                    )
                )
            case Text():
                self._take_text(command)
            case Flush() | Configure():
                self._inbox.put(command)
            case Clear():
                self._abort()
            case KeepAlive(reply=reply):
                if reply:
                    self._line.say(KeepAlive())
            case Finish():
                self._line.hang_up()
            case Malformed(message=message, code=code, param=param):
                raise ProtocolError(message, code=code, param=param)
            case _:
                raise ProtocolError(f"{type(command).__name__} is not for a voice")

    def _take_text(self, command: Text) -> None:
        self._queued += len(command.text)
        if self._queued > MAX_QUEUED:
            raise UpstreamError(
                f"{self._queued} characters wait to be spoken, over {MAX_QUEUED}",
                code="backpressure",
            )
        self._inbox.put(command)

    def _abort(self) -> None:
        self._epoch += 1
        for dropped in self._inbox.clear():
            if isinstance(dropped, Configure):
                self._change(dropped)
        self._queued = 0
        self._unspoken = ""
        self._spoken = 0.0
        self._encoder = self._new_encoder()
        self._line.say(Cleared())

    async def _work(self) -> None:
        while True:
            command = await self._inbox.get()
            epoch = self._epoch
            if isinstance(command, Text):
                self._queued -= len(command.text)
                self._unspoken += command.text
                await self._speak(command.text, epoch)
            elif isinstance(command, Flush):
                await self._end_utterance(epoch)
            elif isinstance(command, Configure):
                self._change(command)

    def _change(self, command: Configure) -> None:
        speed = command.options.speed or self._options.speed
        self._options = structs.replace(self._options, speed=speed)

    async def _speak(self, text: str, epoch: int) -> None:
        sentences, encoder = self._voice.speak(text, self._options), self._encoder
        while (made := await self._make(sentences, encoder, epoch)) is not None:
            spoken, data = made
            self._segments += 1
            self._unspoken = ""
            id = f"seg_{self._segments}"
            self._line.say(SegmentStart(id, spoken.text))
            # Before their audio: who shows a word when it is spoken must know it by then.
            if self._options.word_timestamps and spoken.words:
                self._line.say(Words(spoken.words))
            self._send(data)
            if rest := spoken.pcm[self._first_bytes :]:
                data = await self._turns.take(partial(encoder.feed, rest))
                if epoch != self._epoch:
                    return
                self._send(data)
            self._line.say(SegmentEnd(id))

    async def _make(
        self, sentences: Iterator[Spoken], encoder: Encoder, epoch: int
    ) -> tuple[Spoken, bytes] | None:
        """The next sentence and the first of it encoded; None when there is none or nobody wants
        it any more."""

        def step() -> tuple[Spoken, bytes] | None:
            spoken = None if epoch != self._epoch else next(sentences, None)
            if spoken is None:
                return None
            return spoken, encoder.feed(spoken.pcm[: self._first_bytes])

        await self._line.until_writable()
        with self._line.working():
            made = await self._turns.take(step)
        if made is None or epoch != self._epoch:
            return None
        spoken, data = made
        before, self._spoken = self._spoken, self._spoken + self._seconds(spoken.pcm)
        words = tuple(
            structs.replace(word, start=before + word.start, end=before + word.end)
            for word in spoken.words
        )
        return structs.replace(spoken, words=words), data

    def _seconds(self, pcm: bytes) -> float:
        return len(pcm) / 2 / self._voice.sample_rate

    async def _end_utterance(self, epoch: int) -> None:
        encoder = self._encoder
        tail = await self._turns.take(encoder.flush) if self._spoken else b""
        if epoch != self._epoch:
            return
        self._send(tail)
        if not self._spoken and speakable(self._unspoken):
            self._line.say(Warning("nothing_spoken", "the voice has no sounds for this text"))
        self._line.say(Flushed(round(self._spoken, 3)))
        self._spoken, self._unspoken = 0.0, ""

    def _send(self, data: bytes) -> None:
        for piece in slices(data, self._format, CHUNK_MS):
            self._line.say(Audio(bytes(piece)))
