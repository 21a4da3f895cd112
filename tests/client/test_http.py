"""The HTTP side, and a whole session, against a real gateway."""

from __future__ import annotations

import asyncio

import pytest

from conftest import Gateway as Running
from voxway import client
from voxway.errors import AuthError


def test_models_and_health(gateway: Running) -> None:
    there = client.Gateway(gateway.url, gateway.key)
    models = asyncio.run(client.list_models(there))
    assert {model.id for model in models} == {"local/hibari:en", "local/moonshine:tiny-en"}
    health = asyncio.run(client.health(client.Gateway(gateway.url)))
    assert health.status == "ok"
    assert set(health.engines.values()) == {"ready"}


def test_a_wrong_key(gateway: Running) -> None:
    with pytest.raises(AuthError, match="unknown API key"):
        asyncio.run(client.list_models(client.Gateway(gateway.url, "wrong")))


def test_another_path_is_no_gateway(gateway: Running) -> None:
    with pytest.raises(client.UnreachableError, match="no gateway at"):
        asyncio.run(client.health(client.Gateway("ws://127.0.0.1:9")))
