"""elevenlabs: speech and transcripts, over its sockets and over HTTP, with both of its clients."""
# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import driver
import websockets
from elevenlabs import (
    AsyncElevenLabs,
    AudioFormat,
    CommitStrategy,
    ElevenLabs,
    RealtimeEvents,
    VoiceSettings,
)

CHUNK = 3_200  # bytes of speech sent at a time
CLIENTS = {"sync": ElevenLabs, "async": AsyncElevenLabs}


def client(url: str, key: str, flavour: str = "sync") -> Any:
    return CLIENTS[flavour](base_url=url, api_key=key)


def spoken(url: str, key: str, voice: str, pieces: list[str], **options: Any) -> Iterator[bytes]:
    """Speech for text that comes in pieces. Only the blocking client has this."""
    settings = VoiceSettings(stability=0.5, similarity_boost=0.7)
    audio: Iterator[bytes] = client(url, key).text_to_speech.convert_realtime(
        voice, text=iter(pieces), voice_settings=settings, **options
    )
    return audio


async def realtime(
    url: str, key: str, voice: str, texts: list[list[str]], options: dict[str, Any]
) -> list[str]:
    """A socket for each text."""
    said = []
    for pieces in texts:
        audio = spoken(url, key, voice, pieces, **options)
        said.append(driver.packed(b"".join([piece async for piece in driver.each(audio)])))
    return said


async def leave(
    url: str, key: str, voice: str, text: str, then: str, options: dict[str, Any]
) -> dict[str, Any]:
    """Stop a long text at its first sound, say another."""
    audio = spoken(url, key, voice, [text], **options)
    first = await asyncio.to_thread(next, audio)
    # It closes at once, but holds on for 10 s if there is more than it wants to keep.
    threading.Thread(target=audio.close, daemon=True).start()  # type: ignore[attr-defined]
    said = await realtime(url, key, voice, [[then]], options)
    return {"first": len(first), "said": said[0]}


class Ear:
    """A realtime connection, and what it has told."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.heard: list[dict[str, Any]] = []
        for event in RealtimeEvents:
            connection.on(event, lambda *data, event=event: self._note(event, *data))
        self._news = asyncio.Event()

    def _note(self, event: Any, *data: Any) -> None:
        self.heard.append({"event": event.value, "data": data[0] if data else None})
        self._news.set()

    async def send(self, pcm: bytes) -> None:
        for at in range(0, len(pcm), CHUNK):
            await self._connection.send({"audio_base_64": driver.packed(pcm[at : at + CHUNK])})

    async def until(self, event: str, times: int) -> None:
        """Until this was told so often, or there is an error or the end."""
        while True:
            told = [heard["event"] for heard in self.heard]
            if told.count(event) >= times or "close" in told:
                return
            if "error" in told and event != "close":
                return
            self._news.clear()
            await self._news.wait()


async def hear(
    url: str, key: str, flavour: str, options: dict[str, Any], clips: list[str]
) -> list[dict[str, Any]]:
    """All events: a commit after each clip, unless the pauses are to commit."""
    by_hand = options.get("commit_strategy") != "vad"
    asked = {"audio_format": AudioFormat.PCM_16000, "sample_rate": 16_000} | options
    asked["commit_strategy"] = CommitStrategy.MANUAL if by_hand else CommitStrategy.VAD
    connection = await client(url, key, flavour).speech_to_text.realtime.connect(asked)
    ear = Ear(connection)
    last = "committed_transcript"
    if options.get("include_timestamps"):
        last += "_with_timestamps"
    for number, clip in enumerate(map(driver.unpacked, clips), 1):
        try:
            await ear.send(clip)
            if by_hand:
                await connection.commit()
        except websockets.ConnectionClosed:  # why, the events tell
            await ear.until("close", 1)
            break
        await ear.until(last, number)
    await connection.close()
    return ear.heard


async def convert(
    url: str, key: str, flavour: str, method: str, voice: str, options: dict[str, Any]
) -> dict[str, Any]:
    """Speech over HTTP: `convert` or `stream`."""
    audio = getattr(client(url, key, flavour).text_to_speech, method)(voice, **options)
    pieces = [piece async for piece in driver.each(audio)]
    return {"audio": driver.packed(b"".join(pieces)), "pieces": len(pieces)}


async def convert_with_timestamps(
    url: str, key: str, flavour: str, voice: str, options: dict[str, Any]
) -> dict[str, Any]:
    speaking = client(url, key, flavour).text_to_speech
    answer = await driver.do(speaking.convert_with_timestamps, voice, **options)
    found: dict[str, Any] = answer.dict()
    return found


async def stream_with_timestamps(
    url: str, key: str, flavour: str, voice: str, options: dict[str, Any]
) -> list[dict[str, Any]]:
    speaking = client(url, key, flavour).text_to_speech
    answer = speaking.stream_with_timestamps(voice, **options)
    return [chunk.dict() async for chunk in driver.each(answer)]


async def transcribe(
    url: str, key: str, flavour: str, audio: str, options: dict[str, Any]
) -> dict[str, Any]:
    """A transcript over HTTP."""
    listening = client(url, key, flavour).speech_to_text
    answer = await driver.do(listening.convert, file=driver.unpacked(audio), **options)
    found: dict[str, Any] = answer.dict()
    return found


if __name__ == "__main__":
    driver.serve(
        {
            "realtime": realtime,
            "leave": leave,
            "hear": hear,
            "convert": convert,
            "convert_with_timestamps": convert_with_timestamps,
            "stream_with_timestamps": stream_with_timestamps,
            "transcribe": transcribe,
        }
    )
