"""A Redis of our own, as on the same machine."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

START_TIMEOUT = 10.0


@asynccontextmanager
async def own_redis() -> AsyncIterator[str | None]:
    """The address of one on the loopback, or None if there is no program to start."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    with socket.socket() as probe, tempfile.TemporaryDirectory(prefix="voxway-bench-") as place:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        options = f"--bind 127.0.0.1 --port {port} --appendonly no --dir {place} --save"
        process = await asyncio.create_subprocess_exec(
            program, *options.split(), "", stdout=asyncio.subprocess.DEVNULL
        )
        try:
            async with asyncio.timeout(START_TIMEOUT):
                await _until_open(port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.kill()
            await process.wait()


async def _until_open(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return
