"""How long audio is, by what it says of itself: nothing is decoded.

For accounting, where a frame more or less does not matter, and bytes that are no audio have no
length. Raw audio tells it by its size.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from ..errors import ProtocolError
from . import adts, ebml
from .formats import AudioFormat
from .ogg import NO_GRANULE, Packet, PageReader
from .wav import RiffStripper

Feed = Callable[[bytes], float]
OPUS_CLOCK = 48_000  # Hz, whatever it sounds at


def measure(format: AudioFormat) -> Feed:
    """What tells of each piece of a stream how many seconds longer it has become."""
    if format.frame_bytes:
        per_second = format.frame_bytes * format.sample_rate
        return lambda data: len(data) / per_second
    return _Growing(_LENGTHS[format.encoding]()).feed


class _Growing:
    """What was added since, of a length that is known anew after each piece."""

    def __init__(self, length: _Wav | _Mp3 | _Adts | _Flac | _Ogg | _Webm) -> None:
        self._length = length
        self._known = 0.0
        self._is_readable = True

    def feed(self, data: bytes) -> float:
        if not self._is_readable:
            return 0.0
        try:
            now = self._length.feed(data)
        except ProtocolError:  # whoever decodes it says so; here it is over
            self._is_readable = False
            return 0.0
        grown = max(0.0, now - self._known)
        self._known += grown
        return grown


class _Wav:
    def __init__(self) -> None:
        self._stripper = RiffStripper()
        self._bytes = 0

    def feed(self, data: bytes) -> float:
        self._bytes += len(self._stripper.feed(data))
        header = self._stripper.header
        if header is None:
            return 0.0
        per_second = header.channels * header.bits // 8 * header.format.sample_rate
        return self._bytes / per_second if per_second else 0.0


# Of MPEG-1, 2 and 2.5, layer III (ISO 11172-3, 13818-3): kbit/s and Hz by the header's fields.
_MP3_BIT_RATES = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
_MP3_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


class _Mp3:
    """Frame by frame; between them it looks for the next."""

    def __init__(self) -> None:
        self._held = b""
        self._skip = 0  # bytes of the frame that was counted
        self._seconds = 0.0

    def feed(self, data: bytes) -> float:
        data = self._held + data
        at = self._skip
        while len(data) - at >= 10:  # as long as the head of a tag
            if data[at : at + 3] == b"ID3":
                at += 10 + _synchsafe(data[at + 6 : at + 10])
            elif (frame := _mp3_frame(data[at : at + 4])) is not None:
                at += frame[0]
                self._seconds += frame[1]
            else:
                found = data.find(b"\xff", at + 1)
                at = len(data) if found < 0 else found
        self._skip = max(0, at - len(data))
        self._held = data[at:]
        return self._seconds


def _synchsafe(data: bytes) -> int:
    size = 0
    for byte in data:
        size = size << 7 | byte & 0x7F
    return size


def _mp3_frame(head: bytes) -> tuple[int, float] | None:
    """The size of a frame in bytes, and its length in seconds; None if no frame begins so."""
    word = int.from_bytes(head, "big")
    version, layer = word >> 19 & 3, word >> 17 & 3
    bits, rate_index, padding = word >> 12 & 15, word >> 10 & 3, word >> 9 & 1
    if word >> 21 != 0x7FF or layer != 1 or version == 1 or rate_index == 3 or bits in (0, 15):
        return None
    rate, is_first = _MP3_RATES[version][rate_index], version == 3
    samples = 1152 if is_first else 576
    bit_rate = _MP3_BIT_RATES[not is_first][bits] * 1000
    return samples // 8 * bit_rate // rate + padding, samples / rate


class _Adts:
    """Frame by frame; between them it looks for the next."""

    def __init__(self) -> None:
        self._held = b""
        self._seconds = 0.0

    def feed(self, data: bytes) -> float:
        data = self._held + data
        at = 0
        while len(data) - at >= adts.HEAD:
            found = adts.frame(data[at : at + adts.HEAD])
            if found is None:
                next_one = data.find(b"\xff", at + 1)
                at = len(data) if next_one < 0 else next_one
            elif at + found[0] > len(data):
                break
            else:
                at += found[0]
                self._seconds += found[1]
        self._held = data[at:]
        return self._seconds


_FLAC_SIZES = {
    1: 192,
    **{n: 576 << n - 2 for n in range(2, 6)},
    **{n: 1 << n for n in range(8, 16)},
}


class _Flac:
    """A frame says which it is of how many samples; a checksum tells it from what looks like one
    (RFC 9639). One stream may follow the other."""

    def __init__(self) -> None:
        self._held = b""
        self._rate = 0
        self._size = 0  # samples of a frame, but for the last
        self._before = self._seconds = 0.0  # of the streams that have ended; of this one

    def feed(self, data: bytes) -> float:
        self._held += data
        while self._rate or self._starts():
            end = self._held.find(b"fLaC")
            self._frames(len(self._held) if end < 0 else end)
            if end < 0:
                self._held = self._held[-15:]
                break
            self._before, self._seconds, self._rate = self._before + self._seconds, 0.0, 0
            self._held = self._held[end:]
        return self._before + self._seconds

    def _frames(self, end: int) -> None:
        """Those that begin before `end`."""
        at = 0
        while 0 <= (at := self._held.find(b"\xff", at, end)) <= len(self._held) - 16:
            self._frame(self._held[at : at + 16])
            at += 1

    def _starts(self) -> bool:
        """Whether the rate has been seen."""
        found = self._held.find(b"fLaC")
        if found < 0 or len(self._held) < found + 4 + 4 + 34:
            if found < 0 and len(self._held) > 1 << 20:
                raise ProtocolError("expected FLAC, got something else")
            return False
        info = self._held[found + 8 :]
        self._rate = int.from_bytes(info[10:13], "big") >> 4
        self._size = int.from_bytes(info[2:4], "big")
        self._held = self._held[found + 8 + 34 :]
        if not self._rate:
            raise ProtocolError("expected FLAC of audio, got some without a rate")
        return True

    def _frame(self, head: bytes) -> None:
        if head[1] & 0xFE != 0xF8:
            return
        size_code = head[2] >> 4
        length = 8 - (head[4] ^ 0xFF).bit_length() if head[4] & 0x80 else 1
        after = 4 + max(1, length)
        size = _FLAC_SIZES.get(size_code, 0)
        if size_code in (6, 7):
            wide = size_code - 5
            size = int.from_bytes(head[after : after + wide], "big") + 1
            after += wide
        after += {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
        if not size or after >= len(head) or _crc8(head[:after]) != head[after]:
            return
        number = _utf8(head[4 : 4 + max(1, length)])
        start = number if head[1] & 1 else number * self._size
        self._seconds = max(self._seconds, (start + size) / self._rate)


def _utf8(data: bytes) -> int:
    """A number in the manner of UTF-8, of up to 36 bits."""
    if len(data) == 1:
        return data[0]
    number = data[0] & (0x7F >> len(data))
    for byte in data[1:]:
        number = number << 6 | byte & 0x3F
    return number


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc << 1 ^ 0x107 if crc & 0x80 else crc << 1
    return crc


class _Ogg:
    """By the positions that its pages tell: of Opus, Vorbis or FLAC, one stream after the other."""

    def __init__(self) -> None:
        self._pages = PageReader()
        self._before = self._seconds = 0.0  # of the streams that have ended; of this one
        self._start = self._clock = 0

    def feed(self, data: bytes) -> float:
        for packet in self._pages.feed(data):
            if packet.is_first:
                self._before, self._seconds = self._before + self._seconds, 0.0
                self._start, self._clock = _ogg_clock(packet)
            elif packet.granule not in (NO_GRANULE, 0):
                self._seconds = max(0.0, (packet.granule - self._start) / self._clock)
        return self._before + self._seconds


def _ogg_clock(packet: Packet) -> tuple[int, int]:
    """Where the audio of a stream begins, and its clock (Hz), by its first packet."""
    head, start, clock = packet.data, 0, 0
    if head.startswith(b"OpusHead") and len(head) >= 12:
        start, clock = int.from_bytes(head[10:12], "little"), OPUS_CLOCK
    elif head.startswith(b"\x01vorbis") and len(head) >= 16:
        clock = int.from_bytes(head[12:16], "little")
    elif head.startswith(b"\x7fFLAC") and len(head) >= 30:
        clock = int.from_bytes(head[27:30], "big") >> 4
    if not clock:
        raise ProtocolError("expected Opus, Vorbis or FLAC in Ogg, got something else")
    return start, clock


class _Webm:
    """By the times of its blocks (milliseconds, as browsers count them), the last one as long as
    the one before."""

    def __init__(self) -> None:
        self._elements = ebml.ElementReader()
        self._track = self._cluster = 0
        self._first: int | None = None
        self._last = self._step = 0

    def feed(self, data: bytes) -> float:
        for at in self._times(data):
            if self._first is None:
                self._first = self._last = at
            if at > self._last:
                self._step, self._last = at - self._last, at
        return 0.0 if self._first is None else (self._last - self._first + self._step) / 1000

    def _times(self, data: bytes) -> Iterator[int]:
        for kind, body in self._elements.feed(data):
            if kind == ebml.TRACKS:
                number = ebml.audio_track(body).get(ebml.NUMBER, b"")
                self._track = int.from_bytes(number, "big")
            elif kind == ebml.TIMESTAMP:
                self._cluster = int.from_bytes(body, "big")
            elif (track := ebml.block_track(body)) is not None and track[0] == self._track:
                yield self._cluster + struct.unpack_from(">h", body, track[1])[0]


_LENGTHS: dict[str, type[_Wav | _Mp3 | _Adts | _Flac | _Ogg | _Webm]] = {
    "wav": _Wav,
    "mp3": _Mp3,
    "flac": _Flac,
    "aac": _Adts,
    "opus": _Ogg,
    "ogg": _Ogg,
    "webm": _Webm,
}
