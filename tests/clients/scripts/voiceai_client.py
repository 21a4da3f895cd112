"""voiceai-sdk: speech and transcripts over HTTP, with its blocking and its asynchronous client."""
# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import asyncio
from typing import Any

import driver
from voiceai_sdk import AsyncSlng, DefaultAsyncHttpxClient, DefaultHttpxClient, Slng


class Wire:
    """Counts the requests, which shows retries, and keeps the last path as it was sent."""

    def __init__(self) -> None:
        self.requests = 0
        self.path = ""

    def note(self, request: Any) -> None:
        self.requests += 1
        self.path = request.url.raw_path.decode()

    async def note_async(self, request: Any) -> None:
        self.note(request)


def client(url: str, key: str, wire: Wire) -> Slng:
    hooks = {"request": [wire.note]}
    return Slng(api_key=key, base_url=url, http_client=DefaultHttpxClient(event_hooks=hooks))


async def speak(url: str, key: str, model: str, text: str, **options: Any) -> dict[str, Any]:
    wire = Wire()

    def run() -> Any:
        with client(url, key, wire) as slng:
            return slng.text_to_speech.create(model, text=text, **options)

    answer = await asyncio.to_thread(run)
    return {
        "audio": driver.packed(answer.read()),
        "content_type": answer.headers["content-type"],
        "path": wire.path,
        "requests": wire.requests,
    }


async def speak_async(url: str, key: str, model: str, texts: list[str]) -> list[str]:
    """Several at once."""
    wire = Wire()
    http = DefaultAsyncHttpxClient(event_hooks={"request": [wire.note_async]})
    async with AsyncSlng(api_key=key, base_url=url, http_client=http) as slng:
        create = slng.text_to_speech.create
        answers = await asyncio.gather(*(create(model, text=text) for text in texts))
        return [driver.packed(await answer.read()) for answer in answers]


async def stream(url: str, key: str, model: str, text: str) -> dict[str, Any]:
    """Read while it comes: how long the first bytes took, and all of them."""
    loop = asyncio.get_running_loop()
    async with AsyncSlng(api_key=key, base_url=url) as slng:
        began = loop.time()
        streaming = slng.text_to_speech.with_streaming_response
        async with streaming.create(model, text=text) as response:
            pieces, first = [], 0.0
            async for piece in response.iter_bytes():
                first = first or loop.time() - began
                pieces.append(piece)
        whole = loop.time() - began
    return {"audio": driver.packed(b"".join(pieces)), "first": first, "whole": whole}


async def transcribe(
    url: str, key: str, model: str, audio: str, filename: str, **options: Any
) -> dict[str, Any]:
    wire = Wire()

    def run() -> Any:
        with client(url, key, wire) as slng:
            upload = (filename, driver.unpacked(audio), "audio/wav")
            return slng.speech_to_text.create(model, audio=upload, **options)

    answer = await asyncio.to_thread(run)
    return {"answer": answer.model_dump(), "path": wire.path, "requests": wire.requests}


async def fail(url: str, key: str, model: str, text: str, **options: Any) -> dict[str, Any]:
    """What is raised, and how many requests it took."""
    wire = Wire()

    def run() -> dict[str, Any]:
        try:
            with client(url, key, wire) as slng:
                slng.text_to_speech.create(model, text=text, **options)
        except Exception as error:
            raised: dict[str, Any] = driver.describe(error)
            return raised
        raise AssertionError("nothing was raised")

    raised = await asyncio.to_thread(run)
    return {**raised, "requests": wire.requests}


if __name__ == "__main__":
    driver.serve(
        {
            "speak": speak,
            "speak_async": speak_async,
            "stream": stream,
            "transcribe": transcribe,
            "fail": fail,
        }
    )
