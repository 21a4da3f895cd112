"""The client stands on the base install alone, and is there at once."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files

CHECK = """
import sys, time
import asyncio, msgspec, picows, pybase64  # the base install, not ours to make quicker
began = time.process_time()
import voxway.client, voxway.client.sync
print(time.process_time() - began)
print(*sys.modules)
"""
SERVER = {
    "voxway.gateway",
    "voxway.relay",
    "voxway.line",
    "voxway.converting",
    "voxway.session.tts",
    "voxway.session.stt",
    "voxway.stores",
    "voxway.catalog",
    "voxway.guard",
    "voxway.supervisor",
    "voxway.worker",
    "voxway.engines",
    "voxway.http",
    "voxway.cli",
}
EXTRAS = {"numpy", "av", "typer", "rich", "uvicorn", "litestar", "uvloop", "structlog", "httpx"}
EXTRAS |= {"sqlalchemy", "sounddevice", "prometheus_client", "opentelemetry"}


def test_no_server_code_and_no_extra_is_loaded() -> None:
    done = subprocess.run([sys.executable, "-c", CHECK], capture_output=True, check=True)
    seconds, modules = done.stdout.decode().splitlines()
    loaded = set(modules.split())
    assert "voxway.client.tts" in loaded
    assert not loaded & (SERVER | EXTRAS)
    assert float(seconds) <= 0.15


def test_the_package_says_that_it_is_typed() -> None:
    """How well it is typed stands in `typed.py`, which mypy reads with all the rest."""
    assert (files("voxway") / "py.typed").is_file()


def test_the_command_says_what_to_install() -> None:
    without = "import sys; sys.modules['typer'] = None; from voxway.cli import run; run()"
    done = subprocess.run([sys.executable, "-c", without], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "voxway: typer is not installed: pip install 'voxway[all]'\n"
