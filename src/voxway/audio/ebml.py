"""EBML, what WebM is written in: elements, as far as audio is concerned."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import ProtocolError

EBML, SEGMENT, CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
TRACKS, TRACK, NUMBER, TYPE = 0x1654AE6B, 0xAE, 0xD7, 0x83
CODEC, PRIVATE = 0x86, 0x63A2
GROUP, BLOCK, SIMPLE_BLOCK, TIMESTAMP = 0xA0, 0xA1, 0xA3, 0xE7
AUDIO_TRACK = 2

# Elements that are entered; their end does not matter, and often they do not tell it.
_ENTERED = {SEGMENT, CLUSTER, GROUP}
_READ = {TRACKS, BLOCK, SIMPLE_BLOCK, TIMESTAMP}
_MAX_ELEMENT = 1 << 20


class ElementReader:
    """The elements that matter, from bytes in chunks of any size. ProtocolError for what is not
    WebM."""

    def __init__(self) -> None:
        self._held = b""
        self._skip = 0  # bytes of an element that nobody needs
        self._is_webm = False

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Those that are complete now: TRACKS, TIMESTAMP, BLOCK and SIMPLE_BLOCK."""
        self._held += data
        if not self._is_webm:
            magic = EBML.to_bytes(4, "big")
            if not magic.startswith(self._held[:4]):
                raise ProtocolError("expected WebM, got something else")
            self._is_webm = len(self._held) >= 4
        while (element := self._next()) is not None:
            yield element

    def _next(self) -> tuple[int, bytes] | None:
        """The next element that matters, if it is all there."""
        while True:
            dropped = min(self._skip, len(self._held))
            self._skip -= dropped
            self._held = self._held[dropped:]
            head = _head(self._held, 0)
            if self._skip or head is None:
                return None
            kind, size, at = head
            if kind in _ENTERED:
                self._held = self._held[at:]
            elif size is None or (kind in _READ and size > _MAX_ELEMENT):
                raise ProtocolError(f"WebM element {kind:#x} has no length or is over 1 MiB")
            elif kind not in _READ:
                self._skip = at + size
            elif len(self._held) < at + size:
                return None
            else:
                body, self._held = self._held[at : at + size], self._held[at + size :]
                return kind, body


def children(body: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements in a whole one."""
    at = 0
    while at < len(body):
        kind, size, at = _head(body, at) or (0, None, at)
        if size is None or at + size > len(body):
            raise ProtocolError("expected WebM, got an element cut short")
        yield kind, body[at : at + size]
        at += size


def audio_track(tracks: bytes) -> dict[int, bytes]:
    """What TRACKS say of the first one with audio, by element; nothing if there is none."""
    for kind, body in children(tracks):
        fields = dict(children(body)) if kind == TRACK else {}
        if int.from_bytes(fields.get(TYPE, b""), "big") == AUDIO_TRACK:
            return fields
    return {}


def block_track(block: bytes) -> tuple[int, int] | None:
    """The number of a block's track, and where its time (16 bits, signed) begins; after that come
    its flags (8 bits) and its content. None if it is cut short."""
    track = _number(block, 0, keep_marker=False)
    return None if track is None or len(block) < track[1] + 3 else track


def _head(data: bytes, at: int) -> tuple[int, int | None, int] | None:
    """Id, size (None: not told) and start of content of the element at `at`; None if incomplete."""
    kind = _number(data, at, keep_marker=True)
    size = _number(data, kind[1], keep_marker=False) if kind else None
    if kind is None or size is None:
        return None
    unknown = (1 << 7 * (size[1] - kind[1])) - 1
    return kind[0], None if size[0] == unknown else size[0], size[1]


def _number(data: bytes, at: int, *, keep_marker: bool) -> tuple[int, int] | None:
    """EBML's number of variable length at `at`, and where it ends; None if incomplete. The marker
    is the bit that tells the length; ids keep it."""
    if at >= len(data):
        return None
    length = 9 - data[at].bit_length()
    if length > 8:
        raise ProtocolError("expected WebM, got a number of more than 8 bytes")
    if at + length > len(data):
        return None
    number = int.from_bytes(data[at : at + length], "big")
    return number if keep_marker else number & ((1 << 7 * length) - 1), at + length
