"""Times for the words of those who give none: alignment of text and audio, in a process of its own.

About 11 ms of work for a second of audio; the gateway's loop and its threads do none of it.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from threading import Lock

from .audio.formats import AudioFormat
from .engines import align
from .events import Word

LONGEST = 120.0  # seconds of an utterance: of a longer one the beginning is aligned


@cache
def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


@cache
def _aligner() -> align.Aligner:
    return align.Aligner()


def _align(pcm: bytes, text: str) -> list[Word]:
    return _aligner().align(pcm, text)


class Alignment:
    """The audio of one utterance, for one thread that feeds and one that asks."""

    def __init__(self, source: AudioFormat) -> None:
        from .audio.decode import Decoder  # see `converting`

        self._decoder = Decoder(source, align.SAMPLE_RATE)
        self._pcm = bytearray()
        self._lock = Lock()

    def feed(self, data: bytes) -> None:
        with self._lock:
            if len(self._pcm) < LONGEST * align.SAMPLE_RATE * 2:
                self._pcm += self._decoder.feed(data)

    def words(self, text: str) -> tuple[Word, ...]:
        """The words of `text` in the audio so far, which is forgotten. Blocking."""
        with self._lock:
            pcm = bytes(self._pcm) + self._decoder.flush()
            self._pcm.clear()
        if not text.strip() or not pcm:
            return ()
        return tuple(_pool().submit(_align, pcm, text).result())
