"""Audio in Ogg: Opus, Vorbis or FLAC, alone or one stream after the other."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import ProtocolError
from .codec import PacketDecoder, Pcm
from .ogg import Packet, PageReader


class OggReader:
    """linear16 mono audio, packet by packet. ProtocolError for anything else in Ogg, or no Ogg."""

    def __init__(self) -> None:
        self._pages = PageReader()
        self._headers: list[bytes] = []
        self._missing = 0  # header packets still to come
        self._decoder: PacketDecoder | None = None
        self._has_ended = False  # a stream was read to its end
        self._start = self._heard = 0  # samples: granule where the audio begins; since then

    def feed(self, data: bytes) -> Iterator[Pcm]:
        for packet in self._pages.feed(data):
            if packet.is_first:
                self._begin(packet.data)
            elif self._missing:
                self._header(packet.data)
            elif self._decoder is not None:
                yield from self._audio(self._decoder, packet)

    def flush(self) -> Iterator[Pcm]:
        if self._decoder is not None:
            return self._decoder.flush()
        if not self._has_ended:
            raise ProtocolError("expected audio in Ogg, the stream ended before it")
        return iter(())

    def _begin(self, packet: bytes) -> None:
        """A logical stream begins; its first packet says what it is."""
        self._headers, self._decoder = [packet], None
        self._start = self._heard = 0
        if packet.startswith(b"OpusHead") and len(packet) >= 19:
            self._missing = 1
            self._start = int.from_bytes(packet[10:12], "little")
        elif packet.startswith(b"\x01vorbis"):
            self._missing = 2
        elif packet.startswith(b"\x7fFLAC") and len(packet) >= 51:
            # 0 would mean that their number is unknown; a comment is always there.
            self._missing = max(1, int.from_bytes(packet[7:9], "big"))
        else:
            raise ProtocolError("expected Opus, Vorbis or FLAC in Ogg, got something else")

    def _header(self, packet: bytes) -> None:
        self._headers.append(packet)
        self._missing -= 1
        if self._missing:
            return
        first = self._headers[0]
        if first.startswith(b"OpusHead"):
            self._decoder = PacketDecoder("opus", first)
        elif first.startswith(b"\x01vorbis"):
            self._decoder = PacketDecoder("vorbis", _laced(self._headers))
        else:
            self._decoder = PacketDecoder("flac", first[17:51])

    def _audio(self, decoder: PacketDecoder, packet: Packet) -> Iterator[Pcm]:
        pieces = list(decoder.packet(packet.data))
        if packet.is_last:
            pieces += decoder.flush()
        for rate, pcm in pieces:
            self._heard += len(pcm) // 2
            # The last page's granule says where the audio ends; the rest of its packet is padding.
            padding = self._heard - (packet.granule - self._start) if packet.granule > 0 else 0
            if packet.is_last and padding > 0:
                pcm = pcm[: max(0, len(pcm) - 2 * padding)]
            yield Pcm(rate, pcm)
        if packet.is_last:
            self._decoder, self._has_ended = None, True


def _laced(headers: list[bytes]) -> bytes:
    """Vorbis' three headers as libav wants them: their number less one, sizes, then themselves."""
    sizes = b"".join(b"\xff" * (len(h) // 255) + bytes([len(h) % 255]) for h in headers[:-1])
    return bytes([len(headers) - 1]) + sizes + b"".join(headers)
