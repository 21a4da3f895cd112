"""A voice's pacer: what it does about each habit of a provider."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from msgspec import structs

from voxway.errors import RULES
from voxway.events import (
    Audio,
    Clear,
    Cleared,
    Configure,
    Ended,
    Event,
    Failed,
    Finish,
    Flush,
    Flushed,
    KeepAlive,
    Ready,
    SegmentStart,
    SpeakOptions,
    Start,
    Text,
    Warning,
    Word,
    Words,
)
from voxway.session.pace import (
    Budget,
    Dial,
    HangUp,
    Lose,
    Say,
    Setbacks,
    Step,
    Tell,
    may_pass,
    pieces,
)
from voxway.session.pace_speech import UNUSED, SpeechPacer
from voxway.wire.policies import Policy

ANNA, BERT = SpeakOptions(voice="anna"), SpeakOptions(voice="bert")
PLAIN = Policy()  # no limits, no message for an abort
ACKED = Policy(clear="acked")
SERIAL = Policy(clear="filtered", is_serial=True, contexts=5, lingers=5.0)
SINGLE = Policy(per_utterance=True, is_serial=True)


class Rig:
    """A pacer with a clock, whose steps are taken down."""

    def __init__(self, policy: Policy, *contexts: str, is_open: bool = True) -> None:
        self.pacer = SpeechPacer(policy)
        self.now = 0.0
        self.steps: list[Step] = []
        for context in contexts or ("",):
            self.say(Start(ANNA, context=context))
        if is_open:
            self.open()
            self.steps.clear()

    def open(self) -> list[Step]:
        steps = self._done(self.pacer.opened(self.now))
        return steps if self.pacer._is_ready else steps + self.hear(Ready())

    def say(self, *commands: Event) -> list[Step]:
        return [s for c in commands for s in self._done(self.pacer.command(c, self.now))]

    def hear(self, *events: Event) -> list[Step]:
        done: list[Step] = []
        for event in events:
            if isinstance(event, Audio):
                self.pacer.epoch_heard(event.context)
            else:
                done += self._done(self.pacer.event(event, self.now))
        return done

    def close(self, code: int = 1006) -> list[Step]:
        return self._done(self.pacer.closed(code, self.now))

    def tick(self, seconds: float = 0.0) -> list[Step]:
        self.now += seconds
        return self._done(self.pacer.tick(self.now))

    def _done(self, steps: Iterable[Step]) -> list[Step]:
        done = list(steps)
        self.steps += done
        return done


def said(*events: Event) -> list[Step]:
    return [Say(event) for event in events]


def text(words: str, context: str = "") -> Text:
    return Text(words, partial=False, context=context)


ONE, TWO, FLUSH, AUDIO = text("One."), text("Two."), Flush(), Audio(b"ab")


# Opening


def test_the_first_context_dials_and_an_open_socket_is_ready() -> None:
    rig = Rig(PLAIN, is_open=False)
    assert rig.steps == [Dial(ANNA)]
    assert rig.say(ONE, FLUSH) == []
    assert rig.pacer.waiting == 4
    assert rig.open() == [Say(Start(ANNA)), Tell(Ready()), *said(ONE, FLUSH)]
    assert rig.pacer.waiting == 0


def test_ready_is_told_once_and_by_the_provider_if_it_says_so() -> None:
    rig = Rig(Policy(says_ready=True), is_open=False)
    assert list(rig.pacer.opened(0.0)) == [Say(Start(ANNA))]
    ready = Ready(model="m")
    assert rig.hear(ready) == [Tell(ready)]
    assert rig.hear(ready) == []


def test_an_empty_flush_is_answered_here_in_its_turn() -> None:
    rig = Rig(PLAIN, is_open=False)
    assert rig.say(FLUSH) == []
    assert rig.open() == [Say(Start(ANNA)), Tell(Ready()), Tell(Flushed(0.0))]
    assert rig.say(ONE, FLUSH, FLUSH, text("  \n ")) == said(ONE, FLUSH)
    assert rig.hear(Flushed()) == [Tell(Flushed()), Tell(Flushed(0.0))]


def test_a_socket_closed_before_it_was_ready_is_opened_again_and_then_given_up() -> None:
    rig = Rig(Policy(says_ready=True), is_open=False)
    list(rig.pacer.opened(0.0))
    assert rig.close() == [Dial(ANNA)]
    list(rig.pacer.opened(0.0))
    assert rig.close() == []
    assert rig.tick(1.0) == [Dial(ANNA)]
    list(rig.pacer.opened(0.0))
    assert rig.close(1011) == [Lose("the backend closed the connection (1011)")]


# One after the other


def test_a_serial_wire_gets_the_next_utterance_after_the_last_audio() -> None:
    rig = Rig(SERIAL)
    assert rig.say(ONE, FLUSH, TWO, FLUSH) == said(ONE, FLUSH)
    assert rig.hear(AUDIO, Flushed()) == [Tell(Flushed()), *said(TWO, FLUSH)]


def test_others_get_it_at_once() -> None:
    rig = Rig(ACKED)
    assert rig.say(ONE, FLUSH, TWO, FLUSH) == said(ONE, FLUSH, TWO, FLUSH)
    assert rig.hear(Flushed(), Flushed()) == [Tell(Flushed())] * 2


def test_where_a_socket_is_an_utterance_its_end_is_the_answer() -> None:
    rig = Rig(SINGLE)
    rig.say(ONE, FLUSH, TWO, FLUSH)
    assert rig.close(1000) == [Tell(Flushed()), Dial(ANNA)]
    assert rig.open() == [Say(Start(ANNA)), *said(TWO, FLUSH)]
    assert rig.hear(AUDIO, Flushed()) == [Tell(Flushed()), HangUp()]
    assert rig.tick(1.0) == []
    assert rig.say(ONE) == [Dial(ANNA)]


# Budgets


def test_what_is_over_the_flushes_of_a_socket_is_said_on_another_one() -> None:
    rig = Rig(Policy(clear="acked", flushes_per_minute=2))
    rig.say(ONE, FLUSH, TWO, FLUSH)
    assert rig.say(text("Three."), FLUSH) == []
    assert rig.hear(Flushed()) == [Tell(Flushed())]
    assert rig.hear(Flushed()) == [Tell(Flushed()), HangUp(), Dial(ANNA)]
    assert rig.open() == [Say(Start(ANNA)), *said(text("Three."), FLUSH)]


def test_flushes_of_a_minute_ago_do_not_count() -> None:
    rig = Rig(Policy(clear="acked", flushes_per_minute=1))
    rig.say(ONE, FLUSH)
    rig.hear(Flushed())
    rig.tick(62.0)
    assert rig.say(TWO, FLUSH) == said(TWO, FLUSH)


def test_an_utterance_that_has_begun_keeps_its_flush() -> None:
    rig = Rig(structs.replace(SERIAL, flushes_per_minute=1), "a", "b")
    assert rig.say(text("One.", "a")) == said(text("One.", "a"))
    assert rig.say(text("Two.", "b"), Flush(context="b")) == []
    assert rig.say(Flush(context="a")) == said(Flush(context="a"))
    assert HangUp() in rig.hear(Flushed(context="a"))


def test_text_over_the_length_of_a_message_is_cut_between_sentences_and_words() -> None:
    rig = Rig(Policy(text_characters=20))
    pieces = text("The first one."), text("And then a second"), text("one.")
    assert rig.say(text("The first one. And then a second one."), FLUSH) == said(*pieces, FLUSH)


def test_characters_over_those_of_a_minute_wait_for_the_next_one() -> None:
    rig = Rig(Policy(characters_per_minute=12, text_characters=10))
    one, two = text("Ten chars."), text("Ten more.")
    assert rig.say(one, two, FLUSH) == said(one)
    assert rig.pacer.waiting == 9
    # What is a minute apart here may be less apart there. Who waits is told that somebody cares.
    assert rig.tick(60.0) == [Tell(KeepAlive())]
    assert rig.tick(1.5) == said(two, FLUSH)


def test_a_backend_with_other_limits_is_treated_by_its_own() -> None:
    rig = Rig(Policy(), is_open=False)
    rig.say(text("One two three four."), FLUSH)
    rig.pacer.adopt(Policy(text_characters=8, characters_per_minute=100, flushes_per_minute=9))
    assert rig.open()[2:] == said(text("One two"), text("three"), text("four."), FLUSH)


def test_a_socket_is_left_before_its_time_is_up_when_nothing_is_lost_by_it() -> None:
    rig = Rig(Policy(life=100.0, clear="acked"))
    rig.say(ONE, FLUSH, TWO, FLUSH)
    assert rig.tick(101.0) == []
    assert rig.say(text("Three."), FLUSH) == []
    assert rig.hear(Flushed(), Flushed())[-2:] == [HangUp(), Dial(ANNA)]
    assert rig.open()[1:] == said(text("Three."), FLUSH)
    rig.hear(Flushed())
    assert rig.tick(99.0) == []
    assert rig.tick(1.0) == [HangUp()]


def test_what_has_begun_and_may_never_end_keeps_nobody_on_an_old_socket() -> None:
    rig = Rig(structs.replace(SERIAL, life=100.0), "a", "b")
    rig.tick(99.0)
    rig.say(text("One.", "a"))
    assert rig.tick(1.0) == []
    assert rig.say(text("Two.", "b")) == [HangUp(), Dial(ANNA)]
    starts = [Say(Start(ANNA, context=context)) for context in ("a", "b")]
    assert rig.open() == [*starts, *said(text("One.", "a"), text("Two.", "b"))]


def test_an_old_socket_is_kept_for_what_was_heard_and_may_never_end() -> None:
    rig = Rig(structs.replace(SERIAL, life=100.0), "a", "b", "c")
    rig.say(text("One.", "a"), text("Two.", "b"), Flush(context="b"))
    rig.hear(Audio(b"ab", context="a"))
    rig.tick(100.0)
    assert rig.say(text("Three.", "c"), text("Four.", "b")) == said(text("Three.", "c"))
    rig.hear(Flushed(context="b"))
    assert rig.steps[-1] == Say(text("Four.", "b"))
    assert HangUp() not in rig.steps


def test_an_idle_socket_is_left_and_opened_for_the_next_text() -> None:
    rig = Rig(Policy(idle=60.0))
    assert rig.tick(59.0) == []
    assert rig.tick(1.0) == [HangUp()]
    assert rig.tick(1.0) == []
    assert rig.say(ONE) == [Dial(ANNA)]


# Keeping awake


def test_a_socket_that_says_nothing_is_kept_awake() -> None:
    rig = Rig(Policy(keepalive="message", keepalive_after=10.0))
    assert rig.tick(9.0) == []
    assert rig.tick(1.0) == said(KeepAlive())
    rig.now += 5.0
    rig.say(ONE)
    assert rig.tick(9.0) == []
    assert rig.tick(1.0) == said(KeepAlive())


def test_where_contexts_have_times_of_their_own_one_keeps_no_other_awake() -> None:
    rig = Rig(structs.replace(SERIAL, keepalive="message", keepalive_after=10.0), "a", "b")
    rig.say(text("One.", "a"))
    rig.now = 9.0
    rig.say(text("Two.", "b"))
    assert rig.tick(1.0) == said(KeepAlive())


# Aborts


def test_an_acknowledged_abort_voids_what_comes_before_its_answer() -> None:
    rig = Rig(ACKED)
    rig.say(ONE, FLUSH)
    assert rig.say(Clear(), TWO, FLUSH) == said(Clear(), TWO, FLUSH)
    assert rig.pacer.epoch_heard("") == 0
    assert rig.hear(Flushed()) == []
    assert rig.hear(Cleared()) == [Tell(Cleared(), 1)]
    assert rig.pacer.epoch_heard("") == 1
    assert rig.hear(Flushed()) == [Tell(Flushed(), 1)]


def test_an_empty_flush_after_an_abort_is_of_the_new_epoch() -> None:
    rig = Rig(ACKED)
    rig.say(ONE, FLUSH, Clear())
    assert rig.say(FLUSH) == [Tell(Flushed(0.0), 1)]


def test_stale_audio_is_nothing_heard_of_what_is_said_since() -> None:
    rig = Rig(ACKED)
    rig.say(ONE, FLUSH, Clear(), TWO, FLUSH)
    rig.hear(AUDIO, Words((Word(text="One", start=0, end=1),)))
    assert rig.close() == [Dial(ANNA)]
    assert rig.open() == [Say(Start(ANNA)), *said(TWO, FLUSH)]
    assert rig.pacer.epoch_heard("") == 1


def test_an_abort_that_nobody_asked_for_changes_nothing() -> None:
    rig = Rig(ACKED)
    assert rig.hear(Cleared()) == [Tell(Cleared(), 0)]
    rig.say(Clear(), ONE, FLUSH)
    assert rig.hear(Cleared(), Cleared()) == [Tell(Cleared(), 1)] * 2
    assert rig.hear(Flushed()) == [Tell(Flushed(), 1)]


def test_without_a_message_for_it_an_abort_costs_the_socket_if_it_speaks() -> None:
    rig = Rig(PLAIN)
    assert rig.say(Clear()) == []
    assert rig.say(ONE, FLUSH, Clear()) == [*said(ONE, FLUSH), HangUp()]
    assert rig.say(TWO) == [Dial(ANNA)]
    assert rig.open() == [Say(Start(ANNA)), *said(TWO)]
    assert rig.pacer.epoch_heard("") == 2


def test_an_abort_takes_no_change_of_voice_with_it() -> None:
    rig = Rig(structs.replace(SERIAL, configures=True))
    rig.say(ONE, FLUSH, TWO, Configure(BERT))
    assert rig.say(Clear()) == said(Clear(), Configure(BERT))


def test_aborted_contexts_count_until_their_end_is_told() -> None:
    rig = Rig(structs.replace(SERIAL, contexts=2))
    rig.say(ONE, FLUSH, Clear(), ONE, Clear())
    assert rig.say(TWO, FLUSH) == []
    assert rig.hear(Cleared()) == said(TWO, FLUSH)
    assert rig.hear(Flushed()) == [Tell(Flushed(), 2)]


def test_aborted_contexts_count_no_longer_than_they_may() -> None:
    rig = Rig(structs.replace(SERIAL, contexts=1 + 1))
    rig.say(ONE, FLUSH, Clear(), ONE, Clear())
    assert rig.say(TWO) == []
    assert rig.tick(4.9) == []
    assert rig.tick(0.2) == said(TWO)


def test_a_context_that_speaks_holds_up_no_text_of_its_own() -> None:
    rig = Rig(structs.replace(SERIAL, contexts=2), "a", "b", "c")
    assert rig.say(text("1", "a"), text("2", "b")) == said(text("1", "a"), text("2", "b"))
    assert rig.say(text("3", "c")) == []
    assert rig.say(text("4", "a"), Flush(context="a")) == said(text("4", "a"), Flush(context="a"))
    assert rig.hear(Flushed(context="a")) == [
        Tell(Flushed(context="a")),
        Say(text("3", "c")),
    ]


# Several contexts


def test_there_is_room_for_as_many_contexts_as_the_provider_counts() -> None:
    rig = Rig(structs.replace(SERIAL, contexts=3), "a", "b")
    assert rig.pacer.has_room(0.0)
    rig.say(text("One.", "a"))
    assert rig.say(Finish(context="a")) == said(Clear(context="a"))
    rig.say(Start(ANNA, context="c"))
    assert not rig.pacer.has_room(0.0)
    rig.hear(Cleared(context="a"))
    assert rig.pacer.has_room(0.0)
    rig.say(Start(ANNA, context="d"))
    assert not rig.pacer.has_room(0.0)
    rig.say(Finish(context="d"))
    assert rig.pacer.has_room(0.0)
    list(rig.pacer.lose("gone"))
    assert not rig.pacer.has_room(0.0)


def test_what_a_context_leaves_free_is_for_the_others() -> None:
    rig = Rig(structs.replace(SERIAL, contexts=2, lingers=0.0), "a", "b", "c")
    rig.say(text("1", "a"), text("2", "b"), text("3", "c"))
    assert rig.say(Finish(context="a")) == said(Clear(context="a"), text("3", "c"))
    assert rig.say(Finish(context="x")) == []


def test_a_socket_without_contexts_is_kept_for_a_while() -> None:
    rig = Rig(structs.replace(SERIAL, keepalive="message", keepalive_after=10.0), "a")
    assert rig.say(Finish(context="a")) == []
    assert rig.say(Start(BERT, context="b")) == said(Start(BERT, context="b"))
    rig.say(Finish(context="b"))
    assert rig.tick(UNUSED - 1.0) == said(KeepAlive())
    assert rig.tick(1.0) == [HangUp()]
    assert rig.say(Start(BERT, context="c")) == [Dial(BERT)]


def test_the_last_one_of_a_socket_that_has_only_one_closes_it() -> None:
    rig = Rig(ACKED)
    assert rig.say(Finish()) == [HangUp()]


# Other voices


def test_where_it_can_change_a_voice_changes_in_its_turn() -> None:
    rig = Rig(structs.replace(SERIAL, configures=True))
    assert rig.say(ONE, FLUSH, Configure(BERT), TWO, Configure(ANNA)) == said(
        ONE, FLUSH, Configure(BERT)
    )
    assert rig.hear(Flushed()) == [Tell(Flushed()), *said(TWO, Configure(ANNA))]


def test_elsewhere_a_change_costs_the_socket_once_nobody_speaks_on_it() -> None:
    rig = Rig(SERIAL, "a", "b")
    rig.say(text("One.", "b"), Flush(context="b"))
    assert rig.say(Configure(BERT, context="a"), text("Two.", "a")) == []
    steps = rig.hear(Flushed(context="b"))
    assert steps == [Tell(Flushed(context="b")), HangUp(), Dial(BERT)]
    assert rig.open() == [
        Say(Start(BERT, context="a")),
        Say(Start(ANNA, context="b")),
        Say(text("Two.", "a")),
    ]
    assert rig.say(Configure(ANNA, context="b")) == []  # it is hers already


def test_a_change_before_ready_is_dialled_for() -> None:
    rig = Rig(Policy(says_ready=True), is_open=False)
    assert rig.say(Configure(BERT)) == [HangUp(), Dial(BERT)]
    assert rig.open() == [Say(Start(BERT)), Tell(Ready())]


def test_what_was_said_before_a_change_is_said_again_by_the_old_voice() -> None:
    rig = Rig(structs.replace(ACKED, configures=True))
    three = text("Three.")
    rig.say(ONE, FLUSH, TWO, FLUSH, Configure(BERT), three, FLUSH)
    rig.hear(AUDIO, Flushed())
    assert rig.close() == [Dial(ANNA)]
    again = said(Start(ANNA), TWO, FLUSH, Configure(BERT), three, FLUSH)
    assert rig.open() == again
    rig.hear(Flushed())
    assert rig.close() == [Dial(BERT)]
    assert rig.open() == said(Start(BERT), three, FLUSH)


# What goes wrong


def test_what_was_not_heard_is_said_again_a_few_times() -> None:
    rig = Rig(ACKED)
    rig.say(ONE, FLUSH, TWO)
    assert rig.close() == [Dial(ANNA)]
    assert rig.open() == said(Start(ANNA), ONE, FLUSH, TWO)
    assert rig.close() == []
    assert rig.tick(0.4) == []
    assert rig.tick(0.2) == [Dial(ANNA)]
    rig.open()
    assert rig.close(1011) == [Lose("the backend closed the connection (1011)")]


@pytest.mark.parametrize(
    "event", [AUDIO, Words((Word(text="One", start=0, end=1),)), SegmentStart("s1")]
)
def test_what_was_heard_in_part_is_not_said_again(event: Event) -> None:
    rig = Rig(ACKED)
    rig.say(ONE, FLUSH)
    rig.hear(event)
    assert rig.close() == [Lose("the backend closed the connection (1006)")]


def test_of_several_contexts_only_those_are_lost_that_were_heard_in_part() -> None:
    rig = Rig(SERIAL, "a", "b", "c")
    rig.say(text("One.", "a"), Flush(context="a"), text("Two.", "b"), Flush(context="b"))
    rig.hear(Audio(b"ab", context="a"))
    message = "the backend closed the connection (1006)"
    failed = Failed("backend_error", message, retryable=True, fatal=True, context="a")
    assert rig.close() == [Tell(failed), Dial(ANNA)]
    rig.say(Finish(context="a"))
    starts = [Say(Start(ANNA, context=context)) for context in ("b", "c")]
    assert rig.open() == [*starts, *said(text("Two.", "b"), Flush(context="b"))]


def test_an_answer_makes_good_for_what_went_wrong_before() -> None:
    rig = Rig(ACKED)
    for _ in range(5):
        rig.say(ONE, FLUSH)
        assert rig.close() == [Dial(ANNA)]
        rig.open()
        assert rig.hear(AUDIO, Flushed()) == [Tell(Flushed())]


def test_a_socket_that_nobody_needs_is_missed_by_nobody() -> None:
    rig = Rig(ACKED)
    for _ in range(5):
        assert rig.close(1000) == []
        assert rig.tick(1.0) == []
        assert rig.say(ONE, FLUSH) == [Dial(ANNA)]
        rig.open()
        rig.hear(Flushed())


def test_after_it_is_lost_nothing_is_done_any_more() -> None:
    rig = Rig(ACKED)
    rig.say(ONE, FLUSH)
    assert list(rig.pacer.lose("nonsense")) == [HangUp(), Lose("nonsense")]
    assert list(rig.pacer.lose("again")) == []
    rig.steps.clear()
    rig.say(TWO, FLUSH, Clear(), Start(BERT), Configure(BERT), Finish())
    rig.close()
    rig.tick(100.0)
    assert rig.steps == []
    assert rig.pacer.waiting == 0


@pytest.mark.parametrize("code", ["idle_timeout_exceeded", "max_connection_duration_exceeded"])
def test_a_socket_whose_time_is_up_is_opened_again(code: str) -> None:
    rig = Rig(ACKED)
    failed = Failed(code, "time is up", retryable=True)
    assert rig.hear(failed, Ended(code)) == []
    assert rig.close(1008) == []
    rig.say(ONE, FLUSH)
    rig.open()
    assert rig.hear(failed) == []
    assert rig.close(1008) == [Dial(ANNA)]
    assert rig.open() == said(Start(ANNA), ONE, FLUSH)


FULL = Failed("rate_limit", "too many", retryable=True)


def test_a_full_provider_is_asked_again_later_and_later() -> None:
    rig = Rig(ACKED)
    rig.say(ONE, FLUSH)
    waits = []
    while (steps := rig.hear(FULL)) == [HangUp()]:
        waits.append(0.0)
        while not rig.tick(0.25):
            waits[-1] += 0.25
        assert rig.open() == said(Start(ANNA), ONE, FLUSH)
    assert waits == [0.25, 0.75, 1.75, 3.75]
    assert steps == [Tell(FULL)]


def test_a_full_provider_fails_one_context_of_several_alone() -> None:
    rig = Rig(SERIAL, "a", "b")
    one, flush = text("One.", "a"), Flush(context="a")
    rig.say(one, flush, text("Two.", "b"))
    failed = structs.replace(FULL, context="a")
    # Some tell the end of what failed, too.
    assert rig.hear(failed, Flushed(context="a")) == []
    assert rig.tick(1.0) == said(one, flush)
    assert rig.hear(Flushed(context="a")) == [Tell(Flushed(context="a"))]


@pytest.mark.parametrize(
    "failed",
    [
        Failed("rate_limit", "the quota is used up", retryable=False),
        Failed("config_error", "no such voice"),
        Failed("provider_error", "broken", retryable=True),
    ],
)
def test_what_will_not_pass_is_told(failed: Failed) -> None:
    rig = Rig(ACKED)
    rig.say(ONE, FLUSH)
    assert rig.hear(failed) == [Tell(failed)]


def test_what_was_refused_is_not_said_again() -> None:
    rig = Rig(ACKED)
    refused = Failed("config_error", "no such voice")
    rig.say(ONE, FLUSH)
    assert rig.hear(refused) == [Tell(refused)]
    assert rig.close(1008) == [Lose("the backend closed the connection (1008)")]
    rig = Rig(ACKED)
    assert rig.hear(refused) == [Tell(refused)]
    rig.say(ONE, FLUSH)
    assert rig.close() == [Dial(ANNA)]


def test_where_a_socket_is_an_utterance_a_refusal_is_its_end() -> None:
    rig = Rig(SINGLE)
    refused = Failed("config_error", "no such voice")
    rig.say(ONE, FLUSH, TWO, FLUSH)
    assert rig.hear(refused) == [Tell(refused), Tell(Flushed()), HangUp(), Dial(ANNA)]
    assert rig.open() == [Say(Start(ANNA)), *said(TWO, FLUSH)]


def test_what_was_heard_in_part_fails_with_the_provider() -> None:
    rig = Rig(ACKED)
    rig.say(ONE, FLUSH)
    assert rig.hear(AUDIO, FULL) == [Tell(FULL)]


def test_what_is_of_no_context_of_ours_is_dropped_unless_it_is_about_all() -> None:
    rig = Rig(SERIAL, "a")
    warning, failed = Warning("w", "beware"), Failed("provider_error", "broken")
    assert rig.hear(warning, failed) == [Tell(warning), Tell(failed)]
    assert rig.hear(Flushed(context="x"), KeepAlive()) == []
    assert rig.pacer.epoch_heard("x") is None
    assert not rig.pacer.passes(AUDIO, 0.0)


def test_other_things_are_handed_on_under_their_epoch() -> None:
    rig = Rig(ACKED)
    rig.say(ONE, Clear())
    rig.hear(Cleared())
    warning = Warning("w", "beware")
    assert rig.hear(warning) == [Tell(warning, 1)]


# The parts


@pytest.mark.parametrize(
    ("longest", "expected"),
    [
        (0, ["One two. Three four? Five."]),
        (26, ["One two. Three four? Five."]),
        (25, ["One two. Three four?", "Five."]),
        (12, ["One two.", "Three four?", "Five."]),
        (8, ["One two.", "Three", "four?", "Five."]),
        (5, ["One", "two.", "Three", "four?", "Five."]),
        (2, ["On", "e", "tw", "o.", "Th", "re", "e", "fo", "ur", "?", "Fi", "ve", "."]),
    ],
)
def test_pieces(longest: int, expected: list[str]) -> None:
    assert list(pieces("One two. Three four? Five.", longest)) == expected


@pytest.mark.parametrize(
    ("text", "longest", "expected"),
    [
        ("", 5, []),
        ("          ", 5, []),
        ("   abc def", 5, ["abc", "def"]),
        ("你好。我们走吧。再见。", 6, ["你好。", "我们走吧。", "再见。"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
    ],
)
def test_pieces_of_odd_texts(text: str, longest: int, expected: list[str]) -> None:
    assert list(pieces(text, longest)) == expected


def test_a_budget_is_of_any_minute() -> None:
    budget = Budget(10)
    assert budget.allows(50, 0.0)  # more than all of it, if nothing else is
    budget.spend(6, 0.0)
    assert budget.allows(4, 30.0)
    assert not budget.allows(5, 30.0)
    budget.spend(4, 30.0)
    assert not budget.allows(1, 60.5)
    assert budget.allows(6, 61.0)
    assert Budget(0).allows(10**9, 0.0)


def test_setbacks_are_counted_until_they_are_over() -> None:
    setbacks = Setbacks()
    assert setbacks.another((1.0, 2.0), 10.0)
    assert setbacks.until == 11.0
    assert setbacks.another((1.0, 2.0), 20.0)
    assert setbacks.until == 22.0
    assert not setbacks.another((1.0, 2.0), 30.0)
    setbacks.over()
    assert setbacks.until == 0.0
    assert setbacks.another((1.0, 2.0), 40.0)


def test_what_may_pass_is_known_and_retryable() -> None:
    passing = [code for code in RULES if may_pass(Failed(code, "", retryable=True))]
    assert all(RULES[code].retryable for code in passing)
    assert not any(may_pass(Failed(code, "")) for code in RULES)
