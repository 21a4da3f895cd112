"""What an address may do before it is known who it is, by a given clock."""

from __future__ import annotations

import pytest

from voxway.addresses import AddressGuard, caller, networks, subscriber
from voxway.errors import ConfigError, LimitError

HERE, THERE = "192.0.2.1", "192.0.2.2"


def refused(guard: AddressGuard, address: str, now: float) -> float:
    """For how long."""
    with pytest.raises(LimitError, match="too many wrong keys from this address") as caught:
        guard.check(address, now)
    assert caught.value.rule.http_status == 429
    assert caught.value.retry_after is not None
    return caught.value.retry_after


def test_twenty_wrong_keys_a_minute_and_no_more() -> None:
    guard = AddressGuard()
    for i in range(20):
        guard.check(HERE, float(i))
        guard.failed(HERE, float(i))
    assert refused(guard, HERE, 19.0) == 41.0
    guard.check(THERE, 19.0)
    assert refused(guard, HERE, 59.9) == pytest.approx(0.1)
    guard.check(HERE, 60.0)  # the first does not count any more
    guard.failed(HERE, 60.0)
    assert refused(guard, HERE, 60.0) == 1.0


def test_whoever_has_a_key_is_not_counted() -> None:
    guard = AddressGuard(failures_per_minute=1)
    for i in range(100):
        guard.check(HERE, float(i))


def test_a_guess_while_refused_does_not_make_it_longer() -> None:
    guard = AddressGuard(failures_per_minute=2)
    guard.failed(HERE, 0.0)
    guard.failed(HERE, 1.0)
    waits = [refused(guard, HERE, now) for now in (1.0, 30.0, 59.0)]
    assert waits == [59.0, 30.0, 1.0]
    guard.check(HERE, 60.0)


def test_no_more_addresses_are_remembered_than_are_bounded() -> None:
    guard = AddressGuard(failures_per_minute=1, remembered=100)
    for i in range(1000):
        guard.failed(f"10.0.{i // 250}.{i % 250}", float(i) / 1000)
        guard.failed(HERE, float(i) / 1000)  # it goes on, and so it is not forgotten
    assert len(guard._failures) == 100
    refused(guard, HERE, 1.0)
    guard.check("10.0.0.0", 1.0)


def test_sockets_by_address() -> None:
    guard = AddressGuard(sockets=3)
    for _ in range(3):
        guard.opened(HERE)
    with pytest.raises(LimitError, match="3 sockets are open from this address") as caught:
        guard.opened(HERE)
    assert caught.value.retry_after == 1.0
    guard.opened(THERE)
    guard.closed(HERE)
    guard.opened(HERE)
    for address in (HERE, HERE, HERE, THERE):
        guard.closed(address)
    assert guard._open == {}


def test_who_is_not_bounded() -> None:
    guard = AddressGuard(failures_per_minute=1, sockets=1)
    unbounded = AddressGuard(failures_per_minute=0, sockets=0)
    for _ in range(9):
        guard.failed("", 0.0)
        guard.check("", 0.0)
        guard.opened("")
        unbounded.failed(HERE, 0.0)
        unbounded.check(HERE, 0.0)
        unbounded.opened(HERE)
    assert guard._failures == unbounded._failures == {}


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_what_an_address_is_counted_as(address: str, counted: str) -> None:
    assert subscriber(address) == counted


TRUSTED = networks(["10.0.0.0/8", "2001:db8::1", "192.0.2.9"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        (HERE, "", HERE),
        (HERE, "203.0.113.5", HERE),  # anybody can say so
        ("10.1.2.3", "203.0.113.5", "203.0.113.5"),
        ("10.1.2.3", "1.1.1.1, 203.0.113.5", "203.0.113.5"),
        ("10.1.2.3", "203.0.113.5, 10.9.9.9, 192.0.2.9", "203.0.113.5"),
        ("::ffff:10.1.2.3", "203.0.113.5", "203.0.113.5"),
        ("2001:db8::1", "2001:db8:ffff::7", "2001:db8:ffff::7"),
        ("10.1.2.3", "203.0.113.5:4711", "203.0.113.5"),
        ("10.1.2.3", "[2001:db8:ffff::7]:4711", "2001:db8:ffff::7"),
        ("10.1.2.3", "", "10.1.2.3"),
        ("10.1.2.3", "10.4.4.4", "10.4.4.4"),
        ("10.1.2.3", "10.4.4.4, ", "10.1.2.3"),
        ("10.1.2.3", "unknown", "unknown"),
        ("", "203.0.113.5", ""),
    ],
)
def test_where_a_request_comes_from(peer: str, forwarded: str, address: str) -> None:
    assert caller(peer, {"x-forwarded-for": forwarded}, TRUSTED) == address
    assert caller(peer, {"x-forwarded-for": forwarded}, ()) == peer
    assert caller(peer, {}, TRUSTED) == peer


@pytest.mark.parametrize("text", ["10.0.0.1/8", "localhost", "", "10.0.0.0/33"])
def test_what_is_no_range_of_addresses(text: str) -> None:
    with pytest.raises(ConfigError, match="trusted_proxies: "):
        networks(["192.0.2.0/24", text])
