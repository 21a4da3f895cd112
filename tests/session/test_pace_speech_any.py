"""A voice's pacer between any client and any provider: commands, answers, losses and time in any
order. The provider enforces its limits; the client counts every word."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec import Struct, field
from pretend_voice import KINDS, MINUTE, Upstream, Utterance

from voxway.events import (
    Clear,
    Cleared,
    Configure,
    Event,
    Failed,
    Finish,
    Flush,
    Flushed,
    Ready,
    SpeakOptions,
    Start,
    Text,
)
from voxway.session.pace import Dial, HangUp, Lose, Say, Step, Tell
from voxway.session.pace_speech import SpeechPacer
from voxway.wire.policies import Policy

CONTEXTS = ("a", "b", "c")
ENOUGH = 3000  # seconds, in which the provider's budgets allow for all that was said


SETTINGS = settings(
    max_examples=50,
    stateful_step_count=40,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


class Talk(Struct):
    """A context of the client."""

    voice: str
    epoch: int = 0
    words: list[str] = field(default_factory=list)  # since the last flush
    flushes: deque[list[str]] = field(default_factory=deque)
    heard: list[str] = field(default_factory=list)


class Anything(RuleBasedStateMachine):
    policy: Policy

    @initialize()
    def begin(self) -> None:
        self.pacer = SpeechPacer(self.policy)
        self.now = 0.0
        self.words = 0
        self.void: set[str] = set()  # words of what was aborted
        self.characters: list[tuple[float, int]] = []
        self.talks: dict[str, Talk] = {}
        self.upstream: Upstream | None = None
        self.dialled: SpeakOptions | None = None
        self.readies = self.told_so_far = 0
        self.is_over = False
        self.ended: list[str] = []  # contexts that failed
        self.another(0)

    # What the pacer does

    def take(self, steps: Iterable[Step]) -> None:
        for step in list(steps):
            assert not self.is_over
            match step:
                case Say(event=event):
                    assert self.upstream is not None
                    self.count(event)
                    self.upstream.hear(event, self.now)
                case Tell(event=event, epoch=epoch):
                    self.told(event, epoch)
                case Dial(options=SpeakOptions() as options):
                    assert self.dialled is None
                    assert self.upstream is None
                    self.dialled = options
                case HangUp():
                    assert self.dialled is not None or self.upstream is not None
                    self.dialled = self.upstream = None
                case Lose():
                    self.is_over = True
                case _:
                    raise AssertionError(step)
        while self.ended:
            self.finish_one(self.ended.pop())

    def count(self, event: Event) -> None:
        if not isinstance(event, Text):
            return
        assert self.void.isdisjoint(event.text.split())
        recent = [(at, n) for at, n in self.characters if self.now - at < MINUTE]
        self.characters = [*recent, (self.now, len(event.text) + 1)]
        most = self.policy.characters_per_minute
        assert not most or sum(n for _, n in self.characters) <= most

    def told(self, event: Event, epoch: int) -> None:
        talk = self.talks.get(event.context)
        match event:
            case Ready():
                self.readies += 1
                assert self.readies == 1
            case Flushed() if talk is not None and epoch == talk.epoch:
                assert self.readies
                assert talk.heard == talk.flushes.popleft()
                talk.heard = []
            case Failed(fatal=True) if talk is not None and self.policy.contexts > 1:
                self.ended.append(event.context)
            case Failed():
                self.is_over = True  # as far as the session is concerned

    # What the client does. `n` is one of several

    @precondition(lambda self: not self.is_over)
    @rule(what=st.sampled_from("tttttffccsseu"), n=st.integers(0, 5))
    def client(self, what: str, n: int) -> None:
        does = {"t": self.text, "f": self.flush, "c": self.clear, "s": self.another}
        does |= {"e": self.finish, "u": self.configure}
        if what == "s" or self.talks:
            does[what](n)

    def command(self, command: Event) -> None:
        self.take(self.pacer.command(command, self.now))

    def one(self, n: int) -> tuple[str, Talk]:
        name = sorted(self.talks)[n % len(self.talks)]
        return name, self.talks[name]

    def another(self, n: int) -> None:
        new = [context for context in CONTEXTS if context not in self.talks]
        if new and (self.pacer.has_room(self.now) or not self.talks):
            self.talks[new[0]] = Talk("v1")
            self.command(Start(SpeakOptions(voice="v1"), context=new[0]))

    def text(self, n: int) -> None:
        context, talk = self.one(n)
        words = [f"{talk.voice}-{self.words + i}" for i in range(n + 1)]
        self.words += len(words)
        talk.words += words
        self.command(Text(" ".join(words), partial=False, context=context))
        if n % 2 and not self.is_over:
            self.flush(n)

    def flush(self, n: int) -> None:
        context, talk = self.one(n)
        talk.flushes.append(talk.words)
        talk.words = []
        self.command(Flush(context=context))

    def clear(self, n: int) -> None:
        context, talk = self.one(n)
        self.void.update(talk.words, *talk.flushes)
        talk.flushes.clear()
        talk.words, talk.heard = [], []
        talk.epoch += 1
        self.command(Clear(context=context))

    def configure(self, n: int) -> None:
        context, talk = self.one(n)
        # On a shared socket that must be opened anew, it waits until nobody has begun: for ever,
        # if somebody never ends.
        if not talk.words and (self.policy.configures or self.policy.contexts == 1):
            talk.voice = f"v{n % 3}"
            self.command(Configure(SpeakOptions(voice=talk.voice), context=context))

    def finish(self, n: int) -> None:
        if self.policy.contexts > 1:
            self.finish_one(self.one(n)[0])

    def finish_one(self, context: str) -> None:
        talk = self.talks.pop(context)
        self.void.update(talk.words, *talk.flushes)
        self.command(Finish(context=context))

    # What the provider does

    @precondition(lambda self: not self.is_over)
    @rule(what=st.sampled_from("ssssssseeooooorxxq"), n=st.integers(0, 5))
    def provider(self, what: str, n: int) -> None:
        does = {"s": self.speak, "e": self.end_an_abort, "o": self.open, "r": self.refuse}
        does |= {"x": self.speak_what_is_stale, "q": self.close}
        if self.upstream is not None or what == "o":
            does[what](n)

    def open(self, n: int) -> None:
        """Let the pacer in, or tell it that it may begin."""
        if self.dialled is not None:
            voice, self.dialled = self.dialled.voice, None
            self.upstream = Upstream(self.policy, voice, self.now)
            self.take(self.pacer.opened(self.now))
        elif self.upstream is not None and self.policy.says_ready:
            self.upstream.is_ready = True
            self.take(self.pacer.event(Ready(), self.now))

    def speak(self, n: int) -> None:
        """The next text of the oldest utterance."""
        assert self.upstream is not None
        if self.policy.says_ready and not self.upstream.is_ready:
            self.open(0)
            return
        contexts = [context for context, queue in self.upstream.queues.items() if queue]
        if self.policy.clear == "acked":  # in the order of the commands
            aborted = [whose for whose, _ in self.upstream.aborts]
            contexts = [context for context in contexts if context not in aborted]
        if contexts:
            context = contexts[n % len(contexts)]
            self.utter(context, self.upstream.queues[context], by_closing=n > 2)

    def speak_what_is_stale(self, n: int) -> None:
        assert self.upstream is not None
        for context, queue in list(self.upstream.stale.items())[:1]:
            if queue:
                self.utter(context, queue)

    def utter(self, context: str, queue: deque[Utterance], *, by_closing: bool = False) -> None:
        utterance = queue[0]
        if utterance.spoken < len(utterance.texts):
            epoch, talk = self.pacer.epoch_heard(context), self.talks.get(context)
            if talk is not None and epoch == talk.epoch:
                talk.heard += utterance.texts[utterance.spoken].split()
            utterance.spoken += 1
        elif not utterance.is_flushed:
            return
        elif by_closing and self.policy.per_utterance:
            self.upstream = None
            self.take(self.pacer.closed(1000, self.now))
        else:
            queue.popleft()
            self.take(self.pacer.event(Flushed(context=context), self.now))
        self.told_so_far += 1

    def end_an_abort(self, n: int) -> None:
        assert self.upstream is not None
        if self.upstream.aborts:
            context, _ = self.upstream.aborts.popleft()
            self.upstream.stale.pop(context, None)
            if self.policy.clear == "acked" or self.policy.lingers:
                self.take(self.pacer.event(Cleared(context=context), self.now))

    def refuse(self, n: int) -> None:
        """There is no room for what was asked."""
        assert self.upstream is not None
        new = [(c, q) for c, q in self.upstream.queues.items() if q and not q[0].spoken]
        if not new or self.policy.contexts == 1:
            return
        context, queue = new[-1]
        was_flushed = queue.popleft().is_flushed
        failed = Failed("rate_limit", "", retryable=True, context=context)
        self.take(self.pacer.event(failed, self.now))
        if was_flushed and n % 2 and not self.is_over:
            self.take(self.pacer.event(Flushed(context=context), self.now))

    def close(self, n: int) -> None:
        assert self.upstream is not None
        if n % 2:
            failed = Failed("idle_timeout_exceeded", "", retryable=True)
            self.take(self.pacer.event(failed, self.now))
        is_asked = any(self.upstream.queues.values())
        self.upstream = None
        # With 1000 some answer what they were asked.
        code = 1006 if is_asked and self.policy.per_utterance else (1000, 1006, 1008)[n // 2]
        self.take(self.pacer.closed(code, self.now))

    @rule(seconds=st.sampled_from([1, 1, 2, 5, 15, 60]))
    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            if not self.is_over:
                self.now += 1.0
                self.end_what_lingers()
                self.take(self.pacer.tick(self.now))

    def end_what_lingers(self) -> None:
        """A provider ends an aborted context in time, told or not."""
        if self.upstream is not None and self.policy.lingers:
            old = [at for _, at in self.upstream.aborts if self.now - at >= self.policy.lingers]
            for _ in old:
                self.upstream.aborts.popleft()

    # The end: whatever was asked for comes

    def teardown(self) -> None:
        if not hasattr(self, "pacer"):
            return
        for _ in range(ENOUGH):
            if self.is_over or not self.is_waiting():
                break
            self.serve()
            self.wait(1)
        assert self.is_over or not self.is_waiting()
        if not self.is_over:
            self.take(self.pacer.lose("enough"))
            assert self.is_over
        # Nothing is done any more, whatever is said.
        for command in (Start(SpeakOptions()), Text("x"), Flush(), Clear(), Finish()):
            self.command(command)
        self.take(self.pacer.tick(self.now + 1000.0))
        self.take(self.pacer.closed(1006, self.now))

    def is_waiting(self) -> bool:
        return any(talk.flushes for talk in self.talks.values())

    def serve(self) -> None:
        """What a provider does that is in order."""
        self.open(0)
        self.open(0)
        while self.upstream is not None and self.upstream.aborts:
            self.end_an_abort(0)
        told = -1
        while self.upstream is not None and told != self.told_so_far:
            told = self.told_so_far
            for n in range(len(CONTEXTS)):
                if self.upstream is not None:
                    self.speak(n)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_anything(kind: str) -> None:
    machine = type(f"Anything_{kind}", (Anything,), {"policy": KINDS[kind]})
    run_state_machine_as_test(machine, settings=SETTINGS)
