"""OpenAI's realtime transcription as browsers open it: with the key in a subprotocol."""

from __future__ import annotations

import json

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from conftest import BOUND, Gateway

URL = "/v1/realtime?intent=transcription&model=local/moonshine:tiny-en"


def offered(key: str) -> list[Subprotocol]:
    return [Subprotocol(name) for name in ("realtime", f"openai-insecure-api-key.{key}")]


def test_a_browser_opens_it_by_its_subprotocols(gateway: Gateway) -> None:
    with connect(gateway.url + URL, subprotocols=offered(gateway.key)) as socket:
        assert socket.subprotocol == "realtime"
        created = json.loads(socket.recv(BOUND))
        socket.send('{"type":"session.update","session":{"type":"transcription"}}')
        updated = json.loads(socket.recv(BOUND))
    assert (created["type"], updated["type"]) == ("session.created", "session.updated")


def test_another_key_is_refused_in_its_words(gateway: Gateway) -> None:
    with (
        pytest.raises(InvalidStatus) as caught,
        connect(gateway.url + URL, subprotocols=offered("x")),
    ):
        pass
    assert caught.value.response.status_code == 401
    error = json.loads(caught.value.response.body or b"{}")["error"]
    assert (error["code"], error["type"]) == ("invalid_api_key", "invalid_request_error")
