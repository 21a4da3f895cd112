"""Every recorded exchange of a real client, played to the gateway, and what that client does next.

`test_rules.py` has the rules that all of them need; the packages themselves run in `test_*.py` of
`make test-clients`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Gateway, Talk
from speech import clip, wer

from .conftest import Journal, Judge
from .replay import RECORDINGS, Heard, Recording, speech
from .venvs import CLIENTS, REQUIREMENTS

WATER = "Water boils at 100 degrees at sea level."
TRAIN = "The train to Manchester leaves from platform 9."
After = Callable[[Heard, Talk, Judge], None]


def says(text: str, rate: int = 24_000) -> After:
    """The speech that came is this text."""

    def check(heard: Heard, talk: Talk, judge: Judge) -> None:
        assert judge.wer(text, heard.audio, rate) <= 0.15

    return check


def says_and_goes_on(text: str, rate: int = 24_000) -> After:
    """The same, and the socket speaks the next utterance, with one terminal."""

    def check(heard: Heard, talk: Talk, judge: Judge) -> None:
        says(text, rate)(heard, talk, judge)
        goes_on(rate)(heard, talk, judge)

    return check


def goes_on(rate: int = 24_000) -> After:
    """The socket speaks the next utterance, with one terminal."""

    def check(heard: Heard, talk: Talk, judge: Judge) -> None:
        talk.say(type="text", text=WATER)
        talk.say(type="flush")
        messages = talk.until("audio_end")
        assert judge.wer(WATER, speech(messages), rate) <= 0.15
        talk.say(type="flush")
        assert [m["type"] for m in talk.until("audio_end")] == ["audio_end"]

    return check


def hears(*clips: str) -> After:
    """The transcripts that came are what was said."""

    def check(heard: Heard, talk: Talk, judge: Judge) -> None:
        assert wer(" ".join(clip(name)[1] for name in clips), heard.finals) <= 0.25

    return check


def ended(heard: Heard, talk: Talk, judge: Judge) -> None:
    """Nothing more comes but the close that a client asked for."""
    assert talk.close_code() == 1000


AFTER: dict[str, After] = {
    "discord-bot-tts": says_and_goes_on(f"{WATER} {TRAIN}", 48_000),
    "livekit-1.5.7-stt": hears("austen-0880.wav"),
    "livekit-1.5.7-tts": says(f"{WATER} {TRAIN}"),
    "livekit-1.5.7-tts-arcana": says(TRAIN),
    "livekit-1.8.9-stt": hears("austen-0880.wav", "austen-0930.wav"),
    "livekit-1.8.9-stt-spanish": ended,
    "livekit-1.8.9-tts": says("Hello there, this is a test. The train leaves from platform 9."),
    "livekit-1.8.9-tts-bare-flush": goes_on(),
    "livekit-1.8.9-tts-synthesize": says(TRAIN),
    "nova-demo-stt": hears("austen-0880.wav"),
    "pipecat-0.5.2-stt": hears("austen-0880.wav", "austen-0930.wav"),
    "pipecat-0.5.2-tts": says_and_goes_on(WATER, 16_000),
    "pipecat-0.7.0-stt": hears("austen-0870.wav"),
    "pipecat-0.7.0-tts": says(TRAIN),
    "pipecat-0.7.0-tts-interrupted": ended,
    "pipecat-0.7.0-tts-queued": says_and_goes_on(f"{WATER} {TRAIN}"),
    "pipecat-0.7.0-tts-turn": says_and_goes_on(
        "Nobody knows why the old lighthouse was abandoned. "
        "Open the window, it's getting hot in here."
    ),
    "voiceai-cli-stt": hears("austen-0880.wav"),
    "voiceai-cli-tts": says(WATER),
}


def test_every_recording_is_played() -> None:
    assert AFTER.keys() == {path.stem for path in RECORDINGS.glob("*.jsonl")}


def test_the_page_names_every_package() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "clients.md").read_text()
    for client in CLIENTS:
        name, version = (REQUIREMENTS / f"{client}.in").read_text().split()[0].split("==")
        assert f"| `{name.partition('[')[0]}` {version} |" in page


@pytest.mark.parametrize("name", AFTER)
def test_recording(house: Gateway, judge: Judge, journal: Journal, name: str) -> None:
    recording = Recording(name)
    with recording.open(house) as talk:
        heard = recording.play(talk)
        AFTER[name](heard, talk, judge)
    sessions = [s for s in journal.ended(1) if s["asked"] in recording.opening["path"]]
    assert len(sessions) == 1
