"""What a file is shows in its first bytes; what might be samples is left alone."""

from __future__ import annotations

import pytest

from voxway.audio.encode import Encoder
from voxway.audio.formats import AudioFormat
from voxway.audio.sniff import container
from voxway.audio.wav import wav_header

PCM = bytes(range(256)) * 100


def encoded(encoding: str) -> bytes:
    encoder = Encoder(AudioFormat(encoding, 16_000), 16_000)
    return encoder.feed(PCM) + encoder.flush()


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (wav_header(16_000), "wav"),
        (b"RIFF\0\0\0\0AVI LIST", None),
        (b"fLaC\0\0\0\x22", "flac"),
        (encoded("opus"), "ogg"),
        (b"\x1a\x45\xdf\xa3\x9f", "webm"),
        (encoded("mp3"), "mp3"),
        (b"ID3\x04\0\0\0\0\0\0", "mp3"),
        (PCM, None),
        (b"", None),
        (b"\xff\xf3", None),
        (b"\xff\xff\xff\xff", None),  # silence with a little noise
        (b"\xff\xf3\x00\x00", None),  # "free" bit rate
        (b"\xff\xf3\x8c\x00", None),  # a sample rate that is none
        (b"\xff\xe3\x84\x00", "mp3"),  # version 2.5
        (b"\xff\xeb\x84\x00", None),  # no version
        (encoded("aac"), "aac"),
        (b"\xff\xf1\x58\x40\x01\x1f\xfc", "aac"),  # eight bytes at 24 kHz
        (b"\xff\xf1\x58\x40\x01\x1f", None),  # not all of a head
        (b"\xff\xf5\x58\x40\x01\x1f\xfc", None),  # not layer 0
        (b"\xff\xf1\x74\x40\x01\x1f\xfc", None),  # a rate that is none
        (b"\xff\xf1\x58\x40\x00\xff\xfc", None),  # no longer than its head
    ],
)
def test_containers(start: bytes, name: str | None) -> None:
    assert container(start) == name
