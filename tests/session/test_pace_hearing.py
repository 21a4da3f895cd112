"""A recognizer's pacer: what it does about each habit of a provider."""

from __future__ import annotations

from typing import Literal

import pytest
from hearing_rig import (
    ENDLESS,
    FINALIZES,
    FINISH,
    FLUSH,
    LINEAR,
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

from voxway.events import (
    Adjust,
    Audio,
    Ended,
    Event,
    KeepAlive,
    ListenOptions,
    Ready,
    SpeechStarted,
    Start,
    Transcript,
    Turn,
    Turns,
    UtteranceEnd,
    Word,
)
from voxway.session.pace import Dial, HangUp, Say, Tell
from voxway.session.pace_hearing import NOTHING, SILENCE
from voxway.wire.policies import Policy

# Opening


def test_a_start_dials_and_what_waits_is_said_on_the_open_socket() -> None:
    rig = Rig(PLAIN, is_open=False)
    assert rig.steps == [Dial(OPTIONS)]
    assert not rig.pacer.passes(audio(0.1), 0.0)
    assert rig.say(audio(0.1), FLUSH) == []
    assert rig.pacer.waiting == 800
    assert rig.open() == [Say(Start(OPTIONS)), Tell(Ready()), *said(audio(0.1), FLUSH)]
    assert rig.pacer.waiting == 0


def test_ready_is_told_once_and_by_the_provider_if_it_says_so() -> None:
    rig = Rig(Policy(says_ready=True), is_open=False)
    assert rig.open() == [Say(Start(OPTIONS))]
    assert rig.hear(Ready(model="m"), Ready()) == told(Ready(model="m"))


def test_a_socket_closed_before_it_was_ready_is_opened_again_and_then_given_up() -> None:
    rig = Rig(Policy(says_ready=True), is_open=False)
    rig.open()
    assert rig.close() == [Dial(OPTIONS)]
    rig.open()
    assert rig.close() == []
    assert rig.tick(0.4) == []
    assert rig.tick(0.2) == [Dial(OPTIONS)]
    rig.open()
    assert rig.close() == [LOST]


def test_audio_passes_through_an_open_socket() -> None:
    rig = Rig(PLAIN)
    assert rig.pacer.passes(audio(0.1), 0.0)
    assert not rig.pacer.passes(Audio(b""), 0.0)
    assert rig.say(Audio(b"")) == []
    assert rig.reopen() == said(audio(0.1))
    assert not rig.pacer.has_room(0.0)
    assert rig.pacer.epoch_heard("") == 0


def test_audio_over_the_length_of_a_message_is_cut() -> None:
    rig = Rig(Policy(audio_bytes=800))
    assert not rig.pacer.passes(audio(0.1), 0.0)
    assert rig.say(audio(0.25)) == said(audio(0.1), audio(0.1), audio(0.05))


def test_other_commands_are_handed_on() -> None:
    assert Rig(PLAIN).say(KeepAlive()) == said(KeepAlive())


# Keeping awake


def test_a_quiet_socket_is_kept_awake_by_messages_once_it_has_heard_something() -> None:
    rig = Rig(Policy(keepalive="message", keepalive_after=4.0, needs_audio=True))
    assert rig.tick(3.0) == []
    assert rig.tick(1.0) == said(Audio(b"\xff" * 800))
    assert rig.tick(4.0) == said(KeepAlive())
    for say in (lambda: rig.pacer.passes(audio(0.1), rig.now), lambda: rig.say(FLUSH)):
        rig.now += 2.0
        say()
        assert rig.tick(3.0) == []
        assert rig.tick(1.0) == said(KeepAlive())
        assert rig.tick(3.0) == []


def test_others_are_kept_awake_by_silence() -> None:
    rig = Rig(Policy(keepalive="silence", keepalive_after=4.0), LINEAR)
    assert rig.tick(4.0) == rig.tick(4.0) == said(Audio(bytes(1600)))


def test_a_turn_goes_on_with_silence_when_its_audio_stops() -> None:
    """Else its end would never be told."""
    rig = Rig(Policy(keepalive="silence", keepalive_after=4.0), LINEAR)
    rig.hear(Turn("start", at=0.0))
    assert rig.tick(0.4) == []
    assert rig.tick(1.0) == said(Audio(bytes(2 * round(1.4 * 8000))))
    assert rig.tick(1.0) == said(Audio(bytes(2 * 8000)))
    assert rig.hear(Turn("end", at=2.4)) == told(Turn("end", at=0.0))
    assert rig.tick(1.0) == []


@pytest.mark.parametrize("begun", [SpeechStarted(0.0), Transcript("nobody", False)])
def test_words_without_a_final_go_on_with_silence_but_not_for_ever(begun: Event) -> None:
    """A recognizer that is behind has the last words when it has heard some more."""
    rig = Rig(Policy(keepalive="silence", keepalive_after=60.0), LINEAR)
    rig.say(audio(1.0))
    rig.hear(begun)
    assert rig.tick(1.0) == said(Audio(bytes(2 * 8000)))
    rig.hear(final("nobody knows"))
    assert rig.tick(1.0) == []
    rig.hear(begun)
    assert [bool(rig.tick(2.0)) for _ in range(5)] == [True, True, True, False, False]


def test_between_the_messages_of_a_client_that_says_much_at_once_no_silence_is_put() -> None:
    rig = Rig(Policy(keepalive="silence", keepalive_after=60.0), LINEAR)
    rig.hear(Turn("start", at=0.0))
    for _ in range(3):
        rig.say(Audio(bytes(2 * 8000)))  # what was spoken in the second before
        assert rig.tick(0.9) == []
        rig.now += 0.1
    assert rig.tick(0.9) == []
    assert rig.tick(0.2) == said(Audio(bytes(2 * 2 * 8000)))
    assert rig.tick(1.0) == said(Audio(bytes(2 * 8000)))
    rig.say(Audio(bytes(60 * 2 * 8000)))  # a file: what follows it is not a minute away
    assert rig.tick(3.0) == []
    assert rig.tick(1.0) != []


def test_words_are_outstanding_also_for_who_wants_no_partials() -> None:
    rig = Rig(Policy(keepalive="silence", keepalive_after=60.0), LINEAR, is_open=False)
    rig.say(Adjust(ListenOptions(partials=False)))
    rig.open()
    rig.say(audio(1.0))
    assert rig.hear(Transcript("nobody", False)) == []
    assert rig.tick(1.0) == said(Audio(bytes(2 * 8000)))
    assert rig.hear(final("nobody knows")) == told(final("nobody knows"))


@pytest.mark.parametrize("how", ["silence", "message"])
def test_after_the_end_of_the_input_nothing_is_said(how: Literal["silence", "message"]) -> None:
    """Audio after a CloseStream is a fault, whatever turn is still to end."""
    rig = Rig(Policy(keepalive=how, keepalive_after=4.0), LINEAR)
    rig.say(audio(1.0))
    rig.hear(Turn("start", at=0.0), Transcript("nobody", False))
    assert rig.say(FINISH) == said(FINISH)
    assert [rig.tick(2.0) for _ in range(3)] == [[], [], []]


def test_what_is_adjusted_holds_on_every_later_socket() -> None:
    rig = Rig(PLAIN)
    options = ListenOptions(turns=Turns(threshold=0.9))
    assert rig.say(Adjust(options)) == said(Adjust(options))
    rig.say(audio(1.0))
    assert rig.close() == [Dial(options)]
    rig = Rig(PLAIN)
    rig.close()
    assert rig.say(Adjust(options)) == []
    assert rig.say(audio(1.0)) == [Dial(options)]


def test_no_silence_is_put_into_a_compressed_stream() -> None:
    rig = Rig(Policy(keepalive="message", keepalive_after=4.0, needs_audio=True), WEBM)
    assert rig.tick(4.0) == []
    rig.pacer.passes(Audio(b"webm"), 4.0)
    assert rig.tick(4.0) == said(KeepAlive())


def test_times_are_told_without_the_silence() -> None:
    rig = Rig(Policy(keepalive="silence", keepalive_after=1.0))
    rig.say(audio(1.0))
    rig.tick(1.0)
    rig.tick(1.0)
    rig.say(audio(1.0))
    event = Transcript(
        "a b c",
        True,
        start=0.5,
        duration=1.5,
        words=(
            Word(text="a", start=0.5, end=1.0),
            Word(text="b", start=1.1, end=1.3),
            Word(text="c", start=1.5, end=2.0),
        ),
    )
    [tell] = rig.hear(event)
    assert isinstance(tell, Tell)
    assert isinstance(tell.event, Transcript)
    assert tell.event.start == 0.5
    assert tell.event.duration == pytest.approx(1.5 - 2 * SILENCE)
    times = [at for word in tell.event.words for at in (word.start, word.end)]
    assert times == pytest.approx([0.5, 1.0, 1.0, 1.1, 1.3, 1.8])
    rig.steps.clear()
    rig.hear(SpeechStarted(1.5), UtteranceEnd(2.2))
    match rig.steps:
        case [Tell(event=SpeechStarted(at=at)), Tell(event=UtteranceEnd(last_word_end=end))]:
            assert [at, end] == pytest.approx([1.3, 2.0])
        case _:
            pytest.fail(str(rig.steps))
    assert rig.hear(UtteranceEnd(None)) == told(UtteranceEnd(None))


def test_an_idle_socket_is_left_and_what_it_heard_is_said_to_the_next() -> None:
    rig = Rig(Policy(idle=60.0))
    rig.say(audio(0.1))
    assert rig.tick(59.0) == []
    assert rig.tick(1.0) == [HangUp()]
    assert rig.tick(60.0) == []
    assert rig.say(audio(0.2, 2)) == [Dial(OPTIONS)]
    assert rig.open()[1:] == said(audio(0.1), audio(0.2, 2))


def test_a_socket_of_which_something_is_asked_is_not_idle() -> None:
    rig = Rig(Policy(idle=60.0))
    rig.say(FLUSH)
    assert rig.tick(61.0) == []


# Finalizing


def test_every_finalize_has_one_answer() -> None:
    rig = Rig(FINALIZES)
    assert rig.say(audio(0.1), FLUSH, FLUSH) == said(audio(0.1), FLUSH, FLUSH)
    assert rig.hear(answer("a")) == told(answer("a"))
    assert rig.hear(answer("")) == told(answer(""))
    assert rig.hear(answer("")) == []


def test_without_an_answer_there_is_an_empty_one_after_a_while() -> None:
    rig = Rig(FINALIZES)
    rig.say(audio(0.1), FLUSH)
    assert rig.tick(2.0) == []
    assert rig.tick(0.2) == told(NOTHING)
    assert rig.hear(answer("late")) == told(Transcript("late", True))


def test_what_came_faster_than_it_sounds_has_time_to_be_heard() -> None:
    rig = Rig(FINALIZES)
    rig.say(audio(10.0), FLUSH)
    assert rig.tick(11.9) == []
    assert rig.tick(0.2) == told(NOTHING)


def test_those_who_always_answer_are_waited_for() -> None:
    rig = Rig(PLAIN)
    rig.say(FLUSH)
    assert rig.tick(100.0) == []
    assert rig.hear(answer()) == told(answer())
    assert rig.hear(answer("once more")) == told(answer("once more"))


def test_finals_and_partials_are_no_answers() -> None:
    rig = Rig(FINALIZES)
    rig.say(audio(1.0), FLUSH)
    events = (Transcript("par", False), final("final", 0.0, 0.5), Transcript("", False))
    assert rig.hear(*events) == told(*events)
    assert rig.hear(answer("rest")) == told(answer("rest"))


# The end


def test_the_end_of_the_input_is_said_and_the_last_word_ends_it() -> None:
    rig = Rig(PLAIN)
    assert rig.hear(Ended("early")) == []
    assert rig.say(audio(0.1), FINISH) == said(audio(0.1), FINISH)
    assert rig.hear(final("all")) == told(final("all"))
    assert rig.hear(Ended("done")) == [HangUp(), Tell(Ended("done"))]
    assert rig.say(FLUSH) == rig.close() == rig.tick(100.0) == []


def test_a_close_in_order_is_the_end_as_well_and_answers_what_is_open() -> None:
    rig = Rig(FINALIZES)
    rig.say(audio(0.1), FLUSH, FLUSH, FINISH)
    assert rig.hear(answer("a")) == told(answer("a"))
    assert rig.close(1000) == told(NOTHING, Ended("closed"))


def test_the_last_word_answers_what_is_open() -> None:
    rig = Rig(FINALIZES)
    rig.say(FLUSH, FINISH)
    assert rig.hear(Ended("done")) == [Tell(NOTHING), HangUp(), Tell(Ended("done"))]


def test_a_recognizer_that_never_ends_is_made_to_finalize() -> None:
    rig = Rig(ENDLESS)
    assert rig.say(audio(0.1), FINISH) == said(audio(0.1), FLUSH)
    rest = Transcript("rest", True)
    assert rig.hear(answer("rest")) == [Tell(rest), HangUp(), Tell(Ended("closed"))]


def test_one_that_never_ends_goes_on_after_its_answers_until_the_client_ends() -> None:
    rig = Rig(ENDLESS)
    rig.say(audio(0.1), FLUSH)
    assert rig.hear(answer("a")) == told(answer("a"))
    assert rig.say(audio(0.1), FINISH) == said(audio(0.1), FLUSH)


def test_one_that_never_ends_is_asked_no_second_time() -> None:
    rig = Rig(ENDLESS)
    assert rig.say(audio(0.1), FLUSH, FINISH) == said(audio(0.1), FLUSH)
    assert rig.hear(answer("all")) == [Tell(answer("all")), HangUp(), Tell(Ended("closed"))]
    assert Rig(ENDLESS).say(FINISH) == [HangUp(), Tell(Ended("closed"))]


def test_one_that_never_ends_and_never_answers_is_left() -> None:
    rig = Rig(ENDLESS)
    rig.say(audio(0.1), FLUSH, audio(0.1), FINISH)
    assert rig.tick(2.2) == [Tell(NOTHING), HangUp(), Tell(Ended("closed"))]


def test_there_is_nothing_to_end_without_a_socket() -> None:
    rig = Rig(PLAIN)
    rig.close()
    assert rig.say(FINISH) == told(Ended("closed"))


def test_before_there_is_a_socket_the_end_waits() -> None:
    rig = Rig(PLAIN, is_open=False)
    assert rig.say(FINISH) == []
    assert rig.open()[2:] == said(FINISH)
