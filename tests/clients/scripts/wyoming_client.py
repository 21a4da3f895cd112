"""wyoming: speech and recognition as Home Assistant asks for them, which uses this package."""
# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import asyncio
import io
import wave
from typing import Any

import driver
from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStop
from wyoming.audio import AudioChunk, AudioStart, AudioStop, wav_to_chunks
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.info import Describe, Info, SelectProgram
from wyoming.ping import Ping, Pong
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeStopped,
    SynthesizeVoice,
)

CHUNK = 2_048  # bytes of speech sent at a time


class ToldError(Exception):
    """An error event; its code is the body."""

    def __init__(self, error: Error, is_closed: bool) -> None:
        super().__init__(error.text)
        self.body = {"code": error.code, "closed": is_closed}


async def heard(client: AsyncTcpClient) -> Any:
    """The next event. Raises ToldError for one that is an error."""
    event = await client.read_event()
    if event is None:
        raise ConnectionError("closed")
    if Error.is_type(event.type):
        raise ToldError(Error.from_event(event), await client.read_event() is None)
    return event


async def describe(port: int) -> dict[str, Any]:
    """What there is, read by the package's own classes and said again."""
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Ping("are you there?").event())
        pong = Pong.from_event(await heard(client))
        await client.write_event(Describe().event())
        info = Info.from_event(await heard(client))
        return {"pong": pong.text, "info": info.event().data}


async def said(client: AsyncTcpClient, *, is_streamed: bool) -> dict[str, Any]:
    """Speech up to its end, as Home Assistant waits for it."""
    audio, rate = b"", 0
    types: list[str] = []
    while True:
        event = await heard(client)
        types += [event.type] if types[-1:] != [event.type] else []
        if AudioStart.is_type(event.type):
            rate = AudioStart.from_event(event).rate
        elif AudioChunk.is_type(event.type):
            chunk = AudioChunk.from_event(event)
            assert (chunk.rate, chunk.width, chunk.channels) == (rate, 2, 1)
            audio += chunk.audio
        elif (SynthesizeStopped if is_streamed else AudioStop).is_type(event.type):
            return {"audio": driver.packed(audio), "rate": rate, "types": types}


async def say(port: int, texts: list[str], voice: dict[str, Any]) -> list[dict[str, Any]]:
    """One text after the other on one connection."""
    async with AsyncTcpClient("127.0.0.1", port) as client:
        answers = []
        for text in texts:
            await client.write_event(Synthesize(text, SynthesizeVoice(**voice)).event())
            answers.append(await said(client, is_streamed=False))
        return answers


async def say_streamed(port: int, pieces: list[str], voice: dict[str, Any]) -> dict[str, Any]:
    """A text in pieces, and whole besides, as for servers that know no pieces."""

    async def write(client: AsyncTcpClient) -> None:
        await client.write_event(SynthesizeStart(SynthesizeVoice(**voice)).event())
        for piece in pieces:
            await client.write_event(SynthesizeChunk(piece).event())
        await client.write_event(Synthesize("".join(pieces), SynthesizeVoice(**voice)).event())
        await client.write_event(SynthesizeStop().event())

    async with AsyncTcpClient("127.0.0.1", port) as client:
        writing = asyncio.create_task(write(client))
        answer = await said(client, is_streamed=True)
        await writing
        return answer


async def transcribed(client: AsyncTcpClient, chunks: list[AudioChunk], **asked: Any) -> Any:
    first = chunks[0]
    await client.write_event(Transcribe(**asked).event())
    await client.write_event(AudioStart(first.rate, first.width, first.channels).event())
    for chunk in chunks:
        await client.write_event(chunk.event())
    await client.write_event(AudioStop().event())
    pieces, whole = [], None
    while True:
        event = await heard(client)
        if TranscriptChunk.is_type(event.type):
            pieces.append(TranscriptChunk.from_event(event).text)
        elif Transcript.is_type(event.type):
            whole = Transcript.from_event(event)
        elif TranscriptStop.is_type(event.type):
            assert whole is not None
            return {"pieces": pieces, "text": whole.text, "language": whole.language}


async def transcribe(
    port: int, clips: list[str], program: str | None = None, **asked: Any
) -> list[Any]:
    """One WAV file after the other on one connection."""
    async with AsyncTcpClient("127.0.0.1", port) as client:
        if program is not None:
            await client.write_event(SelectProgram(program).event())
        return [await transcribed(client, chunks_of(clip), **asked) for clip in clips]


def chunks_of(clip: str) -> list[AudioChunk]:
    with wave.open(io.BytesIO(driver.unpacked(clip))) as file:
        return list(wav_to_chunks(file, CHUNK // 2))


async def interrupt(port: int, text: str) -> int:
    """Hang up at the first sound; how many bytes it had."""
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Synthesize(text).event())
        while not AudioChunk.is_type((event := await heard(client)).type):
            pass
        return len(AudioChunk.from_event(event).audio)


if __name__ == "__main__":
    driver.serve(
        {
            "describe": describe,
            "say": say,
            "say_streamed": say_streamed,
            "transcribe": transcribe,
            "interrupt": interrupt,
        }
    )
