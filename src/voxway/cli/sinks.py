"""Where `voxway say` lets its speech go: a file, or standard output."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ..audio.wav import wav_header
from ..client.sinks import Recording, Sink, file_sink
from ..errors import ConfigError

__all__ = ["Recording", "Sink", "StandardOutput", "sink_for"]


class StandardOutput:
    """A WAV stream for another program; nobody knows its length when it begins."""

    name = "standard output"

    def open(self, rate: int) -> None:
        self.write(wav_header(rate))

    def write(self, pcm: bytes) -> None:
        sys.stdout.buffer.write(pcm)
        sys.stdout.buffer.flush()

    async def finish(self) -> None: ...

    def close(self) -> None: ...


def sink_for(path: str) -> Sink:
    """The sink for `-o`. Raises ConfigError for what cannot work, before anything is spoken."""
    if path == "-":
        if sys.stdout.isatty():
            raise ConfigError("not writing audio to a terminal: pipe it, or use -o FILE")
        return StandardOutput()
    target = Path(path)
    sink = file_sink(target)
    if not target.parent.is_dir():
        raise ConfigError(f"cannot write {path}: there is no directory {target.parent}")
    if not os.access(target if target.exists() else target.parent, os.W_OK) or target.is_dir():
        raise ConfigError(f"cannot write {path}: it may not be written")
    return sink
