"""The machine and the versions that the figures belong to."""

from __future__ import annotations

import contextlib
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


class Busy(Struct, frozen=True):
    """CPU that was used up to a moment, in ticks: by everything, and by us and our children."""

    total: int
    busy: int
    ours: int

    def others_since(self, before: Busy) -> float:
        """The share of the machine that other processes took in between."""
        foreign = (self.busy - before.busy) - (self.ours - before.ours)
        return max(0.0, foreign / max(1, self.total - before.total))


def busy() -> Busy:
    """Read it from /proc."""
    first = Path("/proc/stat").read_text().splitlines()[0]
    ticks = [int(field) for field in first.split()[1:9]]
    idle = ticks[3] + ticks[4]  # idle and waiting for a disk
    return Busy(sum(ticks), sum(ticks) - idle, _ours())


def _ours() -> int:
    """Ticks of this process and of all below it, the dead included."""
    family = {os.getpid()}
    ours = 0
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            if pid in family or int(fields[1]) in family:
                family.add(pid)
                ours += sum(map(int, fields[11:15]))
    return ours
