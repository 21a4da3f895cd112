"""A gateway as its users start it, and what the kernel knows about its process."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

KEY = "bench-key"
START_TIMEOUT = 60.0  # seconds until the engines are loaded
STOP_TIMEOUT = 15.0
TICKS = os.sysconf("SC_CLK_TCK")


class Gateway(Struct, frozen=True):
    """A running `voxway serve`."""

    pid: int
    port: int

    def memory(self) -> int:
        """Resident bytes of the gateway process, without its engine workers."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def cpu(self) -> float:
        """Seconds of CPU that the process has used, in user space and in the kernel."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


class _Health(Struct):
    engines: dict[str, str]


def command(*arguments: str) -> list[str]:
    """How to run `voxway` from the environment that runs this."""
    script = Path(sys.executable).with_name("voxway")
    start = [str(script)] if script.exists() else [sys.executable, "-m", "voxway.cli.main"]
    return [*start, *arguments]


@asynccontextmanager
async def gateway(
    *, tier: str = "enterprise", engines: str | None = None
) -> AsyncIterator[Gateway]:
    """Start one on a free port and wait until its engines are up; stop it at the end."""
    with tempfile.TemporaryDirectory(prefix="voxway-bench-") as directory:
        environment = _environment(directory, tier)
        if engines is not None:
            environment["VOXWAY_ENGINES"] = engines
        process = await asyncio.create_subprocess_exec(
            *command("serve", "--port", "0", "--log-level", "warning"),
            stdout=asyncio.subprocess.PIPE,
            env=environment,
        )
        try:
            async with asyncio.timeout(START_TIMEOUT):
                running = Gateway(process.pid, await _port(process))
                await _until_ready(running.port)
            yield running
        finally:
            await _stop(process)


def _environment(directory: str, tier: str) -> dict[str, str]:
    # All callers have one address here, and the admission of each is measured, not refused.
    config = Path(directory, "voxway.toml")
    config.write_text("sockets_per_address = 0\nfailures_per_minute = 0\n")
    ours = {name: value for name, value in os.environ.items() if name != "VOXWAY_ENGINES"}
    return ours | {
        "VOXWAY_DATA_DIR": directory,
        "VOXWAY_API_KEYS": f"{KEY}:{tier}",
        "VOXWAY_CONFIG": str(config),
    }


async def _port(process: asyncio.subprocess.Process) -> int:
    assert process.stdout is not None
    async for line in process.stdout:
        if b"listening on" in line:
            return int(line.rsplit(b":", 1)[1])
    raise RuntimeError(f"voxway serve ended with {await process.wait()} before it listened")


async def _until_ready(port: int) -> None:
    # Nothing announces it: a gateway can only be asked.
    while any(s not in ("ready", "remote") for s in (await _health(port)).engines.values()):  # noqa: ASYNC110
        await asyncio.sleep(0.1)


async def _health(port: int) -> _Health:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return msgspec.json.decode(answer.partition(b"\r\n\r\n")[2], type=_Health)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
