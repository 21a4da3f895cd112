"""A recognizer's session: what is sent and when, what is sent again, how it ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from client.peer import AT_ONCE, Peer, house, listening, run
from voxway.audio.formats import AudioFormat
from voxway.client import Listening, QueueFullError, State, Stt, notices
from voxway.client.capture import Overflow
from voxway.client.gateway import Gateway
from voxway.client.service import KEEPALIVE, Service
from voxway.errors import AuthError, ConfigError, UpstreamError
from voxway.events import (
    Audio,
    Ended,
    Event,
    Failed,
    Finish,
    Flush,
    KeepAlive,
    ListenOptions,
    Ready,
    SpeechStarted,
    Start,
    Transcript,
    UtteranceEnd,
    Word,
)
from voxway.session.pace import Say
from voxway.session.pace_hearing import HearingPacer

RATE = 16_000
SECOND = 2 * RATE  # bytes


def second(number: int) -> bytes:
    """Of audio that says which one it is."""
    return bytes([number]) * SECOND


def ear(peer: Peer, event: Event) -> None:
    """A recognizer to which every second of audio is a word: `w1`, `w2`, ... It tells each when it
    is complete."""
    match event:
        case Start():
            peer.say(Ready("s", encoding="linear16", sample_rate=RATE))
        case Audio():
            tell(peer)
        case Flush():
            peer.say(Transcript("", True, from_finalize=True))
        case Finish():
            peer.say(Ended("client_closed"))
            peer.close(1000, "client_closed")


def tell(peer: Peer) -> None:
    """The words that are complete and were not told, with the times of this connection."""
    heard = peer.audio()
    for at in range(peer.told, len(heard) // SECOND):
        peer.say(word(heard[at * SECOND], at))
        peer.told += 1


def word(number: int, at: float) -> Transcript:
    text = f"w{number}"
    spoken = Word(text=text, start=float(at), end=at + 1.0)
    return Transcript(text, True, start=float(at), duration=1.0, words=(spoken,))


async def talk(*numbers: int, piece: int = SECOND // 10) -> AsyncIterator[bytes]:
    for number in numbers:
        data = second(number)
        for at in range(0, len(data), piece):
            yield data[at : at + piece]
            await asyncio.sleep(0)


async def texts(stt: Stt, source: AsyncIterator[bytes]) -> list[str]:
    return [part.text async for part in stt.stream(source)]


UNHURRIED = Listening(overflow="block")


def test_what_is_said_is_written_down_in_order() -> None:
    async def test() -> None:
        async with listening(ear, listening=UNHURRIED, language="en") as (there, stt):
            assert await texts(stt, talk(1, 2, 3)) == ["w1", "w2", "w3"]
            assert stt.transcript.text() == "w1\nw2\nw3"
            assert stt.transcript.incomplete is None
            assert stt.state is State.CLOSED
        heard = there.peers[0].heard
        wanted = ListenOptions(language="en", encoding="linear16", sample_rate=RATE)
        assert heard[0] == Start(wanted)
        assert [type(event) for event in heard if not isinstance(event, Audio)][1:] == [
            Flush,
            Finish,
        ]
        assert there.peers[0].audio() == b"".join(map(second, (1, 2, 3)))

    run(test())


def test_telnyx_shutdown_drains_finalizes_waits_and_closes() -> None:
    """In this order: the audio that waits, the finalize, its answer, the end of the stream."""
    answered = asyncio.Event()

    def slow(peer: Peer, event: Event) -> None:
        if isinstance(event, Flush):
            answered.set()
        else:
            ear(peer, event)

    async def test() -> None:
        async with listening(slow, listening=UNHURRIED) as (there, stt):
            await stt.send(second(1))
            finishing = asyncio.create_task(stt.finish())
            await answered.wait()
            assert there.peers[0].audio() == second(1)
            assert Finish() not in there.peers[0].heard
            there.peers[0].say(Transcript("last", True, from_finalize=True))
            transcript = await finishing
            assert transcript.text() == "w1\nlast"
            assert transcript.incomplete is None
        assert isinstance(there.peers[0].heard[-1], Finish)

    run(test())


def test_telnyx_shutdown_timeout_marks_the_transcript_incomplete() -> None:
    def mute(peer: Peer, event: Event) -> None:
        if not isinstance(event, Flush):
            ear(peer, event)

    async def test() -> None:
        async with listening(mute, listening=UNHURRIED) as (_, stt):
            await stt.send(second(1))
            transcript = await stt.finish(patience=0.2)
            assert transcript.text() == "w1"
            assert transcript.incomplete == "no word for 0.2 s"
            assert stt.state is State.CLOSED

    run(test())


def test_finalize_keeps_the_session_open() -> None:
    async def test() -> None:
        async with listening(ear, listening=UNHURRIED) as (there, stt):
            await stt.send(second(1) + second(2)[:10])
            answer = await stt.finalize()
            assert answer.from_finalize
            assert there.peers[0].audio() == second(1) + second(2)[:10]  # down to its last sample
            await stt.send(second(2)[10:])
            assert (await stt.finish()).text() == "w1\nw2"

    run(test())


def test_no_audio_before_open_and_ready() -> None:
    asked = asyncio.Event()

    def late(peer: Peer, event: Event) -> None:
        if isinstance(event, Start):
            asked.set()
        else:
            ear(peer, event)

    async def test() -> None:
        async with house("stt", late) as there, there.voxway() as vox:
            stt = vox.stt("m")
            stt.put(second(1))
            entering = asyncio.create_task(stt.__aenter__())
            await asked.wait()
            await asyncio.sleep(0.05)
            assert [type(event) for event in there.peers[0].heard] == [Start]
            there.peers[0].say(Ready("s", encoding="linear16", sample_rate=RATE))
            await entering
            assert (await stt.finish()).text() == "w1"

    run(test())


def test_telnyx_buffered_audio_is_sent_again_after_a_reconnect() -> None:
    """The connection breaks amid the third second; what has no final yet is heard by the next one,
    with the whole configuration, and times go on as those of the source."""

    def breaking(peer: Peer, event: Event) -> None:
        ear(peer, event)
        if peer.number == 1 and len(peer.audio()) > 2.5 * SECOND:
            peer.close(1011)

    async def test() -> None:
        async with listening(breaking, listening=UNHURRIED, words=True) as (there, stt):
            events = [event async for event in stt.events(talk(1, 2, 3, 4))]
            assert [event.text for event in events] == ["w1", "w2", "w3", "w4"]  # type: ignore[union-attr]
            assert [final.start for final in stt.transcript.finals] == [0.0, 1.0, 2.0, 3.0]
            assert [final.words[0].end for final in stt.transcript.finals] == [1.0, 2.0, 3.0, 4.0]
        assert there.peers[0].heard[0] == there.peers[1].heard[0]
        assert there.peers[1].audio() == second(3) + second(4)
        [replayed] = there.noted(notices.Replayed)
        assert replayed.start == 2.0
        assert 2.5 <= replayed.end <= 3.0
        assert there.noted(notices.Gap) == []

    run(test())


def test_without_replay_the_gap_is_told() -> None:
    def breaking(peer: Peer, event: Event) -> None:
        ear(peer, event)
        if peer.number == 1 and len(peer.audio()) >= 2.5 * SECOND:
            peer.close(1011)

    async def test() -> None:
        wish = Listening(overflow="block", chunks="steady", replay=0.0)
        async with listening(breaking, listening=wish) as (there, stt):
            await texts(stt, talk(1, 2, 3, 4))
            [gap] = there.noted(notices.Gap)
            assert gap.start == 2.0
            assert gap.end >= 2.5
            assert [(g.start, g.end) for g in stt.transcript.document().gaps] == [(2.0, gap.end)]
        assert there.noted(notices.Replayed) == []

    run(test())


def test_a_finalize_without_an_answer_is_said_again() -> None:
    def breaking(peer: Peer, event: Event) -> None:
        if peer.number == 1 and isinstance(event, Flush):
            peer.close(1011)
        else:
            ear(peer, event)

    async def test() -> None:
        async with listening(breaking, listening=UNHURRIED) as (there, stt):
            await stt.send(second(1)[: SECOND // 2])
            assert (await stt.finalize()).from_finalize
            assert there.peers[1].audio() == second(1)[: SECOND // 2]

    run(test())


def test_the_end_of_the_stream_is_said_again() -> None:
    def breaking(peer: Peer, event: Event) -> None:
        if peer.number == 1 and isinstance(event, Finish):
            peer.close(1011)
        else:
            ear(peer, event)

    async def test() -> None:
        async with listening(breaking, listening=UNHURRIED) as (there, stt):
            assert await texts(stt, talk(1)) == ["w1"]
            assert stt.transcript.incomplete is None
            assert there.peers[1].audio() == b""

    run(test())


def test_no_word_is_written_down_twice() -> None:
    """A recognizer that tells a final late, just before its connection breaks: after it, only what
    comes behind is sent."""

    def breaking(peer: Peer, event: Event) -> None:
        if peer.number > 1 or isinstance(event, Start):
            ear(peer, event)
        elif len(peer.audio()) >= 3 * SECOND:
            peer.say(Transcript("w1 w2", True, start=0.0, duration=2.0))
            peer.close(1011)

    async def test() -> None:
        async with listening(breaking, listening=UNHURRIED) as (_, stt):
            assert await texts(stt, talk(1, 2, 3, 4)) == ["w1 w2", "w3", "w4"]

    run(test())


@pytest.mark.parametrize("overflow", ["drop_oldest", "raise"])
def test_telnyx_backpressure_is_counted_and_told(overflow: Overflow) -> None:
    """A server that reads nothing: the queue fills up, and memory does not."""

    def deaf(peer: Peer, event: Event) -> None:
        if isinstance(event, Start):
            ear(peer, event)
            assert peer.socket is not None
            peer.socket.pause()

    async def test() -> None:
        wish = Listening(queue=5.0, overflow=overflow)
        async with listening(deaf, listening=wish) as (there, stt):

            def dropped() -> float:
                return float(sum(notice.seconds for notice in there.noted(notices.Dropped)))

            async def send() -> None:
                for number in range(1000):
                    await stt.send(second(number % 250))
                    await asyncio.sleep(0)

            if overflow == "raise":
                with pytest.raises(QueueFullError):
                    await send()
            else:
                await send()
                await there.until(lambda: dropped() == pytest.approx(stt.dropped_ms / 1000))
                assert dropped() > 500
            assert stt.metrics.snapshot().audio_queue_depth <= 5.0
            assert there.peers[0].socket is not None
            there.peers[0].socket.resume()

    run(test())


def test_slng_keepalive_in_silence() -> None:
    """`keepalive` every 10 s: here the clock is ours."""
    policy = Service(Gateway("ws://there")).route("stt", "m").policy
    pacer = HearingPacer(policy, AudioFormat("linear16", RATE), retries=False)
    list(pacer.command(Start(ListenOptions()), 0.0))
    list(pacer.opened(0.0))
    list(pacer.event(Ready(), 0.0))
    said = [now for now in range(1, 36) if Say(KeepAlive()) in list(pacer.tick(float(now)))]
    assert KEEPALIVE == 10.0
    assert said == [10, 20, 30]


def test_partials_that_nobody_took_are_replaced() -> None:
    def chatty(peer: Peer, event: Event) -> None:
        if isinstance(event, Audio):
            peer.say(*(Transcript(f"p{n}", False) for n in range(100)))
        ear(peer, event)

    async def test() -> None:
        async with listening(chatty, listening=UNHURRIED) as (_, stt):
            await stt.send(second(1))
            await stt.finish()
            parts = [event.text async for event in stt]  # type: ignore[union-attr]
            assert parts == ["w1"]

    run(test())


def test_speech_and_its_ends_are_told_on_the_sources_clock() -> None:
    def telling(peer: Peer, event: Event) -> None:
        if isinstance(event, Flush):
            peer.say(SpeechStarted(0.25), UtteranceEnd(0.75))
        ear(peer, event)
        if peer.number == 1 and len(peer.audio()) >= SECOND:
            peer.close(1011)

    async def test() -> None:
        async with listening(telling, listening=UNHURRIED, vad_events=True) as (_, stt):
            events = [event async for event in stt.events(talk(1, 2))]
        assert SpeechStarted(1.25) in events
        assert UtteranceEnd(1.75) in events

    run(test())


def test_an_error_that_ends_the_session_ends_the_stream() -> None:
    def refusing(peer: Peer, event: Event) -> None:
        if isinstance(event, Audio):
            peer.say(Failed("auth_error", "the key was revoked", fatal=True))
            peer.close(4000)
        else:
            ear(peer, event)

    async def test() -> None:
        async with listening(refusing, listening=UNHURRIED) as (_, stt):
            with pytest.raises(AuthError, match="revoked"):
                await texts(stt, talk(1, 2))
            assert stt.transcript.incomplete == "the key was revoked"

    run(test())


def test_a_failing_source_fails_the_stream() -> None:
    async def source() -> AsyncIterator[bytes]:
        yield second(1)
        raise ZeroDivisionError

    async def test() -> None:
        async with listening(ear, listening=UNHURRIED) as (_, stt):
            with pytest.raises(ZeroDivisionError):
                await texts(stt, source())
            assert stt.transcript.incomplete

    run(test())


def test_leaving_early_ends_the_session() -> None:
    async def test() -> None:
        async with listening(ear, listening=UNHURRIED) as (there, stt):
            stream = stt.stream(talk(*range(1, 100)))
            async for _ in stream:
                break
            await stream.aclose()
            assert stt.state is State.CLOSED
            assert stt.transcript.incomplete
            await there.peers[0].is_closed.wait()

    run(test())


def test_cancelling_leaves_nothing_behind() -> None:
    async def test() -> None:
        async with house("stt", ear) as there:

            async def listen() -> None:
                async with there.voxway() as vox, vox.stt("m", listening=UNHURRIED) as stt:
                    await texts(stt, talk(*range(1, 200)))

            task = asyncio.create_task(listen())
            await there.until(lambda: bool(there.peers) and bool(there.peers[0].audio()))
            task.cancel()
            await asyncio.wait({task})
            assert task.cancelled()

    run(test())


def test_one_stream_a_session() -> None:
    async def test() -> None:
        async with listening(ear, listening=UNHURRIED) as (_, stt):
            await texts(stt, talk(1))
            with pytest.raises(ConfigError, match="one stream"):
                await texts(stt, talk(2))
            with pytest.raises(ConfigError, match="closed"):
                await stt.send(second(1))

    run(test())


def test_nobody_waits_for_room_in_a_session_that_has_ended() -> None:
    def deaf(peer: Peer, event: Event) -> None:
        if isinstance(event, Start) and peer.number == 1:
            peer.say(Ready("s", encoding="linear16", sample_rate=RATE))
        elif isinstance(event, Audio):
            peer.close(1011)

    async def test() -> None:
        full = Listening(queue=1.0, overflow="block")
        async with listening(deaf, listening=full) as (there, stt):
            await stt.send(second(1))
            await there.until(lambda: bool(there.noted(notices.Lost)))
            sending = asyncio.create_task(stt.send(3 * second(2)))
            putting = threading.Thread(target=stt.put, args=(second(3),), daemon=True)
            putting.start()
            await asyncio.sleep(0.05)
            assert not sending.done()
            await stt.aclose()
            with pytest.raises(ConfigError, match="closed"):
                await sending
            await asyncio.to_thread(putting.join, 10.0)
            assert not putting.is_alive()

    run(test())


def test_compressed_audio_cannot_go_on_elsewhere() -> None:
    def breaking(peer: Peer, event: Event) -> None:
        ear(peer, event)
        if isinstance(event, Audio):
            peer.close(1011)

    async def test() -> None:
        async with listening(breaking, listening=UNHURRIED, encoding="opus") as (_, stt):
            with pytest.raises(UpstreamError, match="opus cannot go on"):
                await texts(stt, talk(1))

    run(test())


def test_a_long_outage_costs_no_memory() -> None:
    """Ten minutes of live audio while nobody is there: of it the queue has its eight seconds, and
    the rest is told as dropped."""

    def gone(peer: Peer, event: Event) -> None:
        if isinstance(event, Audio) and peer.number == 1:
            peer.close(1012)
        elif peer.number != 2:
            ear(peer, event)

    async def test() -> None:
        async with house("stt", gone) as there, there.voxway(AT_ONCE) as vox:
            async with vox.stt("m") as stt:
                await stt.send(second(0))
                await there.until(lambda: len(there.peers) == 2 and bool(there.peers[1].heard))
                for number in range(1, 600):
                    await stt.send(second(number % 250))
                assert stt.state is not State.READY
                assert stt.dropped_ms == pytest.approx(591_000, abs=1000)
                there.peers[1].close(1012)
                transcript = await stt.finish()
            [gap] = there.noted(notices.Gap)
            assert gap.end - gap.start == pytest.approx(stt.dropped_ms / 1000, abs=0.01)
            assert gap.end == pytest.approx(592, abs=0.2)
            assert [final.text for final in transcript.finals][-7:] == [
                f"w{number % 250}" for number in range(593, 600)
            ]

    run(test())
