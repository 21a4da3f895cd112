"""How clients of each provider come in, and how they are told that they may not."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from conftest import BOUND, Gateway

VOICE = "/v1/text-to-speech/heart"
SPEAK, LISTEN = "/v1/speak", "/v1/listen?encoding=linear16&sample_rate=16000"


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    started = Gateway(tmp_path_factory.mktemp("native"), "--dev")
    started.wait_ready()
    yield started
    assert [line for line in started.logged().splitlines() if '"bug"' in line] == []
    started.stop()


def told(socket: Any) -> list[dict[str, Any]]:
    """All messages up to the close, whatever its code."""
    frames = []
    with contextlib.suppress(ConnectionClosed):
        while True:
            frames.append(json.loads(socket.recv(BOUND)))
    return frames


def come_in(gateway: Gateway, path: str, **options: Any) -> Any:
    return connect(gateway.url + path, open_timeout=BOUND, **options)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (SPEAK, {"Authorization": "Token test-local"}),
        (SPEAK, {"Authorization": "bearer test-local"}),
        (f"{VOICE}/stream-input", {"xi-api-key": "test-local"}),
        (f"{VOICE}/stream-input?authorization=Bearer%20test-local", {}),
        (f"{VOICE}/multi-stream-input?single_use_token=test-local", {}),
        ("/v1/speech-to-text/realtime?model_id=scribe_v2_realtime&token=test-local", {}),
        ("/tts/websocket", {"X-API-Key": "test-local"}),
        ("/tts/websocket?api_key=test-local", {}),
        ("/stt/websocket?access_token=test-local", {}),
        ("/v2/text-to-speech/speech", {"Authorization": "Bearer test-local"}),
        ("/environments/production/websocket", {"Authorization": "Api-Key test-local"}),
        ("/ws3?modelId=coda", {"Authorization": "Bearer test-local"}),
        ("/ws?modelId=mistv2", {"Authorization": "Bearer test-local"}),
    ],
)
def test_every_place_where_its_clients_put_the_key(
    dev: Gateway, path: str, headers: dict[str, str]
) -> None:
    with come_in(dev, path, additional_headers=headers) as socket:
        assert socket.response.status_code == 101


@pytest.mark.parametrize("offered", [["token", "test-local"], ["bearer", "test-local"]])
def test_a_browser_shows_its_key_as_a_subprotocol_and_gets_the_other_half_back(
    dev: Gateway, offered: list[str]
) -> None:
    protocols = [Subprotocol(name) for name in [*offered, "x-deepgram-session-id", "some-id"]]
    with come_in(dev, LISTEN, subprotocols=protocols) as socket:
        assert socket.subprotocol == offered[0]


def test_an_accepted_client_of_deepgram_gets_a_request_id_and_metadata_at_once(
    dev: Gateway,
) -> None:
    headers = {"Authorization": "Token test-local"}
    with come_in(dev, SPEAK, additional_headers=headers) as socket:
        request_id = socket.response.headers["dg-request-id"]
        metadata = json.loads(socket.recv(BOUND))
        while metadata["type"] == "Warning":  # another model stands in
            metadata = json.loads(socket.recv(BOUND))
        assert metadata["type"] == "Metadata"
        assert metadata["request_id"] == request_id


@pytest.mark.parametrize("scheme", ["", "Api-Key "])
@pytest.mark.parametrize("is_browser", [False, True])
def test_rime_greets_by_the_subprotocol_that_was_offered(
    dev: Gateway, scheme: str, is_browser: bool
) -> None:
    headers = {} if is_browser else {"Authorization": f"{scheme or 'Bearer '}test-local"}
    offered = [Subprotocol("rime.v1.json")]
    with come_in(dev, "/ws", additional_headers=headers, subprotocols=offered) as socket:
        assert socket.subprotocol == "rime.v1.json"
        if is_browser:
            socket.send(json.dumps({"config": {"authorization": f"{scheme}test-local"}}))
        assert json.loads(socket.recv(BOUND)) == {"ready": {"protocol": 1}}
        socket.send(json.dumps({"contextId": "a", "start": {"text": "Hello."}}))
        assert "started" in json.loads(socket.recv(BOUND))
        assert "audio" in json.loads(socket.recv(BOUND))


@pytest.mark.parametrize("field", ["xi-api-key", "xi_api_key"])
def test_a_key_in_the_first_message(dev: Gateway, field: str) -> None:
    with come_in(dev, f"{VOICE}/stream-input?output_format=pcm_16000") as socket:
        socket.send(json.dumps({"text": " ", field: "test-local"}))
        socket.send(json.dumps({"text": "Hello. "}))
        socket.send(json.dumps({"text": ""}))
        frames = told(socket)
    assert any(frame["audio"] for frame in frames)
    assert frames[-1]["isFinal"] is True
    assert socket.close_code == 1000


@pytest.mark.parametrize("first", ['{"text":" ","xi-api-key":"wrong"}', '{"text":" "}', "[]", "{"])
def test_a_wrong_key_in_the_first_message(dev: Gateway, first: str) -> None:
    with come_in(dev, f"{VOICE}/multi-stream-input") as socket:
        socket.send(first)
        frames = told(socket)
    assert frames[0]["error"] == "invalid_api_key"
    assert set(frames[0]) >= {"message", "code"}
    assert socket.close_code == 1008


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        (SPEAK, 401, {"err_code": "INVALID_AUTH", "err_msg": "Invalid credentials."}),
        (LISTEN, 401, {"err_code": "INVALID_AUTH"}),
        ("/tts/websocket", 401, {"error_code": "auth_error"}),
        ("/stt/websocket", 401, {"error_code": "auth_error"}),
    ],
)
def test_a_wrong_key_is_refused_before_the_upgrade_in_the_provider_s_shape(
    dev: Gateway, path: str, status: int, body: dict[str, Any]
) -> None:
    with pytest.raises(InvalidStatus) as refused, come_in(dev, path):
        pass
    response = refused.value.response
    assert response.status_code == status
    error = json.loads(response.body or b"")
    assert {name: error.get(name) for name in body} == body
    assert error["request_id"]


@pytest.mark.parametrize(
    ("path", "param"),
    [
        (f"{SPEAK}?encoding=mp3", "encoding"),
        (f"{SPEAK}?encoding=linear16&sample_rate=12345", "sample_rate"),
        (f"{SPEAK}?callback=http://example.com", "callback"),
        ("/v1/listen?encoding=linear16", "sample_rate"),
        (f"{LISTEN}&utterance_end_ms=10&interim_results=true", "utterance_end_ms"),
    ],
)
def test_deepgram_refuses_bad_parameters_with_400_and_says_so_in_a_header(
    dev: Gateway, path: str, param: str
) -> None:
    headers = {"Authorization": "Token test-local"}
    with pytest.raises(InvalidStatus) as refused, come_in(dev, path, additional_headers=headers):
        pass
    response = refused.value.response
    assert response.status_code == 400
    assert param in response.headers["dg-error"]
    assert response.headers["dg-request-id"]


@pytest.mark.parametrize(
    ("path", "headers", "code"),
    [
        (f"{VOICE}/stream-input?output_format=mp3_1_2", {"xi-api-key": "test-local"}, 1008),
        (
            "/v2/speech-to-text/transcription?transcription_engine=Nobody&input_format=wav",
            {"Authorization": "Bearer test-local"},
            1008,
        ),
    ],
)
def test_others_tell_bad_parameters_in_the_open_socket(
    dev: Gateway, path: str, headers: dict[str, str], code: int
) -> None:
    with come_in(dev, path, additional_headers=headers) as socket:
        frames = told(socket)
    assert "error" in frames[0] or "errors" in frames[0]
    assert socket.close_code == code


def test_a_client_without_a_last_word_is_let_go_when_it_is_quiet(dev: Gateway) -> None:
    """Telnyx's clients may wait for the server to close: it does so after some quiet seconds."""
    path = "/v2/speech-to-text/transcription?transcription_engine=telnyx&input_format=linear16"
    headers = {"Authorization": "Bearer test-local"}
    with come_in(dev, f"{path}&sample_rate=16000", additional_headers=headers) as socket:
        socket.send(bytes(32_000))
        list(socket)
    assert socket.close_code == 1000
