"""Recognition over the documented route: real speech, real words, none lost."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from conftest import Gateway
from speech import CLIPS, SENTENCES, clip, normalise, wer


def test_human_speech(gateway: Gateway) -> None:
    said, heard = [], []
    for name in CLIPS:
        pcm, text = clip(name)
        with gateway.recognition() as ear:
            said.append(text)
            heard.append(ear.transcript(pcm))
    wrong = {name: wer(text, got) for name, text, got in zip(CLIPS, said, heard, strict=True)}
    assert max(wrong.values()) <= 0.25, wrong
    assert wer(" ".join(said), " ".join(heard)) <= 0.08


def test_partials_are_replaced_by_their_final(gateway: Gateway) -> None:
    pcm, text = clip("jfk.wav")
    with gateway.recognition(enable_partials=True) as ear:
        for at in range(0, len(pcm), 3200):
            ear.send(pcm[at : at + 3200])
        ear.say(type="close")
        messages = ear.rest()
    kinds = [m["type"] for m in messages]
    assert kinds.index("partial_transcript") < kinds.index("final_transcript")
    assert kinds[-1] == "session_ended"
    finals = [m for m in messages if m["type"] == "final_transcript"]
    assert wer(text, " ".join(m["transcript"] for m in finals)) <= 0.15
    assert all(m["language"] == "en" and m["duration"] > 0 for m in finals)
    assert not any(m["transcript"] == "" for m in finals)


def test_partials_can_be_left_out(gateway: Gateway) -> None:
    pcm, _ = clip("jfk.wav")
    with gateway.recognition(enable_partials=False) as ear:
        ear.send(pcm[: len(pcm) // 2])
        ear.say(type="finalize")
        messages = ear.until("final_transcript")
    assert not any(m["type"] == "partial_transcript" for m in messages)


def test_finalize_answers_in_mid_stream_and_the_stream_goes_on(gateway: Gateway) -> None:
    first, first_text = clip("austen-0880.wav")
    second, second_text = clip("austen-0930.wav")
    with gateway.recognition() as ear:
        assert wer(first_text, ear.transcript(first)) <= 0.25
        assert wer(second_text, ear.transcript(second)) <= 0.25


def test_a_finalize_without_audio_gets_one_empty_final(gateway: Gateway) -> None:
    with gateway.recognition() as ear:
        ear.say(type="finalize")
        ear.say(type="finalize")
        for _ in range(2):
            final = ear.hear()
            assert final["type"] == "final_transcript"
            assert final["transcript"] == ""
            assert final["from_finalize"] is True
        ear.say(type="close")
        assert [m["type"] for m in ear.rest()] == ["session_ended"]
        assert ear.socket.close_code == 1000


def test_voice_activity_is_told_when_asked_for(gateway: Gateway) -> None:
    pcm, _ = clip("austen-0880.wav")
    silence = bytes(32_000)
    with gateway.recognition(enable_vad=True) as ear:
        ear.send(silence + pcm + silence * 2)
        messages = ear.until("utterance_end")
    started = next(m for m in messages if m["type"] == "speech_started")
    assert 0.5 < started["timestamp"] < 2.0
    length = len(pcm) / 32_000
    assert length - 0.5 < messages[-1]["last_word_end"] < length + 2.0
    assert "final_transcript" in [m["type"] for m in messages]


def test_words_have_times_when_asked_for(gateway: Gateway) -> None:
    pcm, text = clip("austen-0890.wav")
    with gateway.recognition(enable_word_timestamps=True) as ear:
        ear.send(pcm)
        ear.say(type="close")
        finals = [m for m in ear.rest() if m["type"] == "final_transcript"]
    words: list[dict[str, Any]] = [w for m in finals for w in m["words"]]
    assert wer(text, " ".join(w["word"] for w in words)) <= 0.25
    times = [t for w in words for t in (w["start"], w["end"])]
    assert times == sorted(times)
    assert times[-1] <= len(pcm) / 32_000 + 0.1


def test_speakers_are_labelled_when_asked_for(gateway: Gateway) -> None:
    pcm, _ = clip("goforward.raw")
    with gateway.recognition(enable_diarization=True) as ear:
        ear.send(pcm)
        ear.say(type="close")
        finals = [m for m in ear.rest() if m["type"] == "final_transcript"]
    assert {w["speaker"] for m in finals for w in m["words"]} == {0}


def test_audio_may_come_as_base64_and_before_init(gateway: Gateway) -> None:
    pcm, text = clip("austen-0880.wav")
    with gateway.open("/v1/stt/local/moonshine:tiny-en") as ear:
        for at in range(0, len(pcm), 8000):
            piece = base64.b64encode(pcm[at : at + 8000]).decode()
            ear.say(type="audio", data=piece)
        ear.say(type="close")
        messages = ear.rest()
    assert messages[0]["type"] == "ready"
    heard = " ".join(m["transcript"] for m in messages if m["type"] == "final_transcript")
    assert wer(text, heard) <= 0.25


@pytest.mark.parametrize("chunk", [2, 320, 1600, 8192])
def test_the_size_of_the_chunks_does_not_matter(gateway: Gateway, chunk: int) -> None:
    pcm, text = clip("goforward.raw")
    with gateway.recognition() as ear:
        assert wer(text, ear.transcript(pcm[: len(pcm) // 2 * 2], chunk)) <= 0.4


def test_a_wav_file_as_it_lies_on_disk(gateway: Gateway) -> None:
    from speech import DATA

    with gateway.recognition(encoding="wav") as ear:
        heard = ear.transcript((DATA / "jfk.wav").read_bytes())
    assert wer(CLIPS["jfk.wav"], heard) <= 0.15


def test_the_last_words_are_not_lost_at_close(gateway: Gateway) -> None:
    with gateway.speech(sample_rate=16000) as talk:
        spoken = [(s, talk.utterance(s)) for s in SENTENCES[:6]]
    for sentence, pcm in spoken:
        with gateway.recognition() as ear:
            ear.send(pcm)
            ear.say(type="close")
            finals = [m for m in ear.rest() if m["type"] == "final_transcript"]
            heard = normalise(" ".join(m["transcript"] for m in finals))
            # The small recognizer may add a polite word of its own; it must not drop ours.
            assert normalise(sentence)[-1] in heard[-3:]
