"""Interruption, in the forms of SLNG's guide: what falls silent, and what was heard by then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from client.peer import RATE, Peer, house, run, speaker, talking
from voxway.client import (
    PlaybackBuffer,
    State,
    Tts,
)
from voxway.errors import ConfigError
from voxway.events import (
    Audio,
    Clear,
    Cleared,
    Event,
    Finish,
    Flush,
    SegmentEnd,
    SegmentStart,
    Text,
    Word,
    Words,
)


class Stage:
    """A session that plays, and a loudspeaker that a test turns."""

    def __init__(self, tts: Tts, playback: PlaybackBuffer) -> None:
        self.tts = tts
        self.playback = playback

    def play(self, ms: int) -> str:
        """What sounds meanwhile, as it was said; silence left out."""
        pcm = self.playback.read(ms * RATE // 1000)
        return "".join(chr(pcm[at]) for at in range(0, len(pcm), 2) if pcm[at])


def longer(peer: Peer, event: Event) -> None:
    """A voice of a letter in 100 ms, that knows when each word is said."""
    match event:
        case Text(text=text):
            peer.say(SegmentStart("s", text))
            at = 0.0
            for word in text.split():
                end = at + len(word) / 10
                peer.say(Words((Word(text=word, start=at, end=end),)))
                at = end
            letters = text.replace(" ", "")
            peer.say(*(Audio(f"{letter}\0".encode() * (RATE // 10)) for letter in letters))
            peer.say(SegmentEnd("s"))
        case Clear():
            peer.say(Cleared())
        case _:
            speaker(peer, event)


async def staged(tts: Tts, playback: PlaybackBuffer, text: str) -> Stage:
    await tts.say(text)
    while playback.buffered_ms < 100 * len(text.replace(" ", "")):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return Stage(tts, playback)


def test_slng_immediate_interrupt_clears_the_server_and_the_buffer() -> None:
    async def test() -> None:
        playback = PlaybackBuffer(RATE)
        async with talking(longer, playback=playback) as (_, tts):
            stage = await staged(tts, playback, "One two three.")
            assert stage.play(700)
            heard = await tts.interrupt()
            assert (heard.text, heard.is_all) == ("One two", False)
            assert heard.ms == pytest.approx(700, abs=10)
            stage.play(20)  # one block, in which it falls silent
            assert stage.play(2000) == ""
            await tts.finished()

    run(test())


def test_slng_clear_and_restart() -> None:
    async def test() -> None:
        playback = PlaybackBuffer(RATE)
        async with talking(longer, playback=playback) as (there, tts):
            stage = await staged(tts, playback, "One two three.")
            stage.play(300)
            heard = await tts.interrupt(then="Four.")
            assert heard.text == "One"
            while playback.buffered_ms < 500:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            stage.play(20)
            assert set(stage.play(600)) >= set("Four")
            assert tts.state is State.READY
            await tts.finished()
            assert there.peers[0].texts() == ["One two three.", "Four."]

    run(test())


def test_slng_fade_out() -> None:
    async def test() -> None:
        playback = PlaybackBuffer(RATE)
        async with talking(longer, playback=playback) as (there, tts):
            stage = await staged(tts, playback, "OOOOOOOOOO.")
            stage.play(300)
            heard = await tts.interrupt(fade_ms=200)
            assert heard.ms == pytest.approx(500, abs=10)
            fading = stage.play(300)
            assert list(fading) == sorted(fading, reverse=True)
            assert len(fading) == pytest.approx(200 * RATE / 1000, rel=0.05)
            await there.until(lambda: Clear() in there.peers[0].heard or True)

    run(test())


def test_slng_interrupt_by_closing() -> None:
    async def test() -> None:
        playback = PlaybackBuffer(RATE)
        async with talking(longer, playback=playback) as (there, tts):
            await staged(tts, playback, "One two three.")
            heard = await tts.interrupt(close=True)
            assert (heard.text, heard.ms) == ("", 0.0)
            assert tts.state is State.CLOSED
            assert Finish(abort=True) in there.peers[0].heard
            with pytest.raises(ConfigError, match="closed"):
                await tts.say("Four.")

    run(test())


def test_slng_voice_agent_loop() -> None:
    """Speak, be interrupted, speak again; each time what was heard of it is known."""

    async def test() -> None:
        playback = PlaybackBuffer(RATE)
        heard = []
        async with talking(longer, playback=playback) as (_, tts):
            for _ in range(3):
                stage = await staged(tts, playback, "One two three.")
                stage.play(600)
                heard.append((await tts.interrupt()).text)
                stage.play(100)
        assert heard == ["One two"] * 3

    run(test())


def test_without_playback_what_was_taken_counts_as_heard() -> None:
    async def test() -> None:
        async with talking(longer) as (_, tts):
            count = 0
            async for _ in tts.stream("One two three."):
                count += 1
                if count == 6:
                    heard = await tts.interrupt()
            assert (heard.text, heard.ms, heard.is_all) == ("One two", 600.0, False)
            assert count == 6

    run(test())


def test_slng_playback_at_another_rate_is_refused() -> None:
    """Confirm that the player's sample rate is that of the init config."""

    async def test() -> None:
        async with house("tts", speaker) as there, there.voxway() as vox:
            with pytest.raises(ConfigError, match="8000 Hz, and playback takes 16000 Hz"):
                async with vox.tts("m", playback=PlaybackBuffer(16_000)):
                    pass

    run(test())


@pytest.mark.parametrize("is_left", [True, False])
def test_a_stream_that_was_left_was_not_all_heard(is_left: bool) -> None:
    """Even if all that had come by then was taken."""

    def voice(peer: Peer, event: Event) -> None:
        if not isinstance(event, Flush) or not is_left:
            speaker(peer, event)

    async def test() -> None:
        async with talking(voice) as (_, tts):
            async with aclosing(tts.stream("One.")) as stream:
                async for _chunk in stream:
                    if is_left:
                        break
            assert (await tts.interrupt()).is_all is not is_left

    run(test())


@pytest.mark.parametrize("is_cancelled", [True, False])
def test_a_text_that_is_still_written_is_interrupted_too(is_cancelled: bool) -> None:
    """Also while none of it has been said, or nothing that is not over."""

    async def test() -> None:
        playback = PlaybackBuffer(RATE)
        more = asyncio.Event()

        async def text(first: str) -> AsyncIterator[str]:
            yield first
            await more.wait()
            yield " more. And more."

        async with talking(speaker, playback=playback) as (there, tts):
            for first in ("One. And", "Half a sentence"):
                saying = asyncio.create_task(tts.say(text(first)))
                await there.until(lambda: "One." in there.peers[0].texts())
                await asyncio.sleep(0.05)  # until it is over
                if is_cancelled:
                    saying.cancel()
                await tts.interrupt()
                more.set()
                await asyncio.wait({saying})
                more.clear()
            await tts.say("Again.")
            await there.until(lambda: "Again." in there.peers[0].texts())
            assert there.peers[0].texts() == ["One.", "Again."]

    run(test())


def test_a_text_that_is_cancelled_is_not_said_to_half_a_sentence() -> None:
    async def text() -> AsyncIterator[str]:
        yield "One. Half a sen"
        await asyncio.Event().wait()

    async def test() -> None:
        async with talking(speaker, playback=PlaybackBuffer(RATE)) as (there, tts):
            saying = asyncio.create_task(tts.say(text()))
            await there.until(lambda: bool(there.peers[0].texts()))
            saying.cancel()
            await asyncio.wait({saying})
            await tts.say("Two.")
            await there.until(lambda: "Two." in there.peers[0].texts())
            assert there.peers[0].texts() == ["One.", "Two."]

    run(test())


@pytest.mark.parametrize("is_over", [True, False])
def test_what_has_not_come_yet_was_not_heard(is_over: bool) -> None:
    """All that came may have sounded, and still there is more of it."""

    def voice(peer: Peer, event: Event) -> None:
        if is_over or event != Flush():
            longer(peer, event)

    async def test() -> None:
        playback = PlaybackBuffer(RATE)
        async with talking(voice, playback=playback) as (_, tts):
            stage = await staged(tts, playback, "One two.")
            stage.play(1000)
            assert playback.is_idle
            if is_over:
                await tts.finished()
            heard = await tts.interrupt()
            assert (heard.text, heard.is_all) == ("One two.", is_over)

    run(test())


def test_what_was_heard_is_told_once() -> None:
    async def test() -> None:
        async with talking(longer) as (_, tts):
            async for _ in tts.stream("One two three."):
                break
            assert (await tts.interrupt()).ms == 100.0
            assert (await tts.interrupt()).ms == 0.0

    run(test())
