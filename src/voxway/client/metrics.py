"""What a client's sessions are like, in numbers: Telnyx's eight, and what else one wants to know.

`Metrics` is an observer of notices and transcripts. It keeps counts for `snapshot`, and hands each
measurement on as it is made: to a callback, to Prometheus (`prometheus.py`), to OpenTelemetry
(`otel.py`). Labels are codes, models and tasks; never a key, a text or audio.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from ..events import Transcript
from . import notices as n

KEPT = 512  # measurements that percentiles are of


class Instrument(Struct, frozen=True):
    """One metric, as every export names it. `unit` is `s` where it has one."""

    name: str
    kind: Literal["counter", "histogram", "gauge"]
    help: str
    unit: str = ""
    labels: tuple[str, ...] = ()


def _counter(name: str, help: str, unit: str = "", labels: tuple[str, ...] = ()) -> Instrument:
    return Instrument(name, "counter", help, unit, labels)


def _histogram(name: str, help: str) -> Instrument:
    return Instrument(name, "histogram", help, "s")


# Telnyx's production patterns, "Monitoring".
ATTEMPTS = _counter("connection_attempts", "How often a server was called")
DURATION = _histogram("connection_duration", "How long connections were open")
CLOSES = _counter(
    "closes", "How connections ended: close code, and whether we meant it", "", ("code", "expected")
)
ERRORS = _counter("errors", "What servers said is wrong", "", ("code",))
QUEUE = Instrument("audio_queue_depth", "gauge", "Audio that waits to be sent", "s")
PARTIAL_TO_FINAL = _histogram("partial_to_final", "From a segment's last partial to its final")
FINALS = _counter("finals", "Final transcripts")
EMPTY_FINALS = _counter("empty_finals", "Final transcripts without text")
# And ours.
CONNECT = _histogram("connect", "From the call to a server that is ready")
FIRST_AUDIO = _histogram("first_audio", "From the text to the first audio of an utterance")
RTT = _histogram("rtt", "From a ping to its answer")
UNDERRUNS = _counter("underruns", "How often speech broke off for want of audio")
STARVED = _counter("starved", "For how long it did", "s")
DROPPED = _counter("dropped_audio", "Audio dropped because more came than was sent", "s")
REPLAYS = _counter("replays", "How often audio was sent again to a new connection")
REPLAYED = _counter("replayed_audio", "How much audio that was", "s")
GAPS = _counter("lost_audio", "Audio that no recognizer heard", "s")
RESENT = _counter("resent_texts", "Texts said again to a new connection")

INSTRUMENTS = (
    *(ATTEMPTS, DURATION, CLOSES, ERRORS, QUEUE, PARTIAL_TO_FINAL, FINALS, EMPTY_FINALS),
    *(CONNECT, FIRST_AUDIO, RTT, UNDERRUNS, STARVED, DROPPED, REPLAYS, REPLAYED, GAPS, RESENT),
)


class Measurement(Struct, frozen=True):
    """Counters: how much is added. Histograms and gauges: the value."""

    instrument: Instrument
    value: float
    labels: Mapping[str, str] = {}


class Spread(Struct, frozen=True):
    """Of `count` measurements in seconds; percentiles of the last KEPT. Zero without any."""

    count: int = 0
    last: float = 0.0
    mean: float = 0.0
    p50: float = 0.0
    p95: float = 0.0
    max: float = 0.0


class Snapshot(Struct, frozen=True, kw_only=True):
    """All there is to know at one moment. Times are seconds."""

    connection_attempts: int
    connection_duration: Spread
    closes: dict[str, int]
    last_close: tuple[int | None, str]
    errors: dict[str, int]
    audio_queue_depth: float
    partial_to_final: Spread
    finals: int
    empty_finals: int
    connect: Spread
    first_audio: Spread
    rtt: Spread
    underruns: int
    starved: float
    dropped_audio: float
    replays: int
    replayed_audio: float
    lost_audio: float
    resent_texts: int


class Metrics:
    """Of one session, or of all that it is given to. `labels` go with each measurement."""

    def __init__(self, labels: Mapping[str, str] | None = None) -> None:
        self._labels = dict(labels or {})
        self._observers: list[Callable[[Measurement], None]] = []
        self._totals: Counter[str] = Counter()
        self._amounts: dict[str, float] = {}
        self._spreads: dict[str, _Values] = {}
        self._closes: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._last_close: tuple[int | None, str] = (None, "")
        self._erred = ""  # what was counted and will close the connection, maybe
        self._partial_at: float | None = None

    def subscribe(self, observer: Callable[[Measurement], None]) -> Callable[[], None]:
        """Call it with each measurement; what is returned ends that."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    def notice(self, notice: n.Notice) -> None:  # noqa: C901 - one case a notice
        """Take in what a session tells of its doings."""
        match notice:
            case n.Attempt():
                self._erred = ""
                self._measure(ATTEMPTS)
            case n.Opened(seconds=seconds):
                self._measure(CONNECT, seconds)
            case n.Lost():
                self._lost(notice)
            case n.Closed(seconds=seconds):
                self._close(1000, "", seconds, expected=True)
            case n.Erred(code=code):
                self._error(code)
                self._erred = code
            case n.Queued(seconds=seconds):
                self._measure(QUEUE, seconds)
            case n.Pinged(seconds=seconds):
                self._measure(RTT, seconds)
            case n.FirstAudio(seconds=seconds):
                self._measure(FIRST_AUDIO, seconds)
            case n.Underrun(seconds=seconds):
                self._measure(UNDERRUNS)
                self._measure(STARVED, seconds)
            case n.Dropped(seconds=seconds):
                self._measure(DROPPED, seconds)
            case n.Replayed(start=start, end=end):
                self._measure(REPLAYS)
                self._measure(REPLAYED, end - start)
            case n.Gap(start=start, end=end):
                self._measure(GAPS, end - start)
            case n.Resent():
                self._measure(RESENT)

    def heard(self, transcript: Transcript, now: float) -> None:
        """Take in a transcript; `now` is seconds of a clock that only goes forward."""
        if not transcript.final:
            self._partial_at = now
            return
        self._measure(FINALS)
        if not transcript.text:
            self._measure(EMPTY_FINALS)
        if self._partial_at is not None:
            self._measure(PARTIAL_TO_FINAL, now - self._partial_at)
            self._partial_at = None

    def snapshot(self) -> Snapshot:
        return Snapshot(
            connection_attempts=self._totals[ATTEMPTS.name],
            connection_duration=self._spread(DURATION),
            closes=dict(self._closes),
            last_close=self._last_close,
            errors=dict(self._errors),
            audio_queue_depth=self._amount(QUEUE),
            partial_to_final=self._spread(PARTIAL_TO_FINAL),
            finals=self._totals[FINALS.name],
            empty_finals=self._totals[EMPTY_FINALS.name],
            connect=self._spread(CONNECT),
            first_audio=self._spread(FIRST_AUDIO),
            rtt=self._spread(RTT),
            underruns=self._totals[UNDERRUNS.name],
            starved=self._amount(STARVED),
            dropped_audio=self._amount(DROPPED),
            replays=self._totals[REPLAYS.name],
            replayed_audio=self._amount(REPLAYED),
            lost_audio=self._amount(GAPS),
            resent_texts=self._totals[RESENT.name],
        )

    def _lost(self, lost: n.Lost) -> None:
        if lost.error != self._erred:  # else it was counted when it was told
            self._error(lost.error)
        self._erred = ""
        if lost.code is not None or lost.seconds:
            self._close(lost.code, lost.reason, lost.seconds, expected=False)

    def _close(self, code: int | None, reason: str, seconds: float, *, expected: bool) -> None:
        self._last_close = (code, reason)
        self._closes[str(code or "none")] += 1
        labels = {"code": str(code or "none"), "expected": str(expected).lower()}
        self._measure(CLOSES, 1.0, labels)
        self._measure(DURATION, seconds)

    def _error(self, code: str) -> None:
        self._errors[code] += 1
        self._measure(ERRORS, 1.0, {"code": code})

    def _measure(
        self, instrument: Instrument, value: float = 1.0, labels: Mapping[str, str] | None = None
    ) -> None:
        name = instrument.name
        match instrument.kind:
            case "histogram":
                self._spreads.setdefault(name, _Values()).add(value)
            case "gauge":
                self._amounts[name] = value
            case "counter" if instrument.unit:
                self._amounts[name] = self._amounts.get(name, 0.0) + value
            case "counter":
                self._totals[name] += int(value)
        measurement = Measurement(instrument, value, {**self._labels, **(labels or {})})
        for observer in tuple(self._observers):
            observer(measurement)

    def _spread(self, instrument: Instrument) -> Spread:
        values = self._spreads.get(instrument.name)
        return values.spread() if values else Spread()

    def _amount(self, instrument: Instrument) -> float:
        return self._amounts.get(instrument.name, 0.0)


class _Values:
    def __init__(self) -> None:
        self._count = 0
        self._sum = self._max = 0.0
        self._recent: deque[float] = deque(maxlen=KEPT)

    def add(self, value: float) -> None:
        self._count += 1
        self._sum += value
        self._max = max(self._max, value)
        self._recent.append(value)

    def spread(self) -> Spread:
        ordered = sorted(self._recent)
        mean = self._sum / self._count
        p50, p95 = (_percentile(ordered, share) for share in (0.5, 0.95))
        return Spread(self._count, self._recent[-1], mean, p50, p95, self._max)


def _percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that so many are not above."""
    return ordered[max(0, -(-len(ordered) * round(share * 100) // 100) - 1)]
