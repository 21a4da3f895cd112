"""The command line as a user meets it: a process, its output and its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Gateway

BOUND = 60.0  # seconds


class Shell:
    """Runs `voxway` in an empty directory, against a gateway. A warning is an error there, too."""

    def __init__(self, directory: Path, url: str, key: str) -> None:
        self.directory = directory
        self.environ = os.environ | {
            "VOXWAY_URL": url,
            "VOXWAY_API_KEY": key,
            "VOXWAY_DATA_DIR": str(directory),
            "PYTHONWARNINGS": "error",
            "PYTHONUTF8": "1",
        }

    def start(self, *args: str, stdin: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "voxway.cli.main", *args],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.directory,
            env=self.environ,
        )

    def run(self, *args: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Whatever the exit code."""
        with self.start(*args) as process:
            try:
                out, err = process.communicate(stdin, BOUND)
            finally:
                process.kill()
        assert b"Traceback" not in err, err.decode()
        return subprocess.CompletedProcess(args, process.returncode, out, err)

    def ok(self, *args: str, stdin: bytes = b"") -> str:
        """What a command that must succeed prints."""
        done = self.run(*args, stdin=stdin)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def fails(self, code: int, *args: str, stdin: bytes = b"") -> str:
        """The one line of a command that must fail with this exit code."""
        done = self.run(*args, stdin=stdin)
        assert done.returncode == code, (done.returncode, done.stderr.decode())
        lines = done.stderr.decode().splitlines()
        assert len(lines) == 1, lines
        assert lines[0].startswith("voxway: ")
        return lines[0]


@pytest.fixture
def shell(gateway: Gateway, tmp_path: Path) -> Shell:
    return Shell(tmp_path, gateway.http, gateway.key)
