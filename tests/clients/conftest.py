"""A gateway that answers any model id, and what its log says about who came."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from conftest import BOUND, Gateway
from speech import wer

G = TypeVar("G", bound=Gateway)


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway in development mode: the local engines answer for every model."""
    yield from used(Gateway(tmp_path_factory.mktemp("house"), "--dev"))


def used(started: G) -> Iterator[G]:
    """A gateway, stopped after use. Its own bugs fail the test."""
    try:
        started.wait_ready()
        yield started
        bugs = [line for line in started.logged().splitlines() if '"bug"' in line]
        assert bugs == []
    finally:
        started.stop()


class SecureGateway(Gateway):
    """The same behind TLS, with a certificate by an authority in `authority`."""

    def __init__(self, directory: Path, *args: str) -> None:
        certs = directory / "certs"
        make = [sys.executable, "-m", "voxway.cli.main", "certs", "--dir", str(certs)]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
        self.authority = certs / "ca.pem"
        tls = ["--tls-cert", str(certs / "cert.pem"), "--tls-key", str(certs / "key.pem")]
        super().__init__(directory, *tls, *args)

    @property
    def http(self) -> str:
        return f"https://{self.address}"

    def health(self) -> dict[str, Any]:
        trust = ssl.create_default_context(cafile=str(self.authority))
        health: dict[str, Any] = httpx.get(f"{self.http}/health", verify=trust).json()
        return health


@pytest.fixture(scope="session")
def secure_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureGateway]:
    """For clients that speak TLS only."""
    yield from used(SecureGateway(tmp_path_factory.mktemp("secure"), "--dev"))


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

    def hear(self, speech: bytes, sample_rate: int, encoding: str) -> str:
        """The words in speech, by the gateway's own recognizer."""
        with self._gateway.recognition(sample_rate=sample_rate, encoding=encoding) as ear:
            return ear.transcript(speech)

    def wer(
        self, text: str, speech: bytes, sample_rate: int = 24_000, encoding: str = "linear16"
    ) -> float:
        assert speech, "no speech at all"
        return wer(text, self.hear(speech, sample_rate, encoding))

    def wer_of_file(self, text: str, file: bytes) -> float:
        """Of speech in a container that says what it holds."""
        assert file, "no speech at all"
        with self._gateway.api() as api:
            answer = api.post("/v1/stt/local/moonshine:tiny-en", files={"audio": file})
        assert answer.status_code == 200, answer.text
        return wer(text, answer.json()["transcript"])


@pytest.fixture
def judge(house: Gateway) -> Judge:
    return Judge(house)
