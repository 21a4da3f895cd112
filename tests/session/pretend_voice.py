"""A voice at a provider that enforces its limits, for the tests of its pacer."""

from __future__ import annotations

from collections import deque

from msgspec import Struct, field, structs

from voxway.events import Clear, Configure, Event, Flush, KeepAlive, SpeakOptions, Start, Text
from voxway.wire.policies import Policy

MINUTE = 60.0
# The kinds of providers, with limits that are met within a few words.
LIMITED = Policy(text_characters=25, characters_per_minute=60)
KINDS: dict[str, Policy] = {
    "unified": Policy(says_ready=True, clear="acked", configures=True),
    "deepgram": structs.replace(
        LIMITED, says_ready=True, clear="acked", flushes_per_minute=2, life=200.0, idle=90.0
    ),
    "elevenlabs": Policy(per_utterance=True, is_serial=True, keepalive="message"),
    "multi": Policy(clear="filtered", is_serial=True, contexts=2, lingers=5.0, life=100.0),
    "cartesia": Policy(clear="filtered", is_serial=True, contexts=3, configures=True, idle=30.0),
    "limited": structs.replace(
        LIMITED, clear="filtered", is_serial=True, contexts=3, lingers=5.0, flushes_per_minute=3
    ),
    "openai": Policy(configures=True, text_characters=25),
    "plain": Policy(),
}


class Utterance(Struct):
    texts: list[str]
    spoken: int = 0
    is_flushed: bool = False

    @property
    def is_done(self) -> bool:
        return self.is_flushed and self.spoken == len(self.texts)


class Upstream(Struct):
    """A provider's socket: what it was told, and what it allows."""

    policy: Policy
    voice: str | None
    opened: float
    voices: dict[str, str | None] = field(default_factory=dict)
    queues: dict[str, deque[Utterance]] = field(default_factory=dict)
    is_ready: bool = False
    begun: int = 0
    flushes: list[float] = field(default_factory=list)
    stale: dict[str, deque[Utterance]] = field(default_factory=dict)  # until the abort is told
    aborts: deque[tuple[str, float]] = field(default_factory=deque)  # and since when

    def hear(self, event: Event, now: float) -> None:
        context = event.context
        assert isinstance(event, Start | KeepAlive) or context in self.voices
        match event:
            case Start(options=SpeakOptions() as options):
                assert context not in self.voices or self.policy.contexts > 1
                self.voices[context] = options.voice
                self.queues.setdefault(context, deque())
            case Configure(options=options):
                assert self.policy.configures
                self.voices[context] = options.voice
            case Text(text=text):
                self._text(text, context)
            case Flush():
                self._flush(context, now)
            case Clear():
                self._clear(context, now)
            case _:
                assert isinstance(event, KeepAlive)

    def _text(self, text: str, context: str) -> None:
        assert text
        assert len(text) <= (self.policy.text_characters or len(text))
        queue = self.queues[context]
        if not queue or queue[-1].is_flushed:
            assert not (queue and self.policy.is_serial)
            self.begun += 1
            assert self.begun == 1 or not self.policy.per_utterance
            queue.append(Utterance([]))
            assert self.policy.contexts == 1 or self.open <= self.policy.contexts
        queue[-1].texts.append(text)
        voice = self.voices[context]
        assert all(word.startswith(f"{voice}-") for word in text.split())
        if self.policy.contexts == 1 and not self.policy.configures:
            assert voice == self.voice

    @property
    def open(self) -> int:
        """Contexts that are not over."""
        lingering = len(self.aborts) if self.policy.lingers else 0
        return sum(map(len, self.queues.values())) + lingering

    def _flush(self, context: str, now: float) -> None:
        utterance = self.queues[context][-1]
        assert utterance.texts
        assert not utterance.is_flushed
        utterance.is_flushed = True
        self.flushes = [at for at in self.flushes if now - at < MINUTE] + [now]
        assert len(self.flushes) <= (self.policy.flushes_per_minute or len(self.flushes))

    def _clear(self, context: str, now: float) -> None:
        assert self.policy.clear != "reopen"
        queue = self.queues[context]
        if self.policy.clear == "acked":
            self.stale.setdefault(context, deque()).extend(queue)
            self.aborts.append((context, now))
        elif queue:
            self.aborts.append((context, now))
        queue.clear()
