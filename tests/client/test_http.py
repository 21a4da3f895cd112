"""The HTTP side, and a whole session, against a real gateway."""

from __future__ import annotations

import asyncio

import pytest

from conftest import Gateway as Running
from voxway import client
from voxway.errors import AuthError, ConfigError
from voxway.events import Audio, Flushed, SpeakOptions


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
    with pytest.raises(ConfigError):
        asyncio.run(speech(client.Gateway(f"{gateway.url}/nowhere", gateway.key)))


async def speech(gateway: client.Gateway, rate: int | None = None) -> tuple[int, float]:
    """Bytes of audio, and their duration as the gateway tells it."""
    size, duration = 0, 0.0
    async for event in client.speak(gateway, "Hello.", options=SpeakOptions(sample_rate=rate)):
        if isinstance(event, Audio):
            size += len(event.data)
        elif isinstance(event, Flushed):
            duration = event.duration or 0.0
    return size, duration


def test_the_audio_is_as_long_as_the_gateway_says(gateway: Running) -> None:
    there = client.Gateway(gateway.url, gateway.key)
    size, duration = asyncio.run(speech(there, 16_000))
    assert size / 32_000 == pytest.approx(duration, abs=0.01)
    assert duration > 0.3
