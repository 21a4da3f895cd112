"""The client without a loop: the same words, and nothing left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from conftest import BOUND, Gateway
from speech import DATA, clip, wer
from voxway.client import Notice, PlaybackBuffer, State, UnreachableError, notices
from voxway.client.reconnect import NEVER
from voxway.client.sync import Voxway
from voxway.errors import ConfigError
from voxway.events import Transcript

TEXT = "The quick brown fox jumps over the lazy dog."


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def test_speak_and_transcribe(gateway: Gateway) -> None:
    with Voxway(gateway.url, gateway.key) as vox:
        speech = vox.speak(TEXT, sample_rate=16_000)
        transcript = vox.transcribe(speech.wav())
    assert wer(TEXT, transcript.text()) == 0


def test_streams_both_ways(gateway: Gateway) -> None:
    def tokens() -> Iterator[str]:
        for word in TEXT.split():
            yield f"{word} "
            time.sleep(0.01)

    with Voxway(gateway.url, gateway.key) as vox, vox.tts(sample_rate=16_000) as tts:
        audio = [chunk.data for chunk in tts.stream(tokens())]
        assert tts.sample_rate == 16_000
        with vox.stt() as stt:
            finals = [part.text for part in stt.stream(audio) if part.final]
            assert wer(TEXT, " ".join(finals)) == 0
            assert stt.transcript.incomplete is None
            assert stt.metrics.snapshot().finals >= 1
        with vox.stt(sample_rate=8_000) as stt:
            for _ in stt.events(DATA / "austen-0880.wav"):
                pass
            assert wer(clip("austen-0880.wav")[1], stt.transcript.text()) <= 0.3


def test_left_early_and_interrupted(gateway: Gateway) -> None:
    with Voxway(gateway.url, gateway.key) as vox, vox.tts() as tts:
        for _ in tts.stream(f"{TEXT} {TEXT}"):
            break
        heard = tts.interrupt()
        assert not heard.is_all
        assert b"".join(chunk.data for chunk in tts.stream("Again."))
        assert tts.state is State.READY


def test_playback(gateway: Gateway) -> None:
    playback = PlaybackBuffer(24_000)
    with Voxway(gateway.url, gateway.key) as vox, vox.tts(playback=playback) as tts:
        tts.say("Hello there.")
        while not any(playback.read(480)):
            time.sleep(0.01)
        while not playback.is_idle:
            playback.read(480)
        tts.finished()
        assert playback.heard().text == "Hello there."


def test_errors_are_the_same(gateway: Gateway) -> None:
    with Voxway("ws://127.0.0.1:9", "key", retry=NEVER) as vox:
        with pytest.raises(UnreachableError):
            vox.speak("Hi.")
        with pytest.raises(ConfigError, match="no file"):
            vox.transcribe("nowhere.wav")


def test_it_is_used_inside_of_its_block() -> None:
    vox = Voxway("ws://127.0.0.1:9", "key")
    with pytest.raises(ConfigError, match="`with`"):
        vox.speak("Hi.")
    with vox:
        pass
    with pytest.raises(ConfigError, match="`with`"):
        vox.speak("Hi.")
    with pytest.raises(ConfigError, match="in use already"):
        vox.__enter__()


def test_a_failing_text_fails_the_stream(gateway: Gateway) -> None:
    def text() -> Iterator[str]:
        yield "One is. "
        raise ZeroDivisionError

    with Voxway(gateway.url, gateway.key) as vox, vox.tts() as tts:
        with pytest.raises(ZeroDivisionError):
            list(tts.stream(text()))
        assert list(tts.stream("Two."))


def test_what_the_sessions_with_a_loop_have(gateway: Gateway) -> None:
    with Voxway(gateway.url, gateway.key) as vox:
        speech = vox.speak(TEXT, sample_rate=16_000)
        with vox.tts(sample_rate=16_000) as tts:
            assert tts.ping() > 0
            assert tts.format == speech.format
            assert tts.playback is None
        with vox.stt() as stt:
            assert stt.ping() > 0
            stt.put(speech.audio)
            stt.finish()
            assert stt.dropped_ms == 0
            told = [event.text for event in stt if isinstance(event, Transcript) and event.final]
            assert wer(TEXT, " ".join(told)) == 0
            assert stt.format == speech.format


def test_a_callback_that_waits_is_refused_and_stops_nobody(gateway: Gateway) -> None:
    """It is called in the loop, which then would wait for itself."""
    refused: list[str] = []

    def notice(told: Notice) -> None:
        if isinstance(told, notices.FirstAudio):
            with pytest.raises(ConfigError) as error:
                tts.interrupt()
            refused.append(error.value.message)

    with Voxway(gateway.url, gateway.key, on_notice=notice) as vox, vox.tts() as tts:
        assert list(tts.stream("Hello."))
    assert "another thread" in refused[0]


# Each of its waits is for ever: neither the end of the block nor that of the process waits for it.
BLOCKED = """
import sys, threading
from voxway.client import sync
sync.LATE = 0.1
def text():
    yield "One is here. "
    print("waiting", flush=True)
    threading.Event().wait()
try:
    with sync.Voxway(sys.argv[1], sys.argv[2]) as vox, vox.tts() as tts:
        for _ in tts.stream(text()):
            pass
except KeyboardInterrupt:
    print("interrupted", [thread.name for thread in threading.enumerate()], flush=True)
"""


INTERRUPTED = """
import sys, threading
from voxway.client.sync import Voxway
try:
    with Voxway(sys.argv[1], sys.argv[2]) as vox, vox.tts() as tts:
        def text():
            yield "One is here. "
            print("waiting", flush=True)
            threading.Event().wait(1.0)
            while True:
                yield " "
                threading.Event().wait(0.05)
        for _ in tts.stream(text()):
            pass
except KeyboardInterrupt:
    print("interrupted", [thread.name for thread in threading.enumerate()], flush=True)
"""


WITH_A_LOOP = """
import asyncio, sys, threading
from voxway.client import Voxway
async def text():
    yield "One is here. "
    print("waiting", flush=True)
    await asyncio.Event().wait()
async def main():
    async with Voxway(sys.argv[1], sys.argv[2]) as vox, vox.tts() as tts:
        async for _ in tts.stream(text()):
            pass
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted", [thread.name for thread in threading.enumerate()], flush=True)
"""


@pytest.mark.parametrize(
    ("program", "left"),
    [(INTERRUPTED, ""), (WITH_A_LOOP, ""), (BLOCKED, ", 'voxway-reader'")],
    ids=["sync", "async", "blocked"],
)
def test_ctrl_c_leaves_no_thread_and_no_task_behind(
    gateway: Gateway, program: str, left: str
) -> None:
    command = [sys.executable, "-W", "error", "-c", program, gateway.url, gateway.key]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, preexec_fn=_hear_ctrl_c
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=BOUND)
    assert (out, err) == (f"interrupted ['MainThread'{left}]\n", "")
    assert process.returncode == 0


def _hear_ctrl_c() -> None:
    """A suite that runs in the background has its children not hear it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
