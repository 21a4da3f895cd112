"""Words that nobody said: the small recognizer likes to end a sentence politely, or to stammer.

Moonshine tiny adds "Thank you." to about one clear sentence in ten, whatever silence follows, and
says a short sentence twice in one of some hundred. The text is aligned to the audio: invented
words lie on the silence at the end, or find no room in it at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from ..events import Word

PHRASES = (" Thank you.", " Thank you!", " Thanks for watching.", " Bye.")
SILENT = 0.06  # of the loudness of all that was said (RMS): speech itself is far over it
SAMPLE_RATE = 16_000


class Alignment(Protocol):
    """An `Aligner`."""

    def align(self, pcm: bytes, text: str) -> Sequence[Word]: ...

    def fits(self, pcm: bytes, text: str) -> bool: ...


def without_invented(text: str, pcm: bytes, aligner: Alignment) -> str:
    """`text` without what has no sound in `pcm` (linear16, 16 kHz): a stock phrase at its end, or
    a phrase that it says twice."""
    if not pcm:
        return text
    return _unstammered(_without_courtesy(text, pcm, aligner), pcm, aligner)


def _without_courtesy(text: str, pcm: bytes, aligner: Alignment) -> str:
    phrase = next((p for p in PHRASES if text.endswith(p)), None)
    if phrase is None:
        return text
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2").astype(np.float32)
    last = aligner.align(pcm, text)[-1]
    under = samples[round(last.start * SAMPLE_RATE) : round(last.end * SAMPLE_RATE)]
    if loudness(under) < SILENT * loudness(samples):
        return text.removesuffix(phrase)
    return text


def _unstammered(text: str, pcm: bytes, aligner: Alignment) -> str:
    """Without the copies of a phrase for which there is no time. Whoever does say something twice
    takes twice as long."""
    shorter = list(_said_once(text))
    if not shorter or aligner.fits(pcm, text):
        return text
    return next((once for once in shorter if aligner.fits(pcm, once)), text)


def _said_once(text: str) -> Iterator[str]:
    """`text` without the copies that follow a phrase of two words or more, for each such phrase."""
    words = text.split()
    bare = [word.lower().strip(".,;:!?") for word in words]
    for size in range(len(words) // 2, 1, -1):
        for at in range(len(words) - 2 * size + 1):
            end = at + size
            while bare[end : end + size] == bare[at : at + size]:
                end += size
            if end > at + size:
                yield " ".join((*words[: at + size], *words[end:]))


def loudness(samples: np.ndarray[tuple[int], np.dtype[np.float32]]) -> float:
    """Root mean square; 0.0 of nothing."""
    return float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0
