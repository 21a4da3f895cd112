"""A client package in its own environment, as a subprocess that plays scenarios on request."""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from . import venvs

HERE = Path(__file__).parent
BOUND = 90.0  # seconds: a bound against hangs, not a measure

# Without the environments there is nothing to run; CI makes them first, so there it is a failure.
needs_clients = pytest.mark.skipif(
    not os.environ.get("VOXWAY_TEST_CLIENTS"), reason="needs the client packages: make test-clients"
)


class RaisedError(Exception):
    """What the package raised in a scenario."""

    def __init__(self, type: str, message: str, status: int | None, body: Any) -> None:
        super().__init__(f"{type} {status or ''}: {message}")
        self.type = type
        self.message = message
        self.status = status
        self.body = body


class Client:
    """One running script. `play` runs a scenario and gives what it returned."""

    def __init__(self, venv: str, script: str, log: Path, **environ: str) -> None:
        if not venvs.is_current(venv):
            missing = f"no environment for {venv}: make test-clients"
            (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
        self._log = log
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [str(venvs.python(venv)), str(HERE / "scripts" / script)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=log.parent,
                env={n: v for n, v in os.environ.items() if not n.startswith("PYTHON")} | environ,
            )
        self._buffer = b""
        try:
            self._hear()
        except BaseException:
            self.stop()
            raise

    def play(self, scenario: str, **args: Any) -> Any:
        """Raises RaisedError if the package raised."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"scenario": scenario, "args": args}).encode() + b"\n")
        self._process.stdin.flush()
        answer = self._hear()
        if "raised" in answer:
            raise RaisedError(**answer["raised"])
        return answer["result"]

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        deadline = time.monotonic() + BOUND
        while b"\n" not in self._buffer:
            left = max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select([self._process.stdout], [], [], left)
            data = os.read(self._process.stdout.fileno(), 1 << 20) if ready else b""
            assert data, f"no answer of the client: {self._log.read_text()[-4000:]}"
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):  # it died in mid-request
                pipe.close()
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def packed(data: bytes) -> str:
    return base64.b64encode(data).decode()


def unpacked(data: str) -> bytes:
    return base64.b64decode(data)
