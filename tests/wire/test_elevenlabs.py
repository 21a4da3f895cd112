"""ElevenLabs' speech sockets, frame by frame: what its clients say and read, and what we say."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from msgspec import structs

from voxway import events as e
from voxway.errors import ConfigError, ProtocolError
from voxway.wire import elevenlabs, elevenlabs_multi
from voxway.wire.base import Address, Codec, Frame, Opening, Wire, decode
from voxway.wire.elevenlabs_messages import key_in

SINGLE, MULTI = elevenlabs.WIRE, elevenlabs_multi.WIRE
ADDRESS = Address("wss://api.elevenlabs.io", "eleven_flash_v2_5", "KEY")
OPTIONS = e.SpeakOptions(voice="v1", language="en-GB", encoding="linear16", sample_rate=8000)
MP3 = e.SpeakOptions(
    voice="v1",
    encoding="mp3",
    sample_rate=44_100,
    word_timestamps=True,
    extra={"bit_rate": 128_000},
)
BOTH = pytest.mark.parametrize("wire", [SINGLE, MULTI], ids=["single", "multi"])


def opening(*query: tuple[str, str]) -> Opening:
    return Opening(query, {"voice": "v1"}, model="elevenlabs")


def said(codec: Codec, *frames: object) -> list[e.Event]:
    """What a codec makes of frames; objects are JSON."""
    texts = [frame if isinstance(frame, str) else json.dumps(frame) for frame in frames]
    return [event for text in texts for event in decode(codec, text)]


def frames(codec: Codec, *events: e.Event) -> list[Any]:
    out: list[Frame] = [frame for event in events for frame in codec.encode(event)]
    return [json.loads(frame) for frame in out]


def words(*texts: str, at: float = 0.0, each: float = 0.25) -> e.Words:
    return e.Words(
        tuple(
            e.Word(text=text, start=at + n * each, end=at + (n + 1) * each)
            for n, text in enumerate(texts)
        )
    )


def times(event: e.Event) -> list[tuple[str, float, float]]:
    assert isinstance(event, e.Words)
    return [(word.text, round(word.start, 3), round(word.end, 3)) for word in event.words]


# The URL


@BOTH
@pytest.mark.parametrize(
    ("name", "encoding", "rate", "bit_rate"),
    [
        ("mp3_22050_32", "mp3", 22_050, 32_000),
        ("mp3_44100_192", "mp3", 44_100, 192_000),
        ("pcm_8000", "linear16", 8000, None),
        ("pcm_22050", "linear16", 22_050, None),
        ("pcm_44100", "linear16", 44_100, None),
        ("pcm_48000", "linear16", 48_000, None),
        ("ulaw_8000", "mulaw", 8000, None),
        ("alaw_8000", "alaw", 8000, None),
        ("opus_48000_96", "opus", 48_000, 96_000),
    ],
)
def test_an_output_format_is_an_encoding_a_rate_and_a_bit_rate(
    wire: Wire, name: str, encoding: str, rate: int, bit_rate: int | None
) -> None:
    [start] = said(wire.server(opening(("output_format", name))), {"text": " "})
    assert isinstance(start, e.Start)
    assert isinstance(start.options, e.SpeakOptions)
    assert (start.options.encoding, start.options.sample_rate) == (encoding, rate)
    assert start.options.extra.get("bit_rate") == bit_rate


@BOTH
@pytest.mark.parametrize("name", ["pcm_12000", "mp3_44100", "pcm_16000_32", "wav", ""])
def test_an_output_format_that_is_not_listed_is_refused(wire: Wire, name: str) -> None:
    with pytest.raises(ConfigError, match="mp3_44100_128") as refused:
        wire.server(opening(("output_format", name)))
    assert refused.value.param == "output_format"


@BOTH
def test_a_url_is_read_without_its_keys_and_what_is_nothing_to_us(wire: Wire) -> None:
    server = wire.server(
        opening(
            ("model_id", "eleven_v3"),
            ("language_code", "de"),
            ("inactivity_timeout", "180"),
            ("sync_alignment", "true"),
            ("auto_mode", "true"),
            ("enable_logging", "true"),
            ("authorization", "secret"),
            ("single_use_token", "secret"),
            ("optimize_streaming_latency", "3"),
            ("enable_ssml_parsing", "false"),
            ("apply_text_normalization", "on"),
            ("seed", "7"),
        )
    )
    extra = MP3.extra | {"apply_text_normalization": "on", "seed": 7}
    options = structs.replace(MP3, language="de", extra=extra)
    context = "" if wire is SINGLE else "default"
    assert said(server, {"text": " "}) == [e.Start(options, context=context)]


def test_where_the_path_has_no_voice_there_is_none() -> None:
    [start] = said(SINGLE.server(Opening()), {"text": " "})
    assert isinstance(start, e.Start)
    assert start.options == structs.replace(MP3, voice=None)


# The first message


@BOTH
def test_a_url_alone_begins_nothing(wire: Wire) -> None:
    assert list(wire.server(opening()).opening()) == []


@BOTH
def test_a_first_message_configures(wire: Wire) -> None:
    server = wire.server(opening())
    [start] = said(
        server,
        {
            "text": " ",
            "voice_settings": {"stability": 0.5, "style": None, "speed": 1.1},
            "generation_config": {"chunk_length_schedule": [50]},
            "pronunciation_dictionary_locators": [
                {"pronunciation_dictionary_id": "d", "version_id": "1"}
            ],
            "xi_api_key": "secret",
            "try_trigger_generation": True,
        },
    )
    assert isinstance(start, e.Start)
    extra = MP3.extra | {
        "voice_settings": {"stability": 0.5},
        "generation_config": {"chunk_length_schedule": [50]},
        "pronunciation_dictionary_locators": [
            {"pronunciation_dictionary_id": "d", "version_id": "1"}
        ],
    }
    assert start.options == structs.replace(MP3, speed=1.1, extra=extra)


@BOTH
def test_the_other_spelling_of_the_generation_config_is_known(wire: Wire) -> None:
    [start] = said(wire.server(opening()), {"text": " ", "generator_config": {"a": 1}})
    assert isinstance(start, e.Start)
    assert isinstance(start.options, e.SpeakOptions)
    assert start.options.extra["generation_config"] == {"a": 1}


@pytest.mark.parametrize(
    ("frame", "key"),
    [
        ('{"text":" ","xi-api-key":" k1 "}', "k1"),
        ('{"text":" ","xi_api_key":"k2"}', "k2"),
        ('{"text":" ","authorization":"Bearer k3"}', "k3"),
        ('{"text":" ","authorization":"bearer  k4"}', "k4"),
        ('{"text":" ","authorization":"k5"}', "k5"),
        ('{"text":" "}', ""),
        ('{"text":" ","xi-api-key":null}', ""),
        ('{"text":" ","xi-api-key":5}', ""),
        ("[]", ""),
        ("hello", ""),
        (b"\xff", ""),
    ],
)
def test_a_key_may_stand_in_the_first_message(frame: Frame, key: str) -> None:
    assert key_in(frame) == key
    assert SINGLE.key_in is MULTI.key_in is key_in


# One text a socket


def test_what_the_sdk_says_of_one_text() -> None:
    """`convert_realtime` of elevenlabs 2.78, as captured."""
    server = SINGLE.server(opening())
    schedule = {"generation_config": {"chunk_length_schedule": [50]}}
    assert said(
        server,
        {"text": " ", "try_trigger_generation": True, "voice_settings": None, **schedule},
        {"text": "Hello ", "try_trigger_generation": True},
        {"text": "world. ", "try_trigger_generation": True},
        {"text": ""},
    ) == [
        e.Start(structs.replace(MP3, extra=MP3.extra | schedule)),
        e.Text("Hello "),
        e.Text("world. "),
        e.Finish(),
    ]
    assert said(server, {"text": "late"}, {"text": ""}, {"text": "x", "flush": True}) == []


@pytest.mark.parametrize(
    ("frame", "commands"),
    [
        ({"text": "Hi ", "flush": True}, [e.Text("Hi "), e.Flush()]),
        ({"flush": True}, [e.Flush()]),
        ({"text": " "}, [e.Text(" ")]),  # keeps the socket open, and words apart
        ({"text": "Hi ", "flush": None, "voice_settings": {"speed": 2}}, [e.Text("Hi ")]),
        ({"text": ""}, [e.Finish()]),
        ({"text": "", "flush": True}, [e.Flush(), e.Finish()]),
    ],
)
def test_later_messages_are_text(frame: object, commands: list[e.Event]) -> None:
    server = SINGLE.server(opening())
    said(server, {"text": " "})
    assert said(server, frame) == commands


@pytest.mark.parametrize(
    ("frame", "commands"),
    [
        ({"text": "Hi "}, [e.Start(MP3), e.Text("Hi ")]),
        ({"flush": True}, [e.Start(MP3), e.Flush()]),
        ({"text": ""}, [e.Start(MP3), e.Finish()]),
    ],
)
def test_a_first_message_may_already_have_text(frame: object, commands: list[e.Event]) -> None:
    assert said(SINGLE.server(opening()), frame) == commands


@BOTH
@pytest.mark.parametrize(
    ("frame", "param"),
    [
        ("hello", None),
        ("[]", None),
        ('{"text":5}', "text"),
        ('{"text":"a","flush":"yes"}', "flush"),
        ('{"text":"a","voice_settings":{"speed":"fast"}}', None),
        (
            '{"text":"a","pronunciation_dictionary_locators":"x"}',
            "pronunciation_dictionary_locators",
        ),
    ],
)
def test_a_frame_that_cannot_be_is_told_with_its_field(
    wire: Wire, frame: str, param: str | None
) -> None:
    server = wire.server(opening())
    [bad] = decode(server, frame)
    assert isinstance(bad, e.Malformed)
    assert not bad.is_fatal
    assert (bad.code, bad.param) == ("invalid_request", param)
    assert isinstance(said(server, {"text": " "})[0], e.Start), "the socket is as it was"


def test_one_text_needs_a_text() -> None:
    with pytest.raises(ProtocolError) as missing:
        list(SINGLE.server(opening()).decode("{}"))
    assert missing.value.param == "text"


def test_audio_is_told_in_json_with_the_characters_that_sound_in_it() -> None:
    server = SINGLE.server(opening(("output_format", "pcm_8000")))
    alignment = {
        "chars": ["H", "i", " ", "y", "o", "u", ".", " "],
        "charStartTimesMs": [0, 125, 250, 250, 312, 375, 438, 500],
        "charDurationsMs": [125, 125, 0, 62, 63, 63, 62, 0],
    }
    plain = {"isFinal": False, "normalizedAlignment": None, "alignment": None}
    assert frames(
        server,
        e.Ready("s", "r", "m", "linear16", 8000),
        e.SegmentStart("seg_0", "Hi you."),
        words("Hi", "you."),
        e.Audio(b"\1\2"),
        e.Audio(bytes(8)),
        e.SegmentEnd("seg_0"),
        e.Flushed(0.5),
        e.Ended("client_closed"),
    ) == [
        {
            "audio": "AQI=",
            "isFinal": False,
            "normalizedAlignment": alignment,
            "alignment": alignment,
        },
        {"audio": "AAAAAAAAAAA=", **plain},
        {"audio": None, **plain, "isFinal": True},
    ]


@pytest.mark.parametrize("after", [e.SegmentEnd("seg_0"), e.Flushed(0.5), e.Ended("client_closed")])
def test_words_that_come_after_their_audio_are_told_alone(after: e.Event) -> None:
    server = SINGLE.server(opening())
    first, late, *_ = frames(server, e.Audio(b"a"), words("Hi"), after)
    assert first["alignment"] is None
    assert late["audio"] == ""
    assert late["alignment"]["chars"] == ["H", "i", " "]
    assert late["alignment"] == late["normalizedAlignment"]


def test_silence_between_sentences_is_covered_before_the_next() -> None:
    server = SINGLE.server(opening(("output_format", "pcm_8000")))
    half_a_second = e.Audio(bytes(8000))
    told = frames(server, words("One."), half_a_second, words("Two.", at=0.5), half_a_second)
    assert [frame["alignment"]["chars"] for frame in told] == [
        ["O", "n", "e", ".", " "],
        [" "],
        ["T", "w", "o", ".", " "],
    ]
    assert [frame["audio"] == "" for frame in told] == [False, True, False]
    assert [frame["alignment"]["charStartTimesMs"][0] for frame in told] == [0, 0, 0]
    assert told[1]["alignment"]["charDurationsMs"] == [250]


@BOTH
@pytest.mark.parametrize(
    ("code", "param", "native"),
    [
        ("auth_error", None, "invalid_api_key"),
        ("rate_limit", None, "max_active_conversations"),
        ("rate_limit_exceeded", None, "rate_limited"),
        ("idle_timeout_exceeded", None, "input_timeout_exceeded"),
        ("config_error", "voice", "voice_not_found"),
        ("config_error", "speed", "config_error"),
        ("internal_error", None, "internal_error"),
    ],
)
def test_errors_have_their_names(wire: Wire, code: str, param: str | None, native: str) -> None:
    server = wire.server(opening())
    failed = e.Failed(code, "it went wrong", fatal=True, param=param)
    assert frames(server, failed, e.Ended(code)) == [
        {"message": "it went wrong", "error": native, "code": 1008}
    ]
    if param is None:
        assert server.closing(1011, code) == (1008, native)


@BOTH
def test_an_end_that_is_nobody_s_error_is_told_as_one(wire: Wire) -> None:
    """The SDK takes what has a `message` for an error, and a close with 1000 for success."""
    server = wire.server(opening())
    [told] = frames(server, e.Ended("idle_timeout_exceeded"))
    assert (told["error"], told["code"]) == ("input_timeout_exceeded", 1008)
    assert server.closing(1008, "idle_timeout_exceeded") == (1008, "input_timeout_exceeded")
    assert server.closing(1000, "finish_timeout") == (1008, "finish_timeout")
    assert server.closing(1000, "client_closed") == (1000, "")


@BOTH
def test_what_has_no_word_is_not_said(wire: Wire) -> None:
    server = wire.server(opening())
    silent = (
        e.Ready("s"),
        e.SegmentStart("x"),
        e.SegmentEnd("x"),
        e.Flushed(1.0),
        e.Cleared(),
        e.Warning("unsupported_option", "no seed", "seed"),
        e.KeepAlive(),
    )
    assert frames(server, *silent) == []


# Contexts


def start_of(context: str) -> e.Start:
    return e.Start(MP3, context=context)


def test_what_livekit_says_of_an_utterance() -> None:
    """livekit-plugins-elevenlabs 1.8.9, as captured."""
    server = MULTI.server(opening())
    assert said(
        server,
        {"text": " ", "voice_settings": {}, "context_id": "c"},
        {"text": "Hello there. ", "context_id": "c", "flush": True},
        {"text": "", "context_id": "c", "flush": True},
        {"context_id": "c", "close_context": True},
    ) == [
        start_of("c"),
        e.Text("Hello there. ", context="c"),
        e.Flush(context="c"),
        e.Flush(context="c"),
        e.Finish(context="c"),
    ]


def test_what_pipecat_says_of_two_utterances() -> None:
    """pipecat 1.14, as captured, with its keepalives."""
    server = MULTI.server(opening())
    assert said(
        server,
        {"text": ""},
        {"text": " ", "context_id": "c", "voice_settings": {"speed": 0.9}},
        {"text": "Hello.", "context_id": "c"},
        {"text": "", "context_id": "c"},
        {"context_id": "c", "flush": True},
        {"context_id": "c", "close_context": True},
        {"text": " ", "context_id": "d"},
        {"text": "", "context_id": "c"},
        {"text": "Bye.", "context_id": "d"},
        {"close_socket": True},
        {"text": "", "context_id": "d"},
    ) == [
        e.KeepAlive(),
        e.Start(structs.replace(MP3, speed=0.9), context="c"),
        e.Text("Hello.", context="c"),
        e.KeepAlive(),
        e.Flush(context="c"),
        e.Finish(context="c"),
        start_of("d"),
        e.KeepAlive(),
        e.Text("Bye.", context="d"),
        e.Finish(),
    ]


def test_a_message_without_a_context_is_of_the_default_one() -> None:
    server = MULTI.server(opening())
    got = said(server, {"text": "Hi ", "flush": True}, {"close_context": True})
    assert [command.context for command in got] == ["default"] * 4
    [told] = frames(server, e.Audio(b"a", context="default"))
    assert told["contextId"] == "default"


def test_a_context_has_either_name() -> None:
    server = MULTI.server(opening())
    got = said(server, {"text": " ", "contextId": "c"}, {"text": "Hi ", "context_id": "c"})
    assert got == [start_of("c"), e.Text("Hi ", context="c")]


@pytest.mark.parametrize(
    "frame",
    [
        {"text": "", "context_id": "c"},
        {"context_id": "c", "flush": True},
        {"context_id": "c", "close_context": True},
        {"text": "Hi", "context_id": "c", "close_context": True},
        {},
    ],
)
def test_only_text_begins_a_context(frame: object) -> None:
    server = MULTI.server(opening())
    assert said(server, frame) == [e.KeepAlive()]
    assert said(server, {"text": " ", "context_id": "c"}) == [start_of("c")]


def test_a_sixth_context_ends_the_socket() -> None:
    server = MULTI.server(opening())
    for name in "abcde":
        said(server, {"text": " ", "context_id": name})
    said(server, {"context_id": "a", "close_context": True})
    [bad] = said(server, {"text": " ", "context_id": "f"})
    assert isinstance(bad, e.Malformed)
    assert (bad.code, bad.is_fatal) == ("rate_limit", True)
    frames(server, e.Ended("context_closed", context="a"))
    assert said(server, {"text": " ", "context_id": "f"}) == [start_of("f")]


def test_a_context_is_closed_once_and_may_come_back() -> None:
    server = MULTI.server(opening())
    close = {"context_id": "c", "close_context": True}
    assert said(server, {"text": " ", "context_id": "c"}, close)[-1] == e.Finish(context="c")
    late = ({"text": "x", "context_id": "c"}, {"context_id": "c", "flush": True}, close)
    assert said(server, *late) == [e.KeepAlive()] * 3
    frames(server, e.Ended("context_closed", context="c"))
    assert said(server, close) == [e.KeepAlive()]
    assert said(server, {"text": "x", "context_id": "c"}) == [
        start_of("c"),
        e.Text("x", context="c"),
    ]


def test_what_is_told_of_a_context_has_every_spelling_of_its_name() -> None:
    server = MULTI.server(opening())
    said(server, {"text": " ", "context_id": 'a"b'})
    audio, error, final = frames(
        server,
        e.Audio(b"\1\2", context='a"b'),
        e.Failed("provider_error", "broken", context='a"b'),
        e.Ended("context_closed", context='a"b'),
    )
    name = {"contextId": 'a"b', "context_id": 'a"b'}
    none = {"normalizedAlignment": None, "alignment": None}
    assert audio == {"audio": "AQI=", "isFinal": False, "is_final": False, **none, **name}
    assert error == {"message": "broken", "error": "provider_error", "code": 1008, **name}
    assert final == {"audio": None, "isFinal": True, "is_final": True, **none, **name}


def test_words_are_told_with_the_audio_of_their_context() -> None:
    server = MULTI.server(opening())
    said(server, {"text": " ", "context_id": "a"}, {"text": " ", "context_id": "b"})
    hello = structs.replace(words("Hi"), context="a")
    told = frames(server, hello, e.Audio(b"b", context="b"), e.Audio(b"a", context="a"))
    assert [(frame["contextId"], bool(frame["alignment"])) for frame in told] == [
        ("b", False),
        ("a", True),
    ]


def test_every_open_context_is_told_its_end_when_the_socket_ends() -> None:
    server = MULTI.server(opening())
    said(server, {"text": " ", "context_id": "a"}, {"text": " ", "context_id": "b"})
    told = frames(server, e.Ended("context_closed", context="a"), e.Ended("client_closed"))
    assert [(frame["contextId"], frame["isFinal"]) for frame in told] == [("a", True), ("b", True)]
    assert frames(server, e.Ended("client_closed")) == []


# To ElevenLabs


def query_of(wire: Wire, options: e.SpeakOptions, model: str = "eleven_flash_v2_5") -> Any:
    url = wire.endpoint(options, structs.replace(ADDRESS, model=model)).url
    return {name: value for name, [value] in parse_qs(urlsplit(url).query).items()}


@pytest.mark.parametrize(
    ("wire", "route"), [(SINGLE, "stream-input"), (MULTI, "multi-stream-input")]
)
def test_where_we_connect(wire: Wire, route: str) -> None:
    endpoint = wire.endpoint(structs.replace(OPTIONS, voice="a/b c", extra={"seed": 7}), ADDRESS)
    parts = urlsplit(endpoint.url)
    assert f"{parts.scheme}://{parts.netloc}" == ADDRESS.url
    assert parts.path == f"/v1/text-to-speech/a%2Fb%20c/{route}"
    assert query_of(wire, structs.replace(OPTIONS, extra={"seed": 7})) == {
        "model_id": "eleven_flash_v2_5",
        "output_format": "pcm_8000",
        "language_code": "en",
        "inactivity_timeout": "180",
        "sync_alignment": "true",
        "auto_mode": "true",
        "seed": "7",
    }
    assert endpoint.headers == {"xi-api-key": "KEY"}
    assert wire.endpoint(OPTIONS, structs.replace(ADDRESS, key="")).headers == {}


@pytest.mark.parametrize(
    ("model", "takes"),
    [
        ("eleven_flash_v2_5", True),
        ("eleven_turbo_v2_5", True),
        ("eleven_v3", True),
        ("eleven_flash_v2", False),
        ("eleven_multilingual_v2", False),
    ],
)
def test_a_language_is_told_to_models_that_take_one(model: str, takes: bool) -> None:
    assert ("language_code" in query_of(MULTI, OPTIONS, model)) is takes


@pytest.mark.parametrize(
    ("encoding", "rate", "bit_rate", "name"),
    [
        (None, None, None, "mp3_44100_128"),
        ("linear16", 24_000, None, "pcm_24000"),
        ("mulaw", 8000, None, "ulaw_8000"),
        ("alaw", 8000, None, "alaw_8000"),
        ("mp3", 44_100, 190_000, "mp3_44100_192"),
        ("mp3", 44_100, 8000, "mp3_44100_32"),
        ("mp3", 22_050, 128_000, "mp3_22050_32"),
        ("mp3", 24_000, None, "mp3_44100_128"),  # it says its own rate
        ("opus", 48_000, 64_000, "opus_48000_64"),
        ("opus", 24_000, None, "opus_48000_128"),
    ],
)
def test_the_listed_format_that_fits_is_asked_for(
    encoding: str | None, rate: int | None, bit_rate: int | None, name: str
) -> None:
    extra = {} if bit_rate is None else {"bit_rate": bit_rate}
    options = e.SpeakOptions(voice="v", encoding=encoding, sample_rate=rate, extra=extra)
    assert query_of(SINGLE, options)["output_format"] == name


@pytest.mark.parametrize(
    ("encoding", "rate"), [("mulaw", 16_000), ("linear16", 32_000), ("linear32", 24_000)]
)
def test_a_format_that_elevenlabs_lacks_is_not_asked_for(encoding: str, rate: int) -> None:
    options = e.SpeakOptions(voice="v", encoding=encoding, sample_rate=rate)
    with pytest.raises(ConfigError, match=f"{encoding} at {rate} Hz"):
        SINGLE.endpoint(options, ADDRESS)


def test_one_text_is_begun_kept_alive_and_ended_once() -> None:
    client = SINGLE.client(OPTIONS, ADDRESS)
    assert frames(client, e.KeepAlive(), e.Flush(), e.Finish(), e.Clear(), e.Cancel()) == []
    assert frames(client, e.Start(OPTIONS)) == [{"text": " "}]
    assert frames(
        client,
        e.KeepAlive(),
        e.Text("Hello there.", partial=False),
        e.Text("Bye. ", partial=False),
        e.Flush(),
        e.Flush(),
        e.Finish(),
        e.KeepAlive(),
    ) == [{"text": " "}, {"text": "Hello there. "}, {"text": "Bye. "}, {"text": ""}]


@BOTH
def test_settings_are_given_in_the_first_message(wire: Wire) -> None:
    extra = {
        "voice_settings": {"stability": 0.4},
        "generation_config": {"chunk_length_schedule": [50]},
        "pronunciation_dictionary_locators": [{"pronunciation_dictionary_id": "d"}],
        "bit_rate": 128_000,
    }
    options = structs.replace(OPTIONS, speed=1.1, extra=extra)
    first, *_ = frames(wire.client(options, ADDRESS), e.Text("Hi.", partial=False))
    settings = {"stability": 0.4, "speed": 1.1}
    own = {"voice_settings": settings} | {
        name: extra[name] for name in ("generation_config", "pronunciation_dictionary_locators")
    }
    context = {"context_id": "u1"} if wire is MULTI else {}
    assert first == {"text": " ", **context, **own}


@BOTH
def test_a_speed_of_one_is_not_a_setting(wire: Wire) -> None:
    options = structs.replace(OPTIONS, speed=1.0, extra={"voice_settings": "nonsense"})
    first, *_ = frames(wire.client(options, ADDRESS), e.Text("Hi.", partial=False))
    assert "voice_settings" not in first


def test_an_utterance_is_heard_until_its_final_frame() -> None:
    client = SINGLE.client(OPTIONS, ADDRESS)
    frames(client, e.Text("Hi you.", partial=False), e.Flush())
    timing = {"charStartTimesMs": [0, 100, 200, 300], "charDurationsMs": [100, 100, 100, 100]}
    got = said(
        client,
        {"audio": "AQI=", "isFinal": None, "alignment": {"chars": list("Hi y"), **timing}},
        {"audio": "AwQ=", "alignment": None, "normalizedAlignment": None, "new": {"field": 1}},
        {"audio": None, "isFinal": True, "alignment": None},
    )
    assert got == [
        e.Words((e.Word(text="Hi", start=0.0, end=0.2),)),
        e.Audio(b"\1\2"),
        e.Audio(b"\3\4"),
        e.Words((e.Word(text="y", start=0.3, end=0.4),)),
        e.Flushed(),
    ]


def test_a_final_frame_that_was_not_asked_for_ends_no_utterance() -> None:
    client = SINGLE.client(OPTIONS, ADDRESS)
    frames(client, e.Text("Hi.", partial=False))
    assert said(client, {"isFinal": True}) == []


def test_each_utterance_is_a_context_of_its_own() -> None:
    client = MULTI.client(OPTIONS, ADDRESS)
    one, two = e.Text("One.", partial=False), e.Text("Two.", partial=False)
    end = (e.Flush(), e.KeepAlive())
    assert frames(client, e.Start(OPTIONS), e.KeepAlive(), one, *end, two, e.KeepAlive(), *end) == [
        {"text": " ", "context_id": "u1"},
        {"text": "One. ", "context_id": "u1"},
        {"context_id": "u1", "flush": True},
        {"context_id": "u1", "close_context": True},
        {"text": " ", "context_id": "u2"},
        {"text": "Two. ", "context_id": "u2"},
        {"text": "", "context_id": "u2"},
        {"context_id": "u2", "flush": True},
        {"context_id": "u2", "close_context": True},
    ]
    final = {"audio": None, "isFinal": True}
    assert said(
        client,
        {"audio": "AQI=", "contextId": "u1"},
        {**final, "contextId": "u1"},
        {"audio": "AwQ=", "context_id": "u2"},
        {"audio": None, "is_final": True, "context_id": "u2"},
        {"audio": "BQY=", "contextId": "u2"},
        {"audio": "BQY="},
    ) == [e.Audio(b"\1\2"), e.Flushed(), e.Audio(b"\3\4"), e.Flushed()]
    assert frames(client, e.Finish(context="c"), e.Finish()) == [{"close_socket": True}]


def test_what_comes_late_of_an_abort_is_dropped() -> None:
    client = MULTI.client(OPTIONS, ADDRESS)
    frames(client, e.Text("One.", partial=False), e.Flush(), e.Text("Two.", partial=False))
    frames(client, e.Text("Other.", partial=False, context="b"))
    assert frames(client, e.Clear()) == [{"context_id": "u2", "close_context": True}]
    assert frames(client, e.Clear()) == []
    late = [
        {"audio": "AQI=", "contextId": name, "isFinal": is_final}
        for name in ("u1", "u2")
        for is_final in (False, True)
    ]
    late.append({"error": "x", "message": "late", "contextId": "u2"})
    # Their ends are told all the same: until then they count.
    assert said(client, *late) == [e.Cleared(), e.Cleared()]
    assert said(client, {"audio": "AQI=", "contextId": "u3"}) == [e.Audio(b"\1\2", context="b")]
    assert frames(client, e.KeepAlive()) == [{"text": "", "context_id": "u3"}]


def test_a_context_that_elevenlabs_ended_by_itself_still_has_one_answer() -> None:
    client = MULTI.client(OPTIONS, ADDRESS)
    frames(client, e.Text("One.", partial=False))
    assert said(client, {"isFinal": True, "contextId": "u1"}) == []
    assert [frame["context_id"] for frame in frames(client, e.Flush())] == ["u2"] * 3
    assert said(client, {"isFinal": True, "contextId": "u2"}) == [e.Flushed()]


def test_a_context_that_failed_has_its_answer_too() -> None:
    client = MULTI.client(OPTIONS, ADDRESS)
    frames(client, e.Text("One.", partial=False, context="a"), e.Flush(context="a"))
    frames(client, e.Text("Two.", partial=False, context="b"))
    error = {"error": "config_error", "message": "No."}
    failed = e.Failed("config_error", "No.", context="a")
    assert said(client, {**error, "contextId": "u1"}) == [failed, e.Flushed(context="a")]
    assert said(client, {**error, "contextId": "u2"}) == [structs.replace(failed, context="b")]


def test_contexts_have_their_own_settings_and_names() -> None:
    client = MULTI.client(OPTIONS, ADDRESS)
    fast = e.Start(structs.replace(OPTIONS, speed=1.2), context="b")
    first, second = e.Text("A.", partial=False, context="a"), e.Text("B.", context="b")
    told = frames(client, fast, first, second)
    assert [frame.get("voice_settings") for frame in told] == [None, None, {"speed": 1.2}, None]
    frames(client, e.Flush(context="b"))
    assert said(client, {"isFinal": True, "contextId": "u2"}) == [e.Flushed(context="b")]


def test_times_restart_in_every_chunk_and_words_straddle_them() -> None:
    client = MULTI.client(OPTIONS, ADDRESS)
    frames(client, e.Text("Hello world.", partial=False), e.Flush())
    second = "A" * 4 * (16_000 // 3) + "AA=="  # about a second of linear16 at 8 kHz
    chunks = (
        {
            "audio": second,
            "contextId": "u1",
            "alignment": {
                "chars": [*"Hello", " ", *"wo"],
                "charsStartTimesMs": [0, 100, 200, 300, 400, 500, 600, 700],
                "charsDurationsMs": [100] * 8,
            },
        },
        {
            "audio": second,
            "contextId": "u1",
            "normalizedAlignment": {
                "chars": [*"rld."],
                "charStartTimesMs": [0, 100, 200, 300],
                "charDurationsMs": [100] * 4,
            },
        },
        {"isFinal": True, "contextId": "u1"},
    )
    told = [event for event in said(client, *chunks) if isinstance(event, e.Words)]
    assert [times(event) for event in told] == [[("Hello", 0.0, 0.5)], [("world.", 0.6, 1.4)]]


@BOTH
@pytest.mark.parametrize(
    ("native", "code", "retryable"),
    [
        ("invalid_api_key", "auth_error", False),
        ("authentication_required", "auth_error", False),
        ("max_active_conversations", "rate_limit", True),
        ("quota_exceeded", "rate_limit_exceeded", False),
        ("input_timeout_exceeded", "idle_timeout_exceeded", True),
        ("voice_not_found", "config_error", False),
        ("detected_unusual_activity", "provider_error", True),
    ],
)
def test_errors_of_elevenlabs_are_ours(wire: Wire, native: str, code: str, retryable: bool) -> None:
    client = wire.client(OPTIONS, ADDRESS)
    frame = {"message": "No.", "error": native, "code": 1008}
    assert said(client, frame) == [e.Failed(code, "No.", retryable)]
    frames(client, e.Text("Hi.", partial=False, context="c" if wire is MULTI else ""))
    [failed] = said(client, {**frame, "contextId": "u1"})
    assert failed.context == ("c" if wire is MULTI else "")


@BOTH
def test_an_error_without_a_name_is_still_one(wire: Wire) -> None:
    client = wire.client(OPTIONS, ADDRESS)
    assert said(client, {"message": "Oh."}) == [e.Failed("provider_error", "Oh.", True)]
    assert said(client, {"error": "oh"}) == [e.Failed("provider_error", "oh", True)]


@BOTH
@pytest.mark.parametrize("frame", ["", "hello", "[]", '{"audio":"%"}', '{"isFinal":"yes"}'])
def test_garbage_from_elevenlabs_is_told_as_such(wire: Wire, frame: str) -> None:
    [bad] = decode(wire.client(OPTIONS, ADDRESS), frame)
    assert isinstance(bad, e.Malformed)
