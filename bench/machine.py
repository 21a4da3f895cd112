"""The machine and the versions that the figures belong to."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from msgspec import Struct

LIBRARIES = (
    "voxway",
    "picows",
    "uvloop",
    "uvicorn",
    "litestar",
    "msgspec",
    "pybase64",
    "numpy",
    "onnxruntime",
    "hibari-tts",
    "moonshine-voice",
)


class Machine(Struct, frozen=True, kw_only=True):
    """What ran the measurements. `load` is the load average before they began."""

    date: str
    cpu: str
    cores: int
    memory: str
    kernel: str
    python: str
    libraries: str
    load: str

    def facts(self) -> Iterator[tuple[str, str]]:
        """What a reader needs to compare, with its name."""
        yield "CPU", f"{self.cpu}, {self.cores} cores"
        yield "memory", self.memory
        yield "kernel", self.kernel
        yield "Python", self.python
        yield "libraries", self.libraries
        yield "load average before the run (1, 5, 15 minutes)", self.load


def this_machine() -> Machine:
    """Look around."""
    load = os.getloadavg()
    cpuinfo, meminfo = Path("/proc/cpuinfo").read_text(), Path("/proc/meminfo").read_text()
    model = re.search(r"^model name\s*: (.+)$", cpuinfo, re.MULTILINE)
    total = re.search(r"^MemTotal:\s*(\d+) kB", meminfo, re.MULTILINE)
    return Machine(
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        cpu=model[1] if model else platform.machine(),
        cores=os.cpu_count() or 1,
        memory=f"{int(total[1]) / 1024**2:.0f} GiB" if total else "unknown",
        kernel=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        libraries=", ".join(f"{name} {version(name)}" for name in LIBRARIES),
        load=", ".join(f"{value:.2f}" for value in load),
    )
