"""A recognition session, event by event: audio up, transcripts down, nothing lost on the way."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxway.audio.encode import Encoder
from voxway.audio.formats import AudioFormat
from voxway.audio.wav import wav_header
from voxway.catalog import MOONSHINE
from voxway.events import (
    Audio,
    Cancel,
    Clear,
    Ended,
    Event,
    Failed,
    Finish,
    Flush,
    KeepAlive,
    ListenOptions,
    Malformed,
    Ready,
    SpeechStarted,
    Start,
    Text,
    Transcript,
    UtteranceEnd,
)
from voxway.limits import TIERS, Meter
from voxway.session.actions import Action, Brief, Close, Identity, Rest, ToClient, ToUpstream
from voxway.session.stt import SttSession

IDENTITY = Identity("s1", "r1", "local/moonshine:tiny-en")
RESOLVED = ListenOptions(language="en", encoding="linear16", sample_rate=16000)


def session(tier: str = "enterprise") -> SttSession:
    return SttSession(Brief(IDENTITY, MOONSHINE), Meter(TIERS[tier], 0.0))


def say(s: SttSession, *commands: Event, now: float = 0.0) -> list[Action]:
    return [action for command in commands for action in s.from_client(command, now)]


def hear(s: SttSession, *events: Event, now: float = 0.0) -> list[Action]:
    return [action for event in events for action in s.from_upstream(event, 0, now)]


def upstream(actions: Iterable[Action]) -> list[Event]:
    return [action.event for action in actions if isinstance(action, ToUpstream)]


def errors(actions: Iterable[Action]) -> list[Failed]:
    events = [action.event for action in actions if isinstance(action, ToClient)]
    return [event for event in events if isinstance(event, Failed)]


def test_audio_goes_up_as_it_comes_and_transcripts_come_down() -> None:
    s = session()
    assert say(s, Start(ListenOptions()), Audio(b"abcd")) == [
        ToUpstream(Start(RESOLVED)),
        ToUpstream(Audio(b"abcd")),
    ]
    events = [
        SpeechStarted(0.1),
        Transcript("hel", final=False),
        Transcript("Hello.", final=True, start=0.1, duration=1.0),
        UtteranceEnd(1.1),
    ]
    assert hear(s, *events) == [ToClient(event) for event in events]


def test_audio_may_come_before_init() -> None:
    assert upstream(say(session(), Audio(b"abcd"))) == [Start(RESOLVED), Audio(b"abcd")]


def test_ready_says_which_audio_is_expected() -> None:
    s = session()
    say(s, Start(ListenOptions(encoding="pcm_mulaw", sample_rate=8000)))
    [ready] = hear(s, Ready("engine"))
    assert isinstance(ready, ToClient)
    assert isinstance(ready.event, Ready)
    assert (ready.event.encoding, ready.event.sample_rate) == ("mulaw", 8000)


def test_close_delivers_the_outstanding_finals_and_then_ends() -> None:
    s = session()
    say(s, Audio(bytes(32_000)))
    assert say(s, Finish()) == [ToUpstream(Finish())]
    final = Transcript("The end.", final=True)
    told, ended, close = hear(s, final, Ended("closed"))
    assert told == ToClient(final)
    assert isinstance(ended, ToClient)
    assert isinstance(ended.event, Ended)
    assert ended.event.usage is not None
    assert ended.event.usage.audio_in == 1.0
    assert close == Close(1000, "client_closed")


def test_close_without_audio_ends_at_once() -> None:
    assert say(session(), Finish())[-1] == Close(1000, "client_closed")


def test_a_recognizer_that_ends_unasked_is_a_retryable_error() -> None:
    s = session()
    say(s, Audio(b"abcd"))
    assert hear(s, Ended("bye"))[-1] == Close(1011, "backend_error")
    s = session()
    say(s, Audio(b"abcd"), Finish())
    [failed] = errors(s.upstream_lost("gone", "", 1.0))
    assert failed.retryable


def test_an_empty_frame_is_an_error_and_the_session_lives_on() -> None:
    s = session()
    [failed] = errors(say(s, Audio(b"")))
    assert (failed.code, failed.param, failed.fatal) == ("invalid_request", "audio", False)
    assert "0 bytes" in failed.message
    assert upstream(say(s, Audio(b"ab"))) == [Audio(b"ab")]


def test_odd_frames_are_joined_to_whole_samples_and_said_once() -> None:
    s = session()
    actions = say(s, Audio(b"abc"), Audio(b"de"), Audio(b"f"), Audio(b"gh"))
    assert b"".join(e.data for e in upstream(actions) if isinstance(e, Audio)) == b"abcdefgh"
    assert all(len(e.data) % 2 == 0 for e in upstream(actions) if isinstance(e, Audio))
    [failed] = errors(actions)
    assert "frame of 3 bytes is not whole 2-byte samples" in failed.message
    assert failed.param == "audio"


@given(st.lists(st.binary(min_size=1, max_size=9)))
def test_no_byte_is_lost_however_audio_is_cut(pieces: list[bytes]) -> None:
    s = session()
    sent = b"\x01\x02" + b"".join(pieces)
    actions = say(s, Audio(b"\x01\x02"), *map(Audio, pieces))
    got = b"".join(e.data for e in upstream(actions) if isinstance(e, Audio))
    assert got == sent[: len(sent) - len(sent) % 2]


@pytest.mark.parametrize("cut", [1, 4, 13, 44, 60, 144])
def test_a_riff_header_inside_linear16_is_left_out_and_told(cut: int) -> None:
    s = session()
    whole = wav_header(16000, 100) + bytes(range(100))
    actions = say(s, Audio(whole[:cut]), Audio(whole[cut:] or b"\0\0"))
    [failed] = errors(actions)
    assert "RIFF/WAVE header inside linear16" in failed.message
    assert failed.param == "audio"
    got = b"".join(e.data for e in upstream(actions) if isinstance(e, Audio))
    assert got[:100] == bytes(range(100))


def test_a_wav_file_is_no_error_if_wav_was_announced() -> None:
    s = session()
    whole = wav_header(16000, 100) + bytes(100)
    actions = say(s, Start(ListenOptions(encoding="wav")), Audio(whole))
    assert errors(actions) == []
    assert upstream(actions)[1] == Audio(whole)


@pytest.mark.parametrize(
    ("options", "param"),
    [
        (ListenOptions(sample_rate=7), "sample_rate"),
        (ListenOptions(encoding="midi"), "encoding"),
        (ListenOptions(language="fr"), "language"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_and_may_be_sent_again(
    options: ListenOptions, param: str
) -> None:
    s = session()
    [failed] = errors(say(s, Start(options)))
    assert (failed.code, failed.param, failed.fatal) == ("config_error", param, False)
    assert upstream(say(s, Start(ListenOptions()))) == [Start(RESOLVED)]


@pytest.mark.parametrize("command", [Text("hi"), Clear(), Cancel(), Malformed("x"), Start()])
def test_what_does_not_belong_here_is_an_error_and_the_session_lives_on(command: Event) -> None:
    s = session()
    say(s, Audio(b"ab"))
    [failed] = errors(say(s, command))
    assert not failed.fatal
    assert upstream(say(s, Flush())) == [Flush()]


def test_audio_far_faster_than_real_time_lets_the_reader_rest() -> None:
    s = session("local")
    minute = Audio(bytes(1_000_000))  # 31 s
    assert not any(isinstance(a, Rest) for a in say(s, minute))
    rests = [a.seconds for a in say(s, minute, minute) if isinstance(a, Rest)]
    assert rests == [(2 * 31.25 - 60) / 8, (3 * 31.25 - 60) / 8]


def test_audio_is_no_message_but_has_a_bound_of_its_own() -> None:
    s = session("free")
    assert not errors(say(s, *[Audio(b"ab")] * 200))
    assert say(s, Audio(bytes(16 * 1024 + 2)))[-1] == Close(4002, "payload_too_large")


def test_a_ping_is_answered_and_silence_with_keepalives_is_not_idle() -> None:
    s = session()
    assert say(s, KeepAlive(reply=True)) == [ToClient(KeepAlive())]
    say(s, KeepAlive(), now=200.0)
    assert list(s.tick(499.0)) == []
    assert list(s.tick(500.0))[-1] == Close(1008, "idle_timeout_exceeded")


def test_a_finish_that_gets_no_answer_ends_after_a_while() -> None:
    s = session()
    say(s, Audio(b"ab"), Finish())
    assert list(s.tick(15.0))[-1] == Close(1000, "finish_timeout")


def test_a_long_rest_may_take_its_time_as_long_as_something_is_heard_of_it() -> None:
    s = session("free")
    say(s, Start(ListenOptions()), Audio(bytes(3200)), Finish())
    for now in range(10, 290, 10):
        hear(s, Transcript("and", False), now=float(now))
        assert list(s.tick(float(now))) == []
    assert [a for a in s.tick(295.0) if isinstance(a, Close)]


def test_what_the_recognizer_takes_is_measured() -> None:
    meter = Meter(TIERS["enterprise"], 0.0)
    s = SttSession(Brief(IDENTITY, MOONSHINE), meter)
    say(s, Start(), now=1.0)
    assert meter.usage(2.0).provider_time == 0.0
    say(s, Audio(b"\0" * 640), now=3.0)
    hear(s, Transcript("", final=False), now=3.25)
    hear(s, Transcript("hello", final=False), now=3.5)
    hear(s, Transcript("hello there", final=True), now=4.0)
    say(s, Finish(abort=True), now=5.0)
    usage = meter.usage(99.0)
    assert (usage.ttfa, usage.provider_time, usage.audio_in) == (0.5, 2.0, 0.02)
    assert usage.model == "local/moonshine:tiny-en"


def test_compressed_audio_counts_by_what_it_says_of_itself() -> None:
    meter = Meter(TIERS["enterprise"], 0.0)
    s = SttSession(Brief(IDENTITY, MOONSHINE), meter)
    say(s, Start(ListenOptions(encoding="mp3")))
    encoder = Encoder(AudioFormat("mp3", 16000), 16000)
    for _ in range(200):  # much faster than it sounds: nobody is asked to rest
        frames = encoder.feed(bytes(32_000))
        assert say(s, Audio(frames)) == [ToUpstream(Audio(frames))]
    assert meter.usage(1.0).audio_in == pytest.approx(200.0, abs=0.1)
