"""Ogg (RFC 3533): pages written and read, packet by packet. Knows nothing of what is inside.

We write Ogg ourselves because a muxer decides when a page is full, and a listener waits for that.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence

from msgspec import Struct

from ..errors import ProtocolError

CONTINUED, FIRST, LAST = 1, 2, 4  # header flags
NO_GRANULE = -1  # of a page on which no packet ends
_HEADER = struct.Struct("<4sBBqIIIB")
_MAX_PACKET = 1 << 20

_MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _checksum(page: bytes) -> int:
    """Ogg's CRC-32. zlib has the same polynomial with the bits the other way round, so mirrored
    bytes give the mirrored sum, at C speed; 0xFFFFFFFF undoes zlib's initial value."""
    mirrored = zlib.crc32(page.translate(_MIRROR), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(_MIRROR), "big")


class PageWriter:
    """The pages of one logical stream."""

    def __init__(self, serial: int) -> None:
        self._serial = serial
        self._number = 0

    def page(self, packets: Sequence[bytes], granule: int, flags: int = 0) -> bytes:
        """A page of whole packets, the last of which ends at `granule`.

        ValueError if they need more than the 255 segments (of 255 bytes) that a page has."""
        lacing = b"".join(b"\xff" * (len(p) // 255) + bytes([len(p) % 255]) for p in packets)
        if len(lacing) > 255:
            raise ValueError(f"{len(lacing)} segments are over the 255 of an Ogg page")
        head = (b"OggS", 0, flags, granule, self._serial, self._number)
        body = lacing + b"".join(packets)
        checksum = _checksum(_HEADER.pack(*head, 0, len(lacing)) + body)
        self._number += 1
        return _HEADER.pack(*head, checksum, len(lacing)) + body


class Packet(Struct, frozen=True):
    """One packet read. `granule` is its page's if it is the last to end there, else NO_GRANULE;
    `is_first` begins a logical stream, `is_last` ends one."""

    data: bytes
    granule: int
    is_first: bool
    is_last: bool


class PageReader:
    """Packets from bytes in chunks of any size.

    Of several multiplexed streams only the one that began first is read, until another begins after
    its end (a chain). ProtocolError for anything that is not Ogg, or damaged.
    """

    def __init__(self) -> None:
        self._held = b""
        self._serial: int | None = None
        self._partial = b""  # a packet that goes on in the next page

    def feed(self, data: bytes) -> Iterator[Packet]:
        """The packets that are complete now."""
        self._held += data
        while (page := self._next_page()) is not None:
            yield from self._packets(page)

    def _next_page(self) -> bytes | None:
        held = self._held
        if not b"OggS\0".startswith(held[:5]):
            raise ProtocolError("expected an Ogg page, got something else")
        if len(held) < _HEADER.size:
            return None
        table_end = _HEADER.size + held[26]
        size = table_end + sum(held[_HEADER.size : table_end])
        if len(held) < table_end or len(held) < size:
            return None
        page, self._held = held[:size], held[size:]
        if _checksum(page[:22] + bytes(4) + page[26:]) != int.from_bytes(page[22:26], "little"):
            raise ProtocolError("expected an Ogg page, got one with a wrong checksum")
        return page

    def _packets(self, page: bytes) -> Iterator[Packet]:
        _, _, flags, granule, serial, _, _, count = _HEADER.unpack_from(page)
        if flags & FIRST and self._serial is None:
            self._serial, self._partial = serial, b""
        if serial != self._serial:
            return
        if flags & LAST:
            self._serial = None
        if not flags & CONTINUED:
            self._partial = b""
        ended, self._partial = _split(self._partial, page, count)
        if len(self._partial) > _MAX_PACKET:
            raise ProtocolError(f"Ogg packet of {len(self._partial)} bytes is over {_MAX_PACKET}")
        for index, data in enumerate(ended):
            at_end = index == len(ended) - 1
            yield Packet(
                data,
                granule if at_end else NO_GRANULE,
                is_first=bool(flags & FIRST) and index == 0,
                is_last=bool(flags & LAST) and at_end,
            )


def _split(partial: bytes, page: bytes, count: int) -> tuple[list[bytes], bytes]:
    """The packets that end on this page, and the beginning of one that does not."""
    ended: list[bytes] = []
    start = at = _HEADER.size + count
    for length in page[_HEADER.size : start]:
        at += length
        if length < 255:
            ended.append(partial + page[start:at])
            partial, start = b"", at
    return ended, partial + page[start:at]
