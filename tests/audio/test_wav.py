from __future__ import annotations

import io
import struct
import subprocess
import sys
import wave
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxway.audio.formats import AudioFormat
from voxway.audio.wav import (
    HEADER_BYTES,
    STREAM_BYTES,
    NoHeader,
    RiffStripper,
    WavHeader,
    parse_header,
    wav_header,
    write_wav,
)

from .signals import noise, sizes, split

AUDIO = noise(3000)
FILE = wav_header(24000, len(AUDIO)) + AUDIO


def header_of(data: bytes) -> WavHeader:
    header = parse_header(data)
    assert isinstance(header, WavHeader)
    return header


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body


def riff(*chunks: bytes) -> bytes:
    return chunk(b"RIFF", b"WAVE" + b"".join(chunks))


def fmt(tag: int, channels: int, bits: int, rest: bytes = b"") -> bytes:
    step = channels * bits // 8
    return chunk(
        b"fmt ", struct.pack("<HHIIHH", tag, channels, 8000, 8000 * step, step, bits) + rest
    )


def test_a_header_is_what_the_standard_library_reads() -> None:
    with wave.open(io.BytesIO(wav_header(16000, 8, channels=2) + bytes(8))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 16000)
        assert file.getnframes() == 2


def test_a_file_is_what_the_standard_library_reads(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", AUDIO, 24000)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert file.getframerate() == 24000
        assert file.readframes(file.getnframes()) == AUDIO


def test_a_header_tells_format_and_place() -> None:
    assert len(wav_header(24000, 0)) == HEADER_BYTES
    assert header_of(FILE) == WavHeader(
        AudioFormat("linear16", 24000), 1, 16, 1, HEADER_BYTES, len(AUDIO)
    )


@pytest.mark.parametrize("encoding", ["linear16", "linear32", "mulaw", "alaw"])
def test_a_header_for_every_raw_encoding(encoding: str) -> None:
    header = parse_header(wav_header(8000, 16, encoding=encoding))
    assert isinstance(header, WavHeader)
    assert (header.format, header.data_bytes) == (AudioFormat(encoding, 8000), 16)


def test_a_streaming_header_tells_no_length() -> None:
    assert wav_header(8000)[4:8] == struct.pack("<I", STREAM_BYTES)
    assert header_of(wav_header(8000)).data_bytes is None


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF - 36, 0x7FFFFFFF - 36])
def test_sizes_that_streams_write_tell_no_length(size: int) -> None:
    assert header_of(FILE[:40] + struct.pack("<I", size)).data_bytes is None


@pytest.mark.parametrize(
    ("tag", "bits", "encoding"),
    [
        (1, 16, "linear16"),
        (3, 32, "linear32"),
        (6, 8, "alaw"),
        (7, 8, "mulaw"),
        (1, 24, "wav"),
        (1, 8, "wav"),
        (2, 4, "wav"),
    ],
)
def test_the_encoding_follows_tag_and_bits(tag: int, bits: int, encoding: str) -> None:
    header = header_of(riff(fmt(tag, 1, bits), chunk(b"data", b"")))
    assert header.format == AudioFormat(encoding, 8000)


def test_an_extensible_header_names_its_real_format() -> None:
    rest = struct.pack("<HHIH", 22, 16, 4, 1) + bytes(14)
    header = header_of(riff(fmt(0xFFFE, 1, 16, rest), chunk(b"data", b"1234")))
    assert (header.tag, header.format.encoding) == (1, "linear16")


def test_chunks_before_the_audio_are_passed_over() -> None:
    data = riff(chunk(b"LIST", b"odd"), b"\0", fmt(1, 2, 16), chunk(b"data", b"12345678"))
    header = header_of(data)
    assert data[header.data_offset :] == b"12345678"
    assert header.channels == 2


@pytest.mark.parametrize(
    "data",
    [
        b"RIFX",
        b"OggS",
        b"RIFF\0\0\0\0AVI ",
        riff(chunk(b"data", b"1234")),
        riff(fmt(1, 1, 16), chunk(b"junk", bytes(70_000)), chunk(b"data", b"1234")),
    ],
)
def test_something_else_is_not_wav(data: bytes) -> None:
    assert parse_header(data) is NoHeader.NOT_WAV


@pytest.mark.parametrize("size", range(HEADER_BYTES))
def test_every_part_of_a_header_is_incomplete(size: int) -> None:
    assert parse_header(FILE[:size]) is NoHeader.INCOMPLETE


@given(st.binary(max_size=200))
def test_garbage_gives_an_answer(data: bytes) -> None:
    for prefix in (data, b"RIFF" + data, FILE[:12] + data):
        parse_header(prefix)


@given(sizes)
def test_a_header_is_taken_off_however_it_is_cut(lengths: list[int]) -> None:
    stripper = RiffStripper()
    out = b"".join(map(stripper.feed, split(FILE + b"LIST of tags", lengths)))
    assert out + stripper.flush() == AUDIO
    assert stripper.header is not None
    assert stripper.header == header_of(FILE)


@given(st.binary(max_size=60), sizes)
def test_what_has_no_header_passes_untouched(data: bytes, lengths: list[int]) -> None:
    stripper = RiffStripper()
    out = b"".join(map(stripper.feed, split(data, lengths)))
    assert out + stripper.flush() == data
    assert stripper.header is None


def test_a_header_that_never_ends_was_audio() -> None:
    stripper = RiffStripper()
    assert stripper.feed(FILE[:20]) == b""
    assert stripper.flush() == FILE[:20]
    assert stripper.feed(b"more") == b"more"


def test_an_unknown_length_goes_on() -> None:
    stripper = RiffStripper()
    assert stripper.feed(wav_header(8000) + b"ab") == b"ab"
    assert stripper.feed(b"cd") == b"cd"


def test_formats_and_wav_load_no_heavy_library() -> None:
    code = (
        "import sys, voxway.audio.formats, voxway.audio.wav;"
        "sys.exit(bool({'numpy', 'av', 'soxr'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
