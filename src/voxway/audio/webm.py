"""Audio in WebM (and Matroska), as browsers record it: without lengths, cluster after cluster."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import ProtocolError
from .codec import PacketDecoder, Pcm

_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
_TRACKS, _TRACK, _NUMBER, _TYPE = 0x1654AE6B, 0xAE, 0xD7, 0x83
_CODEC, _PRIVATE = 0x86, 0x63A2
_GROUP, _BLOCK, _SIMPLE_BLOCK = 0xA0, 0xA1, 0xA3

# Elements that are entered; their end does not matter, and often they do not tell it.
_ENTERED = {_SEGMENT, _CLUSTER, _GROUP}
_READ = {_TRACKS, _BLOCK, _SIMPLE_BLOCK}
_MAX_ELEMENT = 1 << 20

_AUDIO_TRACK = 2
_LACING = 0x06
_CODECS = {
    b"A_OPUS": "opus",
    b"A_VORBIS": "vorbis",
    b"A_FLAC": "flac",
    b"A_AAC": "aac",
    b"A_MPEG/L3": "mp3",
}


class WebmReader:
    """linear16 mono audio of the first audio track, block by block. ProtocolError for what is not
    WebM, or has no track that we know."""

    def __init__(self) -> None:
        self._held = b""
        self._skip = 0  # bytes of an element that nobody needs
        self._is_webm = False
        self._track = 0
        self._decoder: PacketDecoder | None = None

    def feed(self, data: bytes) -> Iterator[Pcm]:
        self._held += data
        if not self._is_webm:
            magic = _EBML.to_bytes(4, "big")
            if not magic.startswith(self._held[:4]):
                raise ProtocolError("expected WebM, got something else")
            self._is_webm = len(self._held) >= 4
        while (element := self._next_element()) is not None:
            match element:
                case (kind, body) if kind == _TRACKS:
                    self._choose(body)
                case (_, body):
                    yield from self._block(body)

    def flush(self) -> Iterator[Pcm]:
        if self._decoder is None:
            raise ProtocolError("expected audio in WebM, the stream ended before it")
        return self._decoder.flush()

    def _next_element(self) -> tuple[int, bytes] | None:
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

    def _choose(self, tracks: bytes) -> None:
        """Find the first audio track."""
        for kind, body in _children(tracks):
            fields = dict(_children(body)) if kind == _TRACK else {}
            if int.from_bytes(fields.get(_TYPE, b""), "big") == _AUDIO_TRACK:
                codec = _CODECS.get(fields.get(_CODEC, b"").rstrip(b"\0"))
                if codec is None:
                    raise ProtocolError(
                        f"expected one of {', '.join(_CODECS.values())} in WebM, got another codec"
                    )
                self._track = int.from_bytes(fields.get(_NUMBER, b""), "big")
                self._decoder = PacketDecoder(codec, fields.get(_PRIVATE))
                return
        raise ProtocolError("expected WebM with audio, got none")

    def _block(self, body: bytes) -> Iterator[Pcm]:
        track = _number(body, 0, keep_marker=False)
        if self._decoder is None or track is None or len(body) < track[1] + 3:
            raise ProtocolError("expected a WebM track before its blocks, got a stray block")
        number, at = track
        if number != self._track:
            return
        if body[at + 2] & _LACING:
            raise ProtocolError("expected WebM blocks of one frame each, got laced ones")
        yield from self._decoder.packet(body[at + 3 :])


def _children(body: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements in a whole one."""
    at = 0
    while at < len(body):
        kind, size, at = _head(body, at) or (0, None, at)
        if size is None or at + size > len(body):
            raise ProtocolError("expected WebM, got an element cut short")
        yield kind, body[at : at + size]
        at += size


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
