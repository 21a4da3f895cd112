"""A session that speaks by a dictionary: text waits for it in order, times are told as sent."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from voxway.catalog import HIBARI
from voxway.errors import GatewayError
from voxway.events import (
    Audio,
    Cancel,
    Clear,
    Cleared,
    Configure,
    Event,
    Failed,
    Finish,
    Flush,
    Flushed,
    KeepAlive,
    Pronunciation,
    SegmentStart,
    SpeakOptions,
    Start,
    Text,
    Word,
    Words,
)
from voxway.limits import TIERS, Meter
from voxway.session.actions import (
    Action,
    Brief,
    Close,
    Identity,
    LookUp,
    State,
    ToClient,
    ToUpstream,
)
from voxway.session.stt import SttSession
from voxway.session.tts import TtsSession
from voxway.session.wording import KEPT
from voxway.text.pronunciation import Rewriter, Rule

BRANDS = Pronunciation(name="brands")
OTHERS = Pronunciation(dictionary_id="pd_1")
RULES = {
    BRANDS: Rewriter([Rule("AWS", "A W S"), Rule("hush", "")]),
    OTHERS: Rewriter([Rule("AWS", "Amazon")]),
}
UNKNOWN = GatewayError("no pronunciation dictionary 'x'", code="pronunciation_not_found")
TOLD = Failed("pronunciation_not_found", "no pronunciation dictionary 'x'")


def session() -> TtsSession:
    brief = Brief(Identity("s1", "r1", "local/hibari:en"), HIBARI)
    return TtsSession(brief, Meter(TIERS["enterprise"], 0.0))


def opened() -> TtsSession:
    """A session that speaks by the brands."""
    s = session()
    say(s, Start(SpeakOptions(pronunciation=BRANDS, word_timestamps=True)))
    answer(s, BRANDS)
    return s


def say(s: TtsSession, *commands: Event) -> list[Action]:
    return [action for command in commands for action in s.from_client(command, 0.0)]


def answer(
    s: TtsSession, reference: Pronunciation, error: GatewayError | None = None
) -> list[Action]:
    return list(s.found(reference, error or RULES[reference], 0.0))


def hear(s: TtsSession, *events: Event, epoch: int = 0) -> list[Event]:
    actions = [action for event in events for action in s.from_upstream(event, epoch, 0.0)]
    return [action.event for action in actions if isinstance(action, ToClient)]


def up(*sentences: str) -> list[Action]:
    return [ToUpstream(Text(sentence, partial=False)) for sentence in sentences]


def words(*texts: str, start: float = 0.0) -> Words:
    return Words(
        tuple(Word(text=t, start=start + i, end=start + i + 1) for i, t in enumerate(texts))
    )


def told(events: Iterable[Event]) -> list[tuple[str, float, float]]:
    return [(w.text, w.start, w.end) for e in events if isinstance(e, Words) for w in e.words]


def test_the_dictionary_of_init_is_looked_up_and_the_upstream_does_not_hear_of_it() -> None:
    s = session()
    start, ask = say(s, Start(SpeakOptions(pronunciation=BRANDS)))
    assert isinstance(start, ToUpstream)
    assert isinstance(start.event, Start)
    assert isinstance(start.event.options, SpeakOptions)
    assert start.event.options.pronunciation is None
    assert ask == LookUp(BRANDS)


def test_text_waits_for_its_dictionary_in_order() -> None:
    s = session()
    say(s, Start(SpeakOptions(pronunciation=BRANDS)))
    assert say(s, Text("Use AWS. "), Text("Or not."), Flush(), Text("AWS?"), Flush()) == []
    assert answer(s, BRANDS) == [
        *up("Use A W S.", "Or not."),
        ToUpstream(Flush()),
        *up("A W S?"),
        ToUpstream(Flush()),
    ]


def test_a_sentence_torn_over_messages_is_rewritten_whole() -> None:
    s = opened()
    sentence, _ = say(s, Text("Use A"), Text("WS to"), Text("day."), Flush())
    assert [sentence] == up("Use A W S today.")


def test_a_text_may_choose_another_and_what_follows_is_spoken_by_it() -> None:
    s = opened()
    assert say(s, Text("AWS. "), Flush()) == [*up("A W S."), ToUpstream(Flush())]
    assert say(s, Text("AWS.", pronunciation=OTHERS), Flush()) == [LookUp(OTHERS)]
    assert answer(s, OTHERS) == [*up("Amazon."), ToUpstream(Flush())]
    assert say(s, Text("AWS."), Flush()) == [*up("Amazon."), ToUpstream(Flush())]
    # What was found is not asked for again.
    assert say(s, Text("AWS.", pronunciation=BRANDS), Flush())[:1] == up("A W S.")


def test_a_dictionary_without_init() -> None:
    s = session()
    start, ask = say(s, Text("AWS.", pronunciation=OTHERS))
    assert isinstance(start, ToUpstream)
    assert ask == LookUp(OTHERS)
    assert answer(s, OTHERS) == []
    assert say(s, Flush()) == [*up("Amazon."), ToUpstream(Flush())]


def test_one_choice_after_another_is_asked_for_in_turn() -> None:
    s = session()
    say(s, Start(SpeakOptions(pronunciation=BRANDS)))
    say(s, Text("AWS.", pronunciation=OTHERS), Flush(), Text("AWS.", pronunciation=BRANDS), Flush())
    assert answer(s, BRANDS) == [LookUp(OTHERS)]
    flush = ToUpstream(Flush())
    assert answer(s, OTHERS) == [*up("Amazon."), flush, *up("A W S."), flush]


def test_an_unknown_dictionary_is_an_error_and_the_session_goes_on_without() -> None:
    s = session()
    say(s, Start(SpeakOptions(pronunciation=BRANDS)), Text("AWS."), Flush())
    assert answer(s, BRANDS, UNKNOWN) == [ToClient(TOLD), *up("AWS."), ToUpstream(Flush())]


def test_an_unknown_choice_leaves_what_was_in_force() -> None:
    s = opened()
    say(s, Text("AWS.", pronunciation=OTHERS), Flush())
    assert answer(s, OTHERS, UNKNOWN) == [ToClient(TOLD), *up("A W S."), ToUpstream(Flush())]
    assert s.state is State.OPEN


def test_an_abort_goes_past_what_waits() -> None:
    s = session()
    say(s, Start(SpeakOptions(pronunciation=BRANDS)), Text("AWS."), Flush())
    assert say(s, Clear()) == [ToUpstream(Clear()), ToClient(Cleared())]
    assert say(s, KeepAlive(reply=True)) == [ToClient(KeepAlive())]
    assert answer(s, BRANDS) == []
    assert say(s, Text("AWS."), Flush()) == [*up("A W S."), ToUpstream(Flush())]


def test_a_choice_that_waited_is_kept_though_its_text_was_aborted() -> None:
    s = session()
    say(s, Start(SpeakOptions(pronunciation=BRANDS)))
    say(s, Text("one"), Text("AWS.", pronunciation=OTHERS), Flush(), Cancel())
    assert say(s, Text("AWS."), Flush()) == []
    assert answer(s, BRANDS) == [LookUp(OTHERS)]
    assert answer(s, OTHERS) == [*up("Amazon."), ToUpstream(Flush())]


def test_another_context_is_not_aborted_with_it() -> None:
    s = session()
    say(s, Start(SpeakOptions(pronunciation=BRANDS)), Text("AWS.", context="a"))
    say(s, Text("AWS.", context="b"), Clear(context="a"), Flush(context="b"))
    start, *said = answer(s, BRANDS)
    assert isinstance(start, ToUpstream)
    assert isinstance(start.event, Start)
    assert said == [
        ToUpstream(Text("A W S.", partial=False, context="b")),
        ToUpstream(Flush(context="b")),
    ]


def test_close_does_not_wait_but_finish_does() -> None:
    s = session()
    say(s, Start(SpeakOptions(pronunciation=BRANDS)), Text("AWS"))
    assert say(s, Finish()) == []
    assert say(s, Text("late")) == []
    assert answer(s, BRANDS) == [*up("A W S"), ToUpstream(Flush())]
    assert s.state is State.FINISHING
    s = session()
    say(s, Start(SpeakOptions(pronunciation=BRANDS)), Text("AWS"))
    assert say(s, Finish(abort=True))[-1] == Close(1000, "client_closed")
    assert answer(s, BRANDS) == answer(s, BRANDS, UNKNOWN) == []


def test_what_waited_and_is_wrong_is_told_then() -> None:
    s = session()
    say(s, Start(SpeakOptions(pronunciation=BRANDS)), Configure(SpeakOptions(voice="nobody")))
    [failed] = answer(s, BRANDS)
    assert isinstance(failed, ToClient)
    assert isinstance(failed.event, Failed)
    assert failed.event.param == "voice"


def test_a_session_keeps_only_so_many() -> None:
    s = opened()
    for i in range(KEPT):
        reference = Pronunciation(name=f"d{i}")
        say(s, Text("x", pronunciation=reference))
        list(s.found(reference, RULES[OTHERS], 0.0))
    assert say(s, Text("y", pronunciation=Pronunciation(name="d0"))) == []
    assert say(s, Text("z", pronunciation=BRANDS)) == [LookUp(BRANDS)]


def test_words_are_told_as_they_were_sent() -> None:
    s = opened()
    say(s, Text("Use AWS, please. Thank you."), Flush())
    heard = hear(
        s, SegmentStart("1", "Use A W S, please."), words("Use", "A", "W", "S,", "please.")
    )
    assert heard[0] == SegmentStart("1", "Use AWS, please.")
    assert told(heard) == [("Use", 0, 1), ("AWS,", 1, 4), ("please.", 4, 5)]
    heard = hear(s, SegmentStart("2"), words("Thank", "you.", start=5.0), Flushed(7.0))
    assert heard[0] == SegmentStart("2")
    assert told(heard) == [("Thank", 5, 6), ("you.", 6, 7)]
    assert heard[-1] == Flushed(7.0)


def test_a_word_cut_by_the_end_of_its_utterance_is_told_before_the_terminal() -> None:
    s = opened()
    say(s, Text("AWS."), Flush(), Text("AWS again."), Flush())
    assert hear(s, words("A", "W")) == []
    first, terminal = hear(s, Flushed(2.0))
    assert (told([first]), terminal) == ([("AWS.", 0, 2)], Flushed(2.0))
    assert told(hear(s, words("A", "W", "S", "again."))) == [("AWS", 0, 3), ("again.", 3, 4)]


def test_after_an_abort_the_next_words_are_those_of_the_next_text() -> None:
    s = opened()
    say(s, Text("AWS and more."), Flush())
    hear(s, words("A", "W"))
    say(s, Clear(), Text("On AWS."), Flush())
    assert hear(s, words("S", "and"), epoch=0) == []
    assert told(hear(s, words("On", "A", "W", "S."), epoch=1)) == [("On", 0, 1), ("AWS.", 1, 4)]


def test_a_sentence_of_which_nothing_is_left_is_not_spoken() -> None:
    s = opened()
    assert say(s, Text("hush"), Flush()) == [ToUpstream(Flush())]
    assert hear(s, Flushed(0.0)) == [Flushed(0.0)]


def test_audio_and_an_unexpected_terminal_pass() -> None:
    s = opened()
    assert hear(s, Audio(b"ab"), Flushed(1.0)) == [Audio(b"ab"), Flushed(1.0)]


@pytest.mark.parametrize("found", [RULES[BRANDS], UNKNOWN])
def test_recognition_has_nothing_to_look_up(found: Rewriter | GatewayError) -> None:
    brief = Brief(Identity("s1", "r1", "local/hibari:en"), HIBARI)
    ear = SttSession(brief, Meter(TIERS["enterprise"], 0.0))
    assert list(ear.found(BRANDS, found, 0.0)) == []
