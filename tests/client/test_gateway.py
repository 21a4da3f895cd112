"""Which gateway is meant, with which key, and that nobody sees the key."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from voxway.client import Gateway, find_gateway
from voxway.client.gateway import normalised
from voxway.errors import ConfigError

KEY = "vw_very-secret"


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("ws://127.0.0.1:8080", "ws://127.0.0.1:8080"),
        ("http://127.0.0.1:8080/", "ws://127.0.0.1:8080"),
        ("https://speech.example.com", "wss://speech.example.com"),
        ("WSS://Speech.Example.com/voice/", "wss://speech.example.com/voice"),
        ("localhost", "ws://localhost:8080"),
        ("localhost:9000", "ws://localhost:9000"),
        (" http://[::1]:80 ", "ws://[::1]:80"),
    ],
)
def test_addresses(given: str, url: str) -> None:
    assert normalised(given) == url


@pytest.mark.parametrize(
    "given",
    [
        *("ftp://here", "ws://", "http://here:port", "ws://me:key@here", "ws://here?token=k"),
        *("ws://[::1", "ws://me:key@here:port", "ws://a..b", f"ws://{'a' * 64}", "ws://a\u2100b"),
    ],
)
def test_what_is_no_address(given: str) -> None:
    with pytest.raises(ConfigError) as caught:
        normalised(given)
    assert "key" not in caught.value.message
    assert "token" not in caught.value.message


def test_the_environment_fills_in() -> None:
    environ = {"VOXWAY_URL": "https://there", "VOXWAY_API_KEY": f" {KEY}\n"}
    assert find_gateway(environ=environ) == Gateway("wss://there", KEY)
    given = find_gateway("ws://here:1", "mine", environ=environ)
    assert given == Gateway("ws://here:1", "mine")
    assert find_gateway(environ={"HOME": "/nonexistent"}).url == "ws://127.0.0.1:8080"


def test_the_local_key_is_for_this_machine_only(tmp_path: Path) -> None:
    (tmp_path / "local-key").write_text(KEY + "\n")
    environ = {"VOXWAY_DATA_DIR": str(tmp_path)}
    assert find_gateway("localhost", environ=environ).key == KEY
    assert find_gateway("ws://127.0.0.1:1", environ=environ).key == KEY
    assert find_gateway("ws://10.0.0.1:1", environ=environ).key == ""
    assert find_gateway("ws://localhost.example.com", environ=environ).key == ""


def test_a_key_that_no_header_can_carry() -> None:
    with pytest.raises(ConfigError, match="no header can carry"):
        find_gateway(key="a\r\nX-Evil: 1", environ={})


def test_the_key_is_not_shown() -> None:
    gateway = Gateway("wss://there", KEY)
    shown = io.StringIO()
    Console(file=shown).print(gateway)
    for text in (repr(gateway), str(gateway), f"{gateway}", shown.getvalue()):
        assert KEY not in text
        assert "wss://there" in text


def test_where_a_model_is() -> None:
    endpoint = Gateway("wss://there/voice", KEY).endpoint("tts", "slng/rime/arcana:3 en?x")
    assert endpoint.url == "wss://there/voice/v1/tts/slng/rime/arcana:3%20en%3Fx"
    assert endpoint.headers == {"Authorization": f"Bearer {KEY}"}


def test_certificates_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "certs/none.pem")
    with pytest.raises(ConfigError, match=r"SSL_CERT_FILE names certs/none.pem"):
        Gateway("wss://there").tls()


def test_certificates_that_cannot_be_read() -> None:
    assert Gateway("ws://there", ca="/nonexistent").tls() is None
    with pytest.raises(ConfigError, match="/nonexistent"):
        Gateway("wss://there", ca="/nonexistent").tls()
