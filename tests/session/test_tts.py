"""A speech session, event by event: text in, sentences up, one terminal per flush, clean aborts."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from voxway.audio.encode import Encoder
from voxway.audio.formats import AudioFormat
from voxway.catalog import HIBARI
from voxway.events import (
    Audio,
    Cancel,
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
    ListenOptions,
    Malformed,
    Ready,
    SpeakOptions,
    Start,
    Text,
    Warning,
)
from voxway.limits import TIERS, Meter
from voxway.session.actions import Action, Brief, Close, Identity, State, ToClient, ToUpstream
from voxway.session.tts import TtsSession
from voxway.usage import Outcome

IDENTITY = Identity("s1", "r1", "local/hibari:en")
RESOLVED = SpeakOptions(
    voice="heart", language="en", encoding="linear16", sample_rate=24000, speed=1.0
)


def session(tier: str = "enterprise", *notices: Event, **manner: bool) -> TtsSession:
    return TtsSession(Brief(IDENTITY, HIBARI, notices, **manner), Meter(TIERS[tier], 0.0))


def client(actions: Iterable[Action]) -> list[Event]:
    return [action.event for action in actions if isinstance(action, ToClient)]


def say(s: TtsSession, *commands: Event, now: float = 0.0) -> list[Action]:
    return [action for command in commands for action in s.from_client(command, now)]


def hear(s: TtsSession, *events: Event, epoch: int = 0, now: float = 0.0) -> list[Action]:
    return [action for event in events for action in s.from_upstream(event, epoch, now)]


def test_text_goes_up_sentence_by_sentence_and_a_flush_brings_the_rest() -> None:
    s = session()
    actions = say(s, Start(), *map(Text, ("Hello ", "there. ", "How ", "are ", "you")), Flush())
    assert actions == [
        ToUpstream(Start(RESOLVED)),
        ToUpstream(Text("Hello there.", partial=False)),
        ToUpstream(Text("How are you", partial=False)),
        ToUpstream(Flush()),
    ]


def test_text_may_come_before_init() -> None:
    assert say(session(), Text("Hi."), Flush())[0] == ToUpstream(Start(RESOLVED))


def test_ready_names_the_session_the_format_and_then_the_notices() -> None:
    s = session("enterprise", Warning("substituted", "another answers"))
    say(s, Start(SpeakOptions(encoding="mulaw", sample_rate=8000)))
    ready, notice = client(hear(s, Ready("engine")))
    assert isinstance(ready, Ready)
    assert (ready.session_id, ready.request_id, ready.model) == ("s1", "r1", "local/hibari:en")
    assert (ready.encoding, ready.sample_rate) == ("mulaw", 8000)
    assert "clear" in ready.capabilities
    assert notice == Warning("substituted", "another answers")


def test_each_flush_gets_its_terminal_even_an_empty_one() -> None:
    s = session()
    assert say(s, Flush()) == [ToUpstream(Start(RESOLVED)), ToUpstream(Flush())]
    assert client(hear(s, Flushed(0.0))) == [Flushed(0.0)]


@pytest.mark.parametrize(
    ("command", "answer"), [(Clear(), Cleared()), (Cancel(), Cleared(cancelled=True))]
)
def test_after_an_abort_nothing_older_is_heard(command: Event, answer: Event) -> None:
    s = session()
    say(s, Text("One. "), Text("Two"), Flush())
    assert say(s, command) == [ToUpstream(Clear()), ToClient(answer)]
    assert hear(s, Audio(b"old"), Flushed(1.0), epoch=0) == []
    assert hear(s, Cleared(), epoch=1) == []
    assert say(s, Text("New."), Flush())[:1] == [ToUpstream(Text("New.", partial=False))]
    assert client(hear(s, Audio(b"new!"), Flushed(2.0), epoch=1)) == [Audio(b"new!"), Flushed(2.0)]


def test_text_not_yet_handed_on_is_dropped_by_a_clear() -> None:
    s = session()
    say(s, Text("half a sentence"), Clear())
    assert say(s, Flush()) == [ToUpstream(Flush())]


def test_ready_is_heard_even_if_a_clear_came_before_it() -> None:
    s = session()
    say(s, Start(), Clear())
    assert isinstance(client(hear(s, Ready("engine"), epoch=0))[0], Ready)


def test_a_clear_before_anything_is_answered_and_dials_nobody() -> None:
    assert say(session(), Clear()) == [ToClient(Cleared())]


def test_close_stops_at_once_and_ends_with_usage() -> None:
    s = session()
    say(s, Text("Hello there."), Flush())
    hear(s, Audio(bytes(48_000)))
    ended, close = say(s, Finish(abort=True), now=3.0)
    assert isinstance(ended, ToClient)
    assert isinstance(ended.event, Ended)
    assert ended.event.reason == "client_closed"
    assert ended.event.usage is not None
    assert (ended.event.usage.characters, ended.event.usage.audio_out) == (12, 1.0)
    assert ended.event.usage.duration == 3.0
    assert (ended.event.usage.model, ended.event.usage.cached) == ("local/hibari:en", 0)
    assert s.outcome == Outcome("client_closed")
    assert close == Close(1000, "client_closed")
    assert say(s, Text("more")) == hear(s, Audio(b"late")) == []


def test_finish_delivers_what_is_outstanding_then_ends() -> None:
    s = session()
    say(s, Text("Hello"))
    assert say(s, Finish()) == [ToUpstream(Text("Hello", partial=False)), ToUpstream(Flush())]
    assert s.state is State.FINISHING
    ended, close = hear(s, Flushed(1.0))  # nobody asked for that terminal
    assert isinstance(ended, ToClient)
    assert isinstance(ended.event, Ended)
    assert close == Close(1000, "client_closed")


def test_finish_without_an_answer_ends_after_a_while() -> None:
    s = session()
    say(s, Text("Hello"), Finish())
    assert list(s.tick(14.0)) == []
    assert list(s.tick(15.0))[-1] == Close(1000, "finish_timeout")


@pytest.mark.parametrize("event", [Audio(b"ab"), KeepAlive()])
def test_a_long_text_is_spoken_to_its_end_as_long_as_something_is_heard_of_it(event: Event) -> None:
    s = session()
    say(s, Text("Hello"), Finish())
    for now in range(10, 100, 10):
        hear(s, event, now=float(now))
        assert list(s.tick(float(now))) == []
    assert hear(s, Flushed(1.0), now=110.0)[-1] == Close(1000, "client_closed")


@pytest.mark.parametrize(
    ("options", "param", "words"),
    [
        (SpeakOptions(sample_rate=7), "sample_rate", "sample_rate 7 is outside 8000-48000"),
        (
            SpeakOptions(encoding="mp3", sample_rate=10_000),
            "sample_rate",
            "sample_rate 10000 is none of mp3: 8000, 11025",
        ),
        (SpeakOptions(encoding="midi"), "encoding", "encoding 'midi' is not one of linear16"),
        (SpeakOptions(speed=3.0), "speed", "speed 3 is outside 0.5-2"),
        (SpeakOptions(voice="nobody"), "voice", "voice 'nobody' is not one of heart"),
        (SpeakOptions(language="fr-FR"), "language", "language 'fr-FR' is not one of en"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_and_may_be_sent_again(
    options: SpeakOptions, param: str, words: str
) -> None:
    s = session()
    [failed] = client(say(s, Start(options)))
    assert isinstance(failed, Failed)
    assert (failed.code, failed.param, failed.fatal) == ("config_error", param, False)
    assert words in failed.message
    assert say(s, Start(SpeakOptions(language="en-IN"))) == [
        ToUpstream(
            Start(
                SpeakOptions(
                    voice="heart", language="en-IN", encoding="linear16", sample_rate=24000, speed=1
                )
            )
        )
    ]


@pytest.mark.parametrize(
    "command",
    [
        Audio(b"ab"),
        Start(ListenOptions()),
        Malformed("not JSON"),
        Ready("nonsense"),
    ],
)
def test_what_does_not_belong_here_is_an_error_and_the_session_lives_on(command: Event) -> None:
    s = session()
    say(s, Start())
    [failed] = client(say(s, command))
    assert isinstance(failed, Failed)
    assert failed.code == "invalid_request"
    assert not failed.fatal
    assert say(s, Text("Hi."), Flush())[-1] == ToUpstream(Flush())


def test_an_option_unknown_to_the_model_is_warned_of_once_with_ready() -> None:
    s = session()
    options = SpeakOptions(extra={"buffer_size": 10, "seed": 1, "emotion": "joy"})
    [up] = say(s, Start(options))
    assert isinstance(up, ToUpstream)
    assert isinstance(up.event, Start)
    assert up.event.options == msgspec.structs.replace(RESOLVED, extra={"seed": 1})
    _, *warnings = client(hear(s, Ready("engine")))
    assert [w.option for w in warnings if isinstance(w, Warning)] == ["buffer_size", "emotion"]
    assert all(isinstance(w, Warning) and w.code == "unsupported_option" for w in warnings)


@pytest.mark.parametrize("seed", [-1, "7", 1.5])
def test_a_seed_that_no_voice_could_take_is_refused(seed: object) -> None:
    [failed] = client(say(session(), Start(SpeakOptions(extra={"seed": seed}))))
    assert isinstance(failed, Failed)
    assert (failed.code, failed.param) == ("config_error", "seed")


def test_a_stand_in_takes_what_it_cannot_do_with_a_warning() -> None:
    s = session(is_lenient=True)
    options = SpeakOptions(voice="aura-2-thalia-en", language="hi", speed=3.0)
    assert say(s, Start(options)) == [ToUpstream(Start(RESOLVED))]
    _, *warnings = client(hear(s, Ready("engine")))
    assert [w.option for w in warnings if isinstance(w, Warning)] == ["voice", "language", "speed"]
    assert client(say(session(is_lenient=True), Start(SpeakOptions(sample_rate=7))))


def test_a_strict_route_closes_after_a_bad_init() -> None:
    s = session(closes_on_bad_start=True)
    assert say(s, Start(SpeakOptions(sample_rate=7)))[-1] == Close(1008, "config_error")
    s = session(closes_on_bad_start=True)
    bad = Malformed("sample_rate: not a number", is_start=True)
    assert say(s, bad)[-1] == Close(1008, "invalid_request")
    s = session(closes_on_bad_start=True)
    say(s, Start())
    assert not any(isinstance(a, Close) for a in say(s, Start()))


def test_what_a_route_may_ignore_is_only_warned_of() -> None:
    [warning] = client(say(session(), Malformed("unknown type", param="type", is_ignorable=True)))
    assert warning == Warning("ignored", "unknown type", "type")


def test_configure_between_utterances_takes_effect_at_once() -> None:
    s = session()
    say(s, Text("One."), Flush())
    faster = msgspec.structs.replace(RESOLVED, speed=2.0)
    assert say(s, Configure(SpeakOptions(speed=2.0))) == [ToUpstream(Configure(faster))]


@pytest.mark.parametrize("end", [Flush(), Clear()])
def test_configure_in_mid_utterance_waits_for_its_end_and_says_so(end: Event) -> None:
    s = session()
    say(s, Text("One and"))
    [warning] = say(s, Configure(SpeakOptions(speed=2.0)))
    assert isinstance(warning, ToClient)
    assert isinstance(warning.event, Warning)
    assert (warning.event.code, warning.event.option) == ("deferred", "configure")
    ups = [a.event for a in say(s, end) if isinstance(a, ToUpstream)]
    assert ups[-2:] == [end, Configure(msgspec.structs.replace(RESOLVED, speed=2.0))]
    assert Configure not in map(type, [a for a in say(s, Flush())])


@pytest.mark.parametrize(
    ("command", "param"),
    [(SpeakOptions(speed=9.0), "speed"), (SpeakOptions(voice="x"), "voice")],
)
def test_configure_of_what_cannot_be_changes_nothing(command: SpeakOptions, param: str) -> None:
    s = session()
    say(s, Start())
    [failed] = client(say(s, Configure(command)))
    assert isinstance(failed, Failed)
    assert failed.param == param
    assert s.options == RESOLVED


def test_configure_before_init_is_an_error() -> None:
    [failed] = client(say(session(), Configure(SpeakOptions(speed=2.0))))
    assert isinstance(failed, Failed)
    assert "init comes first" in failed.message


def test_text_that_is_complete_is_handed_on_at_once() -> None:
    s = session()
    say(s, Start())
    assert say(s, Text("No end mark", partial=False)) == [
        ToUpstream(Text("No end mark", partial=False))
    ]


def test_the_tag_of_the_conversation_is_kept() -> None:
    s = session()
    say(s, Start(tag="conversation-7"))
    assert s.tag == "conversation-7"


def test_a_ping_is_answered_and_a_keepalive_is_not() -> None:
    assert say(session(), KeepAlive(reply=True), KeepAlive()) == [ToClient(KeepAlive())]


def test_an_upstream_that_goes_away_is_a_retryable_error() -> None:
    s = session()
    say(s, Text("Hi."), Flush())
    failed, _, close = s.upstream_lost("the engine died", "", 1.0)
    assert failed == ToClient(Failed("backend_error", "the engine died", True, True))
    assert close == Close(1011, "backend_error")


@pytest.mark.parametrize("code", ["provider_error", "of no table"])
def test_an_upstream_error_is_told_by_our_table(code: str) -> None:
    s = session()
    say(s, Start())
    actions = hear(s, Failed(code, "broken"))
    assert actions[0] == ToClient(Failed("provider_error", "broken", True, True))
    assert actions[-1] == Close(1011, "provider_error")


def test_an_idle_session_ends() -> None:
    s = session()
    say(s, Start(), now=10.0)
    assert list(s.tick(309.0)) == []
    assert list(s.tick(310.0))[-1] == Close(1008, "idle_timeout_exceeded")


def test_an_utterance_under_way_may_finish_past_the_time_limit() -> None:
    s = session("free")
    say(s, Text("Hi."), Flush(), now=299.0)
    assert list(s.tick(305.0)) == []
    hear(s, Flushed(1.0), now=306.0)
    assert list(s.tick(306.0))[-1] == Close(1008, "max_connection_duration_exceeded")


def test_too_many_messages_and_too_long_text_close_with_their_codes() -> None:
    s = session("free")
    for second in range(20):
        assert say(s, KeepAlive(), now=float(second)) == []
    refused = say(s, KeepAlive(), now=20.5)
    message = "over 20 messages a minute; retry after 40 s"
    assert refused[0] == ToClient(Failed("rate_limit", message, True, True, retry_after=39.5))
    assert refused[-1] == Close(4001, "rate_limit")
    s = session("free")
    assert say(s, Text("x" * 501))[-1] == Close(4002, "payload_too_large")
    assert say(s, Text("x")) == []


def test_going_down_ends_the_session_with_its_reason() -> None:
    s = session()
    assert list(s.end("draining", 1.0))[-1] == Close(1012, "draining")
    assert list(s.end("draining", 1.0)) == []


class SpeechMachine(RuleBasedStateMachine):
    """A client that says anything at any time, an upstream that answers in order, late or never:
    the client hears every utterance it did not abort, whole, in order, once."""

    def __init__(self) -> None:
        super().__init__()
        self.session = session("local")
        self.upstream: list[Event] = []  # said up, not yet answered
        self.upstream_epoch = 0
        self.heard: list[Event] = []
        self.expected: list[bytes] = []
        self.running: list[bytes] = []
        self.count = 0

    def take(self, actions: Iterable[Action]) -> None:
        for action in actions:
            if isinstance(action, ToUpstream):
                self.upstream.append(action.event)
            elif isinstance(action, ToClient):
                self.heard.append(action.event)

    @rule()
    def an_utterance(self) -> None:
        self.count += 1
        self.running.append(b"%d." % self.count)
        self.take(say(self.session, Text(f"{self.count}. "), Flush()))

    @rule(command=st.sampled_from([Clear(), Cancel()]))
    def an_abort(self, command: Event) -> None:
        self.running.clear()
        self.heard_before = len(self.heard)
        self.take(say(self.session, command))
        assert isinstance(self.heard[-1], Cleared)

    @precondition(lambda self: self.upstream)
    @rule()
    def the_upstream_answers(self) -> None:
        event = self.upstream.pop(0)
        answers: list[Event] = []
        match event:
            case Text(text=text):
                answers = [Audio(text.encode())]
            case Flush():
                answers = [Flushed()]
            case Clear():
                self.upstream_epoch += 1
                answers = [Cleared()]
        before = len(self.heard)
        self.take(hear(self.session, *answers, epoch=self.upstream_epoch))
        for new in self.heard[before:]:
            if isinstance(new, Audio):
                assert self.running, "speech of an aborted utterance was heard"
                assert new.data == self.running[0]
            elif isinstance(new, Flushed):
                self.running.pop(0)

    @invariant()
    def nothing_failed(self) -> None:
        assert not any(isinstance(event, Failed | Ended) for event in self.heard)

    def teardown(self) -> None:
        while self.upstream:
            self.the_upstream_answers()
        assert self.running == []


TestSpeech = SpeechMachine.TestCase
TestSpeech.settings = settings(max_examples=100, stateful_step_count=40)


def test_what_the_voice_takes_is_measured() -> None:
    meter = Meter(TIERS["enterprise"], 0.0)
    s = TtsSession(Brief(IDENTITY, HIBARI), meter)
    say(s, Start(), Text("Hel"), now=1.0)
    say(s, Text("lo. How "), now=2.0)  # here is the first whole sentence
    say(s, Text("are you?"), Flush(), now=2.5)
    hear(s, Audio(b"\0" * 480), now=2.75)
    hear(s, Audio(b"\0" * 480), now=3.0)
    assert (meter.usage(4.0).ttfa, meter.usage(4.0).provider_time) == (0.75, 2.0)
    hear(s, Flushed(), now=5.0)
    assert meter.usage(9.0).provider_time == 3.0
    say(s, Text("Again."), Flush(), now=10.0)
    say(s, Clear(), now=11.0)
    assert (meter.usage(20.0).ttfa, meter.usage(20.0).provider_time) == (0.75, 4.0)
    say(s, Text("And again."), Flush(), now=20.0)
    say(s, Finish(abort=True), now=21.0)
    usage = meter.usage(99.0)
    assert (usage.provider_time, usage.duration) == (5.0, 21.0)


def test_what_went_wrong_is_known_at_the_end() -> None:
    s = session()
    say(s, Start(), Malformed("no such thing"))
    assert s.outcome == Outcome("", "invalid_request")
    list(s.end("idle_timeout_exceeded", 5.0))
    assert s.outcome == Outcome("idle_timeout_exceeded", "invalid_request")


@pytest.mark.parametrize("encoding", ["linear16", "mulaw", "mp3", "opus"])
def test_audio_out_counts_in_every_encoding(encoding: str) -> None:
    meter = Meter(TIERS["enterprise"], 0.0)
    s = TtsSession(Brief(IDENTITY, HIBARI), meter)
    say(s, Start(SpeakOptions(encoding=encoding, sample_rate=24000)))
    for epoch in range(3):
        say(s, Text("Hello."), Flush())
        encoder = Encoder(AudioFormat(encoding, 24000), 24000)
        hear(s, Audio(encoder.feed(bytes(48_000))), epoch=epoch)
        say(s, Clear())  # in the middle of a stream
    assert meter.usage(1.0).audio_out == pytest.approx(3.0, abs=0.2)
