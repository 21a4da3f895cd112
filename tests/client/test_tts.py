"""A voice's session: order, interruption, loss and return, against a scripted server."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from client.peer import AT_ONCE, RATE, House, Peer, house, read, run, sound, speaker, talking
from voxway.cli import exits
from voxway.client import (
    Delivery,
    FlushPolicy,
    Retry,
    State,
    Tts,
    UnreachableError,
    Voxway,
    notices,
)
from voxway.door import refusal
from voxway.errors import AuthError, ConfigError, GatewayError, LimitError, UpstreamError
from voxway.events import (
    Audio,
    Clear,
    Cleared,
    Event,
    Failed,
    Finish,
    Flush,
    Flushed,
    Ready,
    SegmentEnd,
    SegmentStart,
    SpeakOptions,
    Start,
    Text,
    Warning,
)
from voxway.net.base import Refusal

TEXT = "One is here. Two is there. Three."


async def collected(tts: Tts, text: str | AsyncIterator[str]) -> str:
    return read(b"".join([chunk.data async for chunk in tts.stream(text)]))


def state(tts: Tts) -> State:
    """For mypy, which believes that a property stays as it is."""
    return tts.state


async def growing(*pieces: str) -> AsyncIterator[str]:
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)


def test_a_growing_text_is_spoken_by_sentences_in_order() -> None:
    async def test() -> None:
        async with talking(speaker) as (there, tts):
            assert await collected(tts, growing("One is", " here. Two", " is. ")) == (
                "One is here.Two is."
            )
        said = [type(event) for event in there.peers[0].heard]
        assert said == [Start, Text, Flush, Text, Flush, Finish]

    run(test())


def test_slng_flush_policies() -> None:
    async def flushed(policy: FlushPolicy) -> list[str]:
        async with talking(speaker, delivery=Delivery(flush=policy)) as (there, tts):
            await collected(tts, "One is. Two is.\n\nThree is.")
        heard = there.peers[0].heard
        return ["|" if isinstance(event, Flush) else "t" for event in heard[1:-1]]

    assert run(flushed("sentence")) == ["t", "|", "t", "|", "t", "|"]
    assert run(flushed("paragraph")) == ["t", "t", "|", "t", "|"]
    assert run(flushed("manual")) == ["t", "t", "t", "|"]


def test_manual_flush_is_the_applications() -> None:
    async def pieces() -> AsyncIterator[str | Flush]:
        for piece in ("One is. ", Flush(), "Two is."):
            yield piece

    async def test() -> None:
        async with talking(speaker, delivery=Delivery(flush="manual")) as (there, tts):
            async for _ in tts.stream(pieces()):
                pass
        said = [type(event) for event in there.peers[0].heard[1:-1]]
        assert said == [Text, Flush, Text, Flush]

    run(test())


def test_nothing_is_said_before_open_and_ready() -> None:
    """Telnyx: do not send audio until the connection is open."""
    ready = asyncio.Event()

    def late(peer: Peer, event: Event) -> None:
        if isinstance(event, Start):
            ready.set()
        else:
            speaker(peer, event)

    async def test() -> None:
        async with house("tts", late) as there, there.voxway() as vox:
            tts = vox.tts("m")
            entering = asyncio.create_task(tts.__aenter__())
            await ready.wait()
            await asyncio.sleep(0.05)
            assert [type(event) for event in there.peers[0].heard] == [Start]
            assert state(tts) is State.CONNECTING
            there.peers[0].say(Ready("s", encoding="linear16", sample_rate=RATE))
            await entering
            assert tts.state is State.READY
            assert await collected(tts, "One.") == "One."

    run(test())


def test_slng_reconnects_with_its_whole_configuration_and_says_the_rest() -> None:
    def breaking(peer: Peer, event: Event) -> None:
        if peer.number == 1 and isinstance(event, Text) and event.text.startswith("Two"):
            peer.say(Audio(sound("Two")))
            peer.close(1011)
        else:
            speaker(peer, event)

    async def test() -> None:
        async with talking(breaking, voice="v", language="de", speed=1.5) as (there, tts):
            assert await collected(tts, TEXT) == "One is here.Two is there.Three."
        starts = [peer.heard[0] for peer in there.peers]
        options = SpeakOptions(voice="v", language="de", encoding="linear16", speed=1.5)
        assert starts == [Start(options), Start(options)]
        assert there.peers[1].texts() == ["Two is there.", "Three."]
        [resent, _] = there.noted(notices.Resent)
        assert (resent.text, resent.skipped) == ("Two is there.", 3 / RATE)
        states = [notice.state.value for notice in there.noted(notices.StateChanged)]
        assert states == ["connecting", "ready", "waiting", "connecting", "ready", "closed"]
        [lost] = there.noted(notices.Lost)
        assert (lost.code, lost.error, lost.again_in) == (1011, "backend_error", 0.01)

    run(test())


def test_a_connection_fails_before_open_and_is_tried_again() -> None:
    async def test() -> None:
        async with house("tts", speaker) as there, there.voxway() as vox:
            there.refusals = [Refusal(502, b""), Refusal(503, b"", {"Retry-After": "1"})]
            async with vox.tts("m") as tts:
                assert await collected(tts, "One.") == "One."
        waits = [notice.again_in for notice in there.noted(notices.Lost)]
        assert waits == [0.01, 1.0]
        assert [notice.number for notice in there.noted(notices.Attempt)] == [1, 2, 3]

    run(test())


@pytest.mark.parametrize(
    ("verdict", "error", "says"),
    [
        (refusal(AuthError("unknown API key"), "r", None), AuthError, "unknown API key"),
        (refusal(ConfigError("no such model"), "r", None), ConfigError, "no such model"),
        (Refusal(401, b"<html>nginx</html>"), AuthError, "HTTP status 401"),
        (Refusal(403, b""), AuthError, "HTTP status 403"),
        (Refusal(400, b""), ConfigError, "HTTP status 400"),
    ],
)
def test_telnyx_authentication_and_validation_errors_are_not_retried(
    verdict: Refusal, error: type[GatewayError], says: str
) -> None:
    async def test() -> None:
        async with house("tts", speaker) as there, there.voxway() as vox:
            there.refusals = [verdict]
            with pytest.raises(error, match=says):
                async with vox.tts("m"):
                    pass
            assert len(there.requests) == 1
            assert [notice.again_in for notice in there.noted(notices.Lost)] == [None]

    run(test())


def test_slng_an_error_message_is_told_with_code_and_message() -> None:
    def complaining(peer: Peer, event: Event) -> None:
        if isinstance(event, Text):
            peer.say(Failed("invalid_request", "odd", param="text"), Warning("w", "careful"))
        speaker(peer, event)

    async def test() -> None:
        async with talking(complaining) as (there, tts):
            assert await collected(tts, "One.") == "One."
        assert there.noted(notices.Erred) == [notices.Erred("invalid_request", "odd", "text")]
        assert there.noted(notices.Warned) == [notices.Warned("w", "careful")]

    run(test())


def test_an_error_that_ends_the_session_ends_the_stream() -> None:
    def refusing(peer: Peer, event: Event) -> None:
        if isinstance(event, Text):
            peer.say(Failed("auth_error", "the key was revoked", fatal=True))
            peer.close(4000)
        else:
            speaker(peer, event)

    async def test() -> None:
        async with talking(refusing) as (there, tts):
            with pytest.raises(AuthError, match="revoked"):
                await collected(tts, "One.")
            assert tts.state is State.CLOSED
            with pytest.raises(AuthError, match="revoked"):
                await collected(tts, "Two.")
        assert len(there.peers) == 1

    run(test())


def test_a_session_that_ends_before_the_first_word_ends_the_stream() -> None:
    async def test() -> None:
        async with talking(speaker) as (there, tts):

            async def text() -> AsyncIterator[str]:
                there.peers[0].say(Failed("auth_error", "the key was revoked", fatal=True))
                while tts.state is not State.CLOSED:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                yield "One."

            with pytest.raises(AuthError, match="revoked"):
                await collected(tts, text())

    run(test())


def test_a_full_server_is_asked_again() -> None:
    def full(peer: Peer, event: Event) -> None:
        if peer.number == 1 and isinstance(event, Text):
            peer.say(Failed("rate_limit", "too many messages", fatal=True))
            peer.close(4001, "rate_limit")
        else:
            speaker(peer, event)

    async def test() -> None:
        async with talking(full) as (there, tts):
            assert await collected(tts, "One.") == "One."
        assert [notice.error for notice in there.noted(notices.Lost)] == ["rate_limit"]

    run(test())


@pytest.mark.parametrize("is_refused", [True, False])
def test_a_key_that_the_server_repeats_is_in_no_exception(is_refused: bool) -> None:
    key = "a-very-secret-key"
    said = f"we know no {key} here"

    def teller(peer: Peer, event: Event) -> None:
        if isinstance(event, Text):
            peer.say(Failed("auth_error", said))
        else:
            speaker(peer, event)

    async def test() -> None:
        async with house("tts", teller) as there:
            if is_refused:
                body = f'{{"code":"auth_error","message":"{said}"}}'
                there.refusals = [Refusal(401, body.encode())]
            async with Voxway(there.url, key, on_notice=there.notices.append) as vox:
                with pytest.raises(AuthError, match=r"we know no \[key\] here"):
                    await vox.speak("One.", "m")
        assert key not in repr(there.notices)

    run(test())


def test_it_gives_up_after_so_many_attempts() -> None:
    async def test() -> None:
        async with house("tts", speaker) as there:
            retry = Retry(delays=(0.01,), jitter=0.0, first_attempts=3)
            async with there.voxway(retry) as vox:
                there.refusals = [Refusal(502, b"")] * 9
                with pytest.raises(UnreachableError, match="HTTP status 502"):
                    await vox.speak("One.", "m")
            assert len(there.requests) == 3

    run(test())


def test_nobody_there() -> None:
    async def test() -> None:
        there = House("tts", speaker)
        there.url = "ws://127.0.0.1:9"
        retry = Retry(delays=(0.01,), first_attempts=1)
        with pytest.raises(UnreachableError, match=r"no gateway at http://127\.0\.0\.1:9"):
            await there.voxway(retry).speak("One.", "m")

    run(test())


def test_an_utterance_that_always_breaks_the_connection_is_said_twice() -> None:
    def breaking(peer: Peer, event: Event) -> None:
        if isinstance(event, Text) and "bad" in event.text:
            peer.close(1011)
        else:
            speaker(peer, event)

    async def test() -> None:
        async with talking(breaking) as (there, tts):
            chunks = []

            async def take() -> None:
                async for chunk in tts.stream("One is. Two is bad. Three is."):
                    chunks.append(chunk.data)

            with pytest.raises(UpstreamError, match="1 utterances were lost") as caught:
                await take()
            assert exits.code(caught.value) == exits.FAILED  # there is a gateway
            assert read(b"".join(chunks)) == "One is.Three is."
            assert len(there.peers) == 3
        [abandoned] = there.noted(notices.Abandoned)
        assert abandoned.text == "Two is bad."

    run(test())


def test_a_voice_that_hangs_is_left() -> None:
    """Its socket is open and answers pings, but no audio comes."""

    def hanging(peer: Peer, event: Event) -> None:
        if peer.number > 1 or not isinstance(event, Text | Flush):
            speaker(peer, event)

    async def test() -> None:
        async with talking(hanging, delivery=Delivery(stall=0.3)) as (there, tts):
            assert await collected(tts, "One.") == "One."
        [lost] = there.noted(notices.Lost)
        assert "no sign" in lost.message

    run(test())


def test_a_connection_that_is_lost_in_idleness_is_replaced_at_once() -> None:
    async def test() -> None:
        async with talking(speaker) as (there, tts):
            there.peers[0].close(1008, "idle_timeout_exceeded")
            await there.until(lambda: len(there.peers) == 2 and bool(there.peers[1].heard))
            assert await collected(tts, "One.") == "One."
        assert there.peers[0].texts() == []

    run(test())


def test_odd_answers_cost_the_connection_and_no_more() -> None:
    def odd(peer: Peer, event: Event) -> None:
        if peer.number == 1 and isinstance(event, Text):
            assert peer.socket is not None
            peer.socket.send('{"type":"nonsense"}')
        else:
            speaker(peer, event)

    async def test() -> None:
        async with talking(odd) as (there, tts):
            assert await collected(tts, "One.") == "One."
        [lost] = there.noted(notices.Lost)
        assert "broke its protocol" in lost.message

    run(test())


def test_sentences_words_and_ends_come_with_the_audio() -> None:
    def telling(peer: Peer, event: Event) -> None:
        if isinstance(event, Text):
            peer.say(SegmentStart("seg_9", event.text))
        speaker(peer, event)
        if isinstance(event, Text):
            peer.say(SegmentEnd("seg_9"))

    async def test() -> None:
        async with talking(telling) as (_, tts):
            told = [event async for event in tts.events("One. Two.")]
        kinds = [(type(event), event.context) for event in told]
        each = (SegmentStart, Audio, SegmentEnd, Flushed)
        assert kinds == [(kind, id) for id in ("u1", "u2") for kind in each]
        assert [event.text for event in told if isinstance(event, SegmentStart)] == ["One.", "Two."]

    run(test())


def test_leaving_a_stream_early_silences_the_server() -> None:
    async def test() -> None:
        async with talking(clearing) as (there, tts):
            async with aclosing(tts.stream("One is. Two is.")) as chunks:
                async for _ in chunks:
                    break
            assert await collected(tts, "Three.") == "Three."
        assert sum(isinstance(event, Clear) for event in there.peers[0].heard) == 1

    run(test())


def clearing(peer: Peer, event: Event) -> None:
    """A voice that never gets to the end of its first sentence."""
    if isinstance(event, Clear):
        peer.say(Audio(sound("stale")), Cleared())
    elif not (isinstance(event, Text | Flush) and peer.texts()[:1] == peer.texts()):
        speaker(peer, event)
    elif isinstance(event, Text):
        peer.say(Audio(sound(event.text)))


def test_a_failing_text_fails_the_stream() -> None:
    async def text() -> AsyncIterator[str]:
        yield "One is. "
        raise ZeroDivisionError

    async def test() -> None:
        async with talking(speaker) as (_, tts):
            with pytest.raises(ZeroDivisionError):
                await collected(tts, text())
            assert await collected(tts, "Two.") == "Two."

    run(test())


def test_cancelling_leaves_nothing_behind() -> None:
    async def test() -> None:
        async with house("tts", clearing) as there:

            async def speak() -> None:
                async with there.voxway() as vox:
                    await vox.speak("One.", "m")

            task = asyncio.create_task(speak())
            await there.until(lambda: bool(there.peers) and bool(there.peers[0].texts()))
            task.cancel()
            await asyncio.wait({task})
            assert task.cancelled()
            await there.peers[0].is_closed.wait()

    run(test())


def test_a_slow_listener_is_not_flooded() -> None:
    """What nobody takes is not said: memory stays bounded, whatever the length of the text."""
    second = bytes(RATE * 2)
    sentence = f"{'x' * 148}. "  # which takes about ten seconds

    def lavish(peer: Peer, event: Event) -> None:
        if isinstance(event, Text):
            peer.say(*[Audio(second)] * 10)
        else:
            speaker(peer, event)

    async def test() -> None:
        async with talking(lavish) as (there, tts):
            async with aclosing(tts.stream(sentence * 50)) as chunks:
                async for _ in chunks:
                    break
                for _ in range(20):
                    await asyncio.sleep(0.01)
                assert 3 <= len(there.peers[0].texts()) <= 5
                size = sum([len(chunk.data) async for chunk in chunks])
            assert size == 499 * len(second)
            assert len(there.peers[0].texts()) == 50

    run(test())


def test_a_session_is_used_inside_of_its_block_once() -> None:
    async def test() -> None:
        async with house("tts", speaker) as there, there.voxway() as vox:
            tts = vox.tts("m")
            with pytest.raises(ConfigError, match="`async with`"):
                await collected(tts, "One.")
            async with tts:
                assert await collected(tts, "One.") == "One."
            with pytest.raises(ConfigError, match="closed"):
                await collected(tts, "One.")
            with pytest.raises(ConfigError, match="once"):
                await tts.__aenter__()

    run(test())


def test_say_needs_playback() -> None:
    async def test() -> None:
        async with talking(speaker) as (_, tts):
            with pytest.raises(ConfigError, match="no playback"):
                await tts.say("One.")

    run(test())


def test_limits_are_the_callers_to_handle() -> None:
    async def test() -> None:
        async with house("tts", speaker) as there, there.voxway() as vox:
            there.refusals = [refusal(LimitError("full", retry_after=3600.0), "r", None)]
            tts = vox.tts("m")
            entering = asyncio.create_task(tts.__aenter__())
            await there.until(lambda: bool(there.noted(notices.Lost)))
            assert there.noted(notices.Lost)[0].again_in == 3600.0
            assert state(tts) is State.WAITING
            entering.cancel()
            await asyncio.wait({entering})
            assert tts.state is State.CLOSED

    run(test())


def test_a_connection_that_is_lost_amid_a_ping(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with talking(speaker) as (there, tts):
            assert await tts.ping() > 0
            socket = there.peers[0].socket
            assert socket is not None
            socket.pause()
            pinging = asyncio.create_task(tts.ping())
            forgotten = asyncio.create_task(tts.ping())
            await asyncio.sleep(0.01)
            forgotten.cancel()
            socket.resume()
            socket.close(1011)
            with contextlib.suppress(UpstreamError):  # it may just have been answered
                await pinging
        gc.collect()

    run(test())
    assert "never retrieved" not in caplog.text


def test_missed_heartbeats_reconnect() -> None:
    """A network that vanishes without a word: nothing comes, not even the answer to a ping."""

    async def test() -> None:
        async with house("tts", speaker) as there:
            vox = there.voxway(AT_ONCE, heartbeat=0.2)
            async with vox, vox.tts("m"):
                assert there.peers[0].socket is not None
                there.peers[0].socket.pause()
                await there.until(lambda: len(there.peers) > 1)
                there.peers[0].socket.resume()
        assert "does not answer a ping" in there.noted(notices.Lost)[0].message

    run(test())
