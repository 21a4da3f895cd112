"""What an application's type checker makes of the client: `make lint` has mypy read it (strict, and
a mistake that it does not find is one), and nobody runs it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import assert_type

from voxway.client import (
    Assembly,
    Chunk,
    Delivery,
    Heard,
    Listening,
    Notice,
    PlaybackBuffer,
    Snapshot,
    Speech,
    SpeechEvent,
    State,
    Stt,
    Tts,
    Voxway,
    notices,
    sync,
)
from voxway.events import Audio, Flushed, SegmentEnd, SegmentStart, Transcript, Words


def on_notice(notice: Notice) -> None:
    match notice:
        case notices.Lost(code=code, again_in=again_in):
            assert_type(code, int | None)
            assert_type(again_in, float | None)
        case notices.StateChanged(state=state):
            assert_type(state, State)
        case _:
            pass


async def application(tokens: AsyncIterator[str], microphone: AsyncIterator[bytes]) -> None:
    async with Voxway("wss://there", "key", heartbeat=5.0, on_notice=on_notice) as vox:
        assert_type(vox, Voxway)
        assert_type(await vox.speak("Hello.", voice="heart"), Speech)
        assert_type(await vox.transcribe("talk.wav", words=True), Assembly)
        delivery = Delivery(flush="paragraph", resends=None)
        async with vox.tts("m", delivery=delivery, playback=PlaybackBuffer(24_000)) as tts:
            assert_type(tts, Tts)
            async for chunk in tts.stream(tokens):
                assert_type(chunk, Chunk)
                assert_type(chunk.data, bytes)
            async for event in tts.events(["Hello. ", "There."]):
                assert_type(event, SpeechEvent)
                assert_type(event, Audio | Words | SegmentStart | SegmentEnd | Flushed)
            assert_type(await tts.interrupt(fade_ms=50, then="What?"), Heard)
            assert_type(tts.metrics.snapshot(), Snapshot)
        async with vox.stt("m", listening=Listening(overflow="raise", chunks="blocks")) as stt:
            assert_type(stt, Stt)
            async for part in stt.stream(microphone):
                assert_type(part, Transcript)
            assert_type(await stt.finalize(), Transcript)
            assert_type(await stt.finish(), Assembly)


def script() -> None:
    with sync.Voxway("wss://there") as vox, vox.tts(speed=1.5) as tts, vox.stt() as stt:
        assert_type(vox.speak("Hello."), Speech)
        for chunk in tts.stream(word for word in ("a", "b")):
            assert_type(chunk, Chunk)
        for part in stt.stream([b""]):
            assert_type(part, Transcript)


def mistakes(vox: Voxway) -> None:
    """Each of these lines is an error: a silenced one that is none is one itself."""
    vox.tts(vioce="heart")  # type: ignore[call-arg]
    vox.tts(speed="fast")  # type: ignore[arg-type]
    vox.stt(sample_rate=None)  # type: ignore[arg-type]
    Delivery(flush="word")  # type: ignore[arg-type]
    Listening(overflow="drop_newest")  # type: ignore[arg-type]
    Voxway(heart_beat=1.0)  # type: ignore[call-arg]
