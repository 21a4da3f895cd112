"""openai: speech and transcripts over HTTP, with its blocking and its asynchronous client."""
# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import json
from typing import Any

import driver
from openai import AsyncOpenAI, OpenAI

CLIENTS = {"sync": OpenAI, "async": AsyncOpenAI}


def client(url: str, key: str, flavour: str) -> Any:
    """One try, so that a test sees what the first one gave."""
    return CLIENTS[flavour](base_url=f"{url}/v1", api_key=key, max_retries=0)


async def speak(url: str, key: str, flavour: str, options: dict[str, Any]) -> dict[str, Any]:
    answer = await driver.do(client(url, key, flavour).audio.speech.create, **options)
    audio = await driver.do(answer.read)
    return {"audio": driver.packed(audio), "type": answer.response.headers["content-type"]}


async def stream(url: str, key: str, flavour: str, options: dict[str, Any]) -> dict[str, Any]:
    """Read while it comes."""
    streaming = client(url, key, flavour).audio.speech.with_streaming_response
    async with driver.within(streaming.create(**options)) as answer:
        pieces = [piece async for piece in driver.each(answer.iter_bytes())]
    return {"audio": driver.packed(b"".join(pieces)), "pieces": len(pieces)}


async def leave(
    url: str, key: str, flavour: str, options: dict[str, Any], then: str
) -> dict[str, Any]:
    """Stop reading at the first sound, have another text spoken."""
    openai = client(url, key, flavour)
    async with driver.within(openai.audio.speech.with_streaming_response.create(**options)) as said:
        async for piece in driver.each(said.iter_bytes(4_096)):
            first = len(piece)
            break
    answer = await driver.do(openai.audio.speech.create, **options | {"input": then})
    return {"first": first, "said": driver.packed(await driver.do(answer.read))}


async def events(url: str, key: str, flavour: str, options: dict[str, Any]) -> list[dict[str, Any]]:
    """Speech in server-sent events, which the package hands on as lines."""
    streaming = client(url, key, flavour).audio.speech.with_streaming_response
    async with driver.within(streaming.create(stream_format="sse", **options)) as answer:
        lines = [line async for line in driver.each(answer.iter_lines())]
    data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    return [json.loads(each) for each in data if each != "[DONE]"]


async def transcribe(
    url: str, key: str, flavour: str, audio: str, name: str, options: dict[str, Any]
) -> Any:
    """The parsed answer, or the bare text of the formats that have one."""
    transcriptions = client(url, key, flavour).audio.transcriptions
    upload = (name, driver.unpacked(audio))
    answer = await driver.do(transcriptions.create, file=upload, **options)
    if isinstance(answer, str):
        return answer
    return {"class": type(answer).__name__} | answer.to_dict()


async def transcribe_in_events(
    url: str, key: str, flavour: str, audio: str, name: str, options: dict[str, Any]
) -> list[dict[str, Any]]:
    transcriptions = client(url, key, flavour).audio.transcriptions
    upload = (name, driver.unpacked(audio))
    heard = await driver.do(transcriptions.create, file=upload, stream=True, **options)
    return [{"class": type(event).__name__} | event.to_dict() async for event in driver.each(heard)]


async def hear_live(
    url: str,
    key: str,
    flavour: str,
    input: dict[str, Any],
    clips: list[str],
    commit: bool,
    query: dict[str, str],
) -> list[dict[str, Any]]:
    """All events of a realtime transcription: each clip is committed, or ends by its silence."""
    realtime = client(url, key, flavour).realtime
    async with driver.within(realtime.connect(extra_query=query)) as connection:
        heard: list[dict[str, Any]] = []

        async def until(*types: str) -> None:
            while not heard or heard[-1]["type"] not in types:
                event = await driver.do(connection.recv)
                heard.append({"class": event.__class__.__name__} | event.to_dict())
            heard.append({"type": "next"})

        await until("session.created")
        session = {"type": "transcription", "audio": {"input": input}}
        await driver.do(connection.session.update, session=session)
        await until("session.updated", "error")
        for clip in map(driver.unpacked, clips):
            for at in range(0, len(clip), 9_600):
                audio = driver.packed(clip[at : at + 9_600])
                await driver.do(connection.input_audio_buffer.append, audio=audio)
            if commit:
                await driver.do(connection.input_audio_buffer.commit)
            await until("conversation.item.input_audio_transcription.completed", "error")
        await driver.do(connection.input_audio_buffer.clear)
        await until("input_audio_buffer.cleared")
        await driver.do(connection.input_audio_buffer.commit)
        await until("error")
        return heard


async def models(url: str, key: str, flavour: str) -> list[dict[str, Any]]:
    openai = client(url, key, flavour)
    listed = openai.models.list()
    return [model.to_dict() async for model in driver.each(listed)]


if __name__ == "__main__":
    driver.serve(
        {
            "speak": speak,
            "stream": stream,
            "leave": leave,
            "events": events,
            "transcribe": transcribe,
            "transcribe_in_events": transcribe_in_events,
            "hear_live": hear_live,
            "models": models,
        }
    )
