from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxway.audio import ogg
from voxway.audio.ogg import CONTINUED, FIRST, LAST, NO_GRANULE, Packet, PageReader, PageWriter
from voxway.errors import ProtocolError

from .signals import muxed, sizes, split


def two_pages() -> bytes:
    writer = PageWriter(7)
    return writer.page([b"head"], 0, FIRST) + writer.page([b"one", b"two" * 200], 960, LAST)


PACKETS = [
    Packet(b"head", 0, True, False),
    Packet(b"one", NO_GRANULE, False, False),
    Packet(b"two" * 200, 960, False, True),
]


@given(sizes)
def test_packets_come_back_however_the_pages_are_cut(lengths: list[int]) -> None:
    reader = PageReader()
    assert [p for piece in split(two_pages(), lengths) for p in reader.feed(piece)] == PACKETS


@pytest.mark.parametrize("size", [0, 1, 254, 255, 256, 510, 255 * 250])
def test_packets_of_any_length_come_back(size: int) -> None:
    data = bytes(range(256)) * 256
    page = PageWriter(1).page([data[:size], b"x"], 5, FIRST)
    assert [packet.data for packet in PageReader().feed(page)] == [data[:size], b"x"]


def test_a_page_holds_no_more_than_its_255_segments() -> None:
    with pytest.raises(ValueError, match="256 segments are over the 255"):
        PageWriter(1).page([bytes(255 * 255)], 0)


def test_pages_that_libav_wrote_have_the_checksum_that_we_expect() -> None:
    packets = list(PageReader().feed(muxed("ogg", "libopus", 48000)))
    assert packets[0].data.startswith(b"OpusHead")
    assert packets[-1].is_last
    assert len(packets) > 50


def raw_page(flags: int, number: int, lacing: list[int], body: bytes) -> bytes:
    """A page whose last packet may be unfinished: its lacing ends with 255."""
    fields = (b"OggS", 0, flags, 5, 1, number)
    rest = bytes(lacing) + body
    checksum = ogg._checksum(ogg._HEADER.pack(*fields, 0, len(lacing)) + rest)
    return ogg._HEADER.pack(*fields, checksum, len(lacing)) + rest


def test_a_packet_may_go_on_in_the_next_page() -> None:
    first = raw_page(FIRST, 0, [1, 255], b"a" + b"b" * 255)
    second = raw_page(CONTINUED, 1, [2, 1], b"bbc")
    read = [packet.data for packet in PageReader().feed(first + second)]
    assert read == [b"a", b"b" * 257, b"c"]


def test_a_packet_that_does_not_go_on_is_dropped() -> None:
    first = raw_page(FIRST, 0, [1, 255], b"a" + b"b" * 255)
    second = raw_page(0, 1, [1], b"c")
    assert [packet.data for packet in PageReader().feed(first + second)] == [b"a", b"c"]


def test_a_packet_without_end_is_a_protocol_error() -> None:
    reader = PageReader()
    page = raw_page(CONTINUED, 1, [255] * 255, bytes(255 * 255))
    list(reader.feed(raw_page(FIRST, 0, [1], b"a")))
    with pytest.raises(ProtocolError, match="bytes is over 1048576"):
        list(reader.feed(page * 17))


@given(st.integers(0, len(two_pages()) - 1), st.integers(1, 255))
def test_a_damaged_page_is_a_protocol_error_or_incomplete(at: int, change: int) -> None:
    data = bytearray(two_pages())
    data[at] ^= change
    reader = PageReader()
    try:
        packets = list(reader.feed(bytes(data)))
    except ProtocolError:
        return
    assert packets != PACKETS


def test_of_two_streams_the_first_is_read() -> None:
    one, other = PageWriter(1), PageWriter(2)
    data = one.page([b"a"], 0, FIRST) + other.page([b"b"], 0, FIRST)
    data += other.page([b"c"], 1) + one.page([b"d"], 1, LAST) + other.page([b"e"], 2, FIRST)
    assert [packet.data for packet in PageReader().feed(data)] == [b"a", b"d", b"e"]


def test_the_middle_of_a_stream_is_silent() -> None:
    assert list(PageReader().feed(PageWriter(3).page([b"x"], 99))) == []
