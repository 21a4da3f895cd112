"""When a silent connection is pinged, and when it is taken for lost."""

from __future__ import annotations

from voxway.client.heartbeat import LONGEST, Heartbeat


def beats(heartbeat: Heartbeat, until: float, since: float = 0.0) -> dict[float, str]:
    """What happens if nothing ever comes, looked at once a second."""
    told: dict[float, str] = {}
    now = since
    while now <= until:
        if heartbeat.is_missed(now):
            told[now] = "lost"
            return told
        if heartbeat.is_due(now):
            told[now] = "ping"
        now += 1.0
    return told


def test_telnyx_reconnects_on_missed_heartbeats() -> None:
    heartbeat = Heartbeat(10.0)
    heartbeat.opened(0.0)
    assert beats(heartbeat, 100.0) == {10.0: "ping", 20.0: "lost"}


def test_whatever_comes_is_a_sign_of_life() -> None:
    heartbeat = Heartbeat(10.0)
    heartbeat.opened(0.0)
    for now in range(1, 101, 9):
        assert beats(heartbeat, now, now) == {}
        heartbeat.heard(float(now))
    assert beats(heartbeat, 110.0, 100.0) == {110.0: "ping"}
    heartbeat.heard(119.0)  # late, but before it is missed
    assert beats(heartbeat, 128.0, 119.0) == {}


def test_a_false_alarm_makes_it_more_patient() -> None:
    """Behind the audio that is sent again, a ping takes longer than the line is slow."""
    heartbeat = Heartbeat(10.0)
    waits = []
    for _ in range(5):
        heartbeat.opened(0.0)
        told = beats(heartbeat, 200.0)
        assert min(told) == 10.0
        waits.append(max(told) - 10.0)
    assert waits == [10.0, 20.0, 40.0, LONGEST, LONGEST]


def test_an_answer_says_how_patient_to_be() -> None:
    heartbeat = Heartbeat(10.0)
    heartbeat.opened(0.0)
    heartbeat.answered(8.0, 0.0)
    assert beats(heartbeat, 100.0) == {10.0: "ping", 26.0: "lost"}
    heartbeat.opened(0.0)
    heartbeat.answered(0.01, 0.0)
    assert beats(heartbeat, 100.0) == {10.0: "ping", 20.0: "lost"}
