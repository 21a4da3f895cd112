"""What the embedded recognizer promises: every word once, none lost, none made up."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from speech import CLIPS, SENTENCES, clip, normalise, wer
from voxway.engines.hibari import HibariVoice
from voxway.engines.moonshine import MoonshineEar
from voxway.events import ListenOptions, SpeakOptions, SpeechStarted, Transcript, UtteranceEnd

from .conftest import Hear, Say, at_16k, feed, finals, text_of

EMPTY = Transcript(text="", final=True, from_finalize=True, language="en")


def test_what_the_voice_says_is_heard(say: Say, hear: Hear) -> None:
    spoken = [(text, text_of(hear(say(text)))) for text in SENTENCES[2:9]]
    errors = sum(wer(text, heard) * len(normalise(text)) for text, heard in spoken)
    assert errors / sum(len(normalise(text)) for text, _ in spoken) < 0.05, spoken


@pytest.mark.parametrize("name", CLIPS)
def test_people_are_understood(name: str, hear: Hear) -> None:
    pcm, text = clip(name)
    assert wer(text, text_of(hear(pcm, ListenOptions(partials=False)))) <= 0.15


@pytest.mark.parametrize("tail", [0.0, 0.07, 0.13, 0.21, 0.34, 0.46])
def test_the_last_word_is_never_lost(tail: float, say: Say, hear: Hear) -> None:
    """Wherever the last update fell, and without silence after the speech."""
    speech = say("Please bring me a glass of cold water.")
    bare = speech[: len(speech) - round(0.16 * 32_000) // 2 * 2]
    pcm = bytes(round(tail * 16_000) * 2) + bare
    assert normalise(text_of(hear(pcm)))[-2:] == ["cold", "water"]


def test_finalize_answers_once_each_time_and_the_stream_goes_on(
    ear: MoonshineEar, say: Say
) -> None:
    hearing = ear.listen(ListenOptions(partials=False))
    assert hearing.finalize() == [EMPTY]
    texts = ["The first sentence is short.", "Now comes the second sentence."]
    heard, starts, offset = [], [], 0.0
    for text in texts:
        pcm = say(text)
        replies = feed(hearing.feed, pcm) + hearing.finalize()
        assert [final.from_finalize for final in finals(replies)][-1:] == [True]
        assert sum(final.from_finalize for final in finals(replies)) == 1
        heard.append(text_of(replies))
        first = finals(replies)[0]
        assert first.start is not None
        assert first.duration is not None
        assert offset <= first.start < offset + 0.3
        offset += len(pcm) / 32_000
        assert first.start + first.duration <= offset + 0.001
        starts.append(first.start)
    assert heard == texts
    assert hearing.finalize() == [EMPTY]
    assert hearing.finalize() == [EMPTY]
    hearing.close()
    hearing.close()


def test_nothing_is_made_up(hear: Hear) -> None:
    noise = np.random.default_rng(1).normal(0, 300, 48_000).astype("<i2").tobytes()
    tone = (3000 * np.sin(np.arange(48_000) * 0.17)).astype("<i2").tobytes()
    for pcm in (b"", bytes(96_000), noise, tone):
        assert hear(pcm, ListenOptions(vad_events=True)) == [EMPTY]


def test_partials_come_first_and_a_final_replaces_them(say: Say, hear: Hear) -> None:
    pcm = say(SENTENCES[1]) + bytes(48_000)
    replies = hear(pcm, ListenOptions(vad_events=True))
    kinds = [type(reply) for reply in replies]
    assert kinds[0] is SpeechStarted
    assert kinds.count(SpeechStarted) == len(finals(replies[:-1]))
    transcripts = [reply for reply in replies if isinstance(reply, Transcript)]
    assert not transcripts[0].final
    assert transcripts[-1] == EMPTY
    open_partial = ""
    for transcript in transcripts:
        assert transcript.text != open_partial or transcript.final
        open_partial = "" if transcript.final else transcript.text
    assert open_partial == ""
    end = replies[-2]
    assert isinstance(end, UtteranceEnd)
    assert end.last_word_end == pytest.approx(len(pcm) / 32_000 - 1.6, abs=0.4)


def test_what_was_not_asked_for_is_not_given(say: Say, hear: Hear) -> None:
    replies = hear(say(SENTENCES[0]) + bytes(48_000), ListenOptions(partials=False))
    assert all(isinstance(reply, Transcript) and reply.final for reply in replies)
    assert all(final.words == () for final in finals(replies))


def test_audio_in_one_piece_or_in_many_is_the_same_speech(say: Say, ear: MoonshineEar) -> None:
    pcm = say(SENTENCES[13])
    for size in (320, len(pcm)):
        hearing = ear.listen(ListenOptions())
        replies = feed(hearing.feed, pcm, size) + hearing.finalize()
        hearing.close()
        assert wer(SENTENCES[13], text_of(replies)) == 0


def test_streams_do_not_hear_each_other(say: Say, hear: Hear) -> None:
    texts = [SENTENCES[i] for i in (0, 10, 13, 15)]
    speech = [say(text) for text in texts]
    with ThreadPoolExecutor(4) as pool:
        heard = [text_of(replies) for replies in pool.map(hear, speech)]
    assert [wer(text, other) < 0.15 for text, other in zip(texts, heard, strict=True)] == [True] * 4


def test_word_times_agree_with_the_voice(voice: HibariVoice, hear: Hear) -> None:
    options = SpeakOptions(word_timestamps=True, extra={"seed": 1})
    [item] = list(voice.speak("She bought some bread and a bottle of milk.", options))
    pcm = bytes(16_000) + at_16k(item.pcm)
    words = [
        word
        for final in finals(hear(pcm, ListenOptions(word_timestamps=True)))
        for word in final.words
    ]
    assert [word.text.lower() for word in words] == [word.text.lower() for word in item.words]
    offsets = [
        abs(ours.start - 0.5 - theirs.start) for ours, theirs in zip(words, item.words, strict=True)
    ]
    assert sum(offset <= 0.12 for offset in offsets) >= 0.85 * len(offsets)


def test_a_long_stream_is_renewed_in_a_pause_and_loses_nothing(say: Say) -> None:
    hearing = MoonshineEar(renew_after=2.0).listen(ListenOptions(partials=False))
    texts = [SENTENCES[i] for i in (0, 13, 15)]
    pcm = b"".join(say(text) + bytes(32_000 * 3) for text in texts)
    replies = feed(hearing.feed, pcm) + hearing.finalize()
    assert hearing._origin > 10
    assert wer(" ".join(texts), text_of(replies)) < 0.1
    starts = [final.start for final in finals(replies) if final.start is not None]
    assert starts == sorted(starts)
    assert starts[1] - starts[0] == pytest.approx(len(say(texts[0])) / 32_000 + 3, abs=0.3)
    hearing.close()


def test_endless_speech_is_cut_in_bounded_lines(say: Say, hear: Hear) -> None:
    speech = say("I went down to the river and saw a boat that was going to the city")
    replies = hear(speech[:-6_000] * 5, ListenOptions(partials=False))
    assert len(finals(replies)) > 1
    assert max(final.duration or 0 for final in finals(replies)) <= 15.5


def test_speakers_are_told_apart(say: Say, hear: Hear) -> None:
    man, _ = clip("austen-0920.wav")
    woman = say("Good morning, this is the other speaker, who has a lot to say about it.")
    pcm = man + bytes(16_000) + woman
    replies = hear(pcm, ListenOptions(partials=False, diarization=True))
    by_line = [{word.speaker for word in final.words} for final in finals(replies) if final.text]
    assert all(None not in speakers for speakers in by_line)
    assert by_line[0] == {0}
    assert max(speaker or 0 for speakers in by_line for speaker in speakers) >= 1


def test_no_microphone_library_is_loaded() -> None:
    code = "import sys, voxway.engines.moonshine; print('sounddevice' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert out.stdout.strip() == "False"
