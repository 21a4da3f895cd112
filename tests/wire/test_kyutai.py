"""Kyutai's two sockets, message by message: msgpack, frames of 80 ms, single words and markers."""

from __future__ import annotations

import struct
from typing import Any

import msgspec
import pytest

from voxway import events as e
from voxway.errors import RULES, ProtocolError
from voxway.wire import kyutai, kyutai_stt, kyutai_tts
from voxway.wire.base import Address, Codec, Frame, Opening, decode
from voxway.wire.kyutai_words import Clock

ADDRESS = Address("ws://gpu:8080", "stt-1b-en_fr", "public_token")
SLOW = Address("ws://gpu:8080", "stt-2.6b-en", "public_token")
FRAME = kyutai.FRAME_BYTES
EAR = e.ListenOptions(encoding="linear32", sample_rate=24_000, vad_events=True)


def packed(message: dict[str, Any]) -> bytes:
    return msgspec.msgpack.encode(message)


def unpacked(frame: Frame) -> Any:
    assert isinstance(frame, bytes)
    return msgspec.msgpack.decode(frame)


def floats(*samples: float) -> bytes:
    return struct.pack(f"<{len(samples)}f", *samples)


def heard(codec: Codec, *messages: dict[str, Any] | Frame) -> list[e.Event]:
    frames = [packed(m) if isinstance(m, dict) else m for m in messages]
    return [event for frame in frames for event in decode(codec, frame)]


def said(codec: Codec, *events: e.Event) -> list[Any]:
    return [unpacked(frame) for event in events for frame in codec.encode(event)]


def kinds(messages: list[Any]) -> list[str]:
    return [message["type"] for message in messages]


def ear() -> kyutai_stt.Server:
    return kyutai_stt.Server(Opening())


def voice(**query: str) -> kyutai_tts.Server:
    return kyutai_tts.Server(Opening(tuple(query.items())))


def test_samples_are_packed_as_single_floats() -> None:
    pcm = floats(0.0, 1.0, -0.5, 1e-40)
    frame = kyutai.audio_message(pcm)
    assert unpacked(frame) == {"type": "Audio", "pcm": list(struct.unpack("<4f", pcm))}
    assert len(frame) == len(kyutai.audio_message(b"")) + 4 * 5
    assert kyutai.samples(unpacked(frame)["pcm"]) == pcm
    with pytest.raises(ProtocolError):
        kyutai.samples([1e300])


# Recognition


def test_it_is_ready_at_once_and_steps_with_every_80_ms() -> None:
    it = ear()
    assert said(it, *it.opening()) == [{"type": "Ready"}]
    commands = heard(it, {"type": "Audio", "pcm": [0.25] * 1000})
    started = e.ListenOptions(
        encoding="linear32", sample_rate=24_000, vad_events=True, word_timestamps=True
    )
    assert commands == [e.Start(started), e.Audio(floats(*[0.25] * 1000))]
    commands = heard(it, {"type": "Audio", "pcm": [0] * 3000})
    frame, rest = e.Audio(bytes(FRAME)), e.Audio(bytes(12_000 - FRAME))
    assert commands == [frame, e.Aside(), rest, e.Aside()]
    quiet = {"type": "Step", "step_idx": 0, "prs": [1.0] * 4, "buffered_pcm": 0}
    assert said(it, e.Aside()) == [quiet]
    assert said(it, e.SpeechStarted(0.1), e.Aside()) == [
        quiet | {"step_idx": 1, "prs": [0.0] * 4},
    ]
    assert said(it, e.UtteranceEnd(0.5), e.Aside())[0]["prs"] == [1.0] * 4


@pytest.mark.parametrize("frame", ["text", {"type": "Init"}, {"type": "Audio", "pcm": []}])
def test_what_says_nothing(frame: dict[str, Any] | Frame) -> None:
    assert heard(ear(), frame) == []


def test_opus_comes_as_numbers() -> None:
    commands = heard(ear(), {"type": "OggOpus", "data": [79, 103, 103, 83]})
    assert [type(command) for command in commands] == [e.Start, e.Audio, e.Aside]
    assert commands[1] == e.Audio(b"OggS")


@pytest.mark.parametrize(
    ("frame", "param"),
    [
        (b"", None),
        (b"\xc1", None),
        (packed({"type": "Audio", "pcm": "no"}), "pcm"),
        (packed({"type": "Audio", "pcm": [1e300]}), "pcm"),
        (packed({"type": "Marker"}), "id"),
        (packed({"type": "Dance"}), "type"),
        (packed({}), "type"),
    ],
)
def test_what_the_wire_does_not_allow(frame: bytes, param: str | None) -> None:
    (bad,) = heard(ear(), frame)
    assert isinstance(bad, e.Malformed)
    assert bad.param == param


def test_words_are_told_when_they_are_final_and_markers_in_turn() -> None:
    it = ear()
    said(it, e.Aside())
    commands = heard(it, {"type": "Marker", "id": 7}, {"type": "Marker", "id": 9})
    assert [type(command) for command in commands] == [e.Start, e.Flush, e.Flush]
    word = e.Word(text="Hi", start=0.25, end=0.5)
    told = said(
        it,
        e.Transcript("Hi ho", False, start=0.25),
        e.Transcript("Hi", True, start=0.25, words=(word,)),
        e.Transcript("you two", True, from_finalize=True, start=1.0, duration=0.5),
        e.Transcript("", True, from_finalize=True),
        e.Transcript("", True, from_finalize=True),
    )
    assert told == [
        {"type": "Word", "text": "Hi", "start_time": 0.25},
        {"type": "EndWord", "stop_time": 0.5},
        {"type": "Word", "text": "you", "start_time": 1.0},
        {"type": "EndWord", "stop_time": 1.25},
        {"type": "Word", "text": "two", "start_time": 1.25},
        {"type": "EndWord", "stop_time": 1.5},
        {"type": "Marker", "id": 7},
        {"type": "Marker", "id": 9},
    ]


def test_the_client_sends_whole_frames_and_flushes_by_silence() -> None:
    it = kyutai_stt.Client(EAR, ADDRESS)
    assert said(it, e.Start(), e.Audio(floats(*[0.5] * 1000))) == [], "less than a frame waits"
    frames = said(it, e.Audio(floats(*[0.25] * 3000)))
    assert [len(frame["pcm"]) for frame in frames] == [1920, 1920]
    assert frames[0]["pcm"] == [0.5] * 1000 + [0.25] * 920
    rest, marker, *silence = said(it, e.Flush())
    assert rest["pcm"] == [0.25] * 160 + [0.0] * 1760
    assert marker == {"type": "Marker", "id": 1}
    assert len(silence) * 0.08 >= 0.5 + 0.08, "a frame more than the model is behind"
    assert {sample for frame in silence for sample in frame["pcm"]} == {0.0}
    assert kinds(said(it, e.Flush()))[0] == "Marker", "there is nothing to fill up"
    assert said(it, e.KeepAlive(), e.Finish()) == []


def test_the_larger_model_wants_silence_first_and_is_further_behind() -> None:
    it = kyutai_stt.Client(EAR, SLOW)
    assert sum(len(frame["pcm"]) for frame in said(it, e.Start())) == 13 * 1920
    _, *silence = said(it, e.Flush())
    assert len(silence) * 0.08 >= 2.5 + 0.08


def test_words_become_a_text_that_grows_until_a_pause() -> None:
    it = kyutai_stt.Client(EAR, ADDRESS)
    said(it, e.Audio(bytes(12 * FRAME)))
    quiet, busy = {"type": "Step", "prs": [0, 0, 0.75, 0]}, {"type": "Step", "prs": [1, 1, 0.5, 1]}
    assert heard(it, {"type": "Ready"}, quiet) == [e.Ready()]
    good = e.Word(text="Good", start=0.25, end=0.25)
    (started, partial) = heard(it, {"type": "Word", "text": " Good", "start_time": 0.25})
    assert started == e.SpeechStarted(0.25)
    assert partial == e.Transcript("Good", False, start=0.25, duration=0.0, words=(good,))
    assert heard(it, busy, quiet) == [], "a word that has no end is no pause"
    (partial,) = heard(it, {"type": "Word", "text": "day.", "start_time": 0.5}, quiet)
    assert isinstance(partial, e.Transcript)
    assert partial.text == "Good day."
    assert partial.words[0].end == 0.5, "where the next one begins"
    (final, paused) = heard(it, {"type": "EndWord", "stop_time": 0.75}, busy, quiet, quiet)
    words = (
        e.Word(text="Good", start=0.25, end=0.5),
        e.Word(text="day.", start=0.5, end=0.75),
    )
    assert final == e.Transcript("Good day.", True, start=0.25, duration=0.5, words=words)
    assert paused == e.UtteranceEnd(0.75)


def test_a_client_that_wants_neither_partials_nor_pauses() -> None:
    """That there are words is told all the same, for the pacer."""
    it = kyutai_stt.Client(e.ListenOptions(partials=False), ADDRESS)
    (partial, final) = heard(
        it,
        {"type": "Word", "text": "Hi", "start_time": 0.0},
        {"type": "EndWord", "stop_time": 0.5},
        {"type": "Step", "prs": [1.0] * 4},
    )
    assert isinstance(partial, e.Transcript)
    assert isinstance(final, e.Transcript)
    assert (partial.final, final.final) == (False, True)


def test_a_marker_answers_a_flush_and_no_other() -> None:
    it = kyutai_stt.Client(EAR, ADDRESS)
    said(it, e.Audio(bytes(12 * FRAME)))
    marker = {"type": "Marker", "id": 1}
    assert heard(it, marker) == []
    said(it, e.Flush(), e.Flush())
    (_, _, answer) = heard(it, {"type": "Word", "text": "Hi", "start_time": 0.5}, marker)
    assert isinstance(answer, e.Transcript)
    assert (answer.text, answer.from_finalize) == ("Hi", True)
    assert heard(it, {"type": "Marker", "id": 2}) == [e.Transcript("", True, from_finalize=True)]
    assert heard(it, {"type": "Marker", "id": 2}) == []


def test_silence_that_was_put_in_takes_no_time_of_the_client() -> None:
    it = kyutai_stt.Client(e.ListenOptions(partials=True), ADDRESS)
    said(it, e.Audio(bytes(10 * FRAME)))  # 0.8 s
    silence = sum(len(frame.get("pcm", ())) for frame in said(it, e.Flush())) / 24_000
    said(it, e.Audio(bytes(10 * FRAME)))
    (partial,) = heard(it, {"type": "Word", "text": "Hi", "start_time": 0.8 + silence + 0.25})
    assert isinstance(partial, e.Transcript)
    assert partial.start == pytest.approx(1.05)
    clock = Clock()
    clock.hear(1.0)
    clock.pad(2.0)
    clock.hear(1.0)
    assert [clock.ours(at) for at in (-1.0, 0.5, 1.0, 2.0, 3.0, 3.5, float("nan"))] == [
        *(0.0, 0.5, 1.0, 1.0, 1.0, 1.5),
        0.0,
    ]


# Speech


@pytest.mark.parametrize(
    ("format", "encoding", "is_timed"),
    [
        ("PcmMessagePack", "linear32", True),
        ("Pcm", "linear32", False),
        ("OggOpusMessagePack", "opus", True),
        ("OggOpus", "opus", False),
    ],
)
def test_four_formats(format: str, encoding: str, is_timed: bool) -> None:
    it = voice(voice="a/b.wav", format=format, seed="7", auth_id="KEY", model="x")
    options = e.SpeakOptions(
        voice="a/b.wav",
        encoding=encoding,
        sample_rate=24_000,
        word_timestamps=is_timed,
        extra={"seed": "7"},
    )
    assert list(it.opening()) == [e.Start(options)]
    word = e.Words((e.Word(text="Hi", start=0.0, end=0.5),))
    frames = [f for event in (e.Ready(), word, e.Audio(bytes(FRAME))) for f in it.encode(event)]
    if is_timed:
        assert unpacked(frames[0]) == {"type": "Ready"}
        assert unpacked(frames[1]) == {"type": "Text", "text": "Hi", "start_s": 0.0, "stop_s": 0.5}
        assert unpacked(frames[2])["type"] == ("Audio" if encoding == "linear32" else "OggOpus")
    else:
        assert frames == [bytes(FRAME)]
    assert list(voice().opening()) == [e.Start(e.SpeakOptions(encoding="opus", sample_rate=24_000))]


def test_a_format_that_is_none() -> None:
    with pytest.raises(ProtocolError) as caught:
        voice(format="Mp3")
    assert caught.value.param == "format"


def test_frames_are_80_ms_and_the_last_is_filled_up() -> None:
    it = voice(format="PcmMessagePack")
    pcm = floats(*[0.5] * 2500)
    (first,) = said(it, e.Audio(pcm[:6000]), e.Audio(pcm[6000:]))
    (last,) = said(it, e.Ended("client_closed"))
    assert first["pcm"] + last["pcm"] == [0.5] * 2500 + [0.0] * 1340
    assert len(last["pcm"]) == 1920
    assert said(it, e.Flushed(), e.Ended("client_closed")) == []


def test_words_come_in_any_form() -> None:
    it = voice(format="Pcm")
    assert heard(
        it,
        {"type": "Text", "text": "One"},
        {"type": "Text", "text": " "},
        "two",
        "three.\n",
        {"type": "Eos"},
        b"\0",
    ) == [e.Text("One "), e.Text("two "), e.Text("three.\n"), e.Finish(), e.Finish()]


def test_a_voice_by_its_numbers_is_passed_over() -> None:
    (bad,) = heard(voice(), {"type": "Voice", "embeddings": [0.5], "shape": [1]})
    assert isinstance(bad, e.Malformed)
    assert bad.is_ignorable


def test_one_utterance_of_the_client() -> None:
    it = kyutai_tts.Client(e.SpeakOptions(), ADDRESS)
    assert said(it, e.Start(), e.Text("One two."), e.KeepAlive(), e.Flush(), e.Finish()) == [
        {"type": "Text", "text": "One two."},
        {"type": "Eos"},
    ]
    assert heard(
        it,
        {"type": "Ready"},
        {"type": "Text", "text": "", "start_s": 0.0, "stop_s": 0.0},
        {"type": "Text", "text": "One", "start_s": 0.25, "stop_s": 0.5},
        {"type": "Audio", "pcm": [0.5, -0.5]},
        {"type": "News"},
        "text",
    ) == [
        e.Ready(),
        e.Words((e.Word(text="One", start=0.25, end=0.5),)),
        e.Audio(floats(0.5, -0.5)),
    ]


# Both


def test_where_to_connect() -> None:
    options = e.SpeakOptions(voice="a/b.wav", extra={"cfg_alpha": 1.5, "bit_rate": 64_000})
    endpoint = kyutai_tts.WIRE.endpoint(options, ADDRESS)
    assert endpoint.url == (
        "ws://gpu:8080/api/tts_streaming?format=PcmMessagePack&voice=a%2Fb.wav&cfg_alpha=1.5"
    )
    assert endpoint.headers == {"kyutai-api-key": "public_token"}
    assert kyutai_stt.WIRE.endpoint(EAR, ADDRESS).url == "ws://gpu:8080/api/asr-streaming"


@pytest.mark.parametrize("codec", [ear(), voice(format="PcmMessagePack")], ids=["ear", "voice"])
@pytest.mark.parametrize("code", ["auth_error", "rate_limit", "backend_error", "of_a_provider"])
def test_errors_are_one_text(codec: Codec, code: str) -> None:
    (error,) = said(codec, e.Failed(code, "no"))
    assert error["type"] == "Error"
    assert error["message"].startswith("no free channels") == (code == "rate_limit")
    failed = kyutai.failure(error["message"])
    assert failed.code == (code if code in RULES else "provider_error")


@pytest.mark.parametrize(
    ("frame", "is_full"),
    [
        (packed({"type": "Error", "message": "no free channels"}), True),
        (packed({"type": "Error", "message": "no free channels: 5 sockets (rate_limit)"}), True),
        (packed({"type": "Error", "message": "the model is gone"}), False),
        (packed({"type": "Ready"}), False),
        (packed({"type": ["Error"], "message": {}}), False),
        (b"\xc1", False),
        ("no free channels", False),
    ],
)
def test_whether_there_is_no_room(frame: Frame, is_full: bool) -> None:
    assert kyutai.turned_away(frame) is is_full
