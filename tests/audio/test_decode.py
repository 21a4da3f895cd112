from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxway.audio.decode import Decoder
from voxway.audio.encode import Encoder
from voxway.audio.formats import INPUT_ENCODINGS, AudioFormat
from voxway.audio.ogg import FIRST, PageReader, PageWriter
from voxway.audio.wav import wav_header
from voxway.errors import ConfigError, ProtocolError

from .signals import decibels, floats, likeness, muxed, noise, pcm, sizes, split, tone, voice

CONTAINERS = [encoding for encoding in INPUT_ENCODINGS if AudioFormat(encoding, 1).frame_bytes == 0]


def encoded(encoding: str) -> bytes:
    encoder = Encoder(AudioFormat(encoding, 24000), 24000)
    return encoder.feed(voice(24000)) + encoder.flush()


# Name: its encoding, how to make a second of `voice`, and how much longer than that it may sound.
FILES: dict[str, tuple[str, Callable[[], bytes], float]] = {
    "linear16": ("linear16", lambda: encoded("linear16"), 0),
    "linear32": ("linear32", lambda: encoded("linear32"), 0),
    "mulaw": ("mulaw", lambda: encoded("mulaw"), 0),
    "alaw": ("alaw", lambda: encoded("alaw"), 0),
    "our mp3": ("mp3", lambda: encoded("mp3"), 0.09),
    "mp3 with tags, stereo": ("mp3", lambda: muxed("mp3", "libmp3lame", 44100, "stereo"), 0.06),
    "our aac": ("aac", lambda: encoded("aac"), 0.09),
    "aac, stereo": ("aac", lambda: muxed("adts", "aac", 44100, "stereo"), 0.06),
    "our flac": ("flac", lambda: encoded("flac"), 0),
    "our opus": ("opus", lambda: encoded("opus"), 0.0001),
    "opus, stereo": ("opus", lambda: muxed("ogg", "libopus", 48000, "stereo"), 0),
    "opus as ogg": ("ogg", lambda: muxed("ogg", "libopus", 24000), 0.0001),
    "vorbis, stereo": ("ogg", lambda: muxed("ogg", "vorbis", 44100, "stereo"), 0.003),
    "flac in ogg": ("ogg", lambda: muxed("ogg", "flac", 16000), 0),
    "flac": ("flac", lambda: muxed("flac", "flac", 24000), 0),
    "flac, stereo": ("flac", lambda: muxed("flac", "flac", 48000, "stereo"), 0),
    "opus in webm": ("webm", lambda: muxed("webm", "libopus", 48000), 0.02),
    "vorbis in webm": ("webm", lambda: muxed("webm", "vorbis", 48000, "stereo"), 0.03),
    "flac in matroska": ("webm", lambda: muxed("matroska", "flac", 24000), 0),
    "wav": ("wav", lambda: wav_header(24000, 48000) + voice(24000) + b"LIST", 0),
    "wav of unknown length": ("wav", lambda: wav_header(24000) + voice(24000), 0),
    **{
        f"wav {codec}": ("wav", lambda codec=codec: muxed("wav", codec, 22050, "stereo"), 0)  # type: ignore[misc]
        for codec in (
            *("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"),
            *("pcm_alaw", "pcm_mulaw"),
        )
    },
}


def decoded(encoding: str, pieces: Iterable[bytes], rate: int = 16000) -> bytes:
    decoder = Decoder(AudioFormat(encoding, 24000), rate)
    return b"".join(map(decoder.feed, pieces)) + decoder.flush()


@pytest.mark.parametrize("name", FILES)
def test_what_is_decoded_is_what_was_encoded(name: str) -> None:
    encoding, make, longer = FILES[name]
    got = floats(decoded(encoding, [make()]))
    alike, delay = likeness(floats(voice(16000)), got)
    assert alike > 0.97
    assert -2 <= len(got) - 16000 <= 16000 * longer + 1
    assert delay <= 16000 * longer + 1


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=6, deadline=None)
@given(lengths=sizes)
def test_chunking_changes_nothing(name: str, lengths: list[int]) -> None:
    encoding, make, _ = FILES[name]
    data = make()
    assert decoded(encoding, split(data, lengths)) == decoded(encoding, [data])


@pytest.mark.parametrize("name", FILES)
def test_audio_comes_while_it_is_fed(name: str) -> None:
    encoding, make, _ = FILES[name]
    data = make()
    decoder = Decoder(AudioFormat(encoding, 24000), 16000)
    heard = [len(decoder.feed(piece)) / 32000 for piece in split(data, [len(data) // 100])]
    # libav's FLAC parser looks ten frames ahead, and these have nearly a tenth of a second.
    late = 1.0 if encoding == "flac" else 0.7 if "flac" in name else 0.3
    assert sum(heard) > 1 - late
    assert sum(heard[:75]) > 0.75 - late


@pytest.mark.parametrize("name", FILES)
def test_after_a_flush_a_new_stream_may_come(name: str) -> None:
    encoding, make, _ = FILES[name]
    decoder = Decoder(AudioFormat(encoding, 24000), 16000)
    first = decoder.feed(make()) + decoder.flush()
    assert decoder.feed(make()) + decoder.flush() == first
    decoder.feed(make()[:3001])
    decoder.close()
    assert decoder.feed(make()) + decoder.flush() == first


@pytest.mark.parametrize("encoding", ["opus", "mp3"])
def test_utterances_in_a_chain_are_all_heard(encoding: str) -> None:
    encoder = Encoder(AudioFormat(encoding, 24000), 24000)
    parts = [encoder.feed(tone(hertz, 24000, 0.5)) + encoder.flush() for hertz in (300, 500)]
    got = floats(decoded(encoding, [b"".join(parts)]))
    assert len(got) == pytest.approx(16000, abs=0 if encoding == "opus" else 16000 * 0.2)
    for hertz, where in ((300, got[2000:6000]), (500, got[-6000:-2000])):
        loudest = np.argmax(np.abs(np.fft.rfft(where * np.hanning(4000))))
        assert loudest * 4 == pytest.approx(hertz, abs=4)


@pytest.mark.parametrize("encoding", ["linear16", "linear32", "mulaw", "alaw"])
@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 24000, 44100, 48000])
def test_raw_audio_of_every_rate_is_kept(encoding: str, rate: int) -> None:
    data = tone(440, rate, 0.5)
    encoder = Encoder(AudioFormat(encoding, rate), rate)
    decoder = Decoder(AudioFormat(encoding, rate), rate)
    got = decoder.feed(encoder.feed(data)) + decoder.flush()
    assert decibels(floats(data), floats(got)) > 36


def test_both_channels_are_heard() -> None:
    left, right = floats(tone(300, 24000, 0.2)), floats(tone(2000, 24000, 0.2))
    stereo = pcm(np.stack([left, right], axis=1).ravel())
    got = decoded("wav", [wav_header(24000, len(stereo), channels=2) + stereo], 24000)
    assert decibels((left + right) / 2, floats(got)) > 80


def test_floats_out_of_scale_are_clipped_and_nan_is_silence() -> None:
    data = np.array([2.0, -2.0, 1e38, -np.inf, np.nan, 0.5], "<f4").tobytes()
    expected = [32767, -32768, 32767, -32768, 0, 16384]
    assert decoded("linear32", [data], 24000) == np.array(expected, "<i2").tobytes()


def test_an_id3_tag_is_passed_over_whatever_is_in_it() -> None:
    data = encoded("mp3")
    # The tag's body looks like the start of frames.
    tag = b"ID3\x04\0\0" + bytes([0, 0, 0x10, 0]) + data[:16] * 128
    assert decoded("mp3", split(tag + data, [7])) == decoded("mp3", [data])


def test_mp3_may_be_joined_in_the_middle() -> None:
    data = encoded("mp3")
    got = floats(decoded("mp3", [data[len(data) // 2 + 77 :]]))
    assert len(got) == pytest.approx(8000, rel=0.25)


@pytest.mark.parametrize("encoding", INPUT_ENCODINGS)
def test_nothing_becomes_nothing(encoding: str) -> None:
    decoder = Decoder(AudioFormat(encoding, 24000), 16000)
    assert decoder.feed(b"") + decoder.flush() + decoder.flush() == b""


@pytest.mark.parametrize("encoding", CONTAINERS)
@pytest.mark.parametrize("data", [b"x", b"no audio at all " * 8000, noise(60_000), bytes(130_000)])
def test_garbage_is_a_protocol_error(encoding: str, data: bytes) -> None:
    with pytest.raises(ProtocolError, match=r"^expected") as caught:
        decoded(encoding, split(data, [4096]))
    assert "no audio at all" not in caught.value.message


def only_protocol_errors(encoding: str, pieces: Iterable[bytes]) -> None:
    """Any other exception, also after the first error, fails the test."""
    decoder = Decoder(AudioFormat(encoding, 24000), 16000)
    for piece in [*pieces, None]:
        try:
            out = decoder.flush() if piece is None else decoder.feed(piece)
        except ProtocolError:
            continue
        assert len(out) % 2 == 0


@pytest.mark.parametrize("encoding", INPUT_ENCODINGS)
@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=3000), lengths=sizes)
def test_random_bytes_cost_at_most_a_protocol_error(
    encoding: str, data: bytes, lengths: list[int]
) -> None:
    only_protocol_errors(encoding, split(data, lengths))


edits = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from(["set", "cut", "insert"]), st.binary(max_size=9)),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("name", [name for name in FILES if FILES[name][0] in CONTAINERS])
@settings(max_examples=40, deadline=None)
@given(edits=edits, at_start=st.booleans(), lengths=sizes)
def test_damaged_files_cost_at_most_a_protocol_error(
    name: str, edits: list[tuple[float, str, bytes]], at_start: bool, lengths: list[int]
) -> None:
    encoding, make, _ = FILES[name]
    data = bytearray(make()[:12_000])
    for place, how, new in edits:
        at = int(place * (600 if at_start else len(data)))
        end = {"set": at + len(new), "cut": at + 40 * len(new), "insert": at}[how]
        data[at:end] = b"" if how == "cut" else new
    only_protocol_errors(encoding, split(bytes(data), lengths))


@settings(max_examples=100, deadline=None)
@given(
    name=st.sampled_from([name for name in FILES if FILES[name][0] in ("ogg", "opus")]),
    edits=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 60), st.binary(max_size=9))),
)
def test_damaged_packets_in_sound_pages_cost_at_most_a_protocol_error(
    name: str, edits: list[tuple[int, int, bytes]]
) -> None:
    encoding, make, _ = FILES[name]
    packets = [bytearray(packet.data) for packet in PageReader().feed(make()[:6000])]
    for number, at, new in edits:
        packets[number % len(packets)][at : at + len(new)] = new
    writer = PageWriter(1)
    pages = [writer.page([bytes(p)], 960 * n, 0 if n else FIRST) for n, p in enumerate(packets)]
    only_protocol_errors(encoding, pages)


def test_flac_metadata_is_passed_over_however_long() -> None:
    data = muxed("flac", "flac", 24000)
    assert data[:8] == b"fLaC\0\0\0\x22"
    picture = b"\x06\x0f\0\0" + b"\xff\xf8" * (0xF0000 // 2)
    got = decoded("flac", split(data[:42] + picture + data[42:], [9, 20_000]))
    assert got == decoded("flac", [data])
    only_info = b"fLaC\x80\0\0\x22" + data[8:42]
    assert decoded("flac", [only_info]) == b""


@pytest.mark.parametrize("rate", [0, 1, 3999, 192_001, 0xFFFFFFFF])
def test_a_rate_out_of_reason_is_a_protocol_error(rate: int) -> None:
    header = bytearray(wav_header(8000))
    header[24:28] = rate.to_bytes(4, "little")
    with pytest.raises(ProtocolError, match=f"sample rate {rate} is outside 4000-192000"):
        decoded("wav", [bytes(header) + noise(100)])


def test_a_codec_in_wav_that_nobody_knows_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError, match="got format 17 with 4 bits and 1 channels"):
        decoded("wav", [muxed("wav", "adpcm_ima_wav", 22050)])


def test_webm_with_another_codec_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError, match="expected one of opus, vorbis, flac, aac, mp3"):
        decoded("webm", [muxed("matroska", "pcm_s16le", 24000)])


@pytest.mark.parametrize("encoding", sorted({*CONTAINERS} - {"mp3", "aac"}))  # without headers
def test_a_file_that_ends_in_its_header_is_a_protocol_error(encoding: str) -> None:
    make = next(make for kind, make, _ in FILES.values() if kind == encoding)
    with pytest.raises(ProtocolError, match="expected"):
        decoded(encoding, [make()[:20]])


def test_an_unknown_encoding_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="'vorbis' is not one of linear16"):
        Decoder(AudioFormat("vorbis", 24000), 16000)
