"""Words that nobody said: the small recognizer likes to end a sentence politely.

Moonshine tiny adds "Thank you." to about one clear sentence in ten, whatever silence follows. The
words are aligned to the audio: said ones lie on sound, invented ones on the silence at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..events import Word

PHRASES = (" Thank you.", " Thank you!", " Thanks for watching.", " Bye.")
SILENT = 0.06  # of the loudness of all that was said (RMS): speech itself is far over it
SAMPLE_RATE = 16_000
Align = Callable[[bytes, str], Sequence[Word]]


def without_invented(text: str, pcm: bytes, align: Align) -> str:
    """`text` without a stock phrase at its end that has no sound in `pcm` (linear16, 16 kHz)."""
    phrase = next((p for p in PHRASES if text.endswith(p)), None)
    if phrase is None or not pcm:
        return text
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2").astype(np.float32)
    last = align(pcm, text)[-1]
    under = samples[round(last.start * SAMPLE_RATE) : round(last.end * SAMPLE_RATE)]
    if loudness(under) < SILENT * loudness(samples):
        return text.removesuffix(phrase)
    return text


def loudness(samples: np.ndarray[tuple[int], np.dtype[np.float32]]) -> float:
    """Root mean square; 0.0 of nothing."""
    return float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0
