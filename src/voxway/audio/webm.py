"""Audio in WebM (and Matroska), as browsers record it: without lengths, cluster after cluster."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import ProtocolError
from . import ebml
from .codec import PacketDecoder, Pcm

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
        self._elements = ebml.ElementReader()
        self._track = 0
        self._decoder: PacketDecoder | None = None

    def feed(self, data: bytes) -> Iterator[Pcm]:
        for kind, body in self._elements.feed(data):
            if kind == ebml.TRACKS:
                self._choose(body)
            elif kind != ebml.TIMESTAMP:
                yield from self._block(body)

    def flush(self) -> Iterator[Pcm]:
        if self._decoder is None:
            raise ProtocolError("expected audio in WebM, the stream ended before it")
        return self._decoder.flush()

    def _choose(self, tracks: bytes) -> None:
        """Find the first audio track."""
        fields = ebml.audio_track(tracks)
        if not fields:
            raise ProtocolError("expected WebM with audio, got none")
        codec = _CODECS.get(fields.get(ebml.CODEC, b"").rstrip(b"\0"))
        if codec is None:
            raise ProtocolError(
                f"expected one of {', '.join(_CODECS.values())} in WebM, got another codec"
            )
        self._track = int.from_bytes(fields.get(ebml.NUMBER, b""), "big")
        self._decoder = PacketDecoder(codec, fields.get(ebml.PRIVATE))

    def _block(self, body: bytes) -> Iterator[Pcm]:
        track = ebml.block_track(body)
        if self._decoder is None or track is None:
            raise ProtocolError("expected a WebM track before its blocks, got a stray block")
        number, at = track
        if number != self._track:
            return
        if body[at + 2] & _LACING:
            raise ProtocolError("expected WebM blocks of one frame each, got laced ones")
        yield from self._decoder.packet(body[at + 3 :])
