"""Time to first audio: alone, in a crowd, and beside somebody who has a paragraph read out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from statistics import median

from msgspec import Struct

from voxway.engines import load
from voxway.engines.base import Voice
from voxway.events import Cancel, Flush, Flushed, SegmentEnd, SpeakOptions, Text

from .call import VOICE, Call, call, now
from .process import Gateway
from .report import Row, Section
from .scale import Scale
from .stats import ms, percentile, spread
from .texts import PARAGRAPH, paragraph, sentence

OVERHEAD = 0.003  # seconds that the gateway may add to the engine's own time
CROWD = 20  # sessions at once
WARM_UP = 3  # sentences that are not counted
PACED = 5  # sentences of a paragraph that are timed before the guest speaks


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
    for readers in (1, 2):
        rows += _beside_rows(readers, await _beside(gateway, readers, scale.rounds))
    method = (
        f"Sentences of ten words, {scale.rounds} rounds; one worker process. A paragraph has "
        f"{PARAGRAPH} sentences and is sent at once; the engine's turns are one sentence each."
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


class Wait(Struct, frozen=True):
    """One sentence spoken while others have a paragraph read out. `pace` is how long one sentence
    of theirs took just before; `overtaken` how many came out of each until its own first audio."""

    waited: float
    pace: float
    overtaken: float


def _beside_rows(readers: int, waits: Sequence[Wait]) -> list[Row]:
    pace, waited = median(w.pace for w in waits), [w.waited for w in waits]
    overtaken = median(w.overtaken for w in waits)
    bound = 2 * pace + OVERHEAD
    name = "a paragraph" if readers == 1 else f"{readers} paragraphs"
    return [
        Row(
            f"beside {name}",
            spread(waited),
            f"first audio of a sentence while {readers} other session(s) have a paragraph read "
            f"out, of which a sentence takes {ms(pace)} at that time; meanwhile {overtaken:.1f} "
            "sentences of each came out",
            f"≤ {ms(bound)}: its own sentence + one of theirs + {ms(OVERHEAD)}",
            median(waited) <= bound,
        )
    ]


async def _beside(gateway: Gateway, readers: int, rounds: int) -> list[Wait]:
    waits: list[Wait] = []
    async with AsyncExitStack() as stack:
        open_calls = [call(gateway.port, "tts") for _ in range(readers + 1)]
        guest, *reading = [await stack.enter_async_context(opening) for opening in open_calls]
        for number in range(rounds):
            for reader in reading:
                reader.say(Text(paragraph()), Flush())
            pace = median([await _pace(reader) for reader in reading])
            begun = now()
            waited = await guest.speak(sentence(number))
            passed = [reader.heard_since(SegmentEnd, begun) for reader in reading]
            waits.append(Wait(waited, pace, median(passed)))
            await guest.hear(Flushed)
            for reader in reading:
                reader.say(Cancel())
            # What was under way when the cancel came is over when another sentence is made.
            await _one(guest, number)
    return waits


async def _pace(reader: Call) -> float:
    """Seconds that a sentence of a paragraph takes, from its first few."""
    ends = [(await reader.hear(SegmentEnd))[0] for _ in range(PACED)]
    return (ends[-1] - ends[0]) / (PACED - 1)
