"""Text in, speech out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator
from contextlib import aclosing

from ..events import Event, Finish, Flush, Flushed, SpeakOptions, Start, Text
from .exchange import exchange
from .gateway import Gateway

DEFAULT_VOICE = "local/hibari:en"
MAX_TEXT = 500  # characters in one message: what the smallest tier takes


async def speak(
    gateway: Gateway,
    text: str | AsyncIterable[str],
    model: str = DEFAULT_VOICE,
    options: SpeakOptions | None = None,
) -> AsyncGenerator[Event, None]:
    """Speak the text, which may still be growing; its pieces are joined as they are.

    Gives `Ready` (encoding and rate in force), `Audio` and what belongs to it as it comes, one
    `Flushed` at the end, and `Ended`. Raises GatewayError.
    """
    is_spoken = asyncio.Event()

    async def commands() -> AsyncGenerator[Event, None]:
        yield Start(options or SpeakOptions())
        async for piece in _pieces(text):
            yield Text(piece)
        yield Flush()
        await is_spoken.wait()
        yield Finish()

    async with aclosing(exchange(gateway, "tts", model, commands())) as events:
        async for event in events:
            if isinstance(event, Flushed):
                is_spoken.set()
            yield event


async def _pieces(text: str | AsyncIterable[str]) -> AsyncIterator[str]:
    if isinstance(text, str):
        for piece in cut(text):
            yield piece
        return
    async for more in text:
        for piece in cut(more):
            yield piece


def cut(text: str) -> Iterator[str]:
    """The text in messages of at most MAX_TEXT characters, between words where there are any."""
    while len(text) > MAX_TEXT:
        at = text.rfind(" ", 1, MAX_TEXT) + 1 or MAX_TEXT
        yield text[:at]
        text = text[at:]
    if text:
        yield text
