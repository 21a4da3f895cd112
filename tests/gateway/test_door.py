"""Who comes in: keys in every place, refusals before the upgrade, TLS, draining, first starts."""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from conftest import BOUND, Gateway

PATH = "/v1/tts/local/hibari:en"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer test-local"},
        {"Authorization": "token test-local"},
        {"Authorization": "Api-Key  test-local "},
        {"X-API-Key": "test-local"},
        {"xi-api-key": "test-local"},
        {"kyutai-api-key": "test-local"},
    ],
)
def test_a_key_in_a_header(gateway: Gateway, headers: dict[str, str]) -> None:
    with gateway.open(PATH, headers=headers) as talk:
        talk.say(type="ping")
        assert talk.hear() == {"type": "pong"}


@pytest.mark.parametrize("name", ["token", "api_key", "xi-api-key", "access_token"])
def test_a_key_in_the_query(gateway: Gateway, name: str) -> None:
    with gateway.open(f"{PATH}?{name}=test-local%0A", headers={}) as talk:
        talk.say(type="ping")
        assert talk.hear() == {"type": "pong"}


def test_a_key_in_the_subprotocol_and_its_name_comes_back(gateway: Gateway) -> None:
    offered = [Subprotocol("token"), Subprotocol("test-local")]
    with gateway.open(PATH, headers={}, subprotocols=offered) as talk:
        assert talk.socket.subprotocol == "token"


def refusal(gateway: Gateway, path: str, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    with pytest.raises(InvalidStatus) as caught:
        gateway.open(path, headers=headers)
    response = caught.value.response
    body: dict[str, Any] = json.loads(response.body or b"")
    assert response.headers["x-request-id"] == body["request_id"]
    assert body["error"] == body["code"]
    return response.status_code, body


@pytest.mark.parametrize(
    ("path", "headers", "status", "code", "words"),
    [
        (PATH, {}, 401, "auth_error", "Authorization: Bearer KEY"),
        (PATH, {"X-API-Key": "wrong"}, 401, "auth_error", "unknown API key"),
        ("/v1/tts/local/hibary:en", {"X-API-Key": "test-local"}, 404, "model_not_found", "hibari"),
        ("/v1/nothing", {"X-API-Key": "test-local"}, 404, "model_not_found", "no route"),
        (
            "/v1/stt/local/hibari:en",
            {"X-API-Key": "test-local"},
            404,
            "model_not_found",
            "is for tts",
        ),
    ],
)
def test_refusals_before_the_upgrade(
    gateway: Gateway, path: str, headers: dict[str, str], status: int, code: str, words: str
) -> None:
    got, body = refusal(gateway, path, headers)
    assert (got, body["code"]) == (status, code)
    assert words in body["message"]


@pytest.mark.parametrize(
    ("path", "key", "code", "close"),
    [(PATH, "wrong", "auth_error", 4000), ("/v1/tts/x", "test-local", "model_not_found", 1008)],
)
def test_a_browser_is_told_in_the_socket(
    gateway: Gateway, path: str, key: str, code: str, close: int
) -> None:
    headers = {"Origin": "https://app.example", "X-API-Key": key}
    with gateway.open(path, headers=headers) as talk:
        message = talk.hear()
        assert (message["type"], message["code"]) == ("error", code)
        assert talk.close_code() == close


def test_a_browser_is_told_when_to_come_back(gateway: Gateway) -> None:
    headers = {"Origin": "https://app.example", "X-API-Key": "test-free"}
    with gateway.open(PATH, headers=headers), gateway.open(PATH, headers=headers) as talk:
        message = talk.hear()
        assert (message["code"], message["retryable"]) == ("rate_limit", True)
        assert message["retry_after"] == 1.0
        assert message["message"] == "1 concurrent connections are in use; retry after 1 s"
        assert talk.close_code() == 4001


def test_plain_http(gateway: Gateway) -> None:
    key = {"Authorization": "Bearer test-local"}
    assert gateway.health()["status"] == "ok"
    models = httpx.get(f"{gateway.http}/v1/models", headers=key).json()["data"]
    assert {m["id"]: m["kind"] for m in models} == {
        "local/hibari:en": "tts",
        "local/moonshine:tiny-en": "stt",
    }
    assert models[0]["voices"] == ["heart"]
    assert "mp3" in models[0]["encodings"]
    answer = httpx.get(f"{gateway.http}/v1/models")
    assert (answer.status_code, answer.json()["code"]) == (401, "auth_error")
    answer = httpx.get(f"{gateway.http}/nothing", headers=key)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert httpx.post(f"{gateway.http}/health").status_code == 405
    answer = httpx.get(f"{gateway.http}{PATH}", headers=key)
    assert (answer.status_code, answer.json()["code"]) == (426, "upgrade_required")


def certificate(directory: Path) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = directory / "cert.pem", directory / "key.pem"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(cert_file), str(key_file)


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def test_tls_on_the_same_port(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    started = Gateway(tmp_path, "--tls-cert", cert, "--tls-key", key, VOXWAY_ENGINES="none")
    try:
        port = started.address.split(":")[1]
        trust = ssl.create_default_context(cafile=cert)
        with httpx.Client(verify=trust, base_url=f"https://localhost:{port}") as client:
            assert client.get("/health").status_code == 200
            refused = client.get(PATH, params={"token": "test-local"}, headers=UPGRADE)
        # This gateway was started without engines.
        assert (refused.status_code, refused.json()["code"]) == (503, "backend_not_configured")
    finally:
        assert started.stop() == 0


def test_a_key_of_another_certificate(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    files = ("--tls-cert", certificate(one)[0], "--tls-key", certificate(other)[1])
    done = serve(*files, VOXWAY_DATA_DIR=str(tmp_path))
    assert done.returncode == 2
    assert "do not belong together" in done.stderr
    assert not (tmp_path / "local-key").exists()


def test_an_engine_that_is_away_is_named(tmp_path: Path) -> None:
    started = Gateway(tmp_path, VOXWAY_ENGINES="local/hibari:en=tcp:127.0.0.1:9")
    try:
        with started.open(PATH) as talk:
            talk.say(type="init")
            error = talk.until("error")[-1]
        assert error["code"] == "backend_connection_failed"
        assert "the engine of local/hibari:en is away" in error["message"]
    finally:
        assert started.stop() == 0


def test_nothing_is_deflated(gateway: Gateway) -> None:
    """The memory of it would be many times that of a session."""
    with gateway.open(PATH, compression="deflate") as talk:
        assert talk.socket.response is not None
        assert "Sec-WebSocket-Extensions" not in talk.socket.response.headers


def test_tls_sends_nothing_unasked(tmp_path: Path) -> None:
    """A ticket, taken while another thread writes, has lost an answer to SDKs (decision 027)."""
    cert, key = certificate(tmp_path)
    started = Gateway(tmp_path, "--tls-cert", cert, "--tls-key", key, VOXWAY_ENGINES="none")
    try:
        host, port = started.address.split(":")
        trust = ssl.create_default_context(cafile=cert)
        with (
            socket.create_connection((host, int(port)), timeout=BOUND) as plain,
            trust.wrap_socket(plain, server_hostname="localhost") as safe,
        ):
            safe.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert safe.recv(65_536).startswith(b"HTTP/1.1 200")
            assert safe.version() == "TLSv1.3"
            assert safe.session is not None
            assert not safe.session.has_ticket
    finally:
        assert started.stop() == 0


def test_a_speech_session_over_tls(tmp_path: Path) -> None:
    async def said(url: str, trust: ssl.SSLContext) -> list[str]:
        async with asyncio.timeout(BOUND), connect_async(url, ssl=trust, max_size=None) as socket:
            await socket.send('{"type":"init","config":{"encoding":"linear32","sample_rate":8000}}')
            await socket.send('{"type":"text","text":"Hello over a safe line.","flush":true}')
            types: list[str] = []
            while types[-1:] != ["audio_end"]:
                types.append(json.loads(await socket.recv())["type"])
            return types

    cert, key = certificate(tmp_path)
    started = Gateway(tmp_path, "--tls-cert", cert, "--tls-key", key)
    try:
        port = started.address.split(":")[1]
        url = f"wss://localhost:{port}{PATH}?token=test-local"
        types = asyncio.run(said(url, ssl.create_default_context(cafile=cert)))
        assert types.count("audio_chunk") > 10
    finally:
        assert started.stop() == 0


def test_draining_lets_a_session_end_and_takes_nobody_new(tmp_path: Path) -> None:
    started = Gateway(tmp_path)
    started.wait_ready()
    with started.speech() as talk:
        started.process.send_signal(signal.SIGTERM)
        while started.health()["status"] != "draining":
            pass
        assert httpx.get(f"{started.http}/health").status_code == 503
        status, body = refusal(started, PATH, {"X-API-Key": "test-local"})
        assert (status, body["code"]) == (503, "draining")
        assert talk.utterance("Let me finish.")
        talk.say(type="close")
        assert talk.close_code() == 1000
    assert started.process.wait(BOUND) == 0
    started.stop()


def test_a_second_signal_ends_the_sessions(tmp_path: Path) -> None:
    started = Gateway(tmp_path)
    started.wait_ready()
    with started.speech() as talk:
        started.process.send_signal(signal.SIGTERM)
        while started.health()["status"] != "draining":
            pass
        started.process.send_signal(signal.SIGTERM)
        messages = talk.rest()
        assert messages[-1]["type"] == "session_ended"
        assert messages[-1]["reason"] == "draining"
        assert talk.socket.close_code == 1012
    assert started.process.wait(BOUND) == 0
    started.stop()


def test_without_keys_a_key_is_made_once_for_this_machine(tmp_path: Path) -> None:
    key_file = tmp_path / "local-key"
    key_file.touch()  # as a start that was cut short leaves it
    started = Gateway(tmp_path, VOXWAY_API_KEYS="", VOXWAY_ENGINES="none")
    key = key_file.read_text().strip()
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert any(key in line for line in started.said)
    assert httpx.get(f"{started.http}/v1/models", headers={"X-API-Key": key}).status_code == 200
    started.stop()
    again = Gateway(tmp_path, VOXWAY_API_KEYS="", VOXWAY_ENGINES="none")
    assert not any(key in line for line in again.said)
    assert httpx.get(f"{again.http}/v1/models", headers={"X-API-Key": key}).status_code == 200
    again.stop()


def serve(*args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "voxway.cli.main", "serve", *args]
    env = {k: v for k, v in os.environ.items() if not k.startswith("VOXWAY")} | environ
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=BOUND)


def test_an_open_port_without_keys_is_refused_with_the_reason(tmp_path: Path) -> None:
    done = serve("--host", "0.0.0.0", "--port", "0", VOXWAY_DATA_DIR=str(tmp_path))
    assert done.returncode == 2
    assert "refusing to listen on 0.0.0.0 without keys" in done.stderr
    assert "VOXWAY_API_KEYS" in done.stderr


@pytest.mark.parametrize(
    ("args", "environ", "words"),
    [
        (("--tls-cert", "x"), {}, "go together"),
        (("--tls-cert", "x.pem", "--tls-key", "x.pem"), {}, "cannot read x.pem: No such file"),
        (("--tls-cert", __file__, "--tls-key", __file__), {}, "are no PEM certificate and its key"),
        (("--log-level", "loud"), {}, "'loud' is not one of"),
        ((), {"VOXWAY_API_KEYS": "a:gold"}, "tier 'gold'"),
        ((), {"VOXWAY_ENGINES": "local/x"}, "'local/x' is not one of"),
        (("--port", "1"), {"VOXWAY_API_KEYS": "a"}, "cannot listen"),
        (("--host", "no.such.host.invalid"), {"VOXWAY_API_KEYS": "a"}, "cannot listen"),
    ],
)
def test_what_is_wrong_at_the_start_is_one_line(
    tmp_path: Path, args: tuple[str, ...], environ: dict[str, str], words: str
) -> None:
    if args == ("--port", "1") and os.geteuid() == 0:
        args = ("--host", "203.0.113.1")  # root may have any port, but not any address
    done = serve(*args, VOXWAY_DATA_DIR=str(tmp_path), **environ)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
