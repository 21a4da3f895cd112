"""`voxway engine`: one model, one process."""

from __future__ import annotations

import uvloop

from .. import telemetry
from ..worker.host import serve


def run(model: str, address: str, streams: int | None, *, until_stdin_closes: bool) -> None:
    """Serve until SIGTERM. Raises ConfigError for an unknown model or address."""
    telemetry.configure()
    uvloop.run(serve(model, address, streams, until_stdin_closes=until_stdin_closes))
