"""A gateway of our own: a child process on a free port, with keys and files nobody else has."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from ..client.gateway import Gateway, find_gateway
from ..client.http import health
from ..errors import UpstreamError

START_TIMEOUT = 120.0  # seconds: a slow machine reads its models from a cold disk
STOP_TIMEOUT = 8.0
_SETTINGS = (
    *("VOXWAY_CONFIG", "VOXWAY_ENGINES", "VOXWAY_URL", "VOXWAY_API_KEY"),
    *("VOXWAY_DATABASE_URL", "VOXWAY_PEPPER", "VOXWAY_REDIS_URL", "VOXWAY_ON_LOSS"),
    *("VOXWAY_WYOMING_PORT", "VOXWAY_WYOMING_KEY"),
)


@asynccontextmanager
async def own_gateway() -> AsyncIterator[Gateway]:
    """Runs inside the block, with its engines ready. Raises UpstreamError if it does not start."""
    with TemporaryDirectory(prefix="voxway-demo-") as directory:
        key = f"vw_{secrets.token_urlsafe(24)}"
        log = Path(directory, "log")
        process = await _started(directory, key, log)
        try:
            async with asyncio.timeout(START_TIMEOUT):
                gateway = find_gateway(await _announced(process, log), key)
                await _ready(gateway)
            yield gateway
        except TimeoutError:
            raise UpstreamError(
                f"the gateway was not ready within {START_TIMEOUT:g} s{_last(log)}"
            ) from None
        finally:
            await _stop(process)


async def _started(directory: str, key: str, log: Path) -> asyncio.subprocess.Process:
    environ = {name: value for name, value in os.environ.items() if name not in _SETTINGS}
    environ |= {"VOXWAY_API_KEYS": f"{key}:local", "VOXWAY_DATA_DIR": directory}
    serve = (
        *("-m", "voxway.cli.main", "serve", "--port", "0", "--log-level", "warning"),
        "--until-stdin-closes",  # so that it ends also if we are killed
    )
    with log.open("wb") as errors:
        # In a session of its own: Ctrl-C is for us, and we stop it in our own time.
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *serve,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env=environ,
            start_new_session=True,
        )


async def _announced(process: asyncio.subprocess.Process, log: Path) -> str:
    """The address, from the line in which the gateway says where it listens."""
    assert process.stdout is not None
    async for line in process.stdout:
        _, found, address = line.decode().strip().partition("listening on ")
        if found:
            return address
    raise UpstreamError(f"the gateway did not start{_last(log)}")


async def _ready(gateway: Gateway) -> None:
    # Another process has no event to wait for.
    while set((await health(gateway)).engines.values()) != {"ready"}:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


def _last(log: Path) -> str:
    """The last line it wrote, which mostly says why."""
    lines = log.read_text(errors="replace").strip().splitlines()
    return f": {lines[-1]}" if lines else ""


async def _stop(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT):
                await process.wait()
                return
        process.kill()
    await process.wait()
