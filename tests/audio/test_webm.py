from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxway.audio.ogg import PageReader
from voxway.audio.webm import WebmReader
from voxway.errors import ProtocolError

from .signals import floats, likeness, muxed, voice

EBML = bytes.fromhex("1a45dfa380")
SEGMENT, CLUSTER = bytes.fromhex("18538067"), bytes.fromhex("1f43b675")
UNKNOWN = b"\x01" + b"\xff" * 7
TRACKS = bytes.fromhex("1654ae6b")


def element(kind: str, *bodies: bytes) -> bytes:
    body = b"".join(bodies)
    return bytes.fromhex(kind) + (len(body) | 1 << 28).to_bytes(4, "big") + body


def track(number: int, kind: int, codec: bytes, private: bytes) -> bytes:
    fields = element("d7", bytes([number])), element("83", bytes([kind]))
    return element("ae", *fields, element("86", codec), element("63a2", private))


HEAD, _, *PACKETS = [packet.data for packet in PageReader().feed(muxed("ogg", "libopus", 48000))]
VIDEO = track(1, 1, b"V_VP8", b"")
OPUS = track(2, 2, b"A_OPUS\0", HEAD)


def heard(data: bytes) -> bytes:
    reader = WebmReader()
    pieces = list(reader.feed(data))
    assert {piece.rate for piece in pieces} <= {48000}
    return b"".join(piece.data for piece in pieces)


def recorded(*blocks: bytes) -> bytes:
    """As a browser records: segment and clusters without a length."""
    return (
        EBML
        + (SEGMENT + UNKNOWN)
        + element("1654ae6b", VIDEO, OPUS)
        + (CLUSTER + UNKNOWN + element("e7", b"\0"))
        + b"".join(blocks)
    )


def block(packet: bytes, number: int = 2, flags: int = 0x80) -> bytes:
    return element("a3", bytes([0x80 | number, 0, 0, flags]), packet)


def test_a_recording_without_lengths_is_heard() -> None:
    half = len(PACKETS) // 2
    blocks = [*map(block, PACKETS[:half]), CLUSTER + UNKNOWN, *map(block, PACKETS[half:])]
    got = floats(heard(recorded(*blocks)))
    alike, delay = likeness(floats(voice(48000)), got)
    assert alike > 0.97
    assert delay == 0


def test_blocks_in_groups_are_heard() -> None:
    groups = [element("a0", element("a1", b"\x82\0\0\0", packet)) for packet in PACKETS]
    assert heard(recorded(*groups)) == heard(recorded(*map(block, PACKETS)))


def test_other_tracks_are_not_heard() -> None:
    video = block(b"not opus", number=1)
    blocks = [piece for packet in PACKETS for piece in (video, block(packet))]
    assert heard(recorded(*blocks)) == heard(recorded(*map(block, PACKETS)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (recorded(block(PACKETS[0], flags=0x82)), "blocks of one frame each, got laced ones"),
        (EBML + SEGMENT + UNKNOWN + block(PACKETS[0]), "expected a WebM track before its blocks"),
        (recorded(element("a3", b"\x82")), "got a stray block"),
        (EBML + SEGMENT + UNKNOWN + element("1654ae6b", VIDEO), "expected WebM with audio"),
        (EBML + SEGMENT + UNKNOWN + element("1654ae6b", OPUS[:-1]), "an element cut short"),
        (EBML + TRACKS + UNKNOWN, "element 0x1654ae6b has no length or is over 1 MiB"),
        (EBML + TRACKS + b"\x10\x10\0\1", "element 0x1654ae6b has no length or is over 1 MiB"),
        (EBML + b"\0", "a number of more than 8 bytes"),
        (b"\x1a\x45\xdf\xa4", "expected WebM, got something else"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        heard(data)


@given(st.binary(max_size=300))
def test_garbage_in_a_recording_costs_at_most_a_protocol_error(data: bytes) -> None:
    for start in (EBML, recorded(), recorded(block(PACKETS[0]))):
        try:
            heard(start + data)
        except ProtocolError as error:
            assert error.message.startswith(("expected", "WebM element"))  # noqa: PT017
