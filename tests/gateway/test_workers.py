"""Engine workers: they come back when they die, they go when we go, and they may live elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import BOUND, Gateway


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Gateway]:
    started = Gateway(tmp_path)
    started.wait_ready()
    yield started
    started.stop()


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in found.split()]


def worker(gateway: Gateway, model: str) -> int:
    for child in children(gateway.process.pid):
        if model in Path(f"/proc/{child}/cmdline").read_text():
            return child
    raise AssertionError(f"no worker for {model}")


def gone(pid: int) -> bool:
    deadline = time.monotonic() + BOUND
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_a_crash_costs_one_retryable_error_and_one_restart(own: Gateway) -> None:
    with own.speech() as talk, own.recognition() as ear:
        talk.say(type="text", text="This will not be finished. " * 200, flush=True)
        talk.until("audio_chunk")
        os.kill(worker(own, "local/hibari:en"), signal.SIGKILL)
        messages = talk.rest()
        [error] = [m for m in messages if m["type"] == "error"]
        assert (error["code"], error["retryable"]) == ("backend_error", True)
        assert messages[-1]["type"] == "session_ended"
        assert talk.socket.close_code == 1011
        ear.say(type="finalize")
        assert ear.hear()["type"] == "final_transcript", "the other engine was hurt, too"
    with own.speech() as talk:
        assert talk.utterance("Here I am again.")
    assert "engine died" in own.logged()


def test_a_session_waits_for_an_engine_that_is_starting(tmp_path: Path) -> None:
    started = Gateway(tmp_path)
    try:
        with started.speech() as talk:
            assert talk.utterance("I was patient.")
    finally:
        started.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_the_gateway(own: Gateway, number: signal.Signals) -> None:
    pids = children(own.process.pid)
    assert len(pids) == 2
    own.process.send_signal(number)
    own.process.wait(BOUND)
    assert all(gone(pid) for pid in pids)


def test_an_engine_may_run_elsewhere_and_refuses_more_than_it_can_do(tmp_path: Path) -> None:
    port = 18_000 + os.getpid() % 10_000
    command = [sys.executable, "-m", "voxway.cli.main", "engine", "local/hibari:en"]
    address = f"tcp:127.0.0.1:{port}"
    remote = subprocess.Popen([*command, "--listen", address, "--streams", "2"])
    started = Gateway(tmp_path, VOXWAY_ENGINES=f"local/hibari:en={address}")
    try:
        deadline = time.monotonic() + BOUND
        while True:
            with started.open("/v1/tts/local/hibari:en") as talk:
                talk.say(type="init")
                if talk.hear()["type"] == "ready":
                    break
            assert time.monotonic() < deadline
            time.sleep(0.1)
        with started.speech() as one, started.speech() as two:
            assert one.utterance("One.")
            assert two.utterance("Two.")
            with started.open("/v1/tts/local/hibari:en") as three:
                three.say(type="init")
                error = three.hear()
                assert (error["code"], error["retryable"]) == ("backpressure", True)
                assert three.close_code() == 1013
            assert one.utterance("Still one.")
    finally:
        started.stop()
        remote.terminate()
        remote.wait(BOUND)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("local/nobody", "--listen", "tcp:127.0.0.1:1"), "no engine 'local/nobody'"),
        (("local/hibari:en", "--listen", "nonsense"), "neither unix:PATH nor tcp:HOST:PORT"),
    ],
)
def test_a_worker_that_cannot_start_says_why(args: tuple[str, ...], words: str) -> None:
    command = [sys.executable, "-m", "voxway.cli.main", "engine", *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BOUND)
    assert done.returncode == 2
    assert words in done.stderr


def test_a_worker_that_hangs_is_started_again(own: Gateway) -> None:
    """Stopped, not dead: it takes connections and answers nobody."""
    hanging = worker(own, "local/hibari:en")
    os.kill(hanging, signal.SIGSTOP)
    assert gone(hanging), "the supervisor did not notice"
    own.wait_ready()
    with own.speech() as talk:
        assert talk.utterance("Awake again.")
    assert "engine hangs" in own.logged()
