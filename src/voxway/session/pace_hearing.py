"""Pacing a recognizer: its socket kept alive, and no audio lost when it goes. See `pace`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from msgspec import structs

from ..audio.formats import AudioFormat
from ..events import (
    Adjust,
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
    Turn,
    UtteranceEnd,
)
from ..wire.policies import Policy
from .pace import (
    TIMED_OUT,
    Allowance,
    Dial,
    Door,
    HangUp,
    Lose,
    Say,
    Setbacks,
    Step,
    Tell,
    delays,
    may_pass,
)
from .tape import Tape

SILENCE = 0.1  # seconds of it keep a recognizer awake
HUSH = 0.5  # seconds without audio amid what is said, whose end is only heard with silence
LONGEST_HUSH = 2.0  # seconds that are put in at a time
LONGEST_GAP = 4.0  # seconds: a longer one is the end of a file, not a client's pace
RESTING = 10.0  # seconds without audio after which words of before are not to come any more
AHEAD = 5.0  # seconds of audio, more than time has passed: it is not live
NOTHING = Transcript("", True, from_finalize=True)


class HearingPacer:
    """One recognizer's socket.

    Times in what it tells are those of the client's audio, however often the socket was opened
    and whatever silence was put in. Without `retries`, what goes wrong is told at once.
    """

    def __init__(self, policy: Policy, format: AudioFormat, *, retries: bool = True) -> None:
        self._policy = policy
        self._at_lost, self._at_full = delays(retries=retries)
        self._format = format
        self._options = ListenOptions()
        self._door = Door.SHUT
        self._held: deque[Event] = deque()
        self._held_bytes = 0
        self._tape = Tape(format)
        self._deadlines: deque[float] = deque()  # of the finalizes without an answer
        self._is_finishing = self._finishes_by_flush = False
        self._is_ready = self._is_wanted = self._is_over = False
        self._has_turn = self._has_words = False  # that began, and did not end
        self._setbacks = Setbacks()
        self._heard_at = self._said_at = self._opened_at = 0.0

    @property
    def waiting(self) -> int:
        return self._held_bytes

    def adopt(self, policy: Policy, characters: Allowance | None = None) -> None:
        self._policy = policy

    def has_room(self, now: float) -> bool:
        return False

    def command(self, command: Event, now: float) -> Iterator[Step]:
        """Something the session wants said."""
        is_audio = isinstance(command, Audio)
        if isinstance(command, Adjust):
            self._options = command.options
        if self._is_over or (isinstance(command, Audio) and not command.data):
            return
        if isinstance(command, Start):
            if isinstance(command.options, ListenOptions):
                self._options = command.options
            yield from self._want(now)
        elif self._door is Door.OPEN:
            yield from self._give(command, now)
        elif self._door is Door.SHUT and isinstance(command, Adjust):
            return  # the next socket is opened so
        elif self._door is Door.SHUT and is_audio and self._tape.is_cut:
            yield from self.lose("the backend closed the connection amid the stream")
        elif isinstance(command, Finish) and self._is_ready and not self._is_busy():
            yield from self._end(Ended("closed"))
        else:
            self._held.append(command)
            if isinstance(command, Audio):
                self._held_bytes += len(command.data)
            yield from self._want(now)

    def passes(self, audio: Audio, now: float) -> bool:
        if self._door is not Door.OPEN or self._policy.audio_bytes or not audio.data:
            return False
        self._tape.audio(audio.data)
        self._heard_at = self._said_at = now
        return True

    def epoch_heard(self, context: str) -> int | None:
        return 0

    def opened(self, now: float) -> Iterator[Step]:
        """The socket is there: what it should have heard already comes first."""
        self._door, self._is_wanted = Door.OPEN, False
        self._has_turn = self._has_words = False
        self._said_at = self._opened_at = now
        self._deadlines.clear()
        yield Say(Start(self._options))
        if not self._policy.says_ready:
            yield from self._ready(Ready())
        for data in self._tape.again():
            yield from self._finalize(now) if data is None else self._say(data, now)
        if self._is_finishing and self._policy.ends_itself:
            yield Say(Finish())
        held, self._held, self._held_bytes = self._held, deque(), 0
        for command in held:
            yield from self._give(command, now)

    def event(self, event: Event, now: float) -> Iterator[Step]:
        """Something the provider said."""
        match event:
            case Ready():
                yield from self._ready(event)
            case Transcript():
                yield from self._transcript(event)
            case SpeechStarted(at=at):
                self._has_words = True
                yield Tell(SpeechStarted(self._tape.ours(at)))
            case UtteranceEnd(last_word_end=end):
                yield Tell(UtteranceEnd(None if end is None else self._tape.ours(end)))
            case Turn(phase=phase, at=at):
                self._has_turn = phase != "end"
                yield Tell(event if at is None else structs.replace(event, at=self._tape.ours(at)))
            case Ended():
                if self._is_finishing:
                    yield from self._end(event)
            case Failed():
                yield from self._failed(event, now)
            case _:
                yield Tell(event)

    def closed(self, code: int, now: float) -> Iterator[Step]:
        """The socket is gone, and it was not us."""
        if self._is_over:
            return
        self._door = Door.SHUT
        is_resting = not self._is_asked() and now - self._heard_at >= RESTING
        if self._is_finishing and self._policy.ends_itself and code == 1000:
            yield from self._end(Ended("closed"))
        elif not self._is_ready or (self._is_busy() and not is_resting):
            if self._is_lossy(now) or not self._setbacks.another(self._at_lost, now):
                yield from self.lose(f"the backend closed the connection ({code})")
            else:
                yield from self._want(now)

    def tick(self, now: float) -> Iterator[Step]:
        """Time passes."""
        if self._door is Door.OPEN:
            while self._deadlines and self._policy.finalize and self._deadlines[0] <= now:
                # Some say nothing when there was nothing to finalize.
                yield from self._answer(NOTHING)
        elif self._is_wanted:
            yield from self._want(now)
        if self._door is Door.OPEN:
            yield from self._watch(now)

    def lose(self, message: str) -> Iterator[Step]:
        if not self._is_over:
            self._is_over = True
            yield from self._hang_up()
            yield Lose(message)

    def _watch(self, now: float) -> Iterator[Step]:
        """Keep the socket awake, or leave it before it is closed."""
        policy, quiet = self._policy, now - self._said_at
        if self._is_finishing and policy.ends_itself:
            return  # the input is over
        is_idle = bool(policy.idle) and quiet >= policy.idle
        if is_idle and not self._is_asked() and not self._tape.is_cut:
            yield from self._hang_up()
        elif quiet >= HUSH and self._needs_silence(now):
            self._said_at = now
            yield from self._keep_awake(min(quiet, LONGEST_HUSH))
        elif policy.keepalive and quiet >= policy.keepalive_after:
            self._said_at = now
            if policy.keepalive == "silence" or (policy.needs_audio and not self._tape.has_audio):
                yield from self._keep_awake()
            else:
                yield Say(KeepAlive())

    def _needs_silence(self, now: float) -> bool:
        """Whether the end of what was said is only heard in audio, which the client does not
        send."""
        silent = now - self._heard_at
        # Between the messages of a client that says much at once, silence would cut its words.
        if self._policy.keepalive != "silence" or silent < min(2 * self._tape.chunk, LONGEST_GAP):
            return False
        return self._has_turn or (self._has_words and silent < RESTING)

    # The session

    def _give(self, command: Event, now: float) -> Iterator[Step]:
        match command:
            case Audio(data=data):
                self._tape.audio(data)
                self._heard_at = now
                yield from self._say(data, now)
            case Flush():
                self._tape.mark()
                yield from self._finalize(now)
            case Finish():
                self._is_finishing = True
                yield from self._finish(now)
            case _:
                yield Say(command)

    def _finalize(self, now: float) -> Iterator[Step]:
        # What came faster than it sounds may be heard no faster than that.
        self._deadlines.append(now + self._policy.finalize + self._backlog(now))
        self._said_at = now
        yield Say(Flush())

    def _finish(self, now: float) -> Iterator[Step]:
        if self._policy.ends_itself:
            yield Say(Finish())
        elif self._tape.is_open:
            self._finishes_by_flush = True
            self._tape.mark()
            yield from self._finalize(now)
        elif not self._deadlines:
            yield from self._end(Ended("closed"))

    def _say(self, data: bytes, now: float) -> Iterator[Step]:
        self._said_at = now
        most = self._policy.audio_bytes or len(data)
        for at in range(0, len(data), most):
            yield Say(Audio(data[at : at + most] if most < len(data) else data))

    def _keep_awake(self, seconds: float = SILENCE) -> Iterator[Step]:
        if silence := self._format.silence(seconds):
            self._tape.silence(seconds)
            yield Say(Audio(silence))

    # The provider

    def _ready(self, ready: Ready) -> Iterator[Step]:
        if not self._is_ready:
            self._is_ready = True
            yield Tell(ready)

    def _transcript(self, event: Transcript) -> Iterator[Step]:
        self._setbacks.over()
        told = self._tape.on_our_clock(event)
        self._has_words = bool(event.text) and not event.final
        if event.from_finalize and self._deadlines:
            yield from self._answer(told)
            return
        if event.final:
            self._tape.heard(told)
        elif not self._options.partials:
            return  # told only so that we know of it
        if event.from_finalize and self._policy.finalize:
            # It was given up on: the client has an answer already, but not these words.
            told = structs.replace(told, from_finalize=False)
        if told.text or not event.from_finalize:
            yield Tell(told)

    def _answer(self, told: Transcript) -> Iterator[Step]:
        """The oldest finalize has its answer."""
        self._deadlines.popleft()
        self._tape.finalized()
        is_last = self._is_finishing and not self._policy.ends_itself and not self._deadlines
        if is_last and self._finishes_by_flush:
            # The client did not ask for this one.
            told = structs.replace(told, from_finalize=False)
        if told.text or told.from_finalize:
            yield Tell(told)
        if is_last:
            yield from self._end(Ended("closed"))

    def _failed(self, failed: Failed, now: float) -> Iterator[Step]:
        if failed.code in TIMED_OUT:
            return  # its close follows
        is_passing = may_pass(failed) and not self._is_lossy(now)
        if is_passing and self._setbacks.another(self._at_full, now):
            yield from self._hang_up()
            self._is_wanted = self._is_busy() or not self._is_ready
        else:
            yield Tell(failed)

    def _end(self, ended: Event) -> Iterator[Step]:
        """The client has all that it will get."""
        self._is_over = True
        yield from [Tell(NOTHING)] * (len(self._deadlines) - self._finishes_by_flush)
        yield from self._hang_up()
        yield Tell(ended)

    # The socket

    def _want(self, now: float) -> Iterator[Step]:
        """Have a socket, as soon as one may be had."""
        self._is_wanted = True
        if self._door is Door.SHUT and now >= self._setbacks.until:
            self._door = Door.DIALLING
            self._is_wanted = False
            yield Dial(self._options)

    def _hang_up(self) -> Iterator[Step]:
        if self._door is not Door.SHUT:
            self._door = Door.SHUT
            yield HangUp()

    def _backlog(self, now: float) -> float:
        return max(0.0, self._tape.clock - (now - self._opened_at))

    def _is_lossy(self, now: float) -> bool:
        """Whether another socket could not be told all that it would have to hear."""
        is_missed = self._tape.is_torn and self._backlog(now) > AHEAD
        return self._is_busy() and (self._tape.is_cut or is_missed)

    def _is_asked(self) -> bool:
        """Whether the client waits for something."""
        return bool(self._deadlines or self._is_finishing or self._held)

    def _is_busy(self) -> bool:
        return self._is_asked() or self._tape.has_new
