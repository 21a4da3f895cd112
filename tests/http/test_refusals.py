"""What is refused, before the first byte and after it; one body and an id on every answer."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from conftest import BOUND, Gateway
from voxway.audio.wav import wav_header

BRIDGE = "/v1/bridges/unmute/tts/local/hibari:en"
PLAIN = "/v1/tts/local/hibari:en"
EAR = "/v1/stt/local/moonshine:tiny-en"
RAW = {"Content-Type": "audio/pcm"}
Part = TypeVar("Part", str, bytes)
MADE = re.compile(r"req_[0-9a-f]{24}")


@pytest.fixture(scope="module")
def api(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.api() as client:
        yield client


def assert_refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """In the one shape."""
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    assert body["error"] == code
    assert body["status"] == body["statusCode"] == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"] == body["request_id"]
    assert answer.headers["x-slng-request-id"] == body["request_id"]
    return body


def wrong(method: str, path: str, status: int, code: str, words: str, **sent: Any) -> Any:
    return pytest.param(method, path, status, code, words, sent, id=f"{path} {words}"[:60])


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "words", "sent"),
    [
        wrong("POST", BRIDGE, 400, "invalid_request", "config", json={"text": "x", "config": {}}),
        wrong("POST", BRIDGE, 400, "invalid_request", "`text`", json={}),
        wrong("POST", BRIDGE, 400, "invalid_request", "text: Expected `str`", json={"text": 1}),
        wrong("POST", BRIDGE, 400, "invalid_request", "length >= 1", json={"text": ""}),
        wrong("POST", BRIDGE, 400, "invalid_request", "nothing to say", json={"text": " \n"}),
        wrong("POST", BRIDGE, 400, "invalid_request", "not JSON", content=b"\xff\xfe{"),
        wrong("POST", BRIDGE, 400, "invalid_request", "Expected `object`", json=[]),
        wrong(
            "POST", BRIDGE, 400, "config_error", "'x' is not one", json={"text": "a", "voice": "x"}
        ),
        wrong(
            "POST", PLAIN, 400, "config_error", "encoding", json={"text": "a", "encoding": "gsm"}
        ),
        wrong(
            "POST", PLAIN, 400, "config_error", "sample_rate", json={"text": "a", "sample_rate": 1}
        ),
        wrong(
            "POST", PLAIN, 400, "config_error", "container", json={"text": "a", "container": "ogg"}
        ),
        wrong("POST", PLAIN, 400, "config_error", "speed", json={"text": "a", "speed": 9}),
        wrong("POST", f"{PLAIN}?region=!", 400, "invalid_request", "region", json={"text": "a"}),
        wrong(
            "POST",
            f"{PLAIN}?world-part=mars",
            400,
            "invalid_request",
            "world-part",
            json={"text": "a"},
        ),
        wrong("POST", "/v1/tts/local/hibary:en", 404, "model_not_found", "hibari", json={}),
        wrong("POST", "/v1/tts/local/moonshine:tiny-en", 404, "model_not_found", "stt", json={}),
        wrong("POST", "/v1/tts/deepgram/aura:2", 503, "backend_not_configured", "aura:2", json={}),
        wrong("POST", EAR, 400, "invalid_request", "Content-Type", content=b"x"),
        wrong("POST", EAR, 400, "invalid_request", "0 bytes", content=b"", headers=RAW),
        wrong("POST", EAR, 400, "invalid_request", "audio", data={"language": "en"}, files={}),
        wrong(
            "POST", EAR, 400, "invalid_request", "calls nobody", json={"url": "http://10.0.0.1/a"}
        ),
        wrong("POST", EAR, 400, "invalid_request", "`audio`", json={}),
        wrong("POST", EAR, 400, "invalid_request", "audio: ", json={"audio": "no base64!"}),
        wrong(
            "POST",
            f"{EAR}?sample_rate=many",
            400,
            "invalid_request",
            "sample_rate",
            content=b"xx",
            headers=RAW,
        ),
        wrong(
            "POST",
            EAR,
            400,
            "invalid_request",
            "none of wav",
            files={"audio": ("a.txt", b"Lorem ipsum.")},
        ),
        wrong(
            "POST",
            f"{EAR}?encoding=gsm",
            400,
            "config_error",
            "encoding",
            content=b"xx",
            headers=RAW,
        ),
        wrong(
            "POST",
            EAR,
            400,
            "invalid_request",
            "FLAC",
            content=b"fLaC" + bytes(100),
            headers={"Content-Type": "audio/flac"},
        ),
        wrong(
            "POST",
            f"{EAR}?language=de",
            400,
            "config_error",
            "language",
            content=b"xx",
            headers=RAW,
        ),
        wrong("GET", "/nothing", 404, "not_found", "/nothing"),
        wrong("GET", PLAIN, 426, "upgrade_required", "WebSocket"),
        wrong("PUT", PLAIN, 405, "method_not_allowed", "PUT"),
        wrong("DELETE", "/v1/me", 405, "method_not_allowed", "DELETE"),
    ],
)
def test_bad_requests(
    api: httpx.Client,
    method: str,
    path: str,
    status: int,
    code: str,
    words: str,
    sent: dict[str, Any],
) -> None:
    body = assert_refused(api.request(method, path, **sent), status, code)
    assert words in body["message"]


@pytest.mark.parametrize(
    "body",
    [
        b'--b\r\nContent-Disposition: form-data; name="audio"\r\n\r\n\xff\xfe\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\n\r\nab',
        b"--b--\r\n",
        b"",
    ],
)
def test_broken_forms(api: httpx.Client, body: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert_refused(api.post(EAR, content=body, headers=headers), 400, "invalid_request")


@pytest.mark.parametrize("path", [BRIDGE, PLAIN, EAR, "/v1/me", "/v1/models", "/v1/catalog/models"])
@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "wrong"}])
def test_a_key_is_needed(gateway: Gateway, path: str, headers: dict[str, str]) -> None:
    method = "GET" if path in ("/v1/me", "/v1/models", "/v1/catalog/models") else "POST"
    answer = httpx.request(method, gateway.http + path, headers=headers)
    assert_refused(answer, 401, "auth_error")
    assert "Bearer" in answer.headers["www-authenticate"]


@pytest.mark.parametrize("headers", [{"X-API-Key": "test-pro"}, {"xi-api-key": "test-pro"}, {}])
def test_a_key_in_every_place(gateway: Gateway, headers: dict[str, str]) -> None:
    query = {} if headers else {"token": "test-pro"}
    answer = httpx.get(f"{gateway.http}/v1/me", headers=headers, params=query)
    assert answer.json()["tier"] == "pro"


@pytest.mark.parametrize("model", ["slng/deepgram/aura:2-en", "slng%2Fno%2Fsuch"])
def test_a_client_key_for_a_hosted_model(api: httpx.Client, model: str) -> None:
    headers = {"X-Slng-Provider-Key": "sk-secret"}
    answer = api.post(f"/v1/bridges/unmute/tts/{model}", json={"text": "a"}, headers=headers)
    body = assert_refused(answer, 400, "invalid_request")
    assert body["message"] == "BYOK is only supported for external STT/TTS routes"


@pytest.mark.parametrize("path", ["/health", "/v1/me", "/nothing", "/v1/tts/x/y"])
@pytest.mark.parametrize(
    ("given", "kept"),
    [("call-1.a_b:c", True), ("", False), ("two words", False), ("x" * 200, False)],
)
def test_the_request_id_of_the_client_is_kept_if_it_is_sane(
    api: httpx.Client, path: str, given: str, kept: bool
) -> None:
    answer = api.get(path, headers={"x-request-id": given})
    assert answer.headers["x-request-id"] == answer.headers["x-slng-request-id"]
    assert (answer.headers["x-request-id"] == given) is kept
    assert kept or MADE.fullmatch(answer.headers["x-request-id"])


def test_a_text_over_the_tier(gateway: Gateway) -> None:
    with gateway.api("test-free") as free:
        body = assert_refused(free.post(BRIDGE, json={"text": "a" * 1001}), 413, LARGE)
        assert "1001 characters is over 1000" in body["message"]
        huge = free.post(BRIDGE, json={"text": "a" * 200_000})
        assert "is over" in assert_refused(huge, 413, LARGE)["message"]
        pieces = (b"a" * 10_000 for _ in range(20))  # says nothing of its length
        assert_refused(free.post(BRIDGE, content=pieces), 413, LARGE)


LARGE = "payload_too_large"


def test_audio_over_the_tier(gateway: Gateway) -> None:
    with gateway.api("test-free") as free:
        raw = free.post(EAR, content=bytes(61 * 32_000), headers=RAW)
        assert "longer than 60 s" in assert_refused(raw, 413, LARGE)["message"]
        file = {"audio": ("a.raw", bytes(61 * 32_000))}
        assert_refused(free.post(EAR, files=file), 413, LARGE)
        body = {"audio": base64.b64encode(bytes(61 * 32_000)).decode()}
        assert_refused(free.post(EAR, json=body), 413, LARGE)
        huge = free.post(EAR, content=bytes(16_000_000), headers=RAW)
        assert "body of 16000000 bytes" in assert_refused(huge, 413, LARGE)["message"]


def test_too_many_requests(gateway: Gateway, tmp_path: Path) -> None:
    started = Gateway(tmp_path, VOXWAY_ENGINES="none", VOXWAY_API_KEYS="k:free,other:free")
    try:
        with started.api("k") as api, started.api("other") as other:
            answers = [api.get("/v1/me") for _ in range(31)]
            assert [a.status_code for a in answers[:30]] == [200] * 30
            assert_refused(answers[-1], 429, "rate_limit")
            assert [a.headers["ratelimit"] for a in answers[:3]] == [
                f'"requests";r={left};t=60' for left in (29, 28, 27)
            ]
            # The oldest of the thirty no longer counts a minute after it came.
            assert 30 <= int(answers[-1].headers["retry-after"]) <= 60
            assert answers[-1].headers["ratelimit"].startswith('"requests";r=0;t=')
            assert answers[-1].headers["ratelimit-policy"] == '"requests";q=30;w=60'
            assert other.get("/v1/me").status_code == 200
    finally:
        started.stop()


class Backend:
    """A scripted gateway: what it does is the last part of the model's name."""

    def __init__(self) -> None:
        self.gone = threading.Event()
        self.server: Server = serve(self.talk, "127.0.0.1", 0)
        self.port = self.server.socket.getsockname()[1]
        threading.Thread(target=self.server.serve_forever).start()

    def talk(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        act = socket.request.path.rsplit("-", 1)[-1]
        try:
            for frame in socket:
                said = "audio" if isinstance(frame, bytes) else json.loads(frame)["type"]
                self.answer(socket, act, said)
        except ConnectionClosed:
            pass
        self.gone.set()

    def answer(self, socket: ServerConnection, act: str, said: str) -> None:
        if said == "init":
            socket.send('{"type":"ready","session_id":"s","encoding":"linear16"}')
        if said == "audio":
            socket.send('{"type":"final_transcript","transcript":"Hello."}')
        if said not in ("flush", "audio"):
            return
        if act in ("breaks", "hangs"):
            socket.send(bytes(4800))
        if act in ("breaks", "refuses", "mishears"):
            error = {"type": "error", "code": "provider_error", "message": "no more"}
            socket.send(json.dumps({**error, "retryable": True}))


MODEL = """
[[model]]
id = "far/{act}"
kind = "{kind}"
provider = "far"
languages = ["en"]
open_voices = true
encodings = ["linear16"]
default_rate = 24000
backends = [{{ wire = "unified", url = "ws://127.0.0.1:{port}", model = "far-{act}" }}]
"""
ACTS = ("breaks", "refuses", "hangs", "waits")


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Backend]]:
    backend = Backend()
    directory = tmp_path_factory.mktemp("far")
    catalog = "".join(MODEL.format(act=act, kind="tts", port=backend.port) for act in ACTS)
    catalog += MODEL.format(act="absent", kind="tts", port=1)
    catalog += MODEL.format(act="mishears", kind="stt", port=backend.port)
    (directory / "catalog.toml").write_text(catalog)
    path = str(directory / "catalog.toml")
    started = Gateway(directory, VOXWAY_ENGINES="none", VOXWAY_CATALOG=path)
    try:
        yield started, backend
    finally:
        started.stop()
        backend.server.shutdown()
    assert '"bug"' not in started.logged()


@pytest.mark.parametrize(
    ("act", "code"), [("refuses", "provider_error"), ("absent", "backend_connection_failed")]
)
def test_a_backend_that_fails_before_the_first_byte(
    far: tuple[Gateway, Backend], act: str, code: str
) -> None:
    with far[0].api() as api:
        assert_refused(api.post(f"/v1/tts/far/{act}", json={"text": "a"}), 502, code)


def until_cut(parts: Iterator[Part]) -> list[Part]:
    """What comes of a body that must not have an end."""
    got: list[Part] = []
    try:
        for part in parts:
            got.append(part)
    except httpx.RemoteProtocolError:
        return got
    raise AssertionError("the body has an end")


def test_a_backend_that_fails_later_cuts_the_body(far: tuple[Gateway, Backend]) -> None:
    path = "/v1/bridges/unmute/tts/far/breaks"
    with far[0].api() as api, api.stream("POST", path, json={"text": "a"}) as answer:
        assert answer.status_code == 200
        assert b"".join(until_cut(answer.iter_raw()))[:4] == b"RIFF"


def test_a_backend_that_fails_later_is_an_event(far: tuple[Gateway, Backend]) -> None:
    path, headers = "/v1/tts/far/breaks", {"Accept": "text/event-stream"}
    with (
        far[0].api() as api,
        api.stream("POST", path, json={"text": "a"}, headers=headers) as answer,
    ):
        lines = [line for line in until_cut(answer.iter_lines()) if line]
    assert lines[-2] == "event: error"
    assert json.loads(lines[-1].removeprefix("data: "))["code"] == "provider_error"


@pytest.mark.parametrize("act", ["hangs", "waits"])
def test_a_client_that_goes_takes_its_backend_along(far: tuple[Gateway, Backend], act: str) -> None:
    """With some audio sent, and while the first is still awaited."""
    gateway, backend = far
    backend.gone.clear()
    with gateway.api() as api:
        request = api.build_request("POST", f"/v1/tts/far/{act}", json={"text": "a"}, timeout=0.5)
        if act == "hangs":
            api.send(request, stream=True).close()
        else:
            with pytest.raises(httpx.ReadTimeout):
                api.send(request)
    assert backend.gone.wait(BOUND)
    while gateway.health()["sessions"]:
        pass


VOICE = {"mode": "id", "id": "v"}
RAW_16K = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 16_000}


def as_provider(path: str, model: str) -> dict[str, Any]:
    """A request as a provider's client makes it."""
    bodies: dict[str, dict[str, Any]] = {
        "/v1/speak": {"text": "a"},
        "/v1/text-to-speech": {"text": "a", "model_id": model},
        "/tts": {"transcript": "a", "model_id": model, "voice": VOICE, "output_format": RAW_16K},
        "/v1/audio": {"input": "a", "model": model, "stream_format": "sse"},
    }
    body = next(body for start, body in bodies.items() if path.startswith(start))
    query = f"?model={model}&encoding=linear16" if path == "/v1/speak" else ""
    return {"method": "POST", "url": path + query, "json": body}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/v1/speak", '"err_code":"BAD_GATEWAY"'),
        ("/v1/text-to-speech/v", '"detail":{"status":"provider_error"'),
        ("/v1/text-to-speech/v/stream", '"detail":{"status":"provider_error"'),
        ("/v1/text-to-speech/v/with-timestamps", '"detail":{"status":"provider_error"'),
        ("/v1/text-to-speech/v/stream/with-timestamps", '"detail":{"status":"provider_error"'),
        ("/tts/bytes", '"error_code":"provider_error"'),
        ("/tts/sse", '"error_code":"provider_error"'),
        ("/v1/audio/speech", '"type":"server_error"'),
    ],
)
def test_a_backend_that_fails_is_told_as_the_provider_would(
    far: tuple[Gateway, Backend], path: str, words: str
) -> None:
    with far[0].api() as api:
        answer = api.request(**as_provider(path, "far/refuses"))
    assert answer.status_code == 502
    assert words in answer.text


@pytest.mark.parametrize(
    ("path", "last"),
    [
        ("/v1/speak", None),
        ("/v1/text-to-speech/v/stream", None),
        ("/v1/text-to-speech/v/stream/with-timestamps", None),
        ("/tts/bytes", None),
        ("/tts/sse", '"type":"error"'),
        ("/v1/audio/speech", '"error":{'),
    ],
)
def test_a_backend_that_fails_later_is_told_where_there_is_a_place_for_it(
    far: tuple[Gateway, Backend], path: str, last: str | None
) -> None:
    with far[0].api() as api, api.stream(**as_provider(path, "far/breaks")) as answer:
        assert answer.status_code == 200
        body = b"".join(until_cut(answer.iter_raw()))
    assert body
    if last:
        assert last in body.decode().strip().split("\n")[-1]


def test_a_recognizer_that_fails_later_is_told_in_the_stream(far: tuple[Gateway, Backend]) -> None:
    files = {"file": ("a.wav", wav_header(16_000, 32_000) + bytes(32_000))}
    path, data = "/v1/audio/transcriptions", {"model": "far/mishears"}
    with far[0].api() as api:
        answer = api.post(path, data=data, files=files)
        assert answer.status_code == 502
        assert answer.json()["error"]["message"] == "no more"
        data["stream"] = "true"
        with api.stream("POST", path, data=data, files=files) as answer:
            lines = [line for line in until_cut(answer.iter_lines()) if line]
    assert '"delta":"Hello."' in lines[0]
    assert json.loads(lines[-1].removeprefix("data: "))["error"]["type"] == "server_error"
