"""When a lost connection is tried again, and when it is not."""

from __future__ import annotations

import random

import pytest

from voxway.client import SLNG, TELNYX, Retry
from voxway.client.failures import CLASSES, CLOSES, closed, failed, failure
from voxway.client.reconnect import Backoff
from voxway.errors import RULES, GatewayError
from voxway.events import Failed

LOST = failure("backend_connection_failed", "lost")


def delays(retry: Retry, count: int, chance: float = 0.0) -> list[float | None]:
    backoff = Backoff(retry)
    backoff.opened(0.0)
    return [backoff.failed(LOST, 0.0, chance) for _ in range(count)]


def test_slng_backoff_doubles_from_1_s_to_30_s() -> None:
    assert delays(SLNG, 8) == [1, 2, 4, 8, 16, 30, 30, 30]


def test_telnyx_backoff_is_250_ms_to_5_s() -> None:
    assert delays(TELNYX, 7) == [0.25, 0.5, 1, 2, 5, 5, 5]


@pytest.mark.parametrize("retry", [SLNG, TELNYX], ids=["slng", "telnyx"])
def test_telnyx_jitter_is_up_to_500_ms(retry: Retry) -> None:
    assert delays(retry, 2, chance=1.0) == [retry.delays[0] + 0.5, retry.delays[1] + 0.5]


def test_a_storm_spreads_over_the_jitter_window() -> None:
    """300 clients whose server went away at once come back evenly, in tenths of the window."""
    chance = random.Random(1)
    first = [delays(TELNYX, 1, chance.random())[0] or 0.0 for _ in range(300)]
    tenths = [sum(0.25 + i / 20 <= at < 0.25 + (i + 1) / 20 for at in first) for i in range(10)]
    assert sum(tenths) == 300
    assert max(tenths) < 60


def test_telnyx_attempts_are_reset_after_a_stable_connection_only() -> None:
    backoff = Backoff(TELNYX)
    now = 0.0
    for delay, seconds in ((0.25, 1.0), (0.5, 9.9), (1.0, 10.1), (0.25, 0.0), (0.5, 0.0)):
        assert backoff.failed(LOST, now, 0.0) == delay
        backoff.opened(now)
        now += seconds
    assert backoff.attempt == 3


@pytest.mark.parametrize("code", RULES)
def test_the_error_table_decides_whether_it_is_tried_again(code: str) -> None:
    """Telnyx: do not retry on authentication or validation errors."""
    backoff = Backoff(TELNYX)
    backoff.opened(0.0)
    assert (backoff.failed(failure(code, "x"), 0.0, 0.0) is not None) is RULES[code].retryable


@pytest.mark.parametrize("code", ["auth_error", "config_error", "invalid_request", "forbidden"])
def test_telnyx_no_retry_on_authentication_and_validation(code: str) -> None:
    assert Backoff(TELNYX).failed(failure(code, "x"), 0.0, 0.0) is None


def test_retry_after_is_honoured() -> None:
    full = failure("rate_limit", "full", retry_after=7.0)
    assert Backoff(TELNYX).failed(full, 0.0, 0.5) == 7.25
    assert Backoff(SLNG).failed(failure("not_ready", "x", retry_after=0.1), 0.0, 0.0) == 1.0
    said = failed(Failed("not_ready", "no seat", True, retry_after=9.0))
    assert Backoff(TELNYX).failed(said, 0.0, 0.0) == 9.0


def test_it_is_given_up_sooner_where_there_never_was_a_connection() -> None:
    retry = Retry(delays=(1.0,), jitter=0.0, attempts=4, first_attempts=2)
    assert delays(retry, 4) == [1, 1, 1, None]
    backoff = Backoff(retry)
    assert [backoff.failed(LOST, 0.0, 0.0) for _ in range(2)] == [1, None]


@pytest.mark.parametrize(
    ("code", "reason", "error"),
    [
        (1000, "", "backend_connection_failed"),
        (1005, "", "backend_connection_failed"),
        (1006, "", "backend_connection_failed"),
        (1011, "NET-0001", "backend_error"),
        (1012, "", "draining"),
        (1008, "idle_timeout_exceeded", "idle_timeout_exceeded"),
        (1008, "model_not_found", "model_not_found"),
        (1008, "something else", "invalid_request"),
        (4000, "", "auth_error"),
        (4001, "quota_exceeded", "quota_exceeded"),
        (4999, "", "backend_connection_failed"),
    ],
)
def test_what_a_close_means(code: int, reason: str, error: str) -> None:
    raised = closed(code, reason)
    assert raised.error == error
    assert str(code) in raised.message


def test_every_close_has_a_row_of_the_table_that_closes_so() -> None:
    for close, error in CLOSES.items():
        assert RULES[error].close_code in (close, None) or close < 1012, (close, error)
    for code, kind in CLASSES.items():
        assert issubclass(kind, GatewayError)
        assert code in RULES
