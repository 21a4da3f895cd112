"""Opus in Ogg (RFC 7845), written with the latency of a packet or two."""

from __future__ import annotations

import struct

from .codec import Codec, FrameEncoder
from .ogg import FIRST, LAST, PageWriter

# What libopus takes; it is asked for the rate that fits, so that nothing is resampled twice.
RATES = (8000, 12000, 16000, 24000, 48000)
CLOCK = 48_000  # Hz; every count of samples inside the file is at this rate
BIT_RATE = 48_000  # transparent for one voice
_PACKET = CLOCK // 50  # 20 ms

# Of 20 ms packets: a page costs 28 bytes more than its packets, so one of 40 ms costs 6 kbit/s. The
# first has a single packet, since somebody waits for it.
_PACKETS_PER_PAGE = 2

_TAGS = b"OpusTags" + struct.pack("<I6sI", 6, b"voxway", 0)


def encoder_rate(sample_rate: int) -> int:
    """The rate (Hz) at which to encode audio meant for `sample_rate`."""
    return min((rate for rate in RATES if rate >= sample_rate), default=CLOCK)


class OpusEncoder:
    """linear16 at one of RATES to Ogg pages; each utterance is a logical stream of its own, so the
    parts can be played alone or in a chain. `sample_rate` is what the header tells of the origin.
    """

    def __init__(self, rate: int, sample_rate: int, bit_rate: int = BIT_RATE) -> None:
        self._rate = rate
        self._sample_rate = sample_rate
        options = {"application": "audio", "frame_duration": "20"}
        self._frames = FrameEncoder(Codec("libopus", "s16", rate, bit_rate, options))
        # libopus' own header is right but for the rate.
        self._pre_skip = int.from_bytes(self._frames.extradata[10:12], "little")
        self._streams = 0
        self._begin()

    def _begin(self) -> None:
        self._streams += 1
        self._writer = PageWriter(serial=self._streams)
        self._packets: list[bytes] = []  # of the page to come
        self._written = self._taken = 0  # packets in pages; samples

    def feed(self, pcm: bytes) -> bytes:
        """The pages that are complete now; the header pages come with the first."""
        self._taken += len(pcm) // 2
        return b"".join(self._paged(packet) for packet in self._frames.feed(pcm))

    def flush(self) -> bytes:
        """The rest, the last page saying how much of it is padding. Nothing, if nothing was fed."""
        if not self._taken:
            return b""
        # libopus looks ahead, so there is always a packet left for the last page.
        *packets, last = self._frames.flush()
        pages = [self._paged(packet) for packet in packets]
        self._packets.append(last)
        end = self._pre_skip + self._taken * CLOCK // self._rate
        pages.append(self._page(end, LAST))
        self._begin()
        return b"".join(pages)

    def _paged(self, packet: bytes) -> bytes:
        self._packets.append(packet)
        if self._written and len(self._packets) < _PACKETS_PER_PAGE:
            return b""
        return self._page((self._written + len(self._packets)) * _PACKET)

    def _page(self, granule: int, flags: int = 0) -> bytes:
        head = b"" if self._written else self._header_pages()
        page = self._writer.page(self._packets, granule, flags)
        self._written += len(self._packets)
        self._packets = []
        return head + page

    def _header_pages(self) -> bytes:
        head = struct.pack("<8sBBHIhB", b"OpusHead", 1, 1, self._pre_skip, self._sample_rate, 0, 0)
        return self._writer.page([head], 0, FIRST) + self._writer.page([_TAGS], 0)
