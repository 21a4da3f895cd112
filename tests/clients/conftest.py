"""A gateway that answers any model id, and what its log says about who came."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from conftest import BOUND, Gateway
from speech import wer


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway in development mode: the local engines answer for every model."""
    started = Gateway(tmp_path_factory.mktemp("house"), "--dev")
    try:
        started.wait_ready()
        yield started
        bugs = [line for line in started.logged().splitlines() if '"bug"' in line]
        assert bugs == []
    finally:
        started.stop()


class Journal:
    """What a gateway has logged since the test began."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._from = len(gateway.logged())

    def all(self, event: str) -> list[dict[str, Any]]:
        """Every entry of this kind. `session` is written when one has ended."""
        lines = self._gateway.logged()[self._from :].splitlines()
        entries = [json.loads(line) for line in lines if line.startswith("{")]
        return [entry for entry in entries if entry["event"] == event]

    def ended(self, sessions: int) -> list[dict[str, Any]]:
        """The sessions of this test, once so many have ended and none is open."""
        deadline = time.monotonic() + BOUND
        while self._gateway.health()["sessions"] or len(self.all("session")) < sessions:
            assert time.monotonic() < deadline, self._gateway.logged()[self._from :]
            time.sleep(0.02)
        return self.all("session")


@pytest.fixture
def journal(house: Gateway) -> Journal:
    return Journal(house)


class Judge:
    """Says how far speech is from what should have been said."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def hear(self, pcm: bytes, sample_rate: int) -> str:
        """The words in speech, by the gateway's own recognizer."""
        with self._gateway.recognition(sample_rate=sample_rate, encoding="linear16") as ear:
            return ear.transcript(pcm)

    def wer(self, text: str, pcm: bytes, sample_rate: int = 24_000) -> float:
        assert pcm, "no speech at all"
        return wer(text, self.hear(pcm, sample_rate))


@pytest.fixture
def judge(house: Gateway) -> Judge:
    return Judge(house)
