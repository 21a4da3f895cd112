"""A recognizer's pacer: what is heard again when a socket is lost, and what cannot be."""

from __future__ import annotations

import pytest
from hearing_rig import (
    ENDLESS,
    FINALIZES,
    FINISH,
    FLUSH,
    LOST,
    OPTIONS,
    PLAIN,
    WEBM,
    Rig,
    answer,
    audio,
    final,
    said,
    told,
)
from msgspec import structs

from voxway.events import Audio, Ended, Failed, Start, Transcript, Warning
from voxway.session.pace import Dial, HangUp, Lose, Say, Tell
from voxway.session.pace_hearing import NOTHING
from voxway.session.tape import KEPT
from voxway.wire.policies import Policy


def test_what_has_no_final_yet_is_said_again_with_its_finalizes_in_their_places() -> None:
    rig = Rig(FINALIZES)
    rig.say(audio(1.0, 1), FLUSH, audio(1.0, 2), FLUSH, audio(1.0, 3))
    rig.hear(answer("one"))
    rig.now = 1.0
    assert rig.reopen() == said(audio(1.0, 2), FLUSH, audio(1.0, 3))
    # The answer comes on the clock of the new socket.
    two = Transcript("two", True, True, start=0.2, duration=0.5)
    assert rig.hear(two) == told(structs.replace(two, start=1.2))
    assert rig.reopen() == said(audio(1.0, 3))
    assert rig.hear(final("three", 0.0, 0.5)) == told(final("three", 2.0, 2.5))
    assert rig.reopen() == said(audio(0.5, 3))


def test_a_final_before_the_answer_is_of_what_was_said_before_the_finalize() -> None:
    rig = Rig(FINALIZES)
    rig.say(audio(1.0, 1), FLUSH, audio(1.0, 2))
    rig.hear(final("some of it"))
    assert rig.reopen() == said(FLUSH, audio(1.0, 2))


def test_a_final_without_times_is_of_all_that_was_said() -> None:
    rig = Rig(FINALIZES)
    rig.say(audio(1.0))
    rig.hear(final("all of it"))
    assert rig.close() == []


def test_what_is_finalized_while_the_socket_is_away_is_not_answered_meanwhile() -> None:
    rig = Rig(FINALIZES)
    rig.say(audio(1.0), FLUSH)
    rig.close()
    assert rig.tick(60.0) == []
    assert rig.open()[1:] == said(audio(1.0), FLUSH)
    assert rig.tick(2.9) == []
    assert rig.tick(0.2) == told(NOTHING)


def test_the_end_is_said_again_too() -> None:
    rig = Rig(PLAIN)
    rig.say(audio(1.0), FINISH)
    assert rig.reopen() == said(audio(1.0), FINISH)
    assert rig.close(1000) == told(Ended("closed"))


def test_a_recognizer_that_never_ends_is_made_to_finalize_again() -> None:
    rig = Rig(ENDLESS)
    rig.say(audio(1.0), FLUSH, audio(1.0, 2), FINISH)
    assert rig.reopen() == said(audio(1.0), FLUSH, audio(1.0, 2), FLUSH)
    assert rig.hear(answer("a"), answer("b")) == [
        *told(answer("a"), Transcript("b", True)),
        HangUp(),
        Tell(Ended("closed")),
    ]


def test_it_is_given_up_after_three_sockets_of_which_nothing_was_heard() -> None:
    rig = Rig(PLAIN)
    rig.say(audio(1.0))
    rig.reopen()
    assert rig.hear(Transcript("1", False)) == told(Transcript("1", False))
    rig.reopen()
    assert rig.close() == []
    assert rig.tick(1.0) == [Dial(OPTIONS)]
    rig.open()
    assert rig.close() == [LOST]
    assert rig.say(audio(1.0), FINISH, Start(OPTIONS)) == rig.tick(9.0) == rig.close() == []
    assert list(rig.pacer.lose("again")) == []
    assert not rig.pacer.passes(audio(1.0), 0.0)


def test_whatever_makes_it_useless_it_is_left() -> None:
    rig = Rig(PLAIN)
    assert list(rig.pacer.lose("nonsense")) == [HangUp(), Lose("nonsense")]


def test_a_socket_is_not_missed_by_a_client_that_rests() -> None:
    rig = Rig(PLAIN)
    for _ in range(5):
        rig.say(audio(1.0))
        rig.now += 11.0
        assert rig.close(1000) == []
        assert rig.tick(1.0) == []
        assert rig.say(audio(1.0)) == [Dial(OPTIONS)]
        rig.open()
        rig.hear(final("x"))


def test_audio_that_comes_while_nobody_listens_is_heard_in_its_order() -> None:
    rig = Rig(PLAIN)
    rig.say(audio(1.0, 1))
    rig.close()
    assert rig.say(audio(1.0, 2), FLUSH, audio(1.0, 3)) == []
    assert rig.pacer.waiting == 16_000
    again = said(audio(1.0, 1), audio(1.0, 2), FLUSH, audio(1.0, 3))
    assert rig.open()[1:] == again
    rig.hear(Transcript("par", False))
    assert rig.reopen() == again


def test_a_compressed_stream_cannot_go_on_elsewhere() -> None:
    rig = Rig(Policy(idle=60.0), WEBM)
    rig.say(Audio(b"webm"))
    rig.hear(final("all of it"))
    assert rig.tick(61.0) == []
    assert rig.close() == []
    assert rig.say(Audio(b"more")) == [Lose("the backend closed the connection amid the stream")]


def test_a_compressed_stream_without_its_final_is_lost() -> None:
    rig = Rig(PLAIN, WEBM)
    rig.say(Audio(b"webm"), Audio(b"more"))
    assert rig.close() == [LOST]


def test_a_compressed_stream_that_has_not_begun_is_not() -> None:
    rig = Rig(PLAIN, WEBM)
    rig.close()
    rig.say(Audio(b"webm"))
    rig.open()
    assert rig.say(FLUSH, Audio(b"more")) == said(FLUSH, Audio(b"more"))
    assert rig.hear(answer("a")) == told(answer("a"))
    assert rig.close() == [LOST]


def test_live_audio_of_long_ago_is_not_missed_but_a_file_is() -> None:
    live, file = Rig(PLAIN), Rig(PLAIN)
    for _ in range(50):
        live.say(audio(1.0))
        live.tick(1.0)
        file.say(audio(1.0))
    again = [
        step.event.data
        for step in live.reopen()
        if isinstance(step, Say) and isinstance(step.event, Audio)
    ]
    assert len(b"".join(again)) == KEPT * 8000
    assert file.close() == [LOST]


@pytest.mark.parametrize("code", ["idle_timeout_exceeded", "max_connection_duration_exceeded"])
def test_a_socket_whose_time_is_up_is_opened_again(code: str) -> None:
    rig = Rig(PLAIN)
    rig.say(audio(1.0))
    assert rig.hear(Failed(code, "time is up", retryable=True)) == []
    assert rig.reopen() == said(audio(1.0))


FULL = Failed("rate_limit", "too many", retryable=True)


def test_a_full_provider_is_asked_again_later_and_later() -> None:
    rig = Rig(PLAIN)
    rig.say(audio(1.0), FLUSH)
    waits = []
    while (steps := rig.hear(FULL)) == [HangUp()]:
        waits.append(0.0)
        while not rig.tick(0.25):
            waits[-1] += 0.25
        assert rig.open()[1:] == said(audio(1.0), FLUSH)
    assert waits == [0.25, 0.75, 1.75, 3.75]
    assert steps == [Tell(FULL)]


def test_a_full_provider_is_not_asked_again_for_nothing() -> None:
    rig = Rig(PLAIN)
    assert rig.hear(FULL) == [HangUp()]
    assert rig.tick(60.0) == []


@pytest.mark.parametrize(
    "failed", [Failed("rate_limit", "the quota is used up"), Failed("config_error", "no")]
)
def test_what_will_not_pass_is_told(failed: Failed) -> None:
    assert Rig(PLAIN).hear(failed) == [Tell(failed)]


def test_a_compressed_stream_fails_with_the_provider() -> None:
    rig = Rig(PLAIN, WEBM)
    rig.say(Audio(b"webm"))
    assert rig.hear(FULL) == [Tell(FULL)]


def test_another_backend_is_treated_by_its_own_limits() -> None:
    rig = Rig(PLAIN, is_open=False)
    rig.pacer.adopt(Policy(audio_bytes=800))
    rig.say(audio(0.2))
    assert rig.open()[2:] == said(audio(0.1), audio(0.1))


def test_what_else_is_said_is_handed_on() -> None:
    assert Rig(PLAIN).hear(Warning("w", "beware")) == told(Warning("w", "beware"))
