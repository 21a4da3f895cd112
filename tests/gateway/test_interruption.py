"""Interruptions: after an abort not one byte, word or terminal of the aborted speech is heard."""

from __future__ import annotations

import pytest

from conftest import Gateway, Talk, audio
from speech import wer

LONG = (
    "This is a long story about a river that ran through the valley for many years, "
    "and about the people who lived on its banks. Nobody remembered how it began. "
) * 10


def first_audio(talk: Talk) -> None:
    while talk.hear()["type"] != "audio_chunk":
        pass


@pytest.mark.parametrize(("command", "answer"), [("clear", "cleared"), ("cancel", "audio_end")])
def test_nothing_follows_an_abort_in_mid_sentence(
    gateway: Gateway, command: str, answer: str
) -> None:
    with gateway.speech(sample_rate=16000) as talk:
        talk.say(type="text", text=LONG, flush=True)
        first_audio(talk)
        talk.say(type=command)
        aborted = talk.until(answer)
        assert not any(m["type"] in ("flushed", "audio_end") for m in aborted[:-1])
        talk.say(type="ping")
        assert talk.hear() == {"type": "pong"}, "something of the aborted speech was sent"
        talk.say(type="text", text="Something completely different.", flush=True)
        messages = talk.until("audio_end")
        assert [m["text"] for m in messages if m["type"] == "segment_start"] == [
            "Something completely different."
        ]
        pcm = audio(messages)
        assert abs(messages[-1]["duration"] - len(pcm) / 32000) < 0.01
    with gateway.recognition() as ear:
        assert wer("Something completely different.", ear.transcript(pcm)) <= 0.25


def test_aborts_at_every_moment_leave_the_session_in_order(gateway: Gateway) -> None:
    with gateway.speech() as talk:
        for wait in range(12):
            talk.say(type="text", text=LONG, flush=True)
            for _ in range(wait):
                talk.hear()
            talk.say(type="clear")
            talk.until("cleared")
        talk.say(type="flush")
        messages = talk.until("audio_end")
        assert [m["type"] for m in messages] == ["flushed", "audio_end"]
        assert messages[-1]["duration"] == 0


def test_a_clear_with_nothing_to_abort_is_acknowledged(gateway: Gateway) -> None:
    with gateway.speech() as talk:
        talk.say(type="clear")
        assert talk.hear() == {"type": "cleared"}
        talk.say(type="cancel")
        assert talk.hear()["type"] == "audio_end"


def test_queued_utterances_are_aborted_too(gateway: Gateway) -> None:
    with gateway.speech() as talk:
        for _ in range(5):
            talk.say(type="text", text=LONG, flush=True)
        talk.say(type="clear")
        talk.until("cleared")
        assert len(talk.utterance("Short.")) < 48000 * 3


def test_a_client_that_goes_away_frees_the_engine(gateway: Gateway) -> None:
    for _ in range(5):
        talk = gateway.speech()
        talk.say(type="text", text=LONG * 2, flush=True)
        talk.socket.socket.close()
    with gateway.speech() as talk:
        assert talk.utterance("Still here.")
