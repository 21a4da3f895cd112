"""deepgram-sdk: speech and transcripts, over sockets and over HTTP, with both of its clients."""
# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import asyncio
from typing import Any

import driver
from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment
from deepgram.listen.v2.types import ListenV2Configure, ListenV2ConfigureThresholds
from deepgram.speak.v1.types import SpeakV1Text
from deepgram.speak.v2.types import (
    SpeakV2Configure,
    SpeakV2Interrupt,
    SpeakV2InterruptPlaybackOffset,
    SpeakV2Speak,
)

CHUNK = 3_200  # bytes of speech sent at a time
CLIENTS = {"sync": DeepgramClient, "async": AsyncDeepgramClient}


def client(host: str, flavour: str, **credentials: str) -> Any:
    environment = DeepgramClientEnvironment(
        base=f"http://{host}",
        production=f"ws://{host}",
        agent=f"ws://{host}",
        agent_rest=f"http://{host}",
    )
    return CLIENTS[flavour](environment=environment, **credentials)


class Voice:
    """A socket to speak by."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self.messages: list[dict[str, Any]] = []

    async def say(self, text: str) -> str:
        """One utterance, packed."""
        await driver.do(self._socket.send_text, SpeakV1Text(text=text))
        await driver.do(self._socket.send_flush)
        audio: str = driver.packed(b"".join(await self.until("Flushed")))
        return audio

    async def until(self, type: str) -> list[bytes]:
        """The audio before the next message of this type."""
        audio = []
        while True:
            message = await driver.do(self._socket.recv)
            if isinstance(message, bytes):
                audio.append(message)
                continue
            self.messages.append({"class": message.__class__.__name__} | message.dict())
            if message.type == type:
                return audio


async def say(
    host: str, credentials: dict[str, str], flavour: str, options: dict[str, Any], texts: list[str]
) -> dict[str, Any]:
    """One utterance after the other on one socket, and the end."""
    deepgram = client(host, flavour, **credentials)
    async with driver.within(deepgram.speak.v1.connect(**options)) as socket:
        voice = Voice(socket)
        said = [await voice.say(text) for text in texts]
        await driver.do(socket.send_close)
        rest = [message async for message in driver.each(socket)]
        return {"said": said, "messages": voice.messages, "after": len(rest)}


async def interrupt(
    host: str, key: str, flavour: str, options: dict[str, Any], text: str, then: str
) -> dict[str, Any]:
    """Clear a long text at its first sound, say another."""
    deepgram = client(host, flavour, api_key=key)
    async with driver.within(deepgram.speak.v1.connect(**options)) as socket:
        voice = Voice(socket)
        await driver.do(socket.send_text, SpeakV1Text(text=text))
        await driver.do(socket.send_flush)
        while not isinstance(first := await driver.do(socket.recv), bytes):
            pass
        await driver.do(socket.send_clear)
        late = await voice.until("Cleared")
        said = await voice.say(then)
        return {"first": len(first), "late": sum(map(len, late)), "said": said}


async def hear(
    host: str, key: str, flavour: str, options: dict[str, Any], clips: list[str], finalize: bool
) -> list[dict[str, Any]]:
    """All messages: a `Finalize` after each clip, or nothing but the end of the stream."""
    deepgram = client(host, flavour, api_key=key)
    heard: list[Any] = []
    finalized = asyncio.Queue[None]()
    loop = asyncio.get_running_loop()

    def note(message: Any) -> None:
        heard.append({"class": message.__class__.__name__} | message.dict())
        if getattr(message, "from_finalize", False):
            loop.call_soon_threadsafe(finalized.put_nowait, None)

    async with driver.within(deepgram.listen.v1.connect(**options)) as socket:
        socket.on(EventType.MESSAGE, note)
        socket.on(EventType.ERROR, lambda error: heard.append({"error": str(error)}))
        socket.on(EventType.CLOSE, lambda _: heard.append({"type": "closed"}))
        listening = asyncio.create_task(driver.do(socket.start_listening))
        await driver.do(socket.send_keep_alive)
        for clip in map(driver.unpacked, clips):
            for at in range(0, len(clip), CHUNK):
                await driver.do(socket.send_media, clip[at : at + CHUNK])
            if finalize:
                await driver.do(socket.send_finalize)
                await finalized.get()
        await driver.do(socket.send_close_stream)
        await listening
    return heard


class Turns:
    """A socket to speak by in turns (Flux)."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self.messages: list[dict[str, Any]] = []

    async def say(self, *texts: str) -> None:
        for text in texts:
            await driver.do(self._socket.send_speak, SpeakV2Speak(text=text))
        await driver.do(self._socket.send_flush)

    async def until(self, *types: str) -> bytes:
        """The audio before the next message of one of these types."""
        audio = b""
        while True:
            message = await driver.do(self._socket.recv)
            if isinstance(message, bytes):
                audio += message
                continue
            self.messages.append({"class": message.__class__.__name__} | message.dict())
            if message.type in types:
                return audio


async def say_in_turns(
    host: str, key: str, flavour: str, options: dict[str, Any], texts: list[list[str]], speed: float
) -> dict[str, Any]:
    """A turn for each list of pieces, the speed changed after the first, and the end."""
    deepgram = client(host, flavour, api_key=key)
    async with driver.within(deepgram.speak.v2.connect(**options)) as socket:
        turns = Turns(socket)
        said = []
        for pieces in texts:
            await turns.say(*pieces)
            said.append(driver.packed(await turns.until("SpeechMetadata")))
            if len(said) == 1:
                await driver.do(socket.send_configure, SpeakV2Configure(speed=speed))
        await driver.do(socket.send_close)
        await turns.until("SessionMetadata")
        return {"said": said, "messages": turns.messages}


async def interrupt_a_turn(
    host: str, key: str, flavour: str, options: dict[str, Any], text: str, played: int, then: str
) -> dict[str, Any]:
    """Interrupt a long turn at its first audio, as if so many ms had been played; say another."""
    deepgram = client(host, flavour, api_key=key)
    async with driver.within(deepgram.speak.v2.connect(**options)) as socket:
        turns = Turns(socket)
        await turns.say(text)
        while not isinstance(await driver.do(socket.recv), bytes):
            pass
        offset = SpeakV2InterruptPlaybackOffset(value=played)
        await driver.do(socket.send_interrupt, SpeakV2Interrupt(playback_offset=offset))
        await turns.until("SpeechInterrupted", "Warning")
        interrupted = turns.messages[-1]
        await turns.say(then)
        said = await turns.until("SpeechMetadata")
        return {"interrupted": interrupted, "said": driver.packed(said)}


async def hear_turns(
    host: str, key: str, flavour: str, options: dict[str, Any], clips: list[str], force: bool
) -> list[dict[str, Any]]:
    """All messages: each clip is a turn, ended by force or, after silence, by itself."""
    deepgram = client(host, flavour, api_key=key)
    heard: list[Any] = []
    ended = asyncio.Queue[None]()
    loop = asyncio.get_running_loop()

    def note(message: Any) -> None:
        heard.append({"class": message.__class__.__name__} | message.dict())
        if getattr(message, "event", "") == "EndOfTurn":
            loop.call_soon_threadsafe(ended.put_nowait, None)

    async with driver.within(deepgram.listen.v2.connect(**options)) as socket:
        socket.on(EventType.MESSAGE, note)
        socket.on(EventType.ERROR, lambda error: heard.append({"error": str(error)}))
        socket.on(EventType.CLOSE, lambda _: heard.append({"type": "closed"}))
        listening = asyncio.create_task(driver.do(socket.start_listening))
        for clip in map(driver.unpacked, clips):
            for at in range(0, len(clip), CHUNK):
                await driver.do(socket.send_media, clip[at : at + CHUNK])
            if force:
                await driver.do(socket.send_force_end_turn)
            await ended.get()
            thresholds = ListenV2ConfigureThresholds(eot_threshold=0.6)
            await driver.do(socket.send_configure, ListenV2Configure(thresholds=thresholds))
        await driver.do(socket.send_close_stream)
        await listening
    return heard


async def generate(
    host: str, key: str, flavour: str, text: str, options: dict[str, Any]
) -> dict[str, Any]:
    """Speech over HTTP."""
    deepgram = client(host, flavour, api_key=key)
    audio = deepgram.speak.v1.audio.generate(text=text, **options)
    pieces = [piece async for piece in driver.each(audio)]
    return {"audio": driver.packed(b"".join(pieces)), "pieces": len(pieces)}


async def transcribe(
    host: str, key: str, flavour: str, audio: str, options: dict[str, Any]
) -> dict[str, Any]:
    """A transcript over HTTP."""
    deepgram = client(host, flavour, api_key=key)
    request = driver.unpacked(audio)
    answer = await driver.do(deepgram.listen.v1.media.transcribe_file, request=request, **options)
    found: dict[str, Any] = answer.dict()
    return found


if __name__ == "__main__":
    driver.serve(
        {
            "say": say,
            "interrupt": interrupt,
            "hear": hear,
            "say_in_turns": say_in_turns,
            "interrupt_a_turn": interrupt_a_turn,
            "hear_turns": hear_turns,
            "generate": generate,
            "transcribe": transcribe,
        }
    )
