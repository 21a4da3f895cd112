"""Servers that some tests need: those that the environment names, else started from their binaries
for the tests alone. Without either a test is skipped, and says why; in CI that is a failure."""

from __future__ import annotations

import asyncio
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

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


class Postgres:
    """A PostgreSQL of one's own, on a Unix socket. It does not run as root, and is not durable."""

    def __init__(self, directory: Path) -> None:
        self._initdb, self._postgres = _of_postgres("initdb"), _of_postgres("postgres")
        self._directory = directory
        self._who = _not_root()
        if self._who:
            os.chown(directory, self._who["user"], self._who["group"])
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"postgresql://voxway@/postgres?host={directory}"

    def start(self) -> None:
        """Begin, also again after `kill`."""
        data, log = self._directory / "data", self._directory / "log"
        with log.open("ab") as file:
            how = {"cwd": self._directory, "stdout": file, "stderr": file, **self._who}
            if not data.exists():
                options = f"-D {data} -U voxway -A trust -E UTF8 -N"
                subprocess.run([self._initdb, *options.split()], check=True, **how)
            options = f"-D {data} -k {self._directory} -c listen_addresses= -c fsync=off"
            self._process = subprocess.Popen([self._postgres, *options.split()], **how)
        deadline = time.monotonic() + STARTED
        while not self._answers():
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # at once, children too, as by a crash
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        async def asked() -> None:
            await administered(self.url, "SELECT 1")

        try:
            asyncio.run(asked())
        except (OSError, SQLAlchemyError):
            return False
        return True


def _of_postgres(program: str) -> str:
    """Debian keeps them out of the PATH."""
    beside = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    binary = shutil.which(program) or next(map(str, reversed(beside)), None)
    return binary or absent(f"no {program} on the PATH or under /usr/lib/postgresql")


def _not_root() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    users = {user.pw_name: user for user in pwd.getpwall()}
    user = users.get("postgres") or users["nobody"]
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


async def administered(url: str, statement: str) -> None:
    """Run one statement that stands outside of transactions."""
    engine = create_async_engine(
        make_url(url).set(drivername="postgresql+asyncpg"), isolation_level="AUTOCOMMIT"
    )
    try:
        async with engine.connect() as connection:
            await connection.execute(text(statement))
    finally:
        await engine.dispose()


@pytest.fixture(scope="session")
def own_postgres() -> Iterator[Postgres]:
    """The server behind `postgres_url`, unless the environment names another."""
    # Not below pytest's directory: root alone may enter that, and a socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="vw-", ignore_cleanup_errors=True) as directory:
        server = Postgres(Path(directory))
        server.start()
        try:
            yield server
        finally:
            server.kill()


_databases = itertools.count()


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A PostgreSQL database with nothing in it, for one test."""
    server = os.environ.get("VOXWAY_TEST_POSTGRES")
    if not server:
        own: Postgres = request.getfixturevalue("own_postgres")
        server = own.url
    name = f"voxway_test_{os.getpid()}_{next(_databases)}"
    asyncio.run(administered(server, f"CREATE DATABASE {name}"))
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    asyncio.run(administered(server, f"DROP DATABASE {name} WITH (FORCE)"))
