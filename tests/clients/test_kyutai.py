"""livekit-plugins-kyutai-lasuite 0.0.6, as it is on PyPI, against a gateway with the local engines.
It takes every word for a final, and ends nothing: the gateway finds the pauses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conftest import Gateway
from speech import clip, wer

from .client import Client, needs_clients, packed
from .conftest import Journal

pytestmark = needs_clients


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    running = Client("livekit-1.8.9", "livekit_client.py", tmp_path_factory.mktemp("ky") / "log")
    yield running
    running.stop()


def test_words_come_with_their_times(house: Gateway, plugin: Client, journal: Journal) -> None:
    pcm, text = clip("austen-0930.wav")
    options = {
        "plugin": "lasuite.plugins.kyutai",
        "base_url": f"{house.url}/api/asr-streaming",
        "api_key": house.key,
        "sample_rate": 24_000,
    }
    speech = packed(pcm + bytes(2 * 16_000 * 2))
    finals = len(text.split())
    heard = plugin.play("overhear", options=options, clip=speech, finals=finals)["heard"]
    assert wer(text, " ".join(event["text"] for event in heard)) <= 0.15
    times = [event["start_time"] for event in heard]
    assert times == sorted(times)
    assert 0.0 < times[-1] < len(pcm) / 32_000
    assert len([s for s in journal.ended(1) if s["asked"] == "kyutai"]) == 1
