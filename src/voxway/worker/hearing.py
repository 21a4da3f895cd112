"""One session of an engine that listens: audio in, transcripts out.

Audio that waits is taken in one piece, so that a recognizer that fell behind catches up. A slow
recognizer is felt by the peer: beyond a bound its socket is not read.
"""

from __future__ import annotations

from collections.abc import Callable

from ..audio.decode import Decoder
from ..audio.formats import AudioFormat
from ..engines.base import Ear, Hearing
from ..engines.turns import Following, listen
from ..errors import ProtocolError
from ..events import (
    Adjust,
    Audio,
    Ended,
    Event,
    Finish,
    Flush,
    KeepAlive,
    ListenOptions,
    Malformed,
    Ready,
    Reply,
    Start,
    Transcript,
)
from ..net.base import Socket
from ..wire.base import Frame
from ..wire.unified import Server, Style
from .line import ALIVE, Inbox, Job, Line, Turns, receive

STYLE = Style("stt", binary_audio=True)
MAX_QUEUED = 2 * 1024 * 1024  # bytes of audio that may wait before reading pauses
PIECE = 64 * 1024  # bytes that are heard in one turn: two seconds of 16 kHz linear16


class HearingSession:
    """Receiver of the session's socket."""

    def __init__(self, ear: Ear, turns: Turns, alive: float = ALIVE) -> None:
        self._ear = ear
        self._turns = turns
        self._line = Line(Server(STYLE), alive)
        self._job = Job(self._line)
        self._inbox = Inbox()
        self._queued = 0
        self._is_gone = False
        self._is_started = False

    def opened(self, socket: Socket) -> None:
        self._line.open(socket)

    def frame(self, frame: Frame) -> None:
        receive(self._line, frame, self._command)

    def writable(self, writable: bool) -> None:
        self._line.writable(writable)

    def closed(self, code: int, reason: str) -> None:
        # The job is not cancelled: a turn in a thread must end before its stream is freed.
        self._line.close()
        self._is_gone = True
        self._inbox.clear()
        self._inbox.put(Finish())

    def _command(self, command: Event) -> None:
        match command:
            case Start(options=options):
                self._start(options if isinstance(options, ListenOptions) else ListenOptions())
            case Audio(data=data):
                self._open()
                self._queued += len(data)
                self._inbox.put(command)
                if self._queued > MAX_QUEUED:
                    self._line.read(False)
            case Flush() | Finish() | Adjust():
                self._open()
                self._inbox.put(command)
            case KeepAlive(reply=reply):
                if reply:
                    self._line.say(KeepAlive())
            case Malformed(message=message, code=code, param=param):
                raise ProtocolError(message, code=code, param=param)
            case _:
                raise ProtocolError(f"{type(command).__name__} is not for a recognizer")

    def _open(self) -> None:
        if not self._is_started:
            self._start(ListenOptions())

    def _start(self, options: ListenOptions) -> None:
        if self._is_started:
            raise ProtocolError("init: the session is configured already", param="type")
        given = AudioFormat(
            options.encoding or "linear16", options.sample_rate or self._ear.sample_rate
        )
        decoder = Decoder(given, self._ear.sample_rate)
        self._is_started = True
        self._job.start(lambda: self._work(options, decoder))
        self._line.say(Ready("engine", encoding=given.encoding, sample_rate=given.sample_rate))

    async def _work(self, options: ListenOptions, decoder: Decoder) -> None:
        # The first session with speakers loads their model: not on the loop.
        with self._line.working():
            hearing = await self._turns.take(lambda: listen(self._ear, options))
        try:
            while await self._step(hearing, decoder):
                await self._line.until_writable()
        finally:
            hearing.close()
            decoder.close()

    async def _step(self, hearing: Hearing, decoder: Decoder) -> bool:
        """One turn of the recognizer; False when the session is over."""
        command = await self._inbox.get()
        if self._is_gone:
            return False
        if isinstance(command, Audio):
            data = command.data + self._more_audio(len(command.data))
            self._queued -= len(data)
            if self._queued <= MAX_QUEUED // 2:
                self._line.read(True)
            self._say(await self._turn(lambda: hearing.feed(decoder.feed(data))))
            return True
        if isinstance(command, Flush):
            self._say(await self._turn(hearing.finalize))
            return True
        if isinstance(command, Adjust):
            if isinstance(hearing, Following) and command.options.turns is not None:
                hearing.adjust(command.options.turns)
            return True
        replies = await self._turn(lambda: hearing.feed(decoder.flush()))
        replies += await self._turn(hearing.finalize)
        # The end is no finalize: an empty answer to it would be a transcript of nothing.
        self._say([r for r in replies if not (isinstance(r, Transcript) and not r.text)])
        self._line.say(Ended("closed"))
        self._line.hang_up()
        return False

    async def _turn(self, work: Callable[[], list[Reply]]) -> list[Reply]:
        """What a turn brought; audio that cannot be decoded is told and brings nothing."""
        try:
            with self._line.working():
                return await self._turns.take(work)
        except ProtocolError as error:
            self._line.fail(error)
            return []

    def _more_audio(self, size: int) -> bytes:
        more = []
        while size < PIECE and isinstance(follows := self._inbox.peek(), Audio):
            self._inbox.pop()
            more.append(follows.data)
            size += len(follows.data)
        return b"".join(more)

    def _say(self, replies: list[Reply]) -> None:
        for reply in replies:
            self._line.say(reply)
