"""Every wire there is, by one set of checks: a new one is found by itself.

Here its codecs stand back to back: what both can say comes through as it was, and each accepts
whatever a session may want said. What a stranger may send is in `test_wires_garbage`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.golden import ADDRESS, Named, find_wires, parts_of_path
from voxway import events as e
from voxway.errors import RULES, GatewayError
from voxway.wire.base import Frame
from voxway.wire.http import no_dialect
from voxway.wire.policies import Policy
from voxway.wire.unified_commands import ALIASES, TYPES
from wire.pair import (
    FORMATS,
    HEARD,
    HEARING_RATE,
    RATE,
    Backend,
    Ear,
    Nobody,
    Pair,
    Voice,
    letters,
    speech,
    timed,
)
from wire.typed import faults

WIRES = tuple(find_wires())
SPEAK = e.SpeakOptions(
    voice="anna", language="en", encoding="linear16", sample_rate=RATE, word_timestamps=True
)
LISTEN = e.ListenOptions(
    language="en",
    encoding="linear16",
    sample_rate=HEARING_RATE,
    vad_events=True,
    word_timestamps=True,
)
ENDINGS = (
    *RULES,
    "client_closed",
    "draining",
    "finish_timeout",
)
T = TypeVar("T", bound=e.Event)


def anything(policy: Policy) -> bool:
    return True


def every(
    task: str = "", where: Callable[[Policy], bool] = anything, *, http: bool = False
) -> pytest.MarkDecorator:
    """Once for each wire of this task with such a policy. `http`: also for those that are met as
    backends only, and so have but one side."""
    found = [
        named
        for named in WIRES
        if task in ("", named.wire.task)
        and (http or named.wire.server is not no_dialect)
        and where(named.wire.policy)
    ]
    return pytest.mark.parametrize("named", found, ids=[named.name for named in found])


def options_for(named: Named) -> e.Options:
    """What a client of the wire wants."""
    usual: e.Options = SPEAK if named.wire.task == "tts" else LISTEN
    if (format := FORMATS.get(named.name)) is None:
        return usual
    return msgspec.structs.replace(usual, encoding=format.encoding, sample_rate=format.sample_rate)


def backend_for(named: Named) -> Backend:
    return Voice() if named.wire.task == "tts" else Ear(FORMATS.get(named.name, HEARD))


def start(named: Named, backend: Backend | None = None) -> Pair:
    """A socket on which the client has said how it wants to be served."""
    options = options_for(named)
    pair = Pair(named.wire, options, backend or backend_for(named))
    pair.opened += pair.say(e.Start(options))
    return pair


def of(kind: type[T], events: Iterable[e.Event]) -> list[T]:
    return [event for event in events if isinstance(event, kind)]


def audio(events: Iterable[e.Event]) -> bytes:
    return b"".join(event.data for event in of(e.Audio, events))


def times(words: Iterable[e.Word]) -> list[tuple[str, float, float]]:
    return [(word.text, round(word.start, 2), round(word.end, 2)) for word in words]


def say(pair: Pair, *texts: str, context: str = "") -> list[e.Event]:
    """An utterance."""
    pieces = [e.Text(text, partial=False, context=context) for text in texts]
    return pair.say(*pieces, e.Flush(context=context))


def check_utterance(pair: Pair, told: Sequence[e.Event], text: str, context: str = "") -> None:
    """It came as `Voice` speaks it: all audio, one terminal after it, the words if the wire has
    any. Where an utterance has a socket of its own, the end of that may be the terminal."""
    assert of(e.Malformed, pair.heard) == []
    assert of(e.Failed, told) == []
    assert {event.context for event in told if isinstance(event, SPOKEN)} == {context}
    assert audio(told).rstrip(b"\0") == speech(text), "but for what fills up its last frame"
    terminals = [at for at, event in enumerate(told) if isinstance(event, e.Flushed)]
    last = max(at for at, event in enumerate(told) if isinstance(event, e.Audio | e.Words))
    if terminals or not pair.wire.policy.per_utterance:
        [terminal] = terminals
        assert terminal > last
    words = [word for event in of(e.Words, told) for word in event.words]
    if words:
        assert times(words) == times(timed(text))


SPOKEN = (e.Audio, e.Words, e.Flushed)
TEXTS = (
    ("Hello there.", "How are you?"),
    ("Again.",),
    ('Ünïcode, "quotes", \\ and 😀 <b>&amp;</b>', "finalize", "17"),
)


@pytest.mark.parametrize("tells_last", [True, False], ids=["", "silent-finish"])
@every("tts")
def test_what_is_to_be_spoken_comes_back_as_speech(named: Named, *, tells_last: bool) -> None:
    pair = start(named, Voice(tells_last=tells_last))
    for number, texts in enumerate(TEXTS):
        if number and named.wire.policy.per_utterance:
            pair = start(named, Voice(tells_last=tells_last))
        check_utterance(pair, say(pair, *texts), " ".join(texts))
    pair.say(e.Finish())
    assert of(e.Malformed, pair.heard) == []


# A word that is a JSON object is a message to wires that speak bare text.
PROSE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="{"), min_size=1)


@settings(max_examples=50, deadline=None)
@given(text=PROSE.filter(lambda text: bool(text.strip()) and "__END__" not in text))
@every("tts")
def test_any_text_is_spoken_as_it_is(named: Named, text: str) -> None:
    pair = start(named)
    say(pair, text.strip(), "Amen.")
    heard = "".join(event.text + " " * (not event.partial) for event in of(e.Text, pair.heard))
    assert heard.split() == [*text.split(), "Amen."]


@every("tts")
def test_a_client_may_think_in_mid_utterance(named: Named) -> None:
    pair = start(named)
    told = pair.say(e.Text("Hello", partial=False))
    before = len(pair.frames)
    told += pair.say(e.KeepAlive())
    assert len(pair.frames) > before or named.wire.policy.keepalive != "message"
    told += say(pair, "there.")
    check_utterance(pair, told, "Hello there.")


@every("tts", lambda policy: policy.clear == "acked")
def test_an_abort_is_acknowledged_once(named: Named) -> None:
    pair = start(named)
    say(pair, "One.")
    pair.say(e.Text("Never.", partial=False))
    told = pair.say(e.Clear())
    assert len(of(e.Cleared, told)) == 1
    assert len([*of(e.Clear, pair.heard), *of(e.Cancel, pair.heard)]) == 1
    check_utterance(pair, say(pair, "Two."), "Two.")


@every("tts", lambda policy: policy.clear == "filtered")
def test_an_abort_keeps_what_is_stale_from_coming(named: Named) -> None:
    pair = start(named, Nobody())
    say(pair, "One.")
    old = pair.heard[-1].context
    assert audio(pair.tell(e.Audio(b"ab", context=old))) == b"ab"
    pair.say(e.Clear())
    stale: list[e.Event] = [e.Words(timed("x"), context=old), e.Audio(b"cd", context=old)]
    ended = (e.Flushed(context=old), e.Cleared(context=old), e.Ended("context_closed", context=old))
    told = [event for event in stale for event in pair.tell(event)]
    say(pair, "Two.")
    new = pair.heard[-1].context
    assert new != old
    for event in (*stale, e.Audio(b"ef", context=new), *ended, e.Flushed(context=new)):
        told += pair.tell(event)
    if not of(e.Flushed, told):
        told += pair.tell(e.Ended("context_closed", context=new))
    assert of(e.Malformed, pair.heard) == []
    assert audio(told) == b"ef"
    assert of(e.Words, told) == []
    assert len(of(e.Flushed, told)) == 1


@every("tts", lambda policy: policy.contexts > 1)
def test_contexts_are_told_apart(named: Named) -> None:
    pair = start(named)
    pair.say(e.Start(SPEAK, context="a"), e.Start(SPEAK, context="b"))
    pieces = [
        e.Text("One.", partial=False, context="a"),
        e.Text("Two.", partial=False, context="b"),
    ]
    told = pair.say(*pieces, e.Flush(context="b"), e.Flush(context="a"))
    for context, text in (("a", "One."), ("b", "Two.")):
        check_utterance(pair, [t for t in told if t.context == context], text, context)
    pair.say(e.Finish(context="a"))
    check_utterance(pair, say(pair, "Still here.", context="b"), "Still here.", "b")


@every("tts", lambda policy: policy.configures)
def test_the_voice_changes_on_an_open_socket(named: Named) -> None:
    pair = start(named)
    say(pair, "One.")
    pair.say(e.Configure(msgspec.structs.replace(SPEAK, voice="ben")))
    check_utterance(pair, say(pair, "Two."), "Two.")
    said = [c.options for c in pair.heard if isinstance(c, e.Start | e.Configure)]
    assert [getattr(options, "voice", None) for options in said][-1] == "ben"


@every()
def test_the_server_is_told_what_the_client_wants(named: Named) -> None:
    """As far as a wire says it; the format of the audio must be right."""
    wire, sent = named.wire, options_for(named)
    pair = start(named)
    if wire.task == "tts":
        say(pair, "Hello.")
    else:
        pair.say(pair.sound("Hello."))
    path = urlsplit(pair.endpoint.url).path
    assert not wire.paths or parts_of_path(wire, path) is not None
    got = of(e.Start, pair.heard)[0].options
    assert type(got) is type(sent)
    for field in ("voice", "language", "encoding", "sample_rate"):
        assert getattr(got, field, None) in (None, getattr(sent, field, None)), field


@every()
def test_the_key_is_not_among_the_options(named: Named) -> None:
    pair = start(named)
    shown = str(msgspec.structs.astuple(pair.endpoint))
    assert ADDRESS.key in shown or not named.wire.provider
    assert ADDRESS.key not in str(pair.heard)


@every()
def test_ready_is_said_where_the_policy_says_so(named: Named) -> None:
    sent = options_for(named)
    ready = of(e.Ready, start(named).opened)
    assert len(ready) == named.wire.policy.says_ready
    for event in ready:
        assert event.encoding in ("", sent.encoding)
        assert event.sample_rate in (0, sent.sample_rate)


@every("stt")
def test_what_was_heard_comes_back_as_text(named: Named) -> None:
    pair = start(named)
    first = pair.say(pair.sound("Good morning."))
    told = first + pair.say(pair.sound("What a"), e.Flush(), e.Flush())
    rest = pair.say(pair.sound("Fine day."))
    rest += pair.say(e.Finish() if named.wire.policy.ends_itself else e.Flush())

    assert of(e.Malformed, pair.heard) == []
    assert of(e.Failed, [*told, *rest]) == []
    assert letters(audio(pair.heard)) == "Good morning.What aFine day."
    finalizes = named.wire.policy.finalizes == "message"
    assert len(of(e.Flush, pair.heard)) == (2 + (not named.wire.policy.ends_itself)) * finalizes
    finals = [event for event in of(e.Transcript, told) if event.final]
    answers = [at for at, event in enumerate(finals) if event.from_finalize]
    # Silence is answered only if it ends something.
    assert len(answers) == (2 if finalizes else 1)
    assert answers[-1] == len(finals) - 1
    assert joined(finals[: answers[0] + 1]) == "Good morning. What a"
    assert joined(finals[answers[0] + 1 :]) == ""
    assert joined(event for event in of(e.Transcript, rest) if event.final) == "Fine day."
    assert all(event.is_endpoint for event in finals if not event.from_finalize)
    assert [event.text for event in of(e.Transcript, first) if not event.final][:1] == ["Good"]
    if words := [word for event in finals for word in event.words]:
        assert times(words) == times(timed("Good morning. What a"))
    if named.wire.policy.ends_itself:
        assert of(e.Finish, pair.heard)


def joined(transcripts: Iterable[e.Transcript]) -> str:
    return " ".join(event.text.strip() for event in transcripts if event.text)


@every("stt")
def test_voice_activity_is_told_in_full_or_not_at_all(named: Named) -> None:
    pair = start(named)
    told = pair.say(pair.sound("Good morning."), pair.sound("Fine day."))
    starts, ends = of(e.SpeechStarted, told), of(e.UtteranceEnd, told)
    assert [round(event.at, 2) for event in starts] in ([], [0.0, 0.5])
    assert len(ends) in (0, 2)
    assert [end.last_word_end for end in ends if end.last_word_end is not None] in ([], [0.5, 1.0])


@every("stt")
def test_a_silent_speaker_is_waited_for(named: Named) -> None:
    pair = start(named)
    pair.say(pair.sound("Good morning."))
    before = len(pair.frames)
    pair.say(e.KeepAlive())
    assert letters(audio(pair.heard)) == "Good morning."
    assert all(event.data for event in of(e.Audio, pair.heard)), "such audio is refused"
    assert len(pair.frames) > before or named.wire.policy.keepalive != "message"
    assert of(e.Malformed, pair.heard) == []


@every("stt")
def test_turns_are_told_in_full_or_not_at_all(named: Named) -> None:
    """Where a turn is told at all, so are its start, its text and its end, once each."""
    pair = start(named)
    told = pair.say(pair.sound("Good morning."), pair.sound("What a"), e.Flush())
    turns = of(e.Turn, told)
    phases = [turn.phase for turn in turns]
    assert phases in ([], ["start", "end"] * 2)
    assert [turn.text for turn in turns[1::2]] in ([], ["Good morning.", "What a"])
    finals = [
        at for at, event in enumerate(told) if isinstance(event, e.Transcript) and event.final
    ]
    ends = [at for at, event in enumerate(told) if event in turns[1::2]]
    assert all(final < end for final, end in zip(finals, ends, strict=False))


WORDS = (e.Word(text="a", start=0.0, end=0.5), e.Word(text="é", start=0.5, end=1, speaker=1))
EVENTS: tuple[e.Event, ...] = (
    e.Ready(),
    e.Ready("s", "r", "m", "mulaw", 8000, ("flush",)),
    e.Audio(b"odd"),
    e.Audio(bytes(65_536)),
    e.Words(()),
    e.Words(WORDS),
    e.Words((e.Word(text="", start=0.0, end=0.0),)),
    e.SegmentStart("seg_0"),
    e.SegmentStart("seg_0", 'He said "no".'),
    e.SegmentEnd("seg_0"),
    e.Flushed(),
    e.Flushed(1.5),
    e.Cleared(),
    e.Cleared(cancelled=True),
    e.SpeechStarted(0.25),
    e.Transcript("", True),
    e.Transcript("a", False),
    e.Transcript("a é", True, True, 0.5, "en", 1.0, 2.0, WORDS),
    e.Transcript("", True, from_finalize=True, is_endpoint=False),
    e.UtteranceEnd(),
    e.UtteranceEnd(1.5),
    e.Turn("start"),
    e.Turn("start", at=0.5),
    e.Turn("eager_end", "a é", 0.5, 1.5),
    e.Turn("resumed", "a é", at=2.0),
    e.Turn("end"),
    e.Turn("end", "a é", 0.75, 3.0, "model"),
    e.Turn("end", "", None, None, "timeout"),
    e.Adjusted(e.ListenOptions()),
    e.Adjusted(e.ListenOptions(turns=e.Turns(threshold=0.5, eager_threshold=0.4, timeout=1.5))),
    e.Warning("ignored", "not done", "voice", "m"),
    e.Warning("", ""),
    *[e.Failed(code, 'no "x"', rule.retryable, True, "voice") for code, rule in RULES.items()],
    e.Failed("of_a_provider", ""),
    e.KeepAlive(),
    e.KeepAlive(reply=True),
    e.Aside(),
    e.Ended(),
    *[e.Ended(reason, e.Usage(characters=5, audio_out=1.5)) for reason in ENDINGS],
)
COMMANDS: tuple[e.Event, ...] = (
    e.Start(),
    e.Start(SPEAK, "tag"),
    e.Start(LISTEN),
    e.Start(e.SpeakOptions(), is_again=True),
    e.Text("", partial=False),
    e.Text(" "),
    e.Text('He said "no".', pronunciation=e.Pronunciation(name="x")),
    e.Audio(b"odd"),
    e.Flush(),
    e.Flush(),
    e.KeepAlive(),
    e.KeepAlive(reply=True),
    e.Configure(e.SpeakOptions(speed=1.1)),
    e.Adjust(e.ListenOptions(turns=e.Turns(threshold=0.99), extra={"keyterm": ("x",)})),
    e.Clear(),
    e.Cancel(),
    e.Finish(),
    e.Finish(abort=True),
    e.Flush(),
)


def with_contexts(events: Iterable[T]) -> list[T]:
    return [msgspec.structs.replace(event, context=c) for event in events for c in ("", "c1", "é")]


def check_frames(frames: Iterable[Frame]) -> None:
    for frame in frames:
        assert isinstance(frame, str | bytes)
        assert isinstance(frame, bytes) or isinstance(frame.encode(), bytes)


@every()
def test_whatever_a_session_tells_can_be_encoded_and_read(named: Named) -> None:
    used = start(named)
    for event in with_contexts(EVENTS):
        for pair in (start(named), used):
            told = pair.tell(event)
            check_frames(frame for _, frame in pair.frames)
            pair.frames.clear()
            assert of(e.Malformed, told) == []
            assert [fault for answer in told for fault in faults(answer)] == []


@every(http=True)
def test_whatever_a_session_wants_can_be_encoded(named: Named) -> None:
    options = options_for(named)
    for command in with_contexts(COMMANDS):
        client = named.wire.client(options, ADDRESS)
        check_frames([*client.encode(e.Start(options)), *client.encode(command)])
    client = named.wire.client(options, ADDRESS)
    for command in with_contexts(COMMANDS):
        check_frames(client.encode(command))


@pytest.mark.parametrize("code", [*RULES, "of_a_provider"])
@every()
def test_a_failure_is_told_as_one_of_ours_or_by_the_close(named: Named, code: str) -> None:
    pair = start(named)
    is_retryable = code in RULES and RULES[code].retryable
    told = pair.tell(e.Failed(code, "no voice 'bob'", is_retryable, fatal=True))
    assert of(e.Malformed, told) == []
    for event in of(e.Failed, told):
        assert event.code in RULES or code not in RULES
        assert "no voice 'bob'" in event.message
        assert event.retryable == is_retryable or code not in COMMON_CODES
    assert len(told) <= 1


# Those that every provider knows in some form: whether to try again must not be lost.
COMMON_CODES = ("auth_error", "config_error", "invalid_request", "rate_limit", "provider_error")


@every()
def test_a_socket_is_closed_as_the_protocol_allows(named: Named) -> None:
    server = start(named).server
    for ending in ENDINGS:
        rule = RULES.get(ending)
        code, reason = server.closing((rule and rule.close_code) or 1000, ending)
        assert code in {1000, 1001, 1002, 1003, *range(1007, 1015)} or 3000 <= code < 5000
        assert len(reason.encode()) <= 123


@every()
def test_an_upgrade_is_refused_in_words(named: Named) -> None:
    for code in RULES:
        error = GatewayError("no model 'x'", code=code, param="model", retry_after=3.0)
        refused = named.wire.refusal(error, "request-1")
        assert 400 <= refused.status < 600
        assert refused.status == 401 or b"no model 'x'" in msgspec.json.encode(refused.body)
        for name, value in {**refused.headers, **named.wire.headers("request-1")}.items():
            assert (name + value).isascii()
            assert (name + value).isprintable()


@every()
def test_its_messages_are_not_taken_for_unified_ones(named: Named) -> None:
    assert not named.wire.marks.types & {*TYPES, *ALIASES}
