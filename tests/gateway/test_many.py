"""Many sessions at once: no cross-talk, nobody starves, slots come back."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from conftest import Gateway, audio
from speech import SENTENCES, wer

PARAGRAPH = "The committee met in the old town hall to discuss the plans for the coming year. " * 40


def test_twenty_voices_do_not_mix(gateway: Gateway) -> None:
    def speak(sentence: str) -> bytes:
        with gateway.speech(sample_rate=16000) as talk:
            return talk.utterance(sentence)

    with ThreadPoolExecutor(20) as pool:
        spoken = list(pool.map(speak, SENTENCES[:20]))
    wrong = []
    for sentence, pcm in zip(SENTENCES, spoken, strict=False):
        with gateway.recognition() as ear:
            heard = ear.transcript(pcm)
        wrong.append((wer(sentence, heard), sentence, heard))
    assert sum(w for w, _, _ in wrong) / len(wrong) <= 0.08, [w for w in wrong if w[0]]


def test_four_ears_do_not_mix(gateway: Gateway) -> None:
    spoken = []
    for sentence in SENTENCES[4:8]:
        with gateway.speech(sample_rate=16000) as talk:
            spoken.append(talk.utterance(sentence))

    def listen(pcm: bytes) -> str:
        with gateway.recognition() as ear:
            return ear.transcript(pcm, chunk=1600)

    with ThreadPoolExecutor(4) as pool:
        heard = list(pool.map(listen, spoken))
    pairs = list(zip(SENTENCES[4:8], heard, strict=True))
    assert sum(wer(s, h) for s, h in pairs) / 4 <= 0.12, pairs


def test_a_long_paragraph_does_not_hold_up_a_short_sentence(gateway: Gateway) -> None:
    with gateway.speech() as long, gateway.speech() as short:
        long.say(type="text", text=PARAGRAPH, flush=True)
        while long.hear()["type"] != "audio_chunk":
            pass
        assert short.utterance("Hello.")
        # Had the paragraph gone first, its end would have been here before the short answer.
        rest = long.until("audio_end")
        assert len([m for m in rest if m["type"] == "segment_start"]) > 10
        assert len(audio(rest)) > 48000 * 60


def test_slots_are_counted_and_come_back(gateway: Gateway) -> None:
    path = "/v1/tts/local/hibari:en"
    with gateway.open(path, key="test-free"):
        with pytest.raises(InvalidStatus) as caught:
            gateway.open(path, key="test-free")
        response = caught.value.response
        assert response.status_code == 429
        assert int(response.headers["Retry-After"]) >= 1
        assert b"1 concurrent connections" in (response.body or b"")
    deadline = time.monotonic() + 5
    while gateway.health()["sessions"]:
        assert time.monotonic() < deadline
    with gateway.open(path, key="test-free") as talk:
        assert talk.utterance("Back again.")


def test_health_answers_while_engines_work(gateway: Gateway) -> None:
    with gateway.speech() as talk:
        talk.say(type="text", text=PARAGRAPH, flush=True)
        assert httpx.get(f"{gateway.http}/health", timeout=2).json()["sessions"] == 1
        talk.until("audio_end")
