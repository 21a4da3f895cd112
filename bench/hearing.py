"""How soon a recognizer has something to say, and how soon the final after a finalize."""

from __future__ import annotations

import asyncio
from statistics import median

from voxway.engines import load
from voxway.engines.base import Voice
from voxway.events import Audio, Flush, ListenOptions, SpeakOptions, Start, Transcript

from .call import VOICE, call, now
from .process import Gateway
from .report import Row, Section
from .scale import Scale
from .stats import spread
from .texts import SPOKEN

FRAME = 0.02  # seconds of audio in one frame


async def hearing(gateway: Gateway, scale: Scale) -> Section:
    """A spoken sentence at the pace of speech, several times."""
    voice: Voice = load(VOICE)  # type: ignore[assignment]
    options = SpeakOptions(extra={"seed": 1})
    pcm = b"".join(spoken.pcm for spoken in voice.speak(SPOKEN, options))
    seconds = len(pcm) / 2 / voice.sample_rate
    partials: list[float] = []
    finals: list[float] = []
    for _ in range(scale.hearings):
        partial, final = await _listen(gateway, pcm, voice.sample_rate)
        partials.append(partial)
        finals.append(final)
    return Section(
        "Recognition",
        f"A sentence of {seconds:.1f} s, sent in frames of 20 ms at the pace of speech to a "
        f"session of its own, then `finalize`; median of {scale.hearings}.",
        [
            Row(
                "first partial",
                f"{median(partials):.2f} s (max {max(partials):.2f} s)",
                "from the first frame of audio to the first partial transcript; the recognizer "
                "decides when it has heard enough",
            ),
            Row(
                "final after finalize",
                spread(finals),
                "from `finalize`, sent right behind the last frame, to its `final_transcript`",
            ),
        ],
    )


async def _listen(gateway: Gateway, pcm: bytes, rate: int) -> tuple[float, float]:
    """Seconds to the first partial, and from the finalize to its final."""
    size = int(rate * FRAME) * 2
    start = Start(ListenOptions(encoding="linear16", sample_rate=rate))
    async with call(gateway.port, "stt", start) as session:
        waiting = asyncio.ensure_future(session.hear(Transcript))
        begun = now()
        for number, offset in enumerate(range(0, len(pcm), size)):
            await asyncio.sleep(begun + number * FRAME - now())
            session.say(Audio(pcm[offset : offset + size]))
        finalized = now()
        session.say(Flush())
        first, heard = await waiting
        at = first
        while not heard.from_finalize:
            at, heard = await session.hear(Transcript)
        return first - begun, at - finalized
