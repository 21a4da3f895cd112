"""What is heard in an upload: audio goes in as fast as the session takes it, finals come out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from litestar.types import Receive
from msgspec import Struct

from ..audio.formats import SAMPLE_BYTES, AudioFormat
from ..audio.wav import WavHeader, parse_header
from ..direct import Direct, failure
from ..errors import ProtocolError, TooLargeError
from ..events import Audio, Ended, Failed, Finish, ListenOptions, Start, Transcript, Warning, Word
from .presence import together, watch


class Heard(Struct, frozen=True):
    """The finals of one upload. `seconds` is how long it was, as far as its format tells."""

    finals: tuple[Transcript, ...]
    warnings: tuple[Warning, ...]
    seconds: float

    @property
    def text(self) -> str:
        return " ".join(final.text for final in self.finals if final.text)

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for final in self.finals for word in final.words)

    @property
    def language(self) -> str:
        return next((final.language for final in self.finals if final.language), "")

    @property
    def confidence(self) -> float | None:
        """The mean over the text, if the model tells any."""
        told = [(f.confidence, len(f.text)) for f in self.finals if f.confidence is not None]
        size = sum(length for _, length in told)
        return round(sum(c * length for c, length in told) / size, 4) if size else None


class Length:
    """Counts the seconds of audio against a bound, where bytes tell time."""

    def __init__(self, start: bytes, format: AudioFormat, bound: float) -> None:
        self._bound = bound
        self._offset, self._per_second = 0, format.bytes_for(1.0)
        header = parse_header(start) if format.encoding == "wav" else None
        if isinstance(header, WavHeader):
            self._offset = header.data_offset
            self._per_second = header.format.sample_rate * header.channels * header.bits // 8
        self._size = 0

    @property
    def seconds(self) -> float:
        size = max(0, self._size - self._offset)
        return size / self._per_second if self._per_second else 0.0

    def add(self, size: int) -> None:
        """Count bytes. Raises TooLargeError."""
        self._size += size
        self.reach(self.seconds)

    def reach(self, seconds: float) -> None:
        """The audio is at least so long. Raises TooLargeError."""
        if seconds > self._bound:
            raise TooLargeError(f"audio is longer than {self._bound:g} s", param="audio")


class Session(Struct, frozen=True):
    """One upload on its way: where it goes to, and what has been seen of it."""

    direct: Direct
    options: ListenOptions
    length: Length
    start: bytes
    rest: AsyncIterator[bytes]


async def first_piece(source: AsyncIterator[bytes]) -> bytes:
    """The start of the audio. Raises ProtocolError if there is none."""
    async for piece in source:
        return piece
    raise ProtocolError("audio: 0 bytes", param="audio")


Tell = Callable[[Transcript | Warning], Awaitable[None]]


async def hear(
    session: Session, receive: Receive, *, is_streamed: bool, tell: Tell | None = None
) -> Heard:
    """Send it all, collect what is heard, `tell` each final and each warning; stop at once
    when the client goes away."""
    direct = session.direct
    try:
        async with together() as group:
            # While the body is being read, reading is what tells of a client that has gone.
            tasks = [group.create_task(_send(session, receive if is_streamed else None))]
            if not is_streamed:
                tasks.append(group.create_task(watch(receive)))
            heard = await _collect(direct, session.length, tell)
            for task in tasks:
                task.cancel()
    finally:
        direct.leave()
    return heard


async def _send(session: Session, then_watch: Receive | None) -> None:
    direct = session.direct
    direct.say(Start(session.options))
    _send_piece(session, session.start)
    async for piece in session.rest:
        await direct.room()
        _send_piece(session, piece)
    direct.say(Finish())
    if then_watch is not None:
        await watch(then_watch)


def _send_piece(session: Session, piece: bytes) -> None:
    session.length.add(len(piece))
    # Only the last piece may end within a sample, and half of one is nothing to be heard.
    sample = SAMPLE_BYTES.get(session.options.encoding or "", 0)
    if data := piece[: len(piece) - len(piece) % sample] if sample else piece:
        session.direct.say(Audio(data))


async def _collect(direct: Direct, length: Length, tell: Tell | None) -> Heard:
    finals: list[Transcript] = []
    warnings: list[Warning] = []
    end = 0.0
    async for event in direct:
        match event:
            case Transcript(final=True, start=start, duration=duration):
                finals.append(event)
                end = max(end, (start or 0.0) + (duration or 0.0))
                length.reach(end)
                if tell is not None:
                    await tell(event)
            case Warning():
                warnings.append(event)
                if tell is not None:
                    await tell(event)
            case Ended(reason="client_closed"):
                return Heard(tuple(finals), tuple(warnings), length.seconds or end)
            case Failed() | Ended():
                raise failure(event)
            case _:
                continue
    raise failure(None)
