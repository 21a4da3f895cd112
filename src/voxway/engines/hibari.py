"""The embedded English voice: hibari-tts, 24 kHz, hundreds of times faster than speech.

Its weights are in its wheel. It speaks a sentence in about 20 ms, so nothing finer is streamed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from hibari import dsp
from hibari.tts import Hibari
from hibari.voices import voice_path

from ..errors import ConfigError
from ..events import SpeakOptions, Word
from ..text.sentences import Segmenter, speakable
from .base import Spoken
from .timing import shifted, spread, transfer, words_in

SAMPLE_RATE = 24_000
SLOWEST, FASTEST = 0.5, 2.0

# The model leads every sentence with 300 ms of silence, which is pure latency, and ends it with
# 480 ms. The softest onset consonant (the f of "fish") begins at -72 dB; silence is below -90 dB.
_SILENCE = 2.5e-4  # root mean square, -72 dB
_FRAME = 120  # samples: 5 ms
_LEAD = 0.02  # seconds kept before the first sound
_TAIL = 0.18  # seconds kept after the last sound

# The node that holds each phoneme's duration, in hibari-tts 0.2.1, and its unit.
_DURATIONS = "/Clip_output_0"
_UNIT = 0.025  # seconds
_LATE = 0.035  # seconds by which they lag behind the sound, found by forced alignment

_MAX_PHONEMES = 400  # above this the model's prosody falls apart
_UNTIMED = frozenset(' ;:,.!?—…"“”()ˈˌ')

Samples = npt.NDArray[np.float32]


class HibariVoice:
    """American English, one speaker. Times words by the model's own phoneme durations."""

    sample_rate = SAMPLE_RATE

    def __init__(self) -> None:
        self._model = _load()
        self._timed = any(out.name == _DURATIONS for out in self._model.sess.get_outputs())
        self._model.g2p("Warm up.")  # it loads on first use, which is not thread-safe

    def speak(self, text: str, options: SpeakOptions) -> Iterator[Spoken]:
        """Speech for `text`, a sentence at a time; nothing for what has no English sound.

        `options.extra["seed"]` (int) makes it the same to the bit each time. Raises ConfigError
        for a speed outside 0.5-2.0 or a bad seed, before anything is spoken.
        """
        speed, rng = _checked_speed(options.speed), _generator(options.extra.get("seed"))
        segmenter = Segmenter()
        sentences = segmenter.feed(text) + segmenter.flush()
        return self._speak(sentences, speed, rng, options.word_timestamps)

    def _speak(
        self, sentences: list[str], speed: float, rng: np.random.Generator, timed: bool
    ) -> Iterator[Spoken]:
        for sentence in sentences:
            if not speakable(sentence):
                continue
            parts = _parts(self._model.g2p, sentence)
            rendered = [self._render(part, speed, rng) for part in parts]
            if rendered:
                yield _spoken(sentence, rendered, timed)

    def _render(
        self, part: Sequence[tuple[str, str]], speed: float, rng: np.random.Generator
    ) -> tuple[Samples, list[Word]]:
        """Samples of one part, and the times of its spoken words (none if the model hides them)."""
        phonemes = "".join(sounds + " " for _, sounds in part).strip()
        ids = np.asarray([self._model.ids(phonemes)], np.int64)
        outputs = self._model.sess.run(None, {"ids": ids, "speed": np.asarray([speed], np.float32)})
        samples: Samples = dsp.synth(*(output[0] for output in outputs[:6]), rng)
        if not self._timed:
            return samples, []
        return samples, _spoken_words(part, outputs[6], self._model.vocab)


def _load() -> Any:
    """The model, with the durations as a further output if this version of it has them."""
    model = Path(voice_path("heart", download_missing=False)).read_bytes()
    if _DURATIONS.encode() in model:
        model = _with_output(model, _DURATIONS)
    return Hibari(model=model, threads=1)


def _with_output(model: bytes, name: str) -> bytes:
    """An ONNX model with one more graph output. Protobuf merges a message that comes twice, so a
    second `graph` with nothing but the output is appended: no ONNX tools are needed."""
    output = b"\x0a" + _counted(name.encode())
    graph = b"\x62" + _counted(output)
    return model + b"\x3a" + _counted(graph)


def _counted(data: bytes) -> bytes:
    size, prefix = len(data), b""
    while size > 127:
        prefix += bytes([size & 127 | 128])
        size >>= 7
    return prefix + bytes([size]) + data


def _checked_speed(speed: float | None) -> float:
    if speed is None:
        return 1.0
    if not SLOWEST <= speed <= FASTEST:
        raise ConfigError(f"speed {speed} is outside {SLOWEST}-{FASTEST}", param="speed")
    return speed


def _generator(seed: object) -> np.random.Generator:
    if seed is not None and (not isinstance(seed, int) or seed < 0):
        raise ConfigError(f"seed {seed!r} is not a whole number of at least 0", param="seed")
    return np.random.default_rng(seed)


def _parts(g2p: Any, sentence: str) -> list[list[tuple[str, str]]]:
    """Each spoken word of `sentence` with its phonemes, in parts that the model takes at once."""
    parts: list[list[tuple[str, str]]] = [[]]
    size = 0
    for word, sounds in _pronounced(g2p, sentence):
        if not sounds:
            continue
        size += len(sounds) + 1
        if size > _MAX_PHONEMES and parts[-1]:
            parts.append([])
            size = len(sounds) + 1
        parts[-1].append((word, sounds[:_MAX_PHONEMES]))
    return [part for part in parts if any(set(sounds) - _UNTIMED for _, sounds in part)]


def _pronounced(g2p: Any, sentence: str) -> Iterator[tuple[str, str]]:
    """What `G2P.__call__` does, but keeping words and their phonemes together."""
    from hibari.g2p import normalize

    word = sounds = ""
    for token in g2p.phonemize_tokens(g2p.tokenize(normalize(_readable(sentence)))):
        word += token.text
        sounds += token.phonemes or ""
        if token.whitespace:
            yield word, sounds.strip()
            word = sounds = ""
    if word:
        yield word, sounds.strip()


def _readable(sentence: str) -> str:
    """Without what hibari-tts 0.2.1 fails at: it takes superscripts and circled digits for numbers
    that it cannot read then, and stumbles over the one letter whose small form is two (`İ`)."""
    return "".join(
        unicodedata.normalize("NFKC", char) if char.isdigit() and not char.isdecimal() else char
        for char in sentence.replace("\u0130", "I")
    )


def _spoken_words(
    part: Sequence[tuple[str, str]], durations: npt.NDArray[np.float32], vocab: dict[str, int]
) -> list[Word]:
    """Times of the words of `part`: the model has a pad, a duration for each known phoneme and for
    each space between words, and a pad."""
    edges = np.concatenate([[0.0], np.cumsum(durations.reshape(-1))]) * _UNIT
    words, at = [], 1
    for text, sounds in part:
        known = [char for char in sounds if char in vocab]
        voiced = [at + i for i, char in enumerate(known) if char not in _UNTIMED]
        if voiced:
            start, end = float(edges[voiced[0]]), float(edges[voiced[-1] + 1])
            words.append(Word(text=text, start=start, end=end))
        at += len(known) + (" " in vocab)
    return words


def _spoken(sentence: str, rendered: list[tuple[Samples, list[Word]]], timed: bool) -> Spoken:
    pieces: list[Samples] = []
    spoken_words: list[Word] = []
    length = 0
    for samples, words in rendered:
        begin, end = _bounds(samples)
        offset = (length - begin) / SAMPLE_RATE - _LATE
        spoken_words += shifted(words, offset, (length + end - begin) / SAMPLE_RATE)
        pieces.append(samples[begin:end])
        length += end - begin
    pcm = _pcm(np.concatenate(pieces))
    if not timed:
        return Spoken(text=sentence, pcm=pcm)
    duration = length / SAMPLE_RATE
    begin_s, end_s = _LEAD, max(duration - _TAIL, _LEAD)
    texts = words_in(sentence)
    if spoken_words:
        words = transfer(texts, spoken_words, begin_s, end_s)
    else:
        words = spread(texts, begin_s, end_s)
    return Spoken(text=sentence, pcm=pcm, words=shifted(words, 0.0, end_s))


def _bounds(samples: Samples) -> tuple[int, int]:
    """Where the sound begins and ends, with a little silence on both sides."""
    whole = len(samples) // _FRAME * _FRAME
    power = np.mean(np.square(samples[:whole].reshape(-1, _FRAME)), axis=1)
    loud = np.flatnonzero(power > _SILENCE**2)
    if not len(loud):
        return 0, len(samples)
    begin = int(loud[0]) * _FRAME - round(_LEAD * SAMPLE_RATE)
    end = int(loud[-1] + 1) * _FRAME + round(_TAIL * SAMPLE_RATE)
    return max(begin, 0), min(end, len(samples))


def _pcm(samples: Samples) -> bytes:
    pcm: bytes = np.rint(np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
    return pcm
