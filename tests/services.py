"""Servers that some tests need: those that the environment names, else started from their binaries
for the tests alone. Without either a test is skipped, and says why; in CI that is a failure."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

STARTED = 20.0  # seconds: a bound against hangs, not a measure


def absent(what: str) -> NoReturn:
    """A test cannot run here."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}: in CI it must be there")
    pytest.skip(what)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Redis:
    """A Redis of one's own, which forgets everything when it ends."""

    def __init__(self, directory: Path) -> None:
        binary = shutil.which("redis-server")
        if binary is None:
            absent("no redis-server on the PATH")
        self._binary = binary
        self._directory = directory
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        options = f"--bind 127.0.0.1 --port {self._port} --appendonly no --dir {self._directory}"
        with (self._directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binary, *options.split(), "--save", ""], stdout=log, stderr=log
            )
        deadline = time.monotonic() + STARTED
        while not self._answers():
            assert time.monotonic() < deadline, (self._directory / "redis.log").read_text()
            time.sleep(0.01)

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=1.0) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis for everybody: who uses it keeps to names of his own."""
    if given := os.environ.get("VOXWAY_TEST_REDIS"):
        yield given
        return
    server = Redis(tmp_path_factory.mktemp("redis"))
    server.start()
    try:
        yield server.url
    finally:
        server.kill()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Redis]:
    """A Redis to kill and to start again."""
    server = Redis(tmp_path)
    server.start()
    try:
        yield server
    finally:
        server.kill()
