"""The limits: one table by tier, and the counting of one session against its row.

Pure: the caller passes the time (seconds, monotonic). *Messages* are text and control messages;
audio has a bound of its own, since counting it would make live recognition impossible.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Annotated

from msgspec import Meta, Struct, structs

from .errors import LimitError, TooLargeError
from .events import Audio, Event, Text, Usage

KIB = 1024
MINUTE = 60.0


Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(ge=1, le=1e9)]


class Tier(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of limits. Times in seconds, sizes in bytes, lengths in characters. The tokens are
    for language models, which no route gives yet."""

    connections: Count
    duration: Seconds
    message_bytes: Count
    messages_per_minute: Count
    text_chars: Count
    audio_bytes: Count
    http_connections: Count
    http_requests_per_minute: Count
    http_text_chars: Count
    http_audio: Seconds
    llm_input_tokens: Count
    llm_output_tokens: Count
    idle: Seconds = 5 * MINUTE
    heartbeat: Seconds = 30.0  # of silence until the client is pinged; as long to answer

    def for_http(self) -> Tier:
        """The same tier as it counts one HTTP request, which is a session of one utterance."""
        return structs.replace(
            self,
            connections=self.http_connections,
            text_chars=self.http_text_chars,
            audio_bytes=1024 * KIB,
        )


TIERS: dict[str, Tier] = {
    "free": Tier(
        connections=1,
        duration=5 * MINUTE,
        message_bytes=16 * KIB,
        messages_per_minute=20,
        text_chars=500,
        audio_bytes=16 * KIB,
        http_connections=5,
        http_requests_per_minute=30,
        http_text_chars=1_000,
        http_audio=60.0,
        llm_input_tokens=4_000,
        llm_output_tokens=4_000,
    ),
    "pro": Tier(
        connections=5,
        duration=30 * MINUTE,
        message_bytes=32 * KIB,
        messages_per_minute=60,
        text_chars=2_000,
        audio_bytes=32 * KIB,
        http_connections=25,
        http_requests_per_minute=300,
        http_text_chars=5_000,
        http_audio=300.0,
        llm_input_tokens=32_000,
        llm_output_tokens=32_000,
    ),
    "enterprise": Tier(
        connections=50,
        duration=120 * MINUTE,
        message_bytes=128 * KIB,
        messages_per_minute=120,
        text_chars=10_000,
        audio_bytes=64 * KIB,
        http_connections=100,
        http_requests_per_minute=1_000,
        http_text_chars=10_000,
        http_audio=600.0,
        llm_input_tokens=128_000,
        llm_output_tokens=128_000,
    ),
    # For the key that a gateway on loopback makes for its own machine.
    "local": Tier(
        connections=1_000,
        duration=24 * 60 * MINUTE,
        message_bytes=1024 * KIB,
        messages_per_minute=60_000,
        text_chars=100_000,
        audio_bytes=1024 * KIB,
        http_connections=1_000,
        http_requests_per_minute=60_000,
        http_text_chars=100_000,
        http_audio=60 * MINUTE,
        llm_input_tokens=128_000,
        llm_output_tokens=128_000,
    ),
}

# Audio may come this much faster than real time, after a burst of so many seconds.
AUDIO_RATE, AUDIO_BURST = 8.0, 60.0
# Past its duration a session may still finish the utterance it is in.
DURATION_GRACE = 10.0


class Meter:
    """Counts what one session says against its tier, and what it used. `model` is the one that
    answers; the session fills it in."""

    def __init__(self, tier: Tier, now: float) -> None:
        self.tier = tier
        self.model = ""
        self._started = self._last = now
        self._recent: deque[float] = deque()
        self._audio_credit, self._audio_at = AUDIO_BURST, now
        self._characters = self._messages = 0
        self._audio_in = self._audio_out = 0.0
        self._ended: float | None = None
        self._busy_since: float | None = None  # while the model has work of it
        self._provider_time = 0.0
        self._first_asked: float | None = None
        self._ttfa: float | None = None
        self._awaits_first = False

    def admit(self, command: Event, now: float, *, is_more: bool = False) -> None:
        """Count one command; `is_more`: of a message that is counted already. Raises LimitError or
        TooLargeError for the limit it breaks."""
        self._last = now
        if isinstance(command, Audio):
            size, bound = len(command.data), self.tier.audio_bytes
            if size > bound:
                raise TooLargeError(f"audio chunk of {size} bytes is over {bound}", param="audio")
            return
        if not is_more:
            self._count_message(now)
        if isinstance(command, Text):
            size, bound = len(command.text), self.tier.text_chars
            if size > bound:
                raise TooLargeError(f"text of {size} characters is over {bound}", param="text")
            self._characters += size

    def _count_message(self, now: float) -> None:
        self._messages += 1
        recent = self._recent
        while recent and recent[0] <= now - MINUTE:
            recent.popleft()
        if len(recent) >= self.tier.messages_per_minute:
            raise LimitError(
                f"over {self.tier.messages_per_minute} messages a minute",
                retry_after=recent[0] + MINUTE - now,
            )
        recent.append(now)

    def heard(self, seconds: float, now: float) -> float:
        """Count audio in; returns for how many seconds the reader must rest (mostly 0.0)."""
        if not self._audio_in:
            self.asked(now)
        self._audio_in += seconds
        earned = (now - self._audio_at) * AUDIO_RATE
        self._audio_credit = min(AUDIO_BURST, self._audio_credit + earned) - seconds
        self._audio_at = now
        return max(0.0, -self._audio_credit / AUDIO_RATE)

    def spoke(self, seconds: float, now: float) -> None:
        """Count audio out. Whoever listens is not idle, however long the text was."""
        self._last = now
        self._audio_out += seconds
        if self._awaits_first:
            self.answered(now)

    def asked(self, now: float) -> None:
        """The model has work from now on. May be said again before it is done."""
        if self._busy_since is None:
            self._busy_since = now
        if self._first_asked is None:
            self._first_asked, self._awaits_first = now, True

    def answered(self, now: float) -> None:
        """There is something for the client; of these only the first counts."""
        if self._awaits_first and self._first_asked is not None:
            self._ttfa, self._awaits_first = now - self._first_asked, False

    def done(self, now: float) -> None:
        """The model has no more work for now."""
        if self._busy_since is not None:
            self._provider_time += now - self._busy_since
            self._busy_since = None

    def end(self, now: float) -> None:
        """The session is over: from here on time does not count."""
        self.done(now)
        self._ended = now

    def is_idle(self, now: float) -> bool:
        return now - self._last >= self.tier.idle

    def is_over_time(self, now: float, *, mid_utterance: bool = False) -> bool:
        grace = DURATION_GRACE if mid_utterance else 0.0
        return now - self._started >= self.tier.duration + grace

    def usage(self, now: float) -> Usage:
        """What was used until now, or until the end."""
        now = now if self._ended is None else self._ended
        busy = 0.0 if self._busy_since is None else now - self._busy_since
        return Usage(
            model=self.model,
            characters=self._characters,
            audio_in=round(self._audio_in, 3),
            audio_out=round(self._audio_out, 3),
            messages=self._messages,
            duration=round(now - self._started, 3),
            provider_time=round(self._provider_time + busy, 3),
            ttfa=None if self._ttfa is None else round(self._ttfa, 3),
        )


class Standing(Struct, frozen=True):
    """How a key stands to its rate: so many requests are left, and `reset` is in how many seconds
    the oldest of those counted no longer counts."""

    limit: int
    remaining: int
    reset: float


def rate_headers(standing: Standing, policy: str = "requests") -> dict[str, str]:
    """The `RateLimit` fields of an HTTP answer, whatever its status
    (draft-ietf-httpapi-ratelimit-headers-11)."""
    return {
        "RateLimit-Policy": f'"{policy}";q={standing.limit};w={MINUTE:.0f}',
        "RateLimit": f'"{policy}";r={standing.remaining};t={math.ceil(standing.reset)}',
    }
