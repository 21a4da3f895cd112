"""OpenAI's audio API as a wire: what is posted, what is read, how an utterance is cut and told."""

from __future__ import annotations

import email
import json
from email.message import Message
from typing import Any

import pytest

from speech import clip
from voxway import events as e
from voxway.audio.wav import parse_header, wav_header
from voxway.errors import RULES, ProtocolError
from voxway.wire.base import Address, Codec, Endpoint, Frame, Opening, decode, dump
from voxway.wire.http import BOUNDARY, FORM, Failure
from voxway.wire.openai_http import SPEECH, TRANSCRIPTIONS, SpeechClient, TranscriptionClient

SPEECH_16K, _ = clip("austen-0880.wav")
QUIET = bytes(2 * 16_000)  # a second


def voice(model: str = "kokoro", **options: Any) -> SpeechClient:
    return SpeechClient(e.SpeakOptions(**options), Address("http://x", model))


def ear(model: str = "whisper-1", **options: Any) -> TranscriptionClient:
    return TranscriptionClient(e.ListenOptions(**options), Address("http://x", model))


def said(codec: Codec, *commands: e.Event) -> list[Frame]:
    return [frame for command in commands for frame in codec.encode(command)]


def heard(codec: Codec, *frames: Frame) -> list[e.Event]:
    return [event for frame in frames for event in decode(codec, frame)]


def fields(frame: Frame) -> dict[str, Message]:
    """The parts of a form by name, as a parser of mail reads them."""
    assert isinstance(frame, bytes)
    mail = email.message_from_bytes(f"Content-Type: {FORM}\r\n\r\n".encode() + frame)
    parts: Any = mail.get_payload()
    return {part.get_param("name", header="content-disposition"): part for part in parts}


def texts(frame: Frame) -> dict[str, str]:
    return {name: str(part.get_payload()) for name, part in fields(frame).items() if name != "file"}


# Speech


def test_a_sentence_is_one_post() -> None:
    (body,) = said(voice(voice="af_bella"), e.Text("Hello there.", partial=False))
    assert json.loads(body) == {
        "model": "kokoro",
        "input": "Hello there.",
        "response_format": "pcm",
        "voice": "af_bella",
    }


def test_speed_and_what_only_this_provider_knows() -> None:
    extra = {"instructions": "Whisper.", "response_format": "mp3", "input": "x"}
    codec = voice("gpt-4o-mini-tts", voice="coral", speed=1.25, extra=extra)
    assert json.loads(said(codec, e.Text("Hi."))[0]) == {
        "model": "gpt-4o-mini-tts",
        "input": "Hi.",
        "response_format": "pcm",
        "voice": "coral",
        "speed": 1.25,
        "instructions": "Whisper.",
    }


def test_a_change_holds_from_the_next_sentence_on() -> None:
    codec = voice(voice="nova", extra={"seed": 3})
    change = e.Configure(e.SpeakOptions(voice="echo", speed=0.5))
    before, after, faster = said(
        codec, e.Text("a"), change, e.Text("b"), e.Configure(e.SpeakOptions(speed=2.0)), e.Text("c")
    )
    assert json.loads(before)["voice"] == "nova"
    assert json.loads(after) == json.loads(before) | {"input": "b", "voice": "echo", "speed": 0.5}
    assert (json.loads(faster)["voice"], json.loads(faster)["speed"]) == ("echo", 2.0)


def test_a_flush_asks_for_a_mark_and_is_told_how_long_it_was() -> None:
    codec = voice()
    assert said(codec, e.Flush()) == [""]
    second = bytes(48_000)
    events = heard(codec, second, "end", second, "end", "mark", second, "end", "mark", "mark")
    assert events == [
        *(e.Audio(second), e.Audio(second), e.Flushed(2.0)),
        *(e.Audio(second), e.Flushed(1.0), e.Flushed(0.0)),
    ]


def test_samples_that_are_cut_apart_come_whole() -> None:
    codec = voice()
    assert heard(codec, b"\x01", b"\x02\x03", b"\x04", "end") == [
        e.Audio(b"\x01\x02"),
        e.Audio(b"\x03\x04"),
    ]
    # Half a sample at the end of one answer is no part of the next.
    assert heard(codec, b"\x01", "end", b"\x05\x06", "end") == [e.Audio(b"\x05\x06")]


@pytest.mark.parametrize("size", [1, 7, 44, 1000])
@pytest.mark.parametrize("length", [None, 6])
def test_a_wav_header_is_no_sound(size: int, length: int | None) -> None:
    codec = voice()
    for _ in range(2):  # each answer has its own
        answer = wav_header(24_000, length) + b"\x01\x02\x03\x04\x05\x06"
        pieces = [answer[at : at + size] for at in range(0, len(answer), size)]
        events = heard(codec, *pieces, "end")
        assert all(isinstance(event, e.Audio) for event in events)
        assert b"".join(event.data for event in events if isinstance(event, e.Audio)) == answer[44:]


def test_audio_that_begins_like_a_header_is_not_lost() -> None:
    assert heard(voice(), b"RIFF", "end") == [e.Audio(b"RIFF")]


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (wav_header(22_050), "22050"),
        (wav_header(24_000, channels=2), "2"),
        (wav_header(24_000, encoding="mulaw"), "mulaw"),
    ],
)
def test_wav_that_is_not_what_the_catalog_says(header: bytes, told: str) -> None:
    (bad,) = heard(voice(), header + b"\x00\x00")
    assert isinstance(bad, e.Malformed)
    assert told in bad.message
    assert "24000" in bad.message


def test_the_rate_is_the_one_of_the_options() -> None:
    codec = voice(sample_rate=22_050)
    assert heard(codec, wav_header(22_050) + bytes(44_100), "end", "mark") == [
        e.Audio(bytes(44_100)),
        e.Flushed(1.0),
    ]


OPENAI = '{"error":{"message":"Slow down","type":"x","param":null,"code":"y"}}'


@pytest.mark.parametrize(
    ("failure", "code", "message"),
    [
        (Failure(401, '{"error":{"message":"wrong key sk-1"}}'), "auth_error", "answered 401"),
        (Failure(403, "no"), "forbidden", "answered 403"),
        (Failure(429, OPENAI, 7.0), "rate_limit", "answered 429: Slow down; retry after 7 s"),
        (Failure(400, '{"error":"bad voice"}'), "invalid_request", "answered 400: bad voice"),
        (Failure(422, '{"detail":[{"loc":1}]}'), "invalid_request", "422: [{'loc': 1}]"),
        (Failure(404, '{"detail":"no such model"}'), "model_not_found", "404: no such model"),
        (Failure(413, '{"message":"too long"}'), "payload_too_large", "413: too long"),
        (Failure(302, ""), "provider_error", "answered 302"),
        (Failure(500, "x" * 2000), "provider_error", "answered 500: " + "x" * 300),
        (Failure(503, '{"error":{"mess'), "provider_error", '503: {"error":{"mess'),
        (Failure(503, "{}"), "provider_error", "503: {}"),
        (Failure(0, "ConnectError"), "backend_connection_failed", "no answer of the backend: Conn"),
    ],
)
@pytest.mark.parametrize("is_voice", [True, False])
def test_what_a_failure_means(failure: Failure, code: str, message: str, is_voice: bool) -> None:
    codec: Codec = voice() if is_voice else ear()
    if not is_voice:
        said(codec, e.Audio(SPEECH_16K + QUIET))
    (failed,) = heard(codec, dump(failure))
    assert isinstance(failed, e.Failed)
    assert (failed.code, failed.retryable) == (code, RULES[code].retryable)
    assert message in failed.message
    assert "sk-1" not in failed.message
    assert len(failed.message) < 400


def test_after_a_failure_an_answer_begins_anew() -> None:
    codec = voice()
    events = heard(codec, wav_header(24_000) + b"\x01", dump(Failure(0, "x")), b"\x02\x03", "end")
    assert isinstance(events[0], e.Failed)
    assert events[1:] == [e.Audio(b"\x02\x03")]


# Recognition


def test_an_utterance_is_one_post_of_wav() -> None:
    codec = ear(language="en", sample_rate=16_000, encoding="linear16")
    (body,) = said(codec, e.Audio(QUIET + SPEECH_16K), e.Audio(QUIET))
    parts = fields(body)
    assert texts(body) == {"model": "whisper-1", "response_format": "json", "language": "en"}
    file = parts["file"]
    assert file.get_filename() == "audio.wav"
    assert file.get_content_type() == "audio/wav"
    assert isinstance(body, bytes)
    wav = body[body.index(b"RIFF") : body.rindex(f"\r\n--{BOUNDARY}--".encode())]
    header = parse_header(wav)
    assert header == parse_header(wav_header(16_000, len(wav) - 44))
    assert len(wav) - 44 < 2 * 16_000 * 4


def test_word_times_ask_for_the_verbose_form() -> None:
    codec = ear(word_timestamps=True, extra={"temperature": 0.2, "prompt": "Ü"})
    (body,) = said(codec, e.Audio(SPEECH_16K + QUIET))
    assert isinstance(body, bytes)
    assert 'name="prompt"\r\n\r\nÜ\r\n'.encode() in body
    asked = texts(body)
    assert asked.pop("prompt")
    assert asked == {
        "temperature": "0.2",
        "model": "whisper-1",
        "response_format": "verbose_json",
        "timestamp_granularities[]": "word",
    }


@pytest.mark.parametrize(
    ("language", "sent"),
    [
        (None, None),
        ("auto", None),
        ("multi", None),
        ("pt-BR", "pt"),
        ("EN_us", "en"),
        ("yue", "yue"),
    ],
)
def test_the_language_is_told_as_whisper_knows_it(language: str | None, sent: str | None) -> None:
    (body,) = said(ear(language=language), e.Audio(SPEECH_16K + QUIET))
    assert texts(body).get("language") == sent


def test_nobody_can_end_a_part_of_the_form_by_what_is_in_it() -> None:
    evil = f'\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name="model"\r\n\r\nother'
    loud = SPEECH_16K[: 2 * 16_000]
    codec = ear(language=f"en{evil}")
    (body, mark) = said(codec, e.Audio(SPEECH_16K + evil.encode() + loud), e.Flush())
    assert mark == ""
    assert list(fields(body)) == ["model", "response_format", "language", "file"]
    assert texts(body)["model"] == "whisper-1"


def test_what_is_heard_is_told_with_its_time_in_the_stream() -> None:
    codec = ear(word_timestamps=True)
    said(codec, e.Audio(QUIET * 2 + SPEECH_16K + QUIET))
    answer = {
        "task": "transcribe",
        "language": "english",
        "duration": 3.1,
        "text": " He was not an ill disposed young man. ",
        "words": [
            {"word": "He", "start": 0.25, "end": 0.5},
            {"word": " was", "start": 0.5, "end": 0.75, "probability": 0.9},
        ],
        "usage": {"type": "duration", "seconds": 4},
    }
    text = json.dumps(answer).encode()
    (transcript,) = heard(codec, text[:50], text[50:], "end")
    assert isinstance(transcript, e.Transcript)
    start = transcript.start or 0.0
    assert 1.7 < start < 2.1
    assert transcript == e.Transcript(
        "He was not an ill disposed young man.",
        True,
        start=start,
        duration=transcript.duration,
        words=(
            e.Word(text="He", start=start + 0.25, end=start + 0.5),
            e.Word(text="was", start=start + 0.5, end=start + 0.75, confidence=0.9),
        ),
    )
    assert transcript.duration == pytest.approx(3.1, abs=0.4)


def test_words_in_segments_and_a_language_by_its_code() -> None:
    codec = ear()
    said(codec, e.Audio(SPEECH_16K + QUIET))
    word = {"word": "Ja", "start": 0, "end": 1}
    answer = {
        "text": "Ja",
        "language": "de",
        "words": None,
        "segments": [{"words": [word]}, {"id": 2}],
    }
    (transcript,) = heard(codec, json.dumps(answer).encode(), "end")
    assert isinstance(transcript, e.Transcript)
    assert [w.text for w in transcript.words] == ["Ja"]
    assert transcript.language == "de"


def text_of(text: str) -> bytes:
    return json.dumps({"text": text}).encode()


def test_silence_is_not_told() -> None:
    codec = ear(language="en")
    said(codec, e.Audio(SPEECH_16K + QUIET + SPEECH_16K + QUIET))
    (second,) = heard(codec, text_of(" "), "end", text_of("Yes."), "end")
    assert isinstance(second, e.Transcript)
    assert (second.text, second.language, second.is_endpoint) == ("Yes.", "en", True)


def test_a_flush_is_answered_by_what_it_cut_off() -> None:
    codec = ear()
    (body, mark) = said(codec, e.Audio(SPEECH_16K), e.Flush())
    assert fields(body)
    assert mark == ""
    (answer,) = heard(codec, text_of("So far"), "end", "mark")
    assert isinstance(answer, e.Transcript)
    assert (answer.text, answer.final, answer.from_finalize) == ("So far", True, True)


def test_every_flush_gets_one_answer() -> None:
    codec = ear()
    bare = e.Transcript("", True, from_finalize=True)
    assert said(codec, e.Flush(), e.Audio(QUIET), e.Flush()) == ["", ""]
    assert heard(codec, "mark", "mark") == [bare, bare]
    # What a pause has cut already is no answer to the flush after it.
    assert len(said(codec, e.Audio(SPEECH_16K + QUIET), e.Flush())) == 2
    first, second = heard(codec, text_of("Yes."), "end", "mark")
    assert isinstance(first, e.Transcript)
    assert not first.from_finalize
    assert second == bare
    # Nothing was understood, or it failed: an answer all the same.
    assert len(said(codec, e.Audio(SPEECH_16K), e.Flush(), e.Audio(SPEECH_16K), e.Flush())) == 4
    silent, failed, last = heard(
        codec, text_of(""), "end", "mark", b'{"te', dump(Failure(500, "oops")), "mark"
    )
    assert isinstance(silent, e.Transcript)
    assert (silent.text, silent.from_finalize) == ("", True)
    assert isinstance(failed, e.Failed)
    assert last == bare


def test_what_was_cut_for_its_length_is_no_end_of_an_utterance() -> None:
    codec = ear()
    loud = b"".join(clip(f"austen-0{n}.wav")[0] for n in (870, 890, 920, 930)) * 2
    bodies = said(codec, e.Audio(loud))
    assert bodies
    events = heard(codec, *[f for _ in bodies for f in (text_of("and so on"), "end")])
    assert any(isinstance(event, e.Transcript) and not event.is_endpoint for event in events)


@pytest.mark.parametrize(
    "answer", [b"", b"Hello", b'"Hello"', b'{"text":5}', b'{"error":"x"}', b"[]", b"{" * 99_999]
)
def test_an_answer_that_is_none(answer: bytes) -> None:
    codec = ear()
    said(codec, e.Audio(SPEECH_16K + QUIET))
    (bad,) = heard(codec, answer, "end")
    assert isinstance(bad, e.Malformed)


def test_an_answer_without_a_question_or_without_an_end() -> None:
    (bad,) = heard(ear(), "end")
    assert isinstance(bad, e.Malformed)
    codec = ear()
    piece = b"x" * 600_000
    assert heard(codec, piece) == []
    assert isinstance(heard(codec, piece)[0], e.Malformed)


# Both


@pytest.mark.parametrize(
    "command",
    [
        e.Start(),
        e.Clear(),
        e.Cancel(),
        e.KeepAlive(),
        e.Finish(),
        e.Malformed("bad"),
    ],
)
def test_what_has_no_request(command: e.Event) -> None:
    assert said(voice(), command, e.Audio(b"x")) == []
    assert said(ear(), command, e.Text("x"), e.Configure(e.SpeakOptions())) == []


@pytest.mark.parametrize(
    ("url", "speech"),
    [
        ("https://api.openai.com", "https://api.openai.com/v1/audio/speech"),
        ("http://gpu:8880/", "http://gpu:8880/v1/audio/speech"),
        ("http://gpu:8880/v1", "http://gpu:8880/v1/audio/speech"),
        ("https://gpu/tts/v1/", "https://gpu/tts/v1/audio/speech"),
        ("https://gpu/say", "https://gpu/say"),
    ],
)
def test_where_to_post(url: str, speech: str) -> None:
    address = Address(url, "m", "K")
    there = SPEECH.endpoint(e.SpeakOptions(), address)
    headers = {"Content-Type": "application/json", "Authorization": "Bearer K"}
    assert there == Endpoint(speech, headers)
    there = TRANSCRIPTIONS.endpoint(e.ListenOptions(), Address(url, "m"))
    assert there.url == speech.replace("speech", "transcriptions")
    assert there.headers == {"Content-Type": FORM}


@pytest.mark.parametrize("wire", [SPEECH, TRANSCRIPTIONS])
def test_there_is_no_such_socket_in_front(wire: Any) -> None:
    with pytest.raises(ProtocolError, match="HTTP"):
        wire.server(Opening())
    assert (wire.policy.configures, wire.policy.ends_itself) == (wire is SPEECH, wire is SPEECH)
