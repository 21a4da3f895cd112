"""ElevenLabs' realtime Scribe, frame by frame: commits of either strategy, and their answers."""

from __future__ import annotations

import base64
import json
import math
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from voxway import events as e
from voxway.errors import RULES, ConfigError, ProtocolError
from voxway.wire.base import Address, Codec, Frame, Opening, decode
from voxway.wire.elevenlabs_stt import WIRE
from voxway.wire.elevenlabs_stt_messages import NATIVE, OURS

ADDRESS = Address("wss://api.elevenlabs.io", "scribe_v2_realtime", "KEY")
OPTIONS = e.ListenOptions(language="en-US", encoding="linear16", sample_rate=8000)
SECOND = bytes(16_000)  # of OPTIONS
COMMIT = {"message_type": "input_audio_chunk", "audio_base_64": "", "commit": True}


def opening(*query: tuple[str, str]) -> Opening:
    return Opening((("model_id", "scribe_v2_realtime"), ("audio_format", "pcm_8000"), *query))


def server(*query: tuple[str, str]) -> Any:
    return WIRE.server(opening(*query))


def client(options: e.ListenOptions = OPTIONS) -> Any:
    return WIRE.client(options, ADDRESS)


def said(codec: Codec, *frames: object) -> list[e.Event]:
    """What a codec makes of frames; objects are JSON."""
    texts = [frame if isinstance(frame, str) else json.dumps(frame) for frame in frames]
    return [event for text in texts for event in decode(codec, text)]


def frames(codec: Codec, *events: e.Event) -> list[Any]:
    out: list[Frame] = [frame for event in events for frame in codec.encode(event)]
    return [json.loads(frame) for frame in out]


def chunk(data: bytes, **more: object) -> dict[str, object]:
    audio = base64.b64encode(data).decode()
    return {"message_type": "input_audio_chunk", "audio_base_64": audio, **more}


def word(text: str, start: float, end: float, **more: Any) -> e.Word:
    return e.Word(text=text, start=start, end=end, **more)


PAUSED = e.Transcript("Good morning.", True, start=0.0, duration=0.5)
MORE = e.Transcript("What a day.", True, from_finalize=True, is_endpoint=False)


# The URL


@pytest.mark.parametrize(
    ("name", "encoding", "rate"),
    [
        *[(f"pcm_{r}", "linear16", r) for r in (8000, 16_000, 22_050, 24_000, 44_100, 48_000)],
        ("ulaw_8000", "mulaw", 8000),
    ],
)
def test_an_audio_format_is_an_encoding_and_a_rate(name: str, encoding: str, rate: int) -> None:
    codec = WIRE.server(Opening((("audio_format", name),)))
    options = e.ListenOptions(encoding=encoding, sample_rate=rate)
    assert list(codec.opening()) == [e.Start(options)]
    [started] = frames(codec, e.Ready("s1"))
    assert started["config"]["sample_rate"] == rate
    assert started["config"]["audio_format"] == name


def test_a_url_is_the_whole_configuration_and_told_again() -> None:
    codec = server(
        ("commit_strategy", "vad"),
        ("language_code", "de"),
        ("include_timestamps", "true"),
        ("vad_silence_threshold_secs", "0.5"),
        ("keyterms", "alpha"),
        ("keyterms", "beta"),
        ("enable_logging", "false"),
        ("token", "secret"),
        ("entity_detection", "pii"),
    )
    assert list(codec.opening()) == [
        e.Start(
            e.ListenOptions(
                language="de",
                encoding="linear16",
                sample_rate=8000,
                word_timestamps=True,
                extra={
                    "vad_silence_threshold_secs": 0.5,
                    "keyterms": ("alpha", "beta"),
                    "entity_detection": "pii",
                },
            )
        )
    ]
    assert frames(codec, e.Ready("s1", "r1", "m1", "linear16", 8000)) == [
        {
            "message_type": "session_started",
            "session_id": "s1",
            "config": {
                "sample_rate": 8000,
                "audio_format": "pcm_8000",
                "model_id": "scribe_v2_realtime",
                "language_code": "de",
                "commit_strategy": "vad",
                "vad_silence_threshold_secs": 0.5,
                "vad_threshold": 0.4,
                "min_speech_duration_ms": 100,
                "min_silence_duration_ms": 100,
                "enable_logging": False,
                "include_timestamps": True,
                "include_language_detection": False,
                "keyterms": ["alpha", "beta"],
                "secondary_languages": [],
                "no_verbatim": False,
            },
        }
    ]


@pytest.mark.parametrize(("given", "ours"), [("eng", "en"), ("DE", "de"), ("ceb", "ceb")])
def test_languages_of_three_letters_are_ours_of_two(given: str, ours: str) -> None:
    """pipecat 1.14 sends ISO 639-3."""
    codec = server(("language_code", given))
    [start] = codec.opening()
    assert start.options.language == ours
    [started] = frames(codec, e.Ready("s1"))
    assert started["config"]["language_code"] == given


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("language_code", "en-US"),
        ("commit_strategy", "often"),
        ("vad_silence_threshold_secs", "0.2"),
        ("vad_silence_threshold_secs", "3.1"),
        ("vad_threshold", "1"),
        ("min_speech_duration_ms", "49"),
        ("min_silence_duration_ms", "2001"),
        ("include_timestamps", "maybe"),
    ],
)
def test_what_the_provider_refuses_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        server((name, value))
    assert refused.value.param == name


@pytest.mark.parametrize("name", ["pcm_32000", "ulaw_16000", "mp3", ""])
def test_an_audio_format_that_is_not_listed_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="pcm_16000") as refused:
        WIRE.server(Opening((("audio_format", name),)))
    assert refused.value.param == "audio_format"


# What clients say


def test_what_the_sdk_says() -> None:
    """elevenlabs 2.78, as captured."""
    more = {"commit": False, "sample_rate": 8000, "previous_text": None}
    assert said(
        server(),
        chunk(SECOND, **more),
        chunk(SECOND, **more),
        chunk(b"", commit=True, sample_rate=8000),
    ) == [e.Audio(SECOND), e.Audio(SECOND), e.Flush()]


def test_what_livekit_says() -> None:
    """livekit-plugins-elevenlabs 1.8.9: keepalives, and silence before a commit that is short."""
    more = {"commit": False, "sample_rate": 8000}
    assert said(
        server(),
        chunk(b"", **more, previous_text="Before"),
        chunk(bytes(1600), **more),
        chunk(bytes(3200), **more),
        {**COMMIT, "sample_rate": 8000},
        chunk(b"", **more),
    ) == [e.KeepAlive(), e.Audio(bytes(1600)), e.Audio(bytes(3200)), e.Flush(), e.KeepAlive()]


@pytest.mark.parametrize(
    ("frame", "commands"),
    [
        (chunk(SECOND, commit=True), [e.Audio(SECOND), e.Flush()]),
        (chunk(SECOND), [e.Audio(SECOND)]),
        ({"message_type": "commit"}, [e.Flush()]),
        (COMMIT, [e.Flush()]),
        (chunk(b"", commit=False), [e.KeepAlive()]),
    ],
)
def test_each_message_is_a_command(frame: object, commands: list[e.Event]) -> None:
    codec = server()
    said(codec, chunk(SECOND))
    assert said(codec, frame) == commands


@pytest.mark.parametrize(
    ("frame", "param"),
    [
        ("hello", None),
        ("{}", "message_type"),
        ('{"message_type":"sing"}', "message_type"),
        ('{"message_type":"input_audio_chunk"}', "audio_base_64"),
        ('{"message_type":"input_audio_chunk","audio_base_64":"%%%"}', "audio_base_64"),
        ('{"message_type":"input_audio_chunk","audio_base_64":null}', "audio_base_64"),
        ('{"message_type":"input_audio_chunk","audio_base_64":"","commit":"yes"}', "commit"),
        (chunk(SECOND, previous_text="late"), "previous_text"),
    ],
)
def test_a_frame_that_cannot_be_is_told_with_its_field(frame: object, param: str | None) -> None:
    codec = server()
    said(codec, chunk(b""))
    [bad] = said(codec, frame)
    assert isinstance(bad, e.Malformed)
    assert (bad.code, bad.is_fatal) == ("invalid_request", False)
    assert bad.param == param


def test_a_commit_of_too_little_is_throttled_and_costs_nothing() -> None:
    codec = server()
    [bad] = said(codec, chunk(bytes(4798)), COMMIT)[1:]
    assert isinstance(bad, e.Malformed)
    failed = e.Failed(bad.code, bad.message, param=bad.param)
    assert frames(codec, failed) == [
        {"message_type": "commit_throttled", "error": "commit of less than 0.3 s of audio"}
    ]
    assert said(codec, chunk(bytes(2)), COMMIT) == [e.Audio(bytes(2)), e.Flush()]
    assert isinstance(said(codec, COMMIT)[0], e.Malformed)


def test_after_ninety_seconds_it_is_committed_unasked() -> None:
    codec = server()
    assert said(codec, chunk(SECOND * 89), chunk(SECOND)) == [
        e.Audio(SECOND * 89),
        e.Audio(SECOND),
        e.Flush(),
    ]
    assert said(codec, chunk(SECOND)) == [e.Audio(SECOND)]


# What clients are told


def test_by_hand_all_since_the_last_commit_is_told() -> None:
    partial = e.Transcript("What a", False)
    assert frames(server(), partial, PAUSED, partial, MORE, partial, MORE) == [
        {"message_type": "partial_transcript", "text": "What a"},
        {"message_type": "partial_transcript", "text": "Good morning."},
        {"message_type": "partial_transcript", "text": "Good morning. What a"},
        {"message_type": "committed_transcript", "text": "Good morning. What a day."},
        {"message_type": "partial_transcript", "text": "What a"},
        {"message_type": "committed_transcript", "text": "What a day."},
    ]


@pytest.mark.parametrize("strategy", ["vad", "turn_prediction"])
def test_a_pause_commits_where_the_strategy_says_so(strategy: str) -> None:
    codec = server(("commit_strategy", strategy))
    said(codec, chunk(SECOND))
    assert frames(codec, e.Transcript("Good", False), PAUSED, MORE) == [
        {"message_type": "partial_transcript", "text": "Good"},
        {"message_type": "committed_transcript", "text": "Good morning."},
        {"message_type": "committed_transcript", "text": "What a day."},
    ]
    assert isinstance(said(codec, COMMIT)[0], e.Malformed), "the pause has committed"


@pytest.mark.parametrize("strategy", ["manual", "vad"])
def test_nothing_heard_is_told_if_it_was_asked_for(strategy: str) -> None:
    """livekit takes an empty commit for the end of speech."""
    codec = server(("commit_strategy", strategy))
    nothing = e.Transcript("", True)
    answer = e.Transcript("", True, from_finalize=True)
    assert frames(codec, e.Transcript("", False), nothing, answer) == [
        {"message_type": "committed_transcript", "text": ""}
    ]


def test_a_commit_is_told_again_with_its_times() -> None:
    codec = server(("include_timestamps", "true"), ("language_code", "en"))
    first = e.Transcript(
        "Good morning.",
        True,
        confidence=0.5,
        words=(word("Good", 0.1, 0.30004), word("morning.", 0.4, 0.9, confidence=1.0)),
    )
    second = e.Transcript(
        "Yes", True, from_finalize=True, language="de", words=(word("Yes", 1.5, 1.75, speaker=1),)
    )
    told = frames(codec, first, second)[-2:]
    assert told[0] == {"message_type": "committed_transcript", "text": "Good morning. Yes"}
    assert told[1] == {
        "message_type": "committed_transcript_with_timestamps",
        "text": "Good morning. Yes",
        "language_code": "de",
        "words": [
            timed("Good", 0.1, 0.3),
            timed(" ", 0.3, 0.4, "spacing"),
            timed("morning.", 0.4, 0.9),
            timed(" ", 0.9, 1.5, "spacing"),
            timed("Yes", 1.5, 1.75) | {"speaker_id": "speaker_1"},
        ],
    }


def timed(text: str, start: float, end: float, type: str = "word") -> dict[str, object]:
    return {"text": text, "start": start, "end": end, "type": type, "logprob": 0.0}


def test_the_logprob_of_a_word_is_its_confidence_or_that_of_all() -> None:
    codec = server(("include_timestamps", "true"))
    words = (word("a", 0, 1), word("b", 1, 2, confidence=0.25), word("c", 2, 3, confidence=0.0))
    told = frames(codec, e.Transcript("a b c", True, True, 0.5, words=words))[-1]["words"]
    sure = [timed["logprob"] for timed in told if timed["type"] == "word"]
    assert sure == pytest.approx([math.log(0.5), math.log(0.25), math.log(1e-9)])


def test_where_a_language_is_asked_for_a_commit_is_told_again_without_words() -> None:
    codec = server(("include_language_detection", "true"), ("language_code", "fr"))
    told = frames(codec, e.Transcript("Oui", True, True, words=(word("Oui", 0, 1),)))
    assert told[1] == {
        "message_type": "committed_transcript_with_timestamps",
        "text": "Oui",
        "language_code": "fr",
        "words": None,
    }


@pytest.mark.parametrize("code", [*RULES, "of_a_provider"])
def test_an_error_has_one_of_the_provider_s_types(code: str) -> None:
    codec = server()
    [told] = frames(codec, e.Failed(code, "it went wrong", fatal=True), e.Ended(code))
    assert told["error"] == "it went wrong"
    assert told["message_type"] in OURS
    assert codec.closing(1011, code) == (1008, told["message_type"])


def test_an_end_is_told_if_it_is_no_good_one() -> None:
    codec = server()
    assert frames(codec, e.Ended("client_closed"), e.Ended()) == []
    [told] = frames(codec, e.Ended("idle_timeout_exceeded"))
    assert told["message_type"] == "insufficient_audio_activity"
    assert codec.closing(1000, "client_closed") == (1000, "")


def test_warnings_are_told_and_what_has_no_word_is_not() -> None:
    warning = e.Warning("unsupported_option", "no keyterms here", "keyterms")
    silent = (e.SpeechStarted(0.5), e.UtteranceEnd(1.0), e.KeepAlive(), e.Cleared())
    assert frames(server(), warning, *silent) == [
        {"message_type": "warning", "warning": "no keyterms here"}
    ]


# To ElevenLabs


def query_of(options: e.ListenOptions) -> dict[str, list[str]]:
    return parse_qs(urlsplit(WIRE.endpoint(options, ADDRESS).url).query)


def test_where_we_connect() -> None:
    options = e.ListenOptions(
        language="en_US",
        encoding="mulaw",
        sample_rate=8000,
        extra={"keyterms": ["alpha", "beta"], "vad_threshold": 0.5, "unknown": 1},
    )
    endpoint = WIRE.endpoint(options, ADDRESS)
    assert endpoint.url.startswith("wss://api.elevenlabs.io/v1/speech-to-text/realtime?")
    assert endpoint.headers == {"xi-api-key": "KEY"}
    assert query_of(options) == {
        "model_id": ["scribe_v2_realtime"],
        "audio_format": ["ulaw_8000"],
        "commit_strategy": ["vad"],
        "language_code": ["en"],
        "include_timestamps": ["true"],
        "vad_threshold": ["0.5"],
        "keyterms": ["alpha", "beta"],
    }


def test_without_a_language_we_ask_which_it_is() -> None:
    query = query_of(e.ListenOptions(encoding="linear16", sample_rate=24_000))
    assert query["include_language_detection"] == ["true"]
    assert query["audio_format"] == ["pcm_24000"]
    assert "language_code" not in query


@pytest.mark.parametrize(("encoding", "rate"), [("mp3", 16_000), ("linear16", 32_000)])
def test_what_elevenlabs_does_not_take_is_not_sent(encoding: str, rate: int) -> None:
    with pytest.raises(ConfigError, match=f"{encoding} at {rate} Hz"):
        WIRE.endpoint(e.ListenOptions(encoding=encoding, sample_rate=rate), ADDRESS)


def test_audio_commits_and_keepalives_are_chunks() -> None:
    codec = client()
    commands = (e.Start(OPTIONS), e.Audio(SECOND), e.KeepAlive(), e.Flush(), e.Finish())
    assert frames(codec, *commands) == [
        chunk(SECOND, commit=False, sample_rate=8000),
        chunk(b"", commit=False, sample_rate=8000),
        chunk(b"", commit=True, sample_rate=8000),
    ]


@pytest.mark.parametrize(
    ("encoding", "silent", "size"), [("linear16", b"\0", 4800), ("mulaw", b"\xff", 2400)]
)
def test_a_commit_that_would_be_too_short_is_filled_up(
    encoding: str, silent: bytes, size: int
) -> None:
    codec = client(e.ListenOptions(encoding=encoding, sample_rate=8000))
    first, second, third, *_ = frames(
        codec, e.Flush(), e.Audio(bytes(size - 2)), e.Flush(), e.Audio(bytes(size)), e.Flush()
    )
    assert first == chunk(silent * size, commit=True, sample_rate=8000)
    assert second == chunk(bytes(size - 2), commit=False, sample_rate=8000)
    assert third == chunk(silent * 2, commit=True, sample_rate=8000)
    assert _[-1] == chunk(b"", commit=True, sample_rate=8000)


def committed(text: str, *words: dict[str, object], language: str | None = "en") -> list[object]:
    """A commit, which is told twice."""
    plain = {"message_type": "committed_transcript", "text": text}
    again = {"message_type": "committed_transcript_with_timestamps", "text": text}
    return [plain, {**again, "language_code": language, "words": list(words)}]


def test_a_session_is_heard() -> None:
    codec = client()
    got = said(
        codec,
        {"message_type": "session_started", "session_id": "s1", "config": {"new": 1}},
        {"message_type": "partial_transcript", "text": ""},
        {"message_type": "partial_transcript", "text": "Good"},
        *committed(
            " Good morning.",
            timed("Good", 0.25, 0.5) | {"logprob": math.log(0.5), "speaker_id": "speaker_2"},
            timed(" ", 0.5, 0.75, "spacing"),
            timed("morning.", 0.75, 1.5) | {"logprob": 0.5, "characters": None},
        ),
        {"message_type": "warning", "warning": "careful"},
        {"message_type": "edited_transcript", "text": "new types are nothing"},
    )
    assert got == [
        e.Ready("s1", encoding="linear16", sample_rate=8000),
        e.Transcript("Good", False),
        e.Transcript(
            "Good morning.",
            True,
            confidence=0.75,
            language="en",
            start=0.25,
            duration=1.25,
            words=(
                word("Good", 0.25, 0.5, confidence=0.5, speaker=2),
                word("morning.", 0.75, 1.5, confidence=1.0),
            ),
        ),
        e.Warning("provider_warning", "careful"),
    ]


def test_a_language_of_three_letters_is_told_by_two() -> None:
    [told] = said(client(), *committed("Hallo.", language="deu"))
    assert told == e.Transcript("Hallo.", True, language="de")


def test_partials_are_dropped_where_nobody_wants_them() -> None:
    codec = client(e.ListenOptions(partials=False))
    assert said(codec, {"message_type": "partial_transcript", "text": "Good"}) == []


ANSWER = e.Transcript("", True, from_finalize=True, is_endpoint=False)


def test_every_flush_has_one_answer() -> None:
    codec = client()
    frames(codec, e.Audio(SECOND), e.Flush(), e.Flush())
    first, second = said(codec, *committed("Hello."), *committed("", language=None))
    assert (first.text, first.from_finalize, first.is_endpoint) == ("Hello.", True, False)  # type: ignore[attr-defined]
    assert second == ANSWER
    assert said(codec, *committed("")) == [], "a boundary is no text"
    [paused] = said(codec, *committed("Again."))
    assert paused == e.Transcript("Again.", True, language="en")


@pytest.mark.parametrize("left", ["nothing", "empty", "throttled"])
def test_a_pause_that_overtakes_a_flush_is_its_answer(left: str) -> None:
    codec = client()
    frames(codec, e.Audio(SECOND), e.Flush())
    throttled = {"message_type": "commit_throttled", "error": "too short"}
    rest: dict[str, list[object]] = {"empty": committed(""), "throttled": [throttled]}
    answers = said(codec, *committed("Hello."), *rest.get(left, []))
    assert answers == [e.Transcript("Hello.", True, True, language="en", is_endpoint=False)]


def test_what_a_racing_pause_left_is_a_final_of_its_own() -> None:
    codec = client()
    frames(codec, e.Audio(SECOND), e.Flush())
    got = said(codec, *committed("Hello."), *committed("You."))
    assert [event.from_finalize for event in got] == [True, False]  # type: ignore[attr-defined]


def test_a_throttled_commit_is_answered_with_nothing() -> None:
    codec = client()
    frames(codec, e.Audio(SECOND), e.Flush())
    assert said(codec, {"message_type": "commit_throttled", "error": "x"}) == [ANSWER]


def test_after_a_pause_a_commit_is_filled_up() -> None:
    codec = client()
    frames(codec, e.Audio(SECOND))
    said(codec, *committed("Hello."))
    [commit] = frames(codec, e.Flush())
    assert commit == chunk(bytes(4800), commit=True, sample_rate=8000)


def test_times_are_told_without_the_silence_that_we_put_in() -> None:
    codec = client()
    frames(codec, e.Flush())  # 0.3 s of silence at 0
    frames(codec, e.Audio(SECOND), e.Flush(), e.Flush())  # and at 1.3 s
    said(codec, *committed(""))
    [first] = said(codec, *committed("a", timed("a", 0.8, 1.3)))
    said(codec, *committed(""))
    [second] = said(codec, *committed("b", timed("b", 2.0, 2.25)))
    assert [round(t.start, 3) for t in (first, second)] == [0.5, 1.4]  # type: ignore[attr-defined]
    assert round(first.words[0].end, 3) == 1.0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("native", "code", "retryable"),
    [
        ("auth_error", "auth_error", False),
        ("quota_exceeded", "rate_limit_exceeded", False),
        ("rate_limited", "rate_limit", True),
        ("insufficient_audio_activity", "idle_timeout_exceeded", True),
        ("session_time_limit_exceeded", "max_connection_duration_exceeded", True),
        ("input_error", "invalid_request", False),
        ("transcriber_error", "provider_error", True),
        ("error", "provider_error", True),
    ],
)
def test_errors_of_elevenlabs_are_ours(native: str, code: str, retryable: bool) -> None:
    frame = {"message_type": native, "error": "No."}
    assert said(client(), frame) == [e.Failed(code, "No.", retryable)]


def test_every_error_of_ours_has_a_type_there_and_the_other_way_round() -> None:
    assert set(NATIVE) <= set(RULES)
    assert set(NATIVE.values()) <= set(OURS)
    assert set(OURS.values()) <= set(RULES)


@pytest.mark.parametrize(
    "frame", ["", "hello", "[]", '{"message_type":5}', '{"message_type":"x","words":[{"end":""}]}']
)
def test_garbage_from_elevenlabs_is_told_as_such(frame: str) -> None:
    [bad] = decode(client(), frame)
    assert isinstance(bad, e.Malformed)


def test_both_sides_agree_through_commits_of_either_kind() -> None:
    near = client()
    far = WIRE.server(
        Opening(
            tuple((name, value) for name, values in query_of(OPTIONS).items() for value in values)
        )
    )
    heard = said(far, *[json.dumps(f) for f in frames(near, e.Audio(SECOND), e.Flush(), e.Flush())])
    assert [type(event) for event in heard] == [e.Audio, e.Flush, e.Audio, e.Flush]
    told = (
        e.Ready("s1"),
        e.Transcript("One", False),
        e.Transcript("One.", True, words=(word("One.", 0.25, 0.5, confidence=1.0, speaker=3),)),
        e.Transcript("Two.", True, from_finalize=True, words=(word("Two.", 0.5, 1.0),)),
        e.Transcript("", True, from_finalize=True),
    )
    back = said(near, *[frame for event in told for frame in far.encode(event)])
    # The pause came before the answers of two commits: it is the first of them.
    assert back == [
        e.Ready("s1", encoding="linear16", sample_rate=8000),
        e.Transcript("One", False),
        e.Transcript(
            "One.",
            True,
            from_finalize=True,
            confidence=1.0,
            language="en",
            start=0.25,
            duration=0.25,
            words=(word("One.", 0.25, 0.5, confidence=1.0, speaker=3),),
            is_endpoint=False,
        ),
        e.Transcript(
            "Two.",
            True,
            from_finalize=True,
            confidence=1.0,
            language="en",
            start=0.5,
            duration=0.5,
            words=(word("Two.", 0.5, 1.0, confidence=1.0),),
            is_endpoint=False,
        ),
    ]
