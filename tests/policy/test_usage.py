"""What a session used, what that costs, and how it is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from voxway.asking import Asked
from voxway.auth import Account
from voxway.catalog import HIBARI, Found
from voxway.catalog.model import Prices
from voxway.errors import ProtocolError
from voxway.events import Audio, Text, Usage
from voxway.limits import TIERS, Meter
from voxway.moments import ahead, back, period
from voxway.routes import target
from voxway.usage import MICRO, Outcome, cost, money, opened
from voxway.visit import Visit

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


# What it costs


@pytest.mark.parametrize(
    ("prices", "usage", "expected"),
    [
        (None, Usage(characters=1000), None),
        (Prices(), Usage(characters=1000, audio_in=60), 0),
        (Prices(request=0.01), Usage(), 10_000),
        (Prices(characters=0.015), Usage(characters=1), 15),
        (Prices(characters=0.015), Usage(characters=1_000_000), 15_000_000),
        (Prices(characters=0.0005), Usage(characters=1), 1),  # half a millionth is one
        (Prices(characters=0.0004), Usage(characters=1), 0),
        (Prices(characters=30.0), Usage(characters=1000, cached=400), 18_000_000),
        (Prices(audio_in=0.0077), Usage(audio_in=90.0, audio_out=60.0), 11_550),
        (Prices(audio_out=0.05), Usage(audio_in=60.0, audio_out=0.001), 1),
        (
            Prices(request=1.0, characters=1.0, audio_in=1.0),
            Usage(characters=2000, audio_in=6.0),
            3_100_000,
        ),
    ],
)
def test_what_it_costs(prices: Prices | None, usage: Usage, expected: int | None) -> None:
    assert cost(prices, usage) == expected


@given(st.integers(0, 10**9), st.floats(0, 100).map(lambda price: round(price, 4)))
def test_a_cost_is_exact_to_the_millionth(characters: int, price: float) -> None:
    exact = Decimal(str(price)) * characters * MICRO / 1000
    found = cost(Prices(characters=price), Usage(characters=characters))
    assert found is not None
    assert abs(found - exact) <= Decimal("0.5")


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(0, "0.00"), (12_500_000, "12.50"), (1, "0.000001"), (-1_250_000, "-1.25")],
)
def test_money(amount: int, shown: str) -> None:
    assert money(amount) == shown


# What is known of it


def visit(*, client_key: bool = False) -> Visit:
    wanted = target("/v1/tts/local/hibari:en")
    assert wanted is not None
    model = structs.replace(HIBARI, prices=Prices(characters=1.0))
    return Visit(
        wanted,
        Found(model, "a/b", (), client_key),
        Account("key_1", "free", TIERS["free"], "acme", key="key_2"),
        "req_1",
        Asked(agent_id="agent", session_tag="call"),
    )


def test_what_is_known_when_it_opens() -> None:
    known = opened(visit(), "sess_1", "websocket", NOW)
    assert (known.id, known.kind, known.task, known.opened) == ("sess_1", "websocket", "tts", NOW)
    assert (known.request, known.account, known.key) == ("req_1", "key_1", "key_2")
    assert (known.organisation, known.agent, known.tag) == ("acme", "agent", "call")
    assert (known.asked, known.model, known.provider) == ("a/b", HIBARI.id, HIBARI.provider)
    assert known.prices == Prices(characters=1.0)


def test_what_a_clients_own_key_pays_is_not_reckoned() -> None:
    assert opened(visit(client_key=True), "s", "http", NOW).prices is None


@pytest.mark.parametrize(
    ("outcome", "kind", "code", "told"),
    [
        (Outcome("client_closed"), "websocket", 1000, "client_closed"),
        (
            Outcome("idle_timeout_exceeded", "config_error"),
            "websocket",
            1008,
            "idle_timeout_exceeded",
        ),
        (Outcome("", "config_error"), "websocket", 1000, "client_closed"),
        (Outcome(), "websocket", 1001, "client_closed"),
        (Outcome(), "websocket", 1006, "client_lost"),
        (Outcome(), "http", 1000, "client_closed"),
        (Outcome("client_closed"), "http", 1000, "client_closed"),
        (Outcome("", "config_error"), "http", 1000, "config_error"),
        (Outcome("backend_error", "backend_error"), "http", 1000, "backend_error"),
    ],
)
def test_how_it_ended(outcome: Outcome, kind: str, code: int, told: str) -> None:
    assert outcome.told(kind, code) == told  # type: ignore[arg-type]


# What is measured


def meter() -> Meter:
    return Meter(TIERS["pro"], 10.0)


def test_the_time_to_the_first_audio_is_that_of_the_first_utterance() -> None:
    m = meter()
    assert m.usage(11.0).ttfa is None
    m.asked(12.0)
    m.asked(12.2)
    m.spoke(0.5, 12.25)
    m.spoke(0.5, 13.0)
    m.done(14.0)
    m.asked(20.0)
    m.spoke(0.5, 29.0)
    assert (m.usage(30.0).ttfa, m.usage(30.0).audio_out) == (0.25, 1.5)


def test_the_providers_time_is_while_it_has_work() -> None:
    m = meter()
    assert m.usage(20.0).provider_time == 0.0
    m.asked(20.0)
    m.asked(21.0)
    assert m.usage(22.0).provider_time == 2.0
    m.done(23.0)
    m.done(24.0)
    assert m.usage(25.0).provider_time == 3.0
    m.asked(30.0)
    m.end(31.0)
    usage = m.usage(100.0)
    assert (usage.provider_time, usage.duration) == (4.0, 21.0)


def test_who_listens_works_from_the_first_audio_on() -> None:
    m = meter()
    m.admit(Audio(b"ab"), 11.0)
    m.heard(0.02, 11.0)
    m.heard(0.02, 11.02)
    m.answered(11.5)
    m.answered(12.0)
    usage = m.usage(13.0)
    assert (usage.provider_time, usage.ttfa, usage.audio_in) == (2.0, 0.5, 0.04)


def test_characters_count_as_they_were_sent() -> None:
    m = meter()
    for text in ("Héllo ", "wörld"):
        m.admit(Text(text), 10.0)
    assert (m.usage(10.0).characters, m.usage(10.0).messages, m.usage(10.0).cached) == (11, 2, 0)


# Days and whiles


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)),
        ("2026-11-01T06:00+02:00", datetime(2026, 11, 1, 4, tzinfo=UTC), None),
        ("2026-11-01T06:00", datetime(2026, 11, 1, 6, tzinfo=UTC), None),
        ("12h", NOW - timedelta(hours=12), None),
    ],
)
def test_when(text: str, start: datetime, end: datetime | None) -> None:
    assert back(text, NOW, "since") == start
    assert back(text, NOW, "until", is_end=True) == (end or start)


def test_a_while_ahead() -> None:
    assert ahead("4w", NOW, "expires") == NOW + timedelta(weeks=4)
    assert period("90m") == timedelta(minutes=90)


@pytest.mark.parametrize("text", ["", "soon", "5y", "9999-12-31", "0001-01-01T00:00+12:00"])
def test_no_time_is_told(text: str) -> None:
    with pytest.raises(ProtocolError):
        back(text, NOW, "until", is_end=True)
