"""A recognizer's pacer with a clock, and short names for what is said to it and by it."""

from __future__ import annotations

from collections.abc import Iterable

from voxway.audio.formats import AudioFormat
from voxway.events import Audio, Event, Finish, Flush, ListenOptions, Start, Transcript
from voxway.session.pace import Dial, Lose, Say, Step, Tell
from voxway.session.pace_hearing import HearingPacer
from voxway.wire.policies import Policy

MULAW = AudioFormat("mulaw", 8000)
LINEAR = AudioFormat("linear16", 8000)
WEBM = AudioFormat("webm", 48_000)
OPTIONS = ListenOptions(language="en")
PLAIN = Policy()
FINALIZES = Policy(finalize=2.0)
ENDLESS = Policy(ends_itself=False, finalize=2.0)  # it does not end by itself


def audio(seconds: float, mark: int = 1) -> Audio:
    """So much mulaw, made of one byte that tells it from others."""
    return Audio(bytes([mark]) * round(seconds * 8000))


class Rig:
    """A pacer with a clock, whose steps are taken down."""

    def __init__(
        self, policy: Policy, format: AudioFormat = MULAW, *, is_open: bool = True
    ) -> None:
        self.pacer = HearingPacer(policy, format)
        self.now = 0.0
        self.steps: list[Step] = []
        self.say(Start(OPTIONS))
        if is_open:
            self.open()
            self.steps.clear()

    def open(self) -> list[Step]:
        return self._done(self.pacer.opened(self.now))

    def say(self, *commands: Event) -> list[Step]:
        return [s for c in commands for s in self._done(self.pacer.command(c, self.now))]

    def hear(self, *events: Event) -> list[Step]:
        return [s for e in events for s in self._done(self.pacer.event(e, self.now))]

    def close(self, code: int = 1006) -> list[Step]:
        return self._done(self.pacer.closed(code, self.now))

    def tick(self, seconds: float = 0.0) -> list[Step]:
        self.now += seconds
        return self._done(self.pacer.tick(self.now))

    def reopen(self) -> list[Step]:
        """What another socket hears, after the greeting."""
        assert self.close() == [Dial(OPTIONS)]
        greeting, *steps = self.open()
        assert greeting == Say(Start(OPTIONS))
        return steps

    def _done(self, steps: Iterable[Step]) -> list[Step]:
        done = list(steps)
        self.steps += done
        return done


def said(*events: Event) -> list[Step]:
    return [Say(event) for event in events]


def told(*events: Event) -> list[Step]:
    return [Tell(event) for event in events]


def final(text: str, start: float | None = None, end: float = 0.0) -> Transcript:
    duration = None if start is None else round(end - start, 6)
    return Transcript(text, True, start=start, duration=duration)


def answer(text: str = "") -> Transcript:
    return Transcript(text, True, from_finalize=True)


FLUSH, FINISH = Flush(), Finish()
LOST = Lose("the backend closed the connection (1006)")
