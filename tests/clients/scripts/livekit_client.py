"""Plugins of livekit (`plugin` in the options, livekit-plugins-slng if none is named): speech and
recognition streams, as an agent uses them."""
# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import driver
from livekit import rtc
from livekit.agents import APIConnectOptions

RATE = 16_000  # Hz, of what is recognized
CHUNK = 3_200  # bytes pushed at a time
PATIENCE = APIConnectOptions(max_retry=2, retry_interval=0.1, timeout=10.0)


@asynccontextmanager
async def voice(options: dict[str, Any]) -> AsyncIterator[Any]:
    """A TTS and its HTTP session."""
    async with aiohttp.ClientSession() as http:
        named = dict(options)
        tts = plugin_of(named).TTS(http_session=http, **named)
        try:
            yield tts
        finally:
            await tts.aclose()


@asynccontextmanager
async def ear(options: dict[str, Any]) -> AsyncIterator[Any]:
    async with aiohttp.ClientSession() as http:
        named = {"sample_rate": RATE} | options
        yield plugin_of(named).STT(http_session=http, **named)


def plugin_of(options: dict[str, Any]) -> Any:
    """The module of the one that is named in the options, which is taken out of them."""
    return importlib.import_module(options.pop("plugin", "livekit.plugins.slng"))


def watched(plugin: Any) -> list[dict[str, Any]]:
    """What a plugin reports from now on (only the newer one does)."""
    seen: list[dict[str, Any]] = []
    plugin.on("slng_event", lambda event: seen.append({"name": event.name, **event.data}))
    return seen


async def collect(stream: Any) -> str:
    """All speech of a stream, packed."""
    async with stream:
        said: str = driver.packed(b"".join([bytes(item.frame.data) async for item in stream]))
    return said


async def say(options: dict[str, Any], text: str, words: bool = False) -> dict[str, Any]:
    """One stream; the text in one piece or word by word, as a language model would give it."""
    async with voice(options) as tts:
        reported = watched(tts)
        stream = tts.stream(conn_options=PATIENCE)
        for piece in [word + " " for word in text.split(" ")] if words else [text]:
            stream.push_text(piece)
        stream.end_input()
        return {"said": [await collect(stream)], "events": reported}


async def say_in_turn(options: dict[str, Any], texts: list[str]) -> dict[str, Any]:
    """A stream for each text, one after the other, from one TTS."""
    async with voice(options) as tts:
        said = []
        for text in texts:
            stream = tts.stream(conn_options=PATIENCE)
            stream.push_text(text)
            stream.end_input()
            said.append(await collect(stream))
        return {"said": said}


async def say_at_once(options: dict[str, Any], texts: list[str]) -> dict[str, Any]:
    """A stream for each text, side by side, from one TTS."""
    async with voice(options) as tts:

        async def one(text: str) -> Any:
            stream = tts.stream(conn_options=PATIENCE)
            stream.push_text(text)
            stream.end_input()
            return await collect(stream)

        return {"said": await asyncio.gather(*map(one, texts))}


async def synthesize(options: dict[str, Any], texts: list[str]) -> dict[str, Any]:
    async with voice(options) as tts:
        reported = watched(tts)
        said = []
        for text in texts:
            said.append(await collect(tts.synthesize(text, conn_options=PATIENCE)))
        return {"said": said, "events": reported}


async def interrupt(options: dict[str, Any], text: str, then: str) -> dict[str, Any]:
    """Stop a long text at its first sound, say another."""
    async with voice(options) as tts:
        stream = tts.stream(conn_options=PATIENCE)
        stream.push_text(text)
        stream.flush()
        async for item in stream:
            first = bytes(item.frame.data)
            break
        await stream.aclose()
        stream = tts.stream(conn_options=PATIENCE)
        stream.push_text(then)
        stream.end_input()
        return {"first": len(first), "said": [await collect(stream)]}


async def change(options: dict[str, Any], text: str, **settings: Any) -> dict[str, Any]:
    """The same text before and after a change of the settings."""
    async with voice(options) as tts:
        said = []
        for update in ({}, settings):
            tts.update_options(**update)
            said.append(await collect(tts.synthesize(text, conn_options=PATIENCE)))
        return {"said": said}


async def push(stream: Any, pcm: bytes, reading: asyncio.Task[None]) -> None:
    for at in range(0, len(pcm), CHUNK):
        piece = pcm[at : at + CHUNK]
        try:
            stream.push_frame(rtc.AudioFrame(piece, RATE, 1, len(piece) // 2))
        except RuntimeError:  # it is closed, and the reader knows why
            await reading
            raise
        await asyncio.sleep(0)


def noted(event: Any) -> dict[str, Any]:
    best = event.alternatives[0] if event.alternatives else None
    fields = ("text", "language", "confidence", "start_time", "end_time")
    return {"type": str(event.type.value)} | {name: getattr(best, name, None) for name in fields}


async def hear(
    options: dict[str, Any], clips: list[str], between: str = "flush", pause: float = 0.0
) -> dict[str, Any]:
    """One stream; after each clip a `flush`, or `listening` as the agent's state, or nothing."""
    async with ear(options) as stt:
        reported = watched(stt)
        stream = stt.stream(conn_options=PATIENCE)
        events: list[dict[str, Any]] = []

        async def read() -> None:
            async for event in stream:
                events.append(noted(event))

        reading = asyncio.create_task(read())
        for number, clip in enumerate(clips):
            if between == "listening":
                stt.notify_user_state("speaking")
            await push(stream, driver.unpacked(clip), reading)
            if between == "flush":
                stream.flush()
            elif between == "listening":
                stt.notify_user_state("listening")
            if number + 1 < len(clips):
                await answered(events, number + 1, reading)
                await asyncio.sleep(pause)
        stream.end_input()
        await reading
        await stream.aclose()
        return {"heard": events, "events": reported}


async def overhear(options: dict[str, Any], clip: str, finals: int = 1) -> dict[str, Any]:
    """Never finalized: until so many finals came by themselves."""
    async with ear(options) as stt:
        stream = stt.stream(conn_options=PATIENCE)
        events: list[dict[str, Any]] = []

        async def read() -> None:
            async for event in stream:
                events.append(noted(event))

        reading = asyncio.create_task(read())
        await push(stream, driver.unpacked(clip), reading)
        await answered(events, finals, reading)
        reading.cancel()
        await stream.aclose()
        return {"heard": events}


async def answered(events: list[dict[str, Any]], finals: int, reading: asyncio.Task[None]) -> None:
    """Until so many finals are there. What the reader raises is raised here."""
    while sum(event["type"] == "final_transcript" for event in events) < finals:
        if reading.done():
            await reading
            raise AssertionError(f"the stream ended: {events}")
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    driver.serve(
        {
            "say": say,
            "say_in_turn": say_in_turn,
            "say_at_once": say_at_once,
            "synthesize": synthesize,
            "interrupt": interrupt,
            "change": change,
            "hear": hear,
            "overhear": overhear,
        }
    )
