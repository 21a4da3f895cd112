"""Time to first audio: alone, in a crowd, and beside somebody who has a paragraph read out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from statistics import median

from voxway.engines import load
from voxway.engines.base import Voice
from voxway.events import Audio, Cancel, Flush, Flushed, SpeakOptions, Text

from .call import VOICE, Call, call, now
from .process import Gateway
from .report import Row, Section
from .scale import Scale
from .stats import ms, percentile, spread
from .texts import paragraph, sentence

OVERHEAD = 0.003  # seconds that the gateway may add to the engine's own time
CROWD = 20  # sessions at once
WARM_UP = 3  # sentences that are not counted


def synthesis(voice: Voice, text: str) -> float:
    """Seconds that the engine itself needs for a text, called directly."""
    begun = now()
    for _ in voice.speak(text, SpeakOptions()):
        pass
    return now() - begun


async def first_audio(gateway: Gateway, scale: Scale) -> Section:
    """One session against the engine called directly, the two taking turns."""
    voice: Voice = load(VOICE)  # type: ignore[assignment]
    through: list[float] = []
    direct: list[float] = []
    async with call(gateway.port, "tts") as session:
        for number in range(-WARM_UP, scale.sentences):
            text = sentence(number % 280)
            waited = await session.speak(text)
            await session.hear(Flushed)
            needed = synthesis(voice, text)
            if number >= 0:
                through.append(waited)
                direct.append(needed)
    return Section(
        "Time to first audio",
        f"One session, {scale.sentences} different sentences of ten words, each sent as a text "
        "and a flush. The clock starts before the first byte is sent and stops when the first "
        "audio frame is at the client. After each sentence the same one is made by the engine "
        "called directly, in the bench's own process; the engine makes a sentence as a whole.",
        _compared(through, direct),
    )


def _compared(through: Sequence[float], direct: Sequence[float]) -> list[Row]:
    bound = median(direct) + OVERHEAD
    added = [a - b for a, b in zip(through, direct, strict=True)]
    return [
        Row("engine alone", spread(direct), "synthesis of the sentence, called directly"),
        Row(
            "through the gateway",
            spread(through),
            "from text and flush to the first audio at the client: two sockets, two processes, "
            "a turn in the engine's thread",
            f"≤ {ms(bound)}: engine + {ms(OVERHEAD)}",
            median(through) <= bound,
        ),
        Row("added", spread(added), "the difference, sentence by sentence"),
    ]


async def crowd(gateway: Gateway, scale: Scale) -> Section:
    """Many sessions at once, and one beside a long paragraph."""
    voice: Voice = load(VOICE)  # type: ignore[assignment]
    alone, together = await _together(gateway, scale.rounds)
    rows = [
        Row("one session alone", spread(alone), "time to first audio with nobody else there"),
        Row(
            f"{CROWD} sessions at once",
            f"p50 {ms(percentile(together, 50))}, p95 {ms(percentile(together, 95))}",
            f"all {CROWD} say a sentence in the same instant: the last of them waits for "
            f"{CROWD} syntheses on the cores of this machine",
        ),
    ]
    longest = max(synthesis(voice, sentence(number)) for number in range(40))
    for readers in (1, 2):
        beside = await _beside(gateway, readers, scale.rounds)
        bound = median(alone) + longest + OVERHEAD
        name = "a paragraph" if readers == 1 else f"{readers} paragraphs"
        rows.append(
            Row(
                f"beside {name}",
                spread(beside),
                f"first audio of a sentence while {readers} other session(s) have 40 sentences "
                "each read out: a turn at the engine is one sentence, so nobody waits for more",
                f"≤ {ms(bound)}: alone + one sentence + {ms(OVERHEAD)}",
                median(beside) <= bound,
            )
        )
    method = (
        f"Sentences of ten words, {scale.rounds} rounds; one worker process, all on one machine."
    )
    return Section("Many voices", method, rows)


async def _together(gateway: Gateway, rounds: int) -> tuple[list[float], list[float]]:
    alone: list[float] = []
    together: list[float] = []
    async with AsyncExitStack() as stack:
        sessions = [
            await stack.enter_async_context(call(gateway.port, "tts")) for _ in range(CROWD)
        ]
        for round in range(rounds):
            alone.append(await _one(sessions[0], round))
            together += await asyncio.gather(
                *(_one(session, round + number) for number, session in enumerate(sessions))
            )
    return alone, together


async def _one(session: Call, number: int) -> float:
    waited = await session.speak(sentence(number))
    await session.hear(Flushed)
    return waited


async def _beside(gateway: Gateway, readers: int, rounds: int) -> list[float]:
    waits: list[float] = []
    async with AsyncExitStack() as stack:
        reading = [
            await stack.enter_async_context(call(gateway.port, "tts")) for _ in range(readers)
        ]
        guest = await stack.enter_async_context(call(gateway.port, "tts"))
        for round in range(rounds):
            for reader in reading:
                reader.say(Text(paragraph()), Flush())
            for reader in reading:
                await reader.hear(Audio)
            waits.append(await _one(guest, round))
            for reader in reading:
                reader.say(Cancel())
            # What was under way when the cancel came is over when another sentence is made.
            await _one(guest, round)
    return waits
