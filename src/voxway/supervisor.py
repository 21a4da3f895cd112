"""Keep the engine workers of this machine running, and say where each is to be dialled.

A worker is a child process that dies with us (it reads our end of a pipe) and is started again with
backoff when it dies alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import structlog

from .backoff import doubling
from .catalog import LOCAL
from .config import EngineSetting
from .errors import UpstreamError
from .wire.base import Endpoint

log = structlog.get_logger("voxway")

START_TIMEOUT = 60.0  # seconds until a new worker must listen
WAIT_TIMEOUT = 20.0  # seconds that a session waits for a worker which is starting
STABLE_AFTER = 30.0  # seconds of life after which the backoff starts anew
POLL = 0.02
PROBE_EVERY = 2.0  # seconds between two questions whether a worker still answers
MISSES = 3
SOCKET_PATH = 103  # bytes: the most that every system takes as the address of a Unix socket


def socket_directory() -> AbstractContextManager[str]:
    """A directory of our own for the workers' sockets, gone at the end. It is where the system
    keeps temporary files, or in /tmp where that has too long a path for a socket in it."""
    longest = max(len(_socket_name(model)) for model in LOCAL)
    place = os.fsencode(tempfile.gettempdir())
    fits = len(place) + len("/voxway-12345678/") + longest <= SOCKET_PATH
    return tempfile.TemporaryDirectory(prefix="voxway-", dir=None if fits else "/tmp")


def _socket_name(model: str) -> str:
    return f"{model.replace('/', '-').replace(':', '-')}.sock"


Status = Literal["starting", "ready", "restarting", "remote"]


class Worker:
    """One engine: a child process here, or somebody else's at an address."""

    def __init__(self, setting: EngineSetting, directory: Path) -> None:
        self.model = setting.model
        self.status: Status = "starting" if setting.address == "auto" else "remote"
        self.restarts = 0
        self._ready = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._socket = directory / _socket_name(setting.model)
        self._address = f"unix:{self._socket}" if setting.address == "auto" else setting.address
        if self.status == "remote":
            self._ready.set()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    async def endpoint(self) -> Endpoint:
        """Where to dial, once the worker listens. Raises UpstreamError if that takes too long."""
        try:
            async with asyncio.timeout(WAIT_TIMEOUT):
                await self._ready.wait()
        except TimeoutError:
            raise UpstreamError(f"the engine {self.model} is not up", code="not_ready") from None
        kind = LOCAL[self.model].kind
        path = f"/v1/{kind}/{quote(self.model)}"
        if self._address.startswith("unix:"):
            return Endpoint(f"ws://engine{path}", unix=self._address.removeprefix("unix:"))
        return Endpoint(f"ws://{self._address.removeprefix('tcp:')}{path}")

    async def run(self) -> None:
        """Keep it running until cancelled."""
        if self.status == "remote":
            return
        loop = asyncio.get_running_loop()
        delays = doubling(0.1, 10.0)
        try:
            while True:
                started = loop.time()
                try:
                    await self._live()
                except OSError as error:
                    log.error("engine cannot be started", model=self.model, reason=str(error))
                self._ready.clear()
                self.status, self.restarts = "restarting", self.restarts + 1
                if loop.time() - started > STABLE_AFTER:
                    delays = doubling(0.1, 10.0)
                delay = next(delays)
                log.warning("engine died", model=self.model, restarts=self.restarts, delay=delay)
                await asyncio.sleep(delay)
        finally:
            await self._stop()

    async def _live(self) -> None:
        """One life of the process: start it, wait until it listens, wait until it ends."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._socket)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "voxway.cli.main",
            "engine",
            self.model,
            "--listen",
            self._address,
            "--until-stdin-closes",
            stdin=asyncio.subprocess.PIPE,
        )
        exited = asyncio.ensure_future(self._process.wait())
        try:
            async with asyncio.timeout(START_TIMEOUT):
                # A child can only be asked whether it listens.
                while not exited.done() and not await self._answers():  # noqa: ASYNC110
                    await asyncio.sleep(POLL)
        except TimeoutError:
            log.error("engine does not listen", model=self.model, seconds=START_TIMEOUT)
            self._process.kill()
        else:
            if not exited.done():
                self.status = "ready"
                self._ready.set()
                await self._watch(exited, self._process)
        await exited

    async def _watch(
        self, exited: asyncio.Future[int], process: asyncio.subprocess.Process
    ) -> None:
        """Until it ends; one that hangs, though it lives, is ended."""
        missed = 0
        while missed < MISSES:
            done, _ = await asyncio.wait({exited}, timeout=PROBE_EVERY)
            if done:
                return
            missed = 0 if await self._answers() else missed + 1
        log.error("engine hangs", model=self.model, seconds=MISSES * PROBE_EVERY)
        process.kill()

    async def _answers(self) -> bool:
        """Whether the worker's loop turns: it refuses a request that is no upgrade."""
        writer = None
        try:
            async with asyncio.timeout(PROBE_EVERY):
                reader, writer = await asyncio.open_unix_connection(str(self._socket))
                writer.write(b"GET /health HTTP/1.1\r\nHost: engine\r\n\r\n")
                return bool(await reader.read(1))
        except (OSError, TimeoutError):
            return False
        finally:
            if writer is not None:
                writer.close()

    async def _stop(self) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(3.0):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()


class Supervisor:
    """All engines of one gateway."""

    def __init__(self, settings: Sequence[EngineSetting], directory: Path) -> None:
        self.workers = {setting.model: Worker(setting, directory) for setting in settings}

    async def run(self) -> None:
        """Keep them running until cancelled."""
        async with asyncio.TaskGroup() as group:
            for worker in self.workers.values():
                group.create_task(worker.run())
