"""Speech over the documented route: what is said is what was written, in every format."""

from __future__ import annotations

import base64
import io
import math

import pytest

from conftest import Gateway, audio
from speech import SENTENCES, wer
from voxway.audio.decode import Decoder
from voxway.audio.files import read_audio
from voxway.audio.formats import AudioFormat

SENTENCE = "Nobody knows why the old lighthouse was abandoned."


def test_an_utterance_as_a_transcript_of_frames(gateway: Gateway) -> None:
    with gateway.speech() as talk:
        assert talk.ready["session_id"].startswith("sess_")
        assert (talk.ready["encoding"], talk.ready["sample_rate"]) == ("linear16", 24000)
        assert "clear" in talk.ready["capabilities"]
        talk.say(type="text", text="Good morning. How are you?")
        talk.say(type="flush")
        messages = talk.until("audio_end")
        types = [m["type"] for m in messages]
        chunks = [m for m in messages if m["type"] == "audio_chunk"]
        assert types == [
            "segment_start",
            *["audio_chunk"] * types[: types.index("segment_end")].count("audio_chunk"),
            "segment_end",
            "segment_start",
            *["audio_chunk"] * types[types.index("segment_end") :].count("audio_chunk"),
            "segment_end",
            "flushed",
            "audio_end",
        ]
        assert [m["sequence"] for m in chunks] == list(range(len(chunks)))
        assert all(m["context_id"] == talk.ready["context_id"] for m in chunks)
        assert all(20 <= m["duration_ms"] <= 100 for m in chunks)
        starts = [m["text"] for m in messages if m["type"] == "segment_start"]
        assert starts == ["Good morning.", "How are you?"]
        pcm = audio(messages)
        assert math.isclose(messages[-1]["duration"], len(pcm) / 48000, abs_tol=0.001)


def test_the_words_come_back(gateway: Gateway) -> None:
    """Text, voice, socket, recognizer, text: at most 8 % of the words may go wrong."""
    errors = []
    for sentence in SENTENCES:
        with gateway.speech(sample_rate=16000) as talk, gateway.recognition() as ear:
            heard = ear.transcript(talk.utterance(sentence))
            errors.append((wer(sentence, heard), sentence, heard))
    rate = sum(error for error, _, _ in errors) / len(errors)
    print(f"word error rate {rate:.3f}")
    assert rate <= 0.08, [e for e in errors if e[0]]


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000])
@pytest.mark.parametrize("encoding", ["linear16", "linear32", "mulaw", "alaw"])
def test_every_raw_format_sounds_the_same(gateway: Gateway, encoding: str, rate: int) -> None:
    with gateway.speech(encoding=encoding, sample_rate=rate) as talk:
        coded = talk.utterance(SENTENCE)
    frame = AudioFormat(encoding, rate).frame_bytes
    assert len(coded) % frame == 0
    assert 2.0 < len(coded) / frame / rate < 4.5
    with gateway.recognition(encoding=encoding, sample_rate=rate) as ear:
        assert wer(SENTENCE, ear.transcript(coded)) <= 0.15


@pytest.mark.parametrize(
    ("encoding", "rate"),
    [("mp3", r) for r in (8000, 16000, 22050, 24000, 44100, 48000)]
    + [("opus", r) for r in (8000, 16000, 24000, 48000)],
)
def test_every_compressed_format_sounds_the_same(
    gateway: Gateway, encoding: str, rate: int
) -> None:
    with gateway.speech(encoding=encoding, sample_rate=rate) as talk:
        coded = talk.utterance(SENTENCE)
    pcm = b"".join(read_audio(io.BytesIO(coded), 16000))
    assert 2.0 < len(pcm) / 32000 < 4.5
    with gateway.recognition(encoding=encoding, sample_rate=rate) as ear:
        assert wer(SENTENCE, ear.transcript(coded, chunk=700)) <= 0.15


def test_two_utterances_of_a_compressed_stream_are_one_stream(gateway: Gateway) -> None:
    with gateway.speech(encoding="mp3", sample_rate=24000) as talk:
        coded = talk.utterance("Good morning.") + talk.utterance("How are you today?")
    decoder = Decoder(AudioFormat("mp3", 24000), 16000)
    pcm = decoder.feed(coded) + decoder.flush()
    with gateway.recognition() as ear:
        assert wer("Good morning. How are you today?", ear.transcript(pcm)) <= 0.15


def test_text_word_by_word_as_from_an_llm(gateway: Gateway) -> None:
    with gateway.speech(sample_rate=16000) as talk, gateway.recognition() as ear:
        for word in SENTENCE.split():
            talk.say(type="text", text=f"{word} ")
        talk.say(type="flush")
        assert wer(SENTENCE, ear.transcript(audio(talk.until("audio_end")))) <= 0.15


def test_a_sentence_is_spoken_before_the_paragraph_is_flushed(gateway: Gateway) -> None:
    with gateway.speech() as talk:
        talk.say(type="text", text="This sentence is complete. This one is")
        messages = talk.until("segment_end")
        assert messages[0]["text"] == "This sentence is complete."


def test_text_before_init_and_before_ready_is_kept_in_order(gateway: Gateway) -> None:
    with gateway.open("/v1/tts/local/hibari:en") as talk:
        talk.say(type="text", text="First sentence. ")
        talk.say(type="text", text="Second sentence.", flush=True)
        messages = talk.until("audio_end")
        assert messages[0]["type"] == "ready"
        starts = [m["text"] for m in messages if m["type"] == "segment_start"]
        assert starts == ["First sentence.", "Second sentence."]


def test_an_empty_flush_is_not_answered_before_ready(gateway: Gateway) -> None:
    with gateway.open("/v1/tts/local/hibari:en") as talk:
        talk.say(type="init")
        talk.say(type="flush")
        types = [message["type"] for message in talk.until("audio_end")]
        assert types == ["ready", "flushed", "audio_end"]


def test_pipelined_utterances_end_in_order_each_with_its_terminals(gateway: Gateway) -> None:
    with gateway.speech() as talk:
        for text in ("One.", "", "Two words.", "🙂"):
            talk.say(type="text", text=text)
            talk.say(type="flush")
        talk.say(type="ping")
        seen: list[str] = []
        durations: list[float] = []
        while len(durations) < 4:
            message = talk.hear()
            if message["type"] in ("flushed", "audio_end"):
                seen.append(message["type"])
            if message["type"] == "audio_end":
                durations.append(message["duration"])
        assert seen == ["flushed", "audio_end"] * 4
        assert durations[0] > 0.3
        assert durations[1] == durations[3] == 0
        assert durations[2] > durations[0] * 0.8


@pytest.mark.parametrize(("speed", "low", "high"), [(0.5, 1.6, 2.3), (2.0, 0.4, 0.7)])
def test_speed(gateway: Gateway, speed: float, low: float, high: float) -> None:
    with gateway.speech() as talk:
        normal = len(talk.utterance(SENTENCE))
    with gateway.speech(speed=speed) as talk:
        assert low < len(talk.utterance(SENTENCE)) / normal < high


def test_word_times_come_when_asked_for(gateway: Gateway) -> None:
    with gateway.speech(enable_word_timestamps=True) as talk:
        talk.say(type="text", text="Good morning, world. All is well.", flush=True)
        messages = talk.until("audio_end")
    words = [w for m in messages if m["type"] == "word_timestamps" for w in m["words"]]
    assert [w["word"].strip(",.") for w in words] == [
        "Good",
        "morning",
        "world",
        "All",
        "is",
        "well",
    ]
    times = [t for w in words for t in (w["start"], w["end"])]
    assert times == sorted(times)
    assert times[-1] <= messages[-1]["duration"]


def test_a_seed_makes_speech_repeatable(gateway: Gateway) -> None:
    with gateway.speech(seed=7) as talk:
        first = talk.utterance("The same again.")
    with gateway.speech(seed=7) as talk:
        assert talk.utterance("The same again.") == first


def test_close_ends_at_once_with_the_usage(gateway: Gateway) -> None:
    with gateway.speech() as talk:
        talk.utterance("Hello.")
        talk.say(type="text", text="This is never heard. " * 20, flush=True)
        talk.say(type="close")
        ended = talk.rest()[-1]
        assert ended["type"] == "session_ended"
        assert ended["reason"] == "client_closed"
        assert ended["usage"]["characters"] == 6 + 21 * 20
        assert talk.socket.close_code == 1000


def test_audio_chunks_are_whole_samples(gateway: Gateway) -> None:
    with gateway.speech(encoding="linear32", sample_rate=11025) as talk:
        talk.say(type="text", text=SENTENCE, flush=True)
        chunks = [m for m in talk.until("audio_end") if m["type"] == "audio_chunk"]
    assert all(len(base64.b64decode(m["data"])) % 4 == 0 for m in chunks)


def test_text_without_a_sound_in_this_voice_is_told(gateway: Gateway) -> None:
    with gateway.speech() as talk:
        talk.say(type="text", text="你好世界。", flush=True)
        kinds = {m["type"]: m for m in talk.until("audio_end")}
        assert kinds["warning"]["code"] == "nothing_spoken"
        assert kinds["audio_end"]["duration"] == 0
        talk.say(type="text", text="🙂", flush=True)
        assert "warning" not in [m["type"] for m in talk.until("audio_end")]


def test_more_text_than_can_be_spoken_is_refused(gateway: Gateway) -> None:
    with gateway.speech() as talk:
        for _ in range(14):
            talk.say(type="text", text="A flood of words without an end. " * 2500, flush=True)
        messages = talk.rest()
        [error] = [m for m in messages if m["type"] == "error"]
        assert (error["code"], error["retryable"]) == ("backpressure", True)
        assert talk.socket.close_code == 1013


@pytest.mark.parametrize("encoding", ["mp3", "opus"])
def test_a_bit_rate_is_honoured(gateway: Gateway, encoding: str) -> None:
    sizes = []
    for bit_rate in (32_000, 128_000):
        with gateway.speech(encoding=encoding, sample_rate=24000, bit_rate=bit_rate) as talk:
            sizes.append(len(talk.utterance(SENTENCE)))
    assert sizes[1] > 2.5 * sizes[0]
    with gateway.open("/v1/tts/local/hibari:en") as talk:
        talk.say(type="init", config={"encoding": encoding, "bit_rate": 5})
        assert talk.hear()["param"] == "bit_rate"
