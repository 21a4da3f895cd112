"""Forced alignment: when each word of a known text is said in its audio, English only.

PocketSphinx does it with the model in its wheel, in about 11 ms a second of audio. What its
dictionary lacks (names, numbers, money) is pronounced by hibari's rules, in its phonemes.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from threading import Lock
from typing import Any

from ..events import Word
from .timing import shifted, spread, transfer, words_in

SAMPLE_RATE = 16_000
_BYTES_PER_SECOND = 2 * SAMPLE_RATE
_FRAME = 0.01  # seconds

# The decoder can learn words but not forget them: above this it is made anew.
_MAX_LEARNED = 2_000

# Phonemes of hibari's alphabet (after misaki) in those of the CMU dictionary.
_PHONE_TABLE = """
A EY  I AY  O OW  W AW  Y OY  Q OW  ɑ AA  æ AE  ə AH  ʌ AH  ɔ AO  ɛ EH  ɜ ER  ᵊ AH  ɐ AH  ɒ AA
i IY  ɪ IH  u UW  ʊ UH  b B  d D  f F  h HH  k K  l L  m M  n N  p P  s S  t T  v V  w W  z Z  j Y
ɡ G  ŋ NG  ɹ R  ɾ T  ʃ SH  ʒ ZH  ð DH  θ TH  ʤ JH  ʧ CH  T T  ʔ T
"""  # noqa: RUF001
_PHONES = dict(zip(_PHONE_TABLE.split()[::2], _PHONE_TABLE.split()[1::2], strict=True))


def can_align(language: str | None) -> bool:
    """Whether it can be done here for this language."""
    is_there = importlib.util.find_spec("pocketsphinx") is not None
    return is_there and (language or "en").lower().split("-")[0] == "en"


class Aligner:
    """Aligns one text at a time; several threads may ask."""

    def __init__(self, max_learned: int = _MAX_LEARNED) -> None:
        self._max_learned = max_learned
        self._lock = Lock()
        self._decoder: Any = None
        self._rules: Any = None
        self._learned: dict[str, str | None] = {}

    def align(self, pcm: bytes, text: str) -> list[Word]:
        """The words of `text` (pieces between white space, with their punctuation; pieces with
        neither letter nor digit are left out) with their times in `pcm`, linear16 at 16 kHz.

        In order and within the audio. Where alignment fails, each word gets time by its length.
        """
        words, duration = words_in(text), len(pcm) / _BYTES_PER_SECOND
        with self._lock:
            known = [(word, key) for word in words if (key := self._key(word))]
            spans = self._spans(pcm, [key for _, key in known])
        if len(spans) == len(known) > 0:
            spoken = [
                Word(text=word, start=start, end=end)
                for (word, _), (start, end) in zip(known, spans, strict=True)
            ]
            timed = transfer(words, spoken, 0.0, duration)
        else:
            timed = spread(words, 0.0, duration)
        return list(shifted(timed, 0.0, duration))

    def fits(self, pcm: bytes, text: str) -> bool:
        """Whether `text` can be said in `pcm` at all, as far as it is of words with a sound."""
        with self._lock:
            keys = [key for word in words_in(text) if (key := self._key(word))]
            return not keys or bool(self._spans(pcm, keys))

    def _spans(self, pcm: bytes, keys: Sequence[str]) -> list[tuple[float, float]]:
        """Start and end of each key in seconds; empty if they do not fit the audio."""
        if not keys or not pcm:
            return []
        decoder = self._decoder
        try:
            decoder.set_align_text(" ".join(keys))
            decoder.start_utt()
            decoder.process_raw(pcm, no_search=False, full_utt=True)
            decoder.end_utt()
        except RuntimeError:
            self._decoder = None  # it may be stuck in the middle of this text
            return []
        return [
            (segment.start_frame * _FRAME, (segment.end_frame + 1) * _FRAME)
            for segment in decoder.seg() or ()
            if segment.word[0] not in "<["
        ]

    def _key(self, word: str) -> str | None:
        """What the decoder calls `word`, taught if need be; None if it has no English sound."""
        if self._decoder is None or len(self._learned) > self._max_learned:
            self._decoder, self._learned = _decoder(), {}
        bare = word.lower().replace("’", "'").strip("'\".,;:!?()[]{}-–—…“”‘")  # noqa: RUF001
        if bare.isascii() and bare.replace("'", "").isalpha() and self._decoder.lookup_word(bare):
            return bare
        if bare not in self._learned:
            self._learned[bare] = self._learn(bare)
        return self._learned[bare]

    def _learn(self, word: str) -> str | None:
        if self._rules is None:
            from hibari.g2p import G2P

            self._rules = G2P()
        phones = [_PHONES[char] for char in self._rules(word) if char in _PHONES]
        if not phones:
            return None
        key = f"learned-{len(self._learned)}"
        self._decoder.add_word(key, " ".join(phones), False)
        return key


def _decoder() -> Any:
    from pocketsphinx import Decoder

    # cmn: level the audio by itself and not by what was aligned before.
    return Decoder(lm=None, samprate=SAMPLE_RATE, cmn="batch", loglevel="FATAL")
