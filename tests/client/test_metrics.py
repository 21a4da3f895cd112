"""The metrics, row by row of Telnyx's table, where they go, and what no log may have in it."""

from __future__ import annotations

import json
import logging
import traceback
from io import StringIO

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, generate_latest
from rich.console import Console

from voxway.audio.formats import AudioFormat
from voxway.client import notices as n
from voxway.client.capture import CaptureQueue, Chunk
from voxway.client.gateway import Gateway
from voxway.client.log import Session, SessionLog
from voxway.client.metrics import INSTRUMENTS, Measurement, Metrics, Spread
from voxway.client.otel import OpenTelemetryExport
from voxway.client.playback import PlaybackBuffer
from voxway.client.prometheus import PrometheusExport
from voxway.client.replay import ReplayBuffer
from voxway.client.service import Service
from voxway.events import Audio, SpeakOptions, Transcript
from voxway.wire.base import Address, Endpoint

ODD_KEY = 'one"of\\theirs'
KEY, SPEECH = "vxw_secret_key", b"\x11\x22what somebody said" * 40


def told(*notices: n.Notice) -> Metrics:
    metrics = Metrics()
    for notice in notices:
        metrics.notice(notice)
    return metrics


def test_connection_attempts() -> None:
    snapshot = told(n.Attempt(1), n.Attempt(2), n.Opened(0.2)).snapshot()
    assert snapshot.connection_attempts == 2
    assert snapshot.connect == Spread(1, 0.2, 0.2, 0.2, 0.2, 0.2)


def test_connection_duration_and_close_code_and_reason() -> None:
    metrics = told(n.Lost("provider_error", "gone", 1011, "upstream", 30.0), n.Closed(10.0))
    snapshot = metrics.snapshot()
    assert snapshot.closes == {"1011": 1, "1000": 1}
    assert snapshot.connection_duration.count == 2
    assert snapshot.connection_duration.max == 30.0
    assert snapshot.last_close == (1000, "")


def test_closes_that_we_meant_are_told_from_failures() -> None:
    metrics = Metrics({"task": "stt"})
    measured: list[Measurement] = []
    metrics.subscribe(measured.append)
    metrics.notice(n.Lost("provider_error", "gone", 1006, "", 1.0))
    metrics.notice(n.Closed(1.0))
    closes = [m.labels for m in measured if m.instrument.name == "closes"]
    assert closes == [
        {"task": "stt", "code": "1006", "expected": "false"},
        {"task": "stt", "code": "1000", "expected": "true"},
    ]


def test_a_call_that_came_to_nothing_is_no_close() -> None:
    snapshot = told(n.Attempt(1), n.Lost("backend_connection_failed", "refused")).snapshot()
    assert (snapshot.closes, snapshot.errors) == ({}, {"backend_connection_failed": 1})


def test_error_codes_are_counted_once() -> None:
    """An error that ends the session is told, and then closes it."""
    snapshot = told(
        n.Erred("invalid_request", "x"),
        n.Erred("rate_limit", "y", None, True),
        n.Lost("rate_limit", "y", 4001, "rate_limit", 1.0),
        n.Attempt(2),
        n.Lost("rate_limit", "y"),
    ).snapshot()
    assert snapshot.errors == {"invalid_request": 1, "rate_limit": 2}


def test_audio_queue_depth_and_drops() -> None:
    snapshot = told(n.Queued(0.3), n.Queued(0.1), n.Dropped(0.5), n.Dropped(0.25)).snapshot()
    assert (snapshot.audio_queue_depth, snapshot.dropped_audio) == (0.1, 0.75)


def test_partial_to_final_latency() -> None:
    metrics = Metrics()
    for at, final in ((1.0, False), (1.5, False), (1.7, True), (3.0, True)):
        metrics.heard(Transcript("x", final), at)
    spread = metrics.snapshot().partial_to_final
    assert [spread.count, spread.last] == pytest.approx([1, 0.2])


def test_final_and_empty_final_counts() -> None:
    metrics = Metrics()
    for text in ("one", "", "two"):
        metrics.heard(Transcript(text, True), 0.0)
    assert (metrics.snapshot().finals, metrics.snapshot().empty_finals) == (3, 1)


def test_first_audio_round_trips_underruns_and_replays() -> None:
    snapshot = told(
        n.FirstAudio("u1", 0.125),
        n.FirstAudio("u2", 0.375),
        n.Pinged(0.02),
        n.Underrun(0.4),
        n.Replayed(1.0, 3.5),
        n.Gap(0.0, 1.0),
        n.Resent("u1", "Hello."),
    ).snapshot()
    assert snapshot.first_audio == Spread(2, 0.375, 0.25, 0.125, 0.375, 0.375)
    assert snapshot.rtt.last == 0.02
    assert (snapshot.underruns, snapshot.starved) == (1, 0.4)
    assert (snapshot.replays, snapshot.replayed_audio, snapshot.lost_audio) == (1, 2.5, 1.0)
    assert snapshot.resent_texts == 1


def test_percentiles_are_of_the_last_values() -> None:
    metrics = told(*(n.Pinged(1.0) for _ in range(600)), *(n.Pinged(i / 512) for i in range(512)))
    rtt = metrics.snapshot().rtt
    assert (rtt.count, rtt.p50, rtt.p95) == (1112, 255 / 512, 486 / 512)


def test_a_callback_hears_each_measurement_until_it_is_done() -> None:
    metrics = Metrics()
    heard: list[Measurement] = []
    done = metrics.subscribe(heard.append)
    metrics.notice(n.Pinged(0.5))
    done()
    metrics.notice(n.Pinged(0.7))
    assert [(m.instrument.name, m.value) for m in heard] == [("rtt", 0.5)]


ALL = (
    *(n.Attempt(1), n.Opened(0.1), n.Lost("x", "y", 1006, "", 5.0), n.Erred("rate_limit", "z")),
    *(n.Queued(0.5), n.Pinged(0.1), n.FirstAudio("u", 0.2), n.Underrun(0.1), n.Dropped(0.3)),
    *(n.Replayed(0.0, 2.0), n.Gap(0.0, 1.0), n.Resent("u", "t")),
)


def everything(metrics: Metrics) -> None:
    for notice in ALL:
        metrics.notice(notice)
    for text, final in (("a", False), ("", True)):
        metrics.heard(Transcript(text, final), 1.0)


def test_prometheus() -> None:
    registry = CollectorRegistry()
    metrics = Metrics({"task": "stt", "model": "m"})
    metrics.subscribe(PrometheusExport(registry=registry))
    everything(metrics)
    text = generate_latest(registry).decode()
    its = 'task="stt"'
    assert f'voxway_client_connection_attempts_total{{model="m",{its}}} 1.0' in text
    assert (
        'voxway_client_closes_total{code="1006",expected="false",model="m",task="stt"} 1.0' in text
    )
    assert f'voxway_client_audio_queue_depth_seconds{{model="m",{its}}} 0.5' in text
    assert f'voxway_client_rtt_seconds_sum{{model="m",{its}}} 0.1' in text
    for instrument in INSTRUMENTS:
        assert f"voxway_client_{instrument.name}" in text


def test_opentelemetry() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    metrics = Metrics({"model": "m"})
    metrics.subscribe(OpenTelemetryExport(provider.get_meter("test")))
    everything(metrics)
    data = reader.get_metrics_data()
    assert data is not None
    [scope] = data.resource_metrics[0].scope_metrics
    found = {metric.name: metric for metric in scope.metrics}
    assert set(found) == {f"voxway.client.{instrument.name}" for instrument in INSTRUMENTS}
    [closes] = found["voxway.client.closes"].data.data_points
    assert dict(closes.attributes or {}) == {"model": "m", "code": "1006", "expected": "false"}
    assert found["voxway.client.rtt"].unit == "s"
    provider.shutdown()


SESSION = Session("s1", "stt", "deepgram", "nova-3", "linear16", 16_000, True)


def logged(caplog: pytest.LogCaptureFixture, *notices: n.Notice) -> list[dict[str, object]]:
    log = SessionLog(SESSION, (KEY, ODD_KEY, ""))
    with caplog.at_level(logging.INFO, "voxway.client"):
        for notice in notices:
            log.notice(notice)
    return [json.loads(message) for message in caplog.messages]


def test_each_line_of_the_log_says_what_it_is_about(caplog: pytest.LogCaptureFixture) -> None:
    [opened] = logged(caplog, n.Opened(0.12345), n.Queued(1.0), n.Attempt(1))
    assert opened == {
        "event": "opened",
        "id": "s1",
        "task": "stt",
        "engine": "deepgram",
        "model": "nova-3",
        "encoding": "linear16",
        "sample_rate": 16_000,
        "partials": True,
        "seconds": 0.123,
    }


def test_the_log_tells_failures_from_what_will_be_mended(caplog: pytest.LogCaptureFixture) -> None:
    lost = n.Lost("provider_error", "gone", 1011, "upstream", 30.0, 0.25)
    again, _ = logged(caplog, lost, n.Lost("auth_error", "no"))
    assert (again["code"], again["reason"], again["again_in"]) == (1011, "upstream", 0.25)
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]


def test_audio_that_is_dropped_all_the_time_is_logged_now_and_then(
    caplog: pytest.LogCaptureFixture,
) -> None:
    drops = [n.Dropped(0.5)] * 50
    lines = logged(caplog, *drops, n.Lost("provider_error", "gone"), *drops[:3], n.Opened(0.1))
    told = [line.get("seconds") for line in lines if line["event"] == "dropped"]
    assert told == [0.5, 10.0, 10.0, 4.5, 0.5, 1.0]
    assert [line["event"] for line in lines[4:]] == ["lost", "dropped", "dropped", "opened"]


def test_no_key_and_no_text_gets_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    logged(
        caplog,
        n.Lost("auth_error", f"unknown key {KEY}", 4000, f"bad {KEY}", 1.0),
        n.Erred("invalid_request", KEY, KEY),
        n.Erred("invalid_request", f"no key {ODD_KEY}", None),
        n.Resent("u1", "What I tell you is private."),
        n.Abandoned("u1", "What I tell you is private."),
    )
    assert len(caplog.messages) == 5
    assert KEY not in caplog.text
    assert "theirs" not in caplog.text
    assert "private" not in caplog.text
    assert '"characters": 27' in caplog.text


def held() -> list[object]:
    pcm = AudioFormat("linear16", 16_000)
    queue, replay, playback = CaptureQueue(pcm), ReplayBuffer(pcm), PlaybackBuffer(16_000)
    queue.put(SPEECH)
    replay.sent(Chunk(0.0, SPEECH))
    playback.write(SPEECH)
    gateway = Gateway("wss://gateway.example", KEY)
    route = Service(gateway).route("tts", "m")
    address = Address("wss://provider.example", "m", KEY)
    return [
        *(Audio(SPEECH), Audio(SPEECH, context="c"), Chunk(0.0, SPEECH)),
        *(queue, replay, replay.again(), playback, SessionLog(SESSION, (KEY,))),
        *(gateway, Service(gateway), route, route.endpoint(SpeakOptions()), address),
        Endpoint(f"wss://x.example/v1?token={KEY}", {"X": KEY}, (KEY,)),
    ]


@pytest.mark.parametrize("thing", held(), ids=lambda thing: type(thing).__name__)
def test_no_key_and_no_audio_is_in_a_representation(thing: object) -> None:
    rich = StringIO()
    Console(file=rich, width=500).print(thing, [thing])
    try:
        raise ValueError(thing)
    except ValueError:
        trace = traceback.format_exc()
    for text in (repr(thing), str(thing), f"{[thing]}", rich.getvalue(), trace):
        assert KEY not in text
        assert "somebody" not in text
        assert "\\x11" not in text
