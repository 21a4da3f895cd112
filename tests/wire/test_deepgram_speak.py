"""Deepgram's speech socket, frame by frame: what clients send, wait for, and are closed with."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from voxway import events as e
from voxway.errors import RULES, AuthError, ConfigError, GatewayError, LimitError, ProtocolError
from voxway.wire.base import Address, Frame, Opening, decode
from voxway.wire.deepgram_speak import WIRE, Client, Server

URL = "wss://api.deepgram.com"
AURA = (("model", "aura-2-thalia-en"), ("encoding", "linear16"), ("sample_rate", "24000"))


def server(*query: tuple[str, str], model: str = "") -> Server:
    return Server(Opening(query or AURA, request_id="request-1", model=model))


def start_of(*query: tuple[str, str], model: str = "") -> e.Start:
    [start] = server(*query, model=model).opening()
    assert isinstance(start, e.Start)
    return start


def options_of(*query: tuple[str, str], model: str = "") -> e.SpeakOptions:
    options = start_of(*query, model=model).options
    assert isinstance(options, e.SpeakOptions)
    return options


def client(model: str = "aura-2", **options: Any) -> Client:
    return Client(e.SpeakOptions(**options), Address(URL, model, "key-1"))


def told(it: Server, *events: e.Event) -> list[Any]:
    """What a server says of these events; JSON is read."""
    frames = [frame for event in events for frame in it.encode(event)]
    return [json.loads(frame) if isinstance(frame, str) else frame for frame in frames]


def said(*commands: e.Event) -> list[Any]:
    """What a client sends for these commands."""
    it = client()
    return [json.loads(frame) for command in commands for frame in it.encode(command)]


# The URL


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ((), e.SpeakOptions(voice="aura-2-thalia-en", encoding="linear16", sample_rate=24_000)),
        (
            (("model", "aura-asteria-en"),),
            e.SpeakOptions(voice="aura-asteria-en", encoding="linear16", sample_rate=24_000),
        ),
        (
            (("model", "slng/rime/arcana:3-en"), ("encoding", "mulaw")),
            e.SpeakOptions(encoding="mulaw", sample_rate=8_000),
        ),
        (
            (("encoding", "alaw"), ("sample_rate", "16000"), ("speed", "1.5")),
            e.SpeakOptions(encoding="alaw", sample_rate=16_000, speed=1.5),
        ),
        (
            (("mip_opt_out", "true"), ("bit_rate", "32000"), ("novelty", "x"), ("token", "KEY")),
            e.SpeakOptions(
                encoding="linear16",
                sample_rate=24_000,
                extra={"mip_opt_out": True, "bit_rate": 32_000, "novelty": "x"},
            ),
        ),
        # What livekit always sends is the default, and nothing to warn of.
        (
            (("mip_opt_out", "false"), ("sample_rate", "48000")),
            e.SpeakOptions(encoding="linear16", sample_rate=48_000),
        ),
    ],
)
def test_the_url_configures(query: tuple[tuple[str, str], ...], options: e.SpeakOptions) -> None:
    assert options_of(*query) == options


def test_a_tag_is_the_clients_name_of_the_conversation() -> None:
    assert start_of(("tag", "call-17")).tag == "call-17"


@pytest.mark.parametrize(
    ("param", "value", "code"),
    [
        ("encoding", "mp3", "invalid_request"),
        ("encoding", "LINEAR16", "invalid_request"),
        ("sample_rate", "fast", "invalid_request"),
        ("sample_rate", "44100", "config_error"),
        ("sample_rate", "22050", "config_error"),
        ("speed", "0.69", "invalid_request"),
        ("speed", "1.51", "invalid_request"),
        ("speed", "quick", "invalid_request"),
        ("mip_opt_out", "maybe", "invalid_request"),
        ("callback", "https://x.example", "config_error"),
    ],
)
def test_a_parameter_that_cannot_be_is_named(param: str, value: str, code: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        server((param, value))
    assert (caught.value.param, caught.value.error) == (param, code)


def test_companded_speech_has_two_rates() -> None:
    with pytest.raises(ConfigError, match=r"\[8000, 16000\] Hz of mulaw"):
        server(("encoding", "mulaw"), ("sample_rate", "24000"))


# What a client says


@pytest.mark.parametrize(
    ("frame", "command"),
    [
        ('{"type":"Speak","text":"Hello "}', e.Text("Hello ")),
        ('{"type":"Speak","text":"","x":1}', e.Text("")),
        ('{"type":"Flush"}', e.Flush()),
        ('{"type":"Clear"}', e.Clear()),
        ('{"type":"Close"}', e.Finish()),
    ],
)
def test_commands(frame: str, command: e.Event) -> None:
    assert decode(server(), frame) == [command]


@pytest.mark.parametrize(
    ("frame", "close_code", "name"),
    [
        (b"\0\0", 1003, "MESSAGE-0000"),
        (b"", 1003, "MESSAGE-0000"),
        ('{"type":"KeepAlive"}', 1008, "DATA-0000"),
        ('{"type":"speak","text":"x"}', 1008, "DATA-0000"),
        ('{"type":"Speak"}', 1008, "DATA-0000"),
        ('{"type":"Speak","text":17}', 1008, "DATA-0000"),
        ('{"text":"x"}', 1008, "DATA-0000"),
        ("Hello", 1008, "DATA-0000"),
        ('["Speak"]', 1008, "DATA-0000"),
        (json.dumps({"type": "Speak", "text": "x" * 2001}), 1009, "BIG-0001"),
    ],
)
def test_what_is_not_understood_costs_the_socket(frame: Frame, close_code: int, name: str) -> None:
    it = server()
    [bad] = decode(it, frame)
    assert isinstance(bad, e.Malformed)
    assert bad.is_fatal
    [error] = told(it, e.Failed(bad.code, bad.message, fatal=True))
    assert error["type"] == "Error"
    assert error["code"] == name
    assert error["description"] == error["message"] == bad.message
    code, reason = it.closing(RULES[bad.code].close_code or 1008, bad.code)
    assert code == close_code
    assert reason.endswith(f". See https://dpgr.am/{name.lower().replace('-', '')}")


def test_a_text_at_the_bound_is_spoken() -> None:
    frame = json.dumps({"type": "Speak", "text": "é" * 2000})
    assert decode(server(), frame) == [e.Text("é" * 2000)]


# What a client is told


def test_metadata_comes_first_and_names_the_model() -> None:
    [first] = told(server(), e.Ready("s1", "r1", "deepgram/aura:2", "linear16", 24_000))
    assert first.pop("model_uuid").count("-") == 4
    assert first == {
        "type": "Metadata",
        "request_id": "request-1",
        "model_name": "aura-2-thalia-en",
        "model_version": "unknown",
    }


def test_the_uuid_of_a_model_is_its_own() -> None:
    def uuid(name: str) -> str:
        [first] = told(server(("model", name)), e.Ready())
        return str(first["model_uuid"])

    assert uuid("aura-2-thalia-en") == uuid("aura-2-thalia-en") != uuid("aura-2-zeus-en")


@pytest.mark.parametrize(("model", "name"), [("our/voice", "our/voice"), ("", "engine")])
def test_where_the_url_names_no_model_ours_is_told(model: str, name: str) -> None:
    [first] = told(server(("encoding", "linear16"), model=model), e.Ready(model="engine"))
    assert first["model_name"] == name


def test_one_sequence_counts_flushed_and_cleared_from_zero() -> None:
    frames = told(
        server(), e.Flushed(1.5), e.Cleared(), e.Flushed(), e.Cleared(cancelled=True), e.Flushed()
    )
    assert frames == [
        {"type": "Flushed", "sequence_id": 0},
        {"type": "Cleared", "sequence_id": 1},
        {"type": "Flushed", "sequence_id": 2},
        {"type": "Cleared", "sequence_id": 3},
        {"type": "Flushed", "sequence_id": 4},
    ]


def test_a_warning_is_told_in_both_generations_of_names() -> None:
    assert told(server(), e.Warning("unsupported_option", "no pitch", "pitch")) == [
        {
            "type": "Warning",
            "code": "unsupported_option",
            "description": "no pitch",
            "warn_code": "unsupported_option",
            "warn_msg": "no pitch",
        }
    ]


def test_audio_is_binary_and_what_has_no_word_is_not_told() -> None:
    word = e.Word(text="a", start=0.0, end=0.5)
    events = (
        e.SegmentStart("seg_0", "a"),
        e.Words((word,)),
        e.Audio(b"\1\2"),
        e.SegmentEnd("seg_0"),
        e.KeepAlive(),
        e.Ended("client_closed"),
    )
    assert told(server(), *events) == [b"\1\2"]


@pytest.mark.parametrize(
    ("reason", "close_code", "link"),
    [
        ("client_closed", 1000, ""),
        ("rate_limit", 1008, "data0001"),
        ("rate_limit_exceeded", 1008, "data0001"),
        ("payload_too_large", 1009, "big0001"),
        ("config_error", 1008, "data0000"),
        ("invalid_request", 1008, "data0000"),
        ("auth_error", 1008, "data0000"),
        ("idle_timeout_exceeded", 1011, "net0001"),
        ("max_connection_duration_exceeded", 1011, "net0003"),
        ("backend_error", 1011, "net0000"),
        ("internal_error", 1011, "net0000"),
        ("draining", 1011, "net0000"),
        ("finish_timeout", 1011, "net0000"),
    ],
)
def test_close_codes(reason: str, close_code: int, link: str) -> None:
    code, text = server().closing(4000, reason)
    assert code == close_code
    assert text.partition(". See https://dpgr.am/")[2] == link
    assert bool(text) == bool(link)


def test_the_reason_for_silence_is_deepgrams_to_the_letter() -> None:
    assert server().closing(1008, "idle_timeout_exceeded") == (
        1011,
        "Deepgram did not receive audio data or a text message within the timeout window. "
        "See https://dpgr.am/net0001",
    )


def test_a_fault_does_not_hide_what_ends_the_socket_after_all() -> None:
    it = server()
    decode(it, b"\0")
    assert it.closing(4001, "rate_limit")[0] == 1008
    assert it.closing(1000, "client_closed") == (1000, "")


# Refusals


@pytest.mark.parametrize(
    ("error", "status", "code", "text"),
    [
        (AuthError("unknown key"), 401, "INVALID_AUTH", "Invalid credentials."),
        (AuthError("not yours", code="forbidden"), 403, "INSUFFICIENT_PERMISSIONS", "not yours"),
        (LimitError("busy", retry_after=7.0), 429, "TOO_MANY_REQUESTS", "busy"),
        (
            GatewayError("no such model", code="model_not_found"),
            400,
            "INVALID_QUERY_PARAMETER",
            "no such model",
        ),
        (ConfigError("speed 9", param="speed"), 400, "INVALID_QUERY_PARAMETER", "speed 9"),
        (GatewayError("not yet", code="not_ready"), 503, "SERVICE_UNAVAILABLE", "not yet"),
        (GatewayError("oh"), 500, "INTERNAL_SERVER_ERROR", "oh"),
    ],
)
def test_an_upgrade_is_refused_in_deepgrams_shape(
    error: GatewayError, status: int, code: str, text: str
) -> None:
    refused = WIRE.refusal(error, "request-1")
    assert refused.status == status
    assert as_dict(refused.body) == {
        "err_code": code,
        "err_msg": text,
        "request_id": "request-1",
    }
    assert refused.headers["dg-request-id"] == "request-1"
    assert refused.headers["dg-error"] == text
    assert ("Retry-After" in refused.headers) == (status == 429)


def as_dict(body: object) -> Any:
    return msgspec.json.decode(msgspec.json.encode(body))


def test_a_refusal_fits_into_a_header() -> None:
    refused = WIRE.refusal(ConfigError("voice 'Zoë\r\nX-Evil: 1'"), "r")
    assert refused.headers["dg-error"] == "voice 'Zo???X-Evil: 1'"
    assert as_dict(refused.body)["err_msg"] == "voice 'Zoë\r\nX-Evil: 1'"


def test_an_accepted_upgrade_names_the_request() -> None:
    assert WIRE.headers("request-1") == {"dg-request-id": "request-1"}


# The gateway as Deepgram's client


def test_what_the_client_says() -> None:
    assert said(
        e.Start(e.SpeakOptions()),
        e.Text("Hello world.", partial=False),
        e.Text("Hel"),
        e.Flush(),
        e.Clear(),
        e.Cancel(),
        e.KeepAlive(),
        e.Configure(e.SpeakOptions(voice="x")),
        e.Audio(b"\0"),
        e.Finish(),
    ) == [
        {"type": "Speak", "text": "Hello world. "},
        {"type": "Speak", "text": "Hel"},
        {"type": "Flush"},
        {"type": "Clear"},
        {"type": "Clear"},
        {"type": "Close"},
    ]


@pytest.mark.parametrize(("length", "sent"), [(1999, 2000), (2000, 2000)])
def test_the_space_after_a_sentence_does_not_break_the_bound(length: int, sent: int) -> None:
    [message] = said(e.Text("x" * length, partial=False))
    assert len(message["text"]) == sent


@pytest.mark.parametrize(
    ("frame", "event"),
    [
        (b"\0\1", e.Audio(b"\0\1")),
        (
            '{"type":"Metadata","request_id":"r","model_name":"m","model_version":"v",'
            '"model_uuid":"u","additional_model_uuids":["w"]}',
            e.Ready("", "r", "m", "mulaw", 8_000),
        ),
        ('{"type":"Flushed","sequence_id":0}', e.Flushed()),
        ('{"type":"Cleared","sequence_id":1.0}', e.Cleared()),
        ('{"type":"Warning","code":"c","description":"d"}', e.Warning("c", "d")),
        ('{"type":"Warning","warn_code":"c","warn_msg":"d"}', e.Warning("c", "d")),
        (
            '{"type":"Error","code":"DATA-0001","description":"too fast"}',
            e.Failed("rate_limit", "too fast", retryable=True),
        ),
        (
            '{"type":"Error","code":"NET-0000","message":"broken","description":null}',
            e.Failed("provider_error", "broken", retryable=True),
        ),
        (
            '{"type":"error","err_code":"INVALID_AUTH","err_msg":"Invalid credentials."}',
            e.Failed("auth_error", "Invalid credentials."),
        ),
        ('{"type":"Error"}', e.Failed("provider_error", "an error without a text", True)),
    ],
)
def test_what_deepgram_says(frame: Frame, event: e.Event) -> None:
    assert decode(client(encoding="mulaw", sample_rate=8_000), frame) == [event]


@pytest.mark.parametrize("frame", ['{"type":"Novelty","code":{}}', '{"text":"x"}', "{}"])
def test_what_is_new_at_deepgram_is_passed_over(frame: str) -> None:
    assert decode(client(), frame) == []


@pytest.mark.parametrize("frame", ["", "Flushed", "[]", '{"type":17}'])
def test_garbage_is_told(frame: str) -> None:
    [bad] = decode(client(), frame)
    assert isinstance(bad, e.Malformed)


def query_of(model: str, **options: Any) -> dict[str, list[str]]:
    address = Address(URL, model, "key-1")
    endpoint = WIRE.endpoint(e.SpeakOptions(**options), address)
    assert endpoint.headers == {"Authorization": "Token key-1"}
    assert endpoint.url.startswith(f"{URL}/v1/speak?")
    return parse_qs(urlsplit(endpoint.url).query)


@pytest.mark.parametrize(
    ("family", "voice", "language", "model"),
    [
        ("aura-2", "aura-2-thalia-en", "en", "aura-2-thalia-en"),
        ("aura", "aura-asteria-en", None, "aura-asteria-en"),
        ("aura-2", "thalia", "en", "aura-2-thalia-en"),
        ("aura-2", "celeste", "es-MX", "aura-2-celeste-es"),
        ("aura-2", "thalia", None, "aura-2-thalia-en"),
        ("flux", "flux-alexis-en", "en", "flux-alexis-en"),
        ("my-model", None, "en", "my-model"),
    ],
)
def test_the_voice_is_the_model(
    family: str, voice: str | None, language: str | None, model: str
) -> None:
    assert query_of(family, voice=voice, language=language)["model"] == [model]


def test_the_address_carries_the_whole_configuration() -> None:
    assert query_of(
        "aura-2",
        voice="aura-2-zeus-en",
        language="en",
        encoding="mulaw",
        sample_rate=8_000,
        speed=1.2,
        extra={"mip_opt_out": True, "bit_rate": 32_000, "novelty": 1},
    ) == {
        "model": ["aura-2-zeus-en"],
        "encoding": ["mulaw"],
        "sample_rate": ["8000"],
        "speed": ["1.2"],
        "mip_opt_out": ["true"],
    }


def test_the_usual_speed_is_not_mentioned() -> None:
    assert "speed" not in query_of("aura", voice="aura-asteria-en", speed=1.0)


def test_a_server_of_ones_own_needs_no_key() -> None:
    endpoint = WIRE.endpoint(e.SpeakOptions(), Address("ws://localhost:8080/dg", "aura-2"))
    assert endpoint.url == "ws://localhost:8080/dg/v1/speak?model=aura-2"
    assert endpoint.headers == {}
