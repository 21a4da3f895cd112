"""Every limit at its edge: n allowed, n + 1 refused, by a given clock."""

from __future__ import annotations

import pytest

from voxway.errors import LimitError, TooLargeError
from voxway.events import Audio, Flush, Text
from voxway.limits import TIERS, Meter

NAMES = ("free", "pro", "enterprise")


def test_the_table_is_the_published_one() -> None:
    assert [
        (t.connections, t.duration / 60, t.message_bytes // 1024, t.messages_per_minute)
        for t in map(TIERS.__getitem__, NAMES)
    ] == [(1, 5, 16, 20), (5, 30, 32, 60), (50, 120, 128, 120)]
    assert [
        (t.text_chars, t.audio_bytes // 1024, t.idle) for t in map(TIERS.__getitem__, NAMES)
    ] == [(500, 16, 300), (2_000, 32, 300), (10_000, 64, 300)]
    assert [
        (t.http_connections, t.http_requests_per_minute, t.http_text_chars, t.http_audio)
        for t in map(TIERS.__getitem__, NAMES)
    ] == [(5, 30, 1_000, 60), (25, 300, 5_000, 300), (100, 1_000, 10_000, 600)]
    assert [(t.llm_input_tokens, t.llm_output_tokens) for t in map(TIERS.__getitem__, NAMES)] == [
        (4_000, 4_000),
        (32_000, 32_000),
        (128_000, 128_000),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_messages_per_minute_is_a_sliding_window(name: str) -> None:
    tier = TIERS[name]
    meter = Meter(tier, 0.0)
    for i in range(tier.messages_per_minute):
        meter.admit(Flush(), float(i) / 100)
    with pytest.raises(LimitError) as caught:
        meter.admit(Flush(), 30.0)
    assert caught.value.retry_after == 30.0
    meter.admit(Flush(), 60.0)


@pytest.mark.parametrize("name", NAMES)
def test_text_and_audio_have_bounds(name: str) -> None:
    tier = TIERS[name]
    meter = Meter(tier, 0.0)
    meter.admit(Text("x" * tier.text_chars), 0.0)
    with pytest.raises(TooLargeError, match=f"text of {tier.text_chars + 1} characters is over"):
        meter.admit(Text("x" * (tier.text_chars + 1)), 0.0)
    meter.admit(Audio(bytes(tier.audio_bytes)), 0.0)
    with pytest.raises(TooLargeError, match="audio chunk"):
        meter.admit(Audio(bytes(tier.audio_bytes + 1)), 0.0)


def test_idle_and_duration_are_measured_from_their_starts() -> None:
    meter = Meter(TIERS["free"], 100.0)
    meter.admit(Flush(), 200.0)
    assert not meter.is_idle(499.9)
    assert meter.is_idle(500.0)
    assert not meter.is_over_time(399.9)
    assert meter.is_over_time(400.0)
    assert not meter.is_over_time(409.9, mid_utterance=True)
    assert meter.is_over_time(410.0, mid_utterance=True)


def test_who_listens_to_a_long_text_is_not_idle() -> None:
    meter = Meter(TIERS["enterprise"], 0.0)
    meter.admit(Text("x" * 10_000), 0.0)
    for second in range(0, 660, 60):
        assert not meter.is_idle(float(second))
        meter.spoke(60.0, float(second))
    assert not meter.is_idle(899.0)
    assert meter.is_idle(900.0)


def test_audio_credit_comes_back_with_time() -> None:
    meter = Meter(TIERS["pro"], 0.0)
    assert meter.heard(60.0, 0.0) == 0.0
    assert meter.heard(8.0, 0.0) == 1.0
    assert meter.heard(8.0, 2.0) == 0.0


def test_a_tier_counts_http_requests_apart() -> None:
    pro = TIERS["pro"]
    http = pro.for_http()
    assert (http.connections, http.text_chars) == (pro.http_connections, pro.http_text_chars)
