"""telnyx: speech and recognition over sockets, with its blocking and its asynchronous client."""
# mypy: disable-error-code="import-not-found"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import driver
import websockets
from telnyx import AsyncTelnyx, Telnyx

CHUNK = 3_200  # bytes of speech sent at a time
CLIENTS = {"sync": Telnyx, "async": AsyncTelnyx}


def client(host: str, key: str, flavour: str) -> Any:
    # The address of the sockets follows from this one.
    return CLIENTS[flavour](api_key=key, base_url=f"http://{host}/v2", max_retries=0)


def speaking(host: str, key: str, flavour: str, query: dict[str, str]) -> Any:
    """A socket to speak by."""
    return driver.within(client(host, key, flavour).text_to_speech.stream(extra_query=query))


async def spoken(
    connection: Any, is_last: Callable[[dict[str, Any]], bool]
) -> tuple[bytes, list[dict[str, Any]]]:
    """The audio up to such a frame, and the frames without it."""
    audio, frames = b"", []
    async for event in driver.each(connection):
        frame = event.to_dict()
        audio += driver.unpacked(frame.pop("audio", None) or "")
        frames.append(frame)
        if is_last(frame):
            break
    return audio, frames


def is_final(frame: dict[str, Any]) -> bool:
    return bool(frame.get("isFinal"))


async def say(
    host: str, key: str, flavour: str, query: dict[str, str], pieces: list[str]
) -> dict[str, Any]:
    """One text in pieces, its end, and all up to the close."""
    async with speaking(host, key, flavour, query) as connection:
        await driver.do(connection.send, {"text": " "})
        for piece in pieces:
            await driver.do(connection.send, {"text": piece})
        await driver.do(connection.send, {"text": ""})
        audio, frames = await spoken(connection, lambda frame: False)
        return {"audio": driver.packed(audio), "frames": frames}


async def say_in_turn(
    host: str, key: str, flavour: str, query: dict[str, str], texts: list[str]
) -> list[str]:
    """One text after the other on one socket, each flushed."""
    async with speaking(host, key, flavour, query) as connection:
        await driver.do(connection.send, {"text": " "})
        said = []
        for text in texts:
            await driver.do(connection.send, {"text": text, "flush": True})
            said.append(driver.packed((await spoken(connection, is_final))[0]))
        return said


async def interrupt(
    host: str, key: str, flavour: str, query: dict[str, str], text: str, then: str
) -> dict[str, Any]:
    """Force another text upon a long one at its first sound."""
    async with speaking(host, key, flavour, query) as connection:
        await driver.do(connection.send, {"text": " "})
        await driver.do(connection.send, {"text": text, "flush": True})
        first, _ = await spoken(connection, lambda frame: frame.get("type") == "audio_chunk")
        await driver.do(connection.send, {"text": then, "force": True, "flush": True})
        said, _ = await spoken(connection, is_final)
        await driver.do(connection.send, {"text": then, "flush": True})
        again, _ = await spoken(connection, is_final)
        return {
            "first": len(first),
            "said": driver.packed(said),
            "again": driver.packed(again),
        }


async def hear(
    host: str, key: str, flavour: str, query: dict[str, str], clips: list[str]
) -> list[dict[str, Any]]:
    """All frames: a `Finalize` after each clip, answered before the next; then `CloseStream`."""
    heard: list[dict[str, Any]] = []
    listening = client(host, key, flavour).speech_to_text.transcribe(extra_query=query)
    async with driver.within(listening) as connection:
        for clip in map(driver.unpacked, clips):
            for at in range(0, len(clip), CHUNK):
                await driver.do(connection.send_raw, clip[at : at + CHUNK])
            await driver.do(connection.send, {"type": "Finalize"})
            while not heard or not heard[-1].get("is_final"):
                heard.append((await driver.do(connection.recv)).to_dict())
            heard.append({"type": "next"})
        await driver.do(connection.send, {"type": "CloseStream"})
        async for event in driver.each(connection):
            heard.append(event.to_dict())
    return heard


async def listen(host: str, key: str, flavour: str, query: dict[str, str]) -> list[dict[str, Any]]:
    """What is told of itself, up to the close."""
    heard: list[dict[str, Any]] = []
    listening = client(host, key, flavour).speech_to_text.transcribe(extra_query=query)
    async with driver.within(listening) as connection:
        try:
            async for event in driver.each(connection):
                heard.append({"class": type(event).__name__} | event.to_dict())
        except websockets.ConnectionClosedError as error:
            heard.append({"closed": error.rcvd and error.rcvd.code})
    return heard


if __name__ == "__main__":
    driver.serve(
        {
            "say": say,
            "say_in_turn": say_in_turn,
            "interrupt": interrupt,
            "hear": hear,
            "listen": listen,
        }
    )
