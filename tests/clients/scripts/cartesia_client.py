"""cartesia: speech in contexts and transcripts, over sockets and over HTTP, with both clients."""
# mypy: disable-error-code="import-not-found"

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import driver
from cartesia import AsyncCartesia, Cartesia

CHUNK = 3_200  # bytes of speech sent at a time
CLIENTS = {"sync": Cartesia, "async": AsyncCartesia}
PATIENCE = 30.0  # seconds that a context waits for what comes next


def client(where: dict[str, str], flavour: str) -> Any:
    """`where`: addresses and the key. One try, so that a test sees what the first one gave."""
    return CLIENTS[flavour](max_retries=0, **where)


class Spoken:
    """What one context has said."""

    def __init__(self) -> None:
        self.audio = b""
        self.words: list[dict[str, Any]] = []
        self.types: list[str] = []
        self.error: dict[str, Any] | None = None

    def note(self, event: Any) -> None:
        if event.type not in self.types:
            self.types.append(event.type)
        if event.type == "chunk":
            self.audio += event.audio or b""
        elif event.type == "timestamps":
            timed = event.word_timestamps
            words = zip(timed.words, timed.start, timed.end, strict=True)
            self.words += [{"word": w, "start": s, "end": e} for w, s, e in words]
        elif event.type == "error":
            self.error = event.to_dict()

    def told(self) -> dict[str, Any]:
        return {
            "audio": driver.packed(self.audio),
            "words": self.words,
            "types": self.types,
            "error": self.error,
        }


async def received(context: Any) -> dict[str, Any]:
    """All of a context, up to its end."""
    spoken = Spoken()
    async for event in driver.each(context.receive()):
        spoken.note(event)
    return spoken.told()


async def say(
    where: dict[str, str], flavour: str, options: dict[str, Any], texts: list[list[str]]
) -> list[dict[str, Any]]:
    """A context for each text, which comes in pieces; one after the other on one socket."""
    async with driver.within(client(where, flavour).tts.websocket_connect()) as connection:
        said = []
        for pieces in texts:
            context = connection.context(timeout=PATIENCE, **options)
            for piece in pieces:
                await driver.do(context.push, piece)
            await driver.do(context.no_more_inputs)
            said.append(await received(context))
        return said


async def say_at_once(
    where: dict[str, str], flavour: str, options: dict[str, Any], texts: list[str]
) -> list[dict[str, Any]]:
    """A context for each text, side by side on one socket."""
    async with driver.within(client(where, flavour).tts.websocket_connect()) as connection:
        contexts = []
        for text in texts:
            context = connection.context(timeout=PATIENCE, **options)
            await driver.do(context.push, text)
            await driver.do(context.no_more_inputs)
            contexts.append(context)
        return [await received(context) for context in contexts]


async def say_in_parts(
    where: dict[str, str], flavour: str, options: dict[str, Any], texts: list[str]
) -> dict[str, Any]:
    """One context with a flush after each text: the audio of each by its `flush_id`."""
    parts: dict[str, bytes] = {}
    flushed = []
    async with driver.within(client(where, flavour).tts.websocket_connect()) as connection:
        context = connection.context(timeout=PATIENCE, **options)
        for text in texts:
            await driver.do(context.push, text)
            await driver.do(context.push, "", flush=True)
        await driver.do(context.no_more_inputs)
        async for event in driver.each(context.receive()):
            if event.type == "chunk":
                id = str(event.flush_id)
                parts[id] = parts.get(id, b"") + (event.audio or b"")
            elif event.type == "flush_done":
                flushed.append(event.flush_id)
    return {"parts": {id: driver.packed(p) for id, p in parts.items()}, "flushed": flushed}


async def interrupt(
    where: dict[str, str], flavour: str, options: dict[str, Any], text: str, then: str
) -> dict[str, Any]:
    """Cancel a long text at its first sound, say another in a new context."""
    async with driver.within(client(where, flavour).tts.websocket_connect()) as connection:
        context = connection.context(timeout=PATIENCE, **options)
        await driver.do(context.push, text)
        await driver.do(context.no_more_inputs)
        heard, is_cancelled = 0, False
        async for event in driver.each(context.receive()):
            heard += len(event.audio or b"") if event.type == "chunk" else 0
            if heard and not is_cancelled:
                is_cancelled = True
                await driver.do(context.cancel)
                # The asynchronous client hears no more of it. The blocking one would take its end
                # for that of the next context, so it reads on.
                if flavour == "async":
                    break
        following = connection.context(timeout=PATIENCE, **options)
        await driver.do(following.push, then)
        await driver.do(following.no_more_inputs)
        return {"heard": heard, "said": await received(following)}


async def say_as_before(
    where: dict[str, str], flavour: str, request: dict[str, Any]
) -> dict[str, Any]:
    """By the methods of the package's second generation."""
    websocket = client(where, flavour).tts.websocket()
    if flavour == "async":
        websocket = await websocket
    await driver.do(websocket.connect)
    try:
        whole = await driver.do(websocket.send, stream=False, **request)
        return {"audio": driver.packed(whole.audio), "words": whole.word_timestamps}
    finally:
        await driver.do(websocket.close)


async def generate(where: dict[str, str], flavour: str, request: dict[str, Any]) -> str:
    answer = await driver.do(client(where, flavour).tts.generate, **request)
    audio: str = driver.packed(await driver.do(answer.read))
    return audio


async def generate_bytes(where: dict[str, str], flavour: str, request: dict[str, Any]) -> str:
    """By its old name."""
    answer = await driver.do(client(where, flavour).tts.bytes, **request)
    audio: str = driver.packed(b"".join([piece async for piece in driver.each(answer)]))
    return audio


async def generate_sse(
    where: dict[str, str], flavour: str, request: dict[str, Any]
) -> dict[str, Any]:
    stream = await driver.do(client(where, flavour).tts.generate_sse, **request)
    spoken = Spoken()
    async for event in driver.each(stream):
        spoken.note(event)
    return spoken.told()


@asynccontextmanager
async def ear(where: dict[str, str], flavour: str, options: dict[str, Any]) -> AsyncIterator[Any]:
    listening = client(where, flavour).stt.manual_finalize
    async with driver.within(listening.websocket(**options)) as connection:
        yield connection


async def hear(
    where: dict[str, str],
    flavour: str,
    options: dict[str, Any],
    clips: list[str],
    finalize: bool = True,
) -> list[dict[str, Any]]:
    """All messages: a `finalize` after each clip, answered before the next; then `close`."""
    heard: list[dict[str, Any]] = []
    async with ear(where, flavour, options) as connection:
        for clip in map(driver.unpacked, clips):
            for at in range(0, len(clip), CHUNK):
                await driver.do(connection.send_raw, clip[at : at + CHUNK])
            if finalize:
                await driver.do(connection.send, "finalize")
                while not heard or heard[-1]["type"] != "flush_done":
                    heard.append((await driver.do(connection.recv)).to_dict())
                heard.append({"type": "next"})
        await driver.do(connection.send, "close")
        async for event in driver.each(connection):
            heard.append(event.to_dict())
    return heard


async def hear_turns(
    where: dict[str, str], flavour: str, options: dict[str, Any], clips: list[str], config: Any
) -> list[dict[str, Any]]:
    """All events: each clip, with silence in it, is a turn; after the first one it is configured
    anew. What follows the close is heard, too."""
    stt = client(where, flavour).stt
    heard: list[dict[str, Any]] = []
    async with driver.within(stt.auto_finalize.websocket(**options)) as connection:
        for clip in map(driver.unpacked, clips):
            for at in range(0, len(clip), CHUNK):
                await driver.do(connection.send_raw, clip[at : at + CHUNK])
            while not heard or heard[-1]["type"] not in ("turn.end", "error"):
                heard.append((await driver.do(connection.recv)).to_dict())
            await driver.do(connection.send, {"type": "config", "turn": config})
            heard.append({"type": "next"})
        await driver.do(connection.send, {"type": "close"})
        async for event in driver.each(connection):
            heard.append(event.to_dict())
    return heard


async def transcribe(
    where: dict[str, str], flavour: str, audio: str, options: dict[str, Any]
) -> dict[str, Any]:
    """A transcript over HTTP."""
    upload = ("speech.wav", driver.unpacked(audio), "audio/wav")
    listening = client(where, flavour).stt
    answer = await driver.do(listening.transcribe, file=upload, **options)
    found: dict[str, Any] = answer.to_dict()
    return found


if __name__ == "__main__":
    driver.serve(
        {
            "say": say,
            "say_at_once": say_at_once,
            "say_in_parts": say_in_parts,
            "interrupt": interrupt,
            "say_as_before": say_as_before,
            "generate": generate,
            "generate_bytes": generate_bytes,
            "generate_sse": generate_sse,
            "hear": hear,
            "hear_turns": hear_turns,
            "transcribe": transcribe,
        }
    )
