"""The real engines, loaded once, and how to say and hear with them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from voxway.audio.resample import Resampler
from voxway.engines.hibari import HibariVoice
from voxway.engines.moonshine import MoonshineEar
from voxway.events import ListenOptions, Reply, SpeakOptions, Transcript

Say = Callable[[str], bytes]
Hear = Callable[..., list[Reply]]


@pytest.fixture(scope="session")
def voice() -> HibariVoice:
    return HibariVoice()


@pytest.fixture(scope="session")
def ear() -> MoonshineEar:
    return MoonshineEar()


@pytest.fixture(scope="session")
def say(voice: HibariVoice) -> Say:
    """Speech for a text at 16 kHz, the same each time."""

    def speech(text: str) -> bytes:
        spoken = voice.speak(text, SpeakOptions(extra={"seed": 1}))
        return at_16k(b"".join(sentence.pcm for sentence in spoken))

    return speech


@pytest.fixture(scope="session")
def hear(ear: MoonshineEar) -> Hear:
    """All replies to some audio, finalize included."""

    def replies(pcm: bytes, options: ListenOptions | None = None) -> list[Reply]:
        hearing = ear.listen(options or ListenOptions())
        try:
            return feed(hearing.feed, pcm) + hearing.finalize()
        finally:
            hearing.close()

    return replies


def feed(take: Callable[[bytes], list[Reply]], pcm: bytes, size: int = 3_200) -> list[Reply]:
    return [reply for i in range(0, len(pcm), size) for reply in take(pcm[i : i + size])]


def finals(replies: list[Reply]) -> list[Transcript]:
    return [reply for reply in replies if isinstance(reply, Transcript) and reply.final]


def text_of(replies: list[Reply]) -> str:
    return " ".join(final.text for final in finals(replies) if final.text)


def at_16k(pcm: bytes) -> bytes:
    resampler = Resampler(24_000, 16_000)
    return resampler.feed(pcm) + resampler.flush()
