"""Pacing a recognizer: its socket kept alive, and no audio lost when it goes. See `pace`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from msgspec import structs

from ..audio.formats import AudioFormat
from ..events import (
    Audio,
    Ended,
    Event,
    Failed,
    Finish,
    Flush,
    KeepAlive,
    ListenOptions,
    Ready,
    SpeechStarted,
    Start,
    Transcript,
    UtteranceEnd,
)
from ..wire.policies import Policy
from .pace import Dial, Door, HangUp, Lose, Say, Step, Tell

SILENCE = 0.1  # seconds of it keep a recognizer awake
KEPT = 30.0  # seconds of audio that can be said again
ATTEMPTS = 3  # at a socket, between two things heard from it
SILENT_BYTE = {"linear16": b"\0", "linear32": b"\0", "mulaw": b"\xff", "alaw": b"\xd5"}


class HearingPacer:
    """One recognizer's socket.

    Times in what it tells are those of the client's audio, however often the socket was opened
    and whatever silence was put in.
    """

    def __init__(self, policy: Policy, format: AudioFormat) -> None:
        self._policy = policy
        self._format = format
        self._options = ListenOptions()
        self._door = Door.SHUT
        self._held: deque[Event] = deque()
        self._held_bytes = 0
        self._kept: deque[bytes] = deque()  # audio since the last final
        self._kept_from = self._given = 0.0  # seconds of the client's audio
        self._shifts: list[tuple[float, float]] = []  # (when on the socket's clock, seconds)
        self._heard = 0.0  # seconds on this socket's clock
        self._deadlines: deque[float] = deque()
        self._is_finishing = False
        self._is_ready = False
        self._has_new = False  # audio since the last final
        self._attempts = 0
        self._said_at = self._opened_at = 0.0

    @property
    def waiting(self) -> int:
        return self._held_bytes

    def adopt(self, policy: Policy) -> None:
        self._policy = policy

    def command(self, command: Event, now: float) -> Iterator[Step]:
        """Something the session wants said."""
        if isinstance(command, Start):
            if isinstance(command.options, ListenOptions):
                self._options = command.options
            yield from self._dial()
        elif self._door is Door.OPEN:
            yield from self._give(command, now)
        else:
            self._held.append(command)
            if isinstance(command, Audio):
                self._held_bytes += len(command.data)
            if self._door is Door.SHUT:
                yield from self._dial()

    def passes(self, audio: Audio, now: float) -> bool:
        if self._door is not Door.OPEN or self._policy.audio_bytes:
            return False
        self._heard_audio(audio.data)
        self._said_at = now
        return True

    def epoch_heard(self, context: str) -> int | None:
        return 0

    def opened(self, now: float) -> Iterator[Step]:
        """The socket is there: what it should have heard already comes first."""
        self._door = Door.OPEN
        self._said_at = self._opened_at = now
        self._heard = 0.0
        self._shifts = [(0.0, -self._kept_from)]
        yield Say(Start(self._options))
        if not self._policy.says_ready:
            yield from self._ready(Ready())
        again = list(self._kept)
        for data in again:
            self._heard += self._format.seconds(len(data))
            yield from self._say(data, now)
        self._deadlines, unanswered = deque(), len(self._deadlines)
        held, self._held, self._held_bytes = self._held, deque(), 0
        for command in [*[Flush()] * unanswered, *held]:
            yield from self._give(command, now)

    def event(self, event: Event, now: float) -> Iterator[Step]:
        """Something the provider said."""
        match event:
            case Ready():
                yield from self._ready(event)
            case Transcript():
                yield from self._transcript(event)
            case SpeechStarted(at=at):
                yield Tell(SpeechStarted(self._ours(at)))
            case UtteranceEnd(last_word_end=end):
                yield Tell(UtteranceEnd(None if end is None else self._ours(end)))
            case Ended():
                if self._is_finishing:
                    yield from self._hang_up()
                    yield Tell(event)
            case Failed(code="idle_timeout_exceeded") if not self._is_busy():
                return  # it did not want to wait any longer: we come back when there is need
            case _:
                yield Tell(event)

    def closed(self, code: int, now: float) -> Iterator[Step]:
        """The socket is gone, and it was not us."""
        self._door = Door.SHUT
        self._attempts += 1
        if self._is_finishing and not self._deadlines and code == 1000:
            yield Tell(Ended("closed"))
        elif self._is_busy() and (not self._can_repeat() or self._attempts >= ATTEMPTS):
            yield Lose(f"the backend closed the connection ({code})")
        elif self._is_busy():
            yield from self._dial()

    def tick(self, now: float) -> Iterator[Step]:
        """Time passes."""
        while self._deadlines and self._policy.finalize and self._deadlines[0] <= now:
            # Some say nothing when there was nothing to finalize.
            yield from self._transcript(Transcript("", True, from_finalize=True))
        if self._door is not Door.OPEN:
            return
        policy, quiet = self._policy, now - self._said_at
        if policy.idle and quiet >= policy.idle and not self._is_busy():
            yield from self._hang_up()
        elif policy.keepalive and quiet >= policy.keepalive_after:
            self._said_at = now
            if policy.keepalive == "silence" or (policy.needs_audio and not self._heard):
                yield from self._keep_awake()
            else:
                yield Say(KeepAlive())

    def _give(self, command: Event, now: float) -> Iterator[Step]:
        match command:
            case Audio(data=data):
                self._heard_audio(data)
                yield from self._say(data, now)
            case Flush():
                self._deadlines.append(self._patience(now))
                self._said_at = now
                yield Say(command)
            case Finish():
                self._is_finishing = True
                yield from self._finish(now)
            case _:
                yield Say(command)

    def _heard_audio(self, data: bytes) -> None:
        seconds = self._format.seconds(len(data))
        self._given += seconds
        self._heard += seconds
        self._has_new = True
        if self._can_repeat():
            self._keep(data)

    def _finish(self, now: float) -> Iterator[Step]:
        if self._policy.ends_itself:
            yield Say(Finish())
        elif self._has_new or self._deadlines:
            self._deadlines.append(self._patience(now))
            yield Say(Flush())
        else:
            yield from self._hang_up()
            yield Tell(Ended("closed"))

    def _say(self, data: bytes, now: float) -> Iterator[Step]:
        self._said_at = now
        most = self._policy.audio_bytes or len(data)
        for at in range(0, len(data), most):
            yield Say(Audio(data[at : at + most] if most < len(data) else data))

    def _transcript(self, event: Transcript) -> Iterator[Step]:
        self._attempts = 0
        told = self._on_our_clock(event)
        if event.final:
            self._forget(told)
        if event.from_finalize and self._deadlines:
            self._deadlines.popleft()
        elif event.from_finalize and self._policy.finalize:
            # It was given up on: the client has an answer already, but not these words.
            if event.text:
                yield Tell(structs.replace(told, from_finalize=False))
            return
        is_last = self._is_finishing and not self._policy.ends_itself and not self._deadlines
        if is_last and event.from_finalize:
            # The client did not ask for this one.
            if event.text:
                yield Tell(structs.replace(told, from_finalize=False))
            yield from self._hang_up()
            yield Tell(Ended("closed"))
        else:
            yield Tell(told)

    def _on_our_clock(self, event: Transcript) -> Transcript:
        if len(self._shifts) == 1 and not self._shifts[0][1]:
            return event
        words = tuple(
            structs.replace(word, start=self._ours(word.start), end=self._ours(word.end))
            for word in event.words
        )
        start = None if event.start is None else self._ours(event.start)
        return structs.replace(event, start=start, words=words)

    def _ours(self, at: float) -> float:
        return max(0.0, at - sum(seconds for when, seconds in self._shifts if when <= at))

    def _patience(self, now: float) -> float:
        """When a finalize that is said now has no answer: audio may have come faster than it
        sounds, and is heard no faster than that."""
        backlog = self._heard - (now - self._opened_at)
        return now + self._policy.finalize + max(0.0, backlog)

    def _keep(self, data: bytes) -> None:
        self._kept.append(data)
        while self._given - self._kept_from > KEPT:
            self._kept_from += self._format.seconds(len(self._kept.popleft()))

    def _forget(self, final: Transcript) -> None:
        """What is written down need not be said again."""
        end = self._given
        if not final.from_finalize and final.start is not None:
            end = min(end, final.start + (final.duration or 0.0))
        while self._kept:
            after = self._kept_from + self._format.seconds(len(self._kept[0]))
            if after > end:
                break
            self._kept.popleft()
            self._kept_from = after
        self._has_new = self._given > end

    def _keep_awake(self) -> Iterator[Step]:
        if silent := SILENT_BYTE.get(self._format.encoding):
            self._shifts.append((self._heard, SILENCE))
            self._heard += SILENCE
            yield Say(Audio(silent * self._format.bytes_for(SILENCE)))

    def _can_repeat(self) -> bool:
        return bool(self._format.frame_bytes)

    def _is_busy(self) -> bool:
        return bool(self._has_new or self._deadlines or self._is_finishing or self._held)

    def _ready(self, ready: Ready) -> Iterator[Step]:
        if not self._is_ready:
            self._is_ready = True
            yield Tell(ready)

    def _dial(self) -> Iterator[Step]:
        self._door = Door.DIALLING
        yield Dial()

    def _hang_up(self) -> Iterator[Step]:
        if self._door is not Door.SHUT:
            self._door = Door.SHUT
            yield HangUp()
