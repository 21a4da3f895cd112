"""Audio in, its words out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing

from ..events import Audio, Event, Finish, Flush, ListenOptions, Start, Transcript
from .exchange import exchange
from .gateway import Gateway

DEFAULT_EAR = "local/moonshine:tiny-en"
MAX_AUDIO = 16 * 1024  # bytes in one message: what the smallest tier takes


async def transcribe(
    gateway: Gateway,
    audio: AsyncIterable[bytes],
    model: str = DEFAULT_EAR,
    options: ListenOptions | None = None,
) -> AsyncGenerator[Event, None]:
    """Write the audio down; `options` say what it is (linear16 at the model's rate if they do not).

    Gives `Ready`, then each `Transcript` and what belongs to it as it comes, and `Ended`. Raises
    GatewayError.
    """
    is_heard = asyncio.Event()

    async def commands() -> AsyncGenerator[Event, None]:
        yield Start(options or ListenOptions())
        async for data in audio:
            for at in range(0, len(data), MAX_AUDIO):
                yield Audio(data[at : at + MAX_AUDIO])
        # Finish alone would do, but what is outstanding then has little time; a flush has all.
        yield Flush()
        await is_heard.wait()
        yield Finish()

    async with aclosing(exchange(gateway, "stt", model, commands())) as events:
        async for event in events:
            if isinstance(event, Transcript) and event.from_finalize:
                is_heard.set()
            yield event
