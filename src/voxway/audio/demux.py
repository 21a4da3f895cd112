"""Readers of the plain streams: raw samples, WAV, FLAC and MP3.

A reader takes bytes in chunks of any size and yields linear16 mono audio with its rate as soon as
it can. All readers are push parsers, so none needs a thread or a pipe. ProtocolError, and nothing
else, for bytes that are not what they should be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from ..errors import ProtocolError
from . import g711, wav
from .codec import PacketDecoder, Pcm
from .formats import AudioFormat
from .samples import Samples, decode_linear32, mono

# Metadata and junk that we sit through before we say that there is no audio.
_PATIENCE = 64 * 1024
_STREAMINFO = 34  # bytes of FLAC's first block of metadata

RAW: dict[str, Callable[[bytes], bytes]] = {
    "linear16": lambda data: data,
    "linear32": decode_linear32,
    "mulaw": g711.decode_mulaw,
    "alaw": g711.decode_alaw,
}


class RawReader:
    """Samples and nothing else; any bytes will do."""

    def __init__(self, format: AudioFormat) -> None:
        self._rate = format.sample_rate
        self._unit = format.frame_bytes
        self._convert = RAW[format.encoding]
        self._carry = b""

    def feed(self, data: bytes) -> Iterator[Pcm]:
        data = self._carry + data
        whole = len(data) // self._unit * self._unit
        self._carry = data[whole:]
        if whole:
            yield Pcm(self._rate, self._convert(data[:whole]))

    def flush(self) -> Iterator[Pcm]:
        return iter(())


# How to read a sample, by WAVE format tag and bits.
_WAV_SAMPLES: dict[tuple[int, int], Callable[[bytes], Samples]] = {
    (wav.PCM, 8): lambda data: np.frombuffer(data, np.uint8),
    (wav.PCM, 16): lambda data: np.frombuffer(data, "<i2"),
    (wav.PCM, 24): lambda data: _three_bytes(data),
    (wav.PCM, 32): lambda data: np.frombuffer(data, "<i4"),
    (wav.FLOAT, 32): lambda data: np.frombuffer(data, "<f4"),
    (wav.FLOAT, 64): lambda data: np.frombuffer(data, "<f8"),
    (wav.ALAW, 8): lambda data: np.frombuffer(g711.decode_alaw(data), "<i2"),
    (wav.MULAW, 8): lambda data: np.frombuffer(g711.decode_mulaw(data), "<i2"),
}


def _three_bytes(data: bytes) -> Samples:
    """24-bit samples as 32-bit ones."""
    wide = np.zeros((len(data) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
    return wide.view("<i4")[:, 0]


class WavReader:
    """A WAV file of any channels and the usual sample types."""

    def __init__(self) -> None:
        self._stripper = wav.RiffStripper()
        self._carry = b""

    def feed(self, data: bytes) -> Iterator[Pcm]:
        self._carry += self._stripper.feed(data)
        header = self._stripper.header
        if header is None:
            if self._carry:
                raise ProtocolError("expected a WAV header, got something else")
            return
        convert = _WAV_SAMPLES.get((header.tag, header.bits))
        if convert is None or not 1 <= header.channels <= 32:
            raise ProtocolError(
                "expected a WAV file of PCM, float or G.711 samples, got"
                f" format {header.tag} with {header.bits} bits and {header.channels} channels"
            )
        unit = header.channels * header.bits // 8
        whole = len(self._carry) // unit * unit
        ready, self._carry = self._carry[:whole], self._carry[whole:]
        if ready:
            samples = convert(ready).reshape(-1, header.channels).T
            yield Pcm(header.format.sample_rate, mono(samples))

    def flush(self) -> Iterator[Pcm]:
        if self._stripper.flush():
            raise ProtocolError("expected a WAV header, the stream ended within it")
        return iter(())


class FlacReader:
    """A FLAC file. libav's parser wants to see about ten frames (a second or so) ahead."""

    def __init__(self) -> None:
        self._tag = TagSkipper()
        self._held = b""
        self._skip = 0  # bytes of metadata that nobody needs
        self._is_flac = self._is_last = False  # the magic, the last block of metadata was seen
        self._info = b""  # the STREAMINFO block
        self._decoder: PacketDecoder | None = None

    def feed(self, data: bytes) -> Iterator[Pcm]:
        data = self._tag.feed(data)
        if self._decoder is None:
            data = self._after_metadata(data)
        if self._decoder is not None and data:
            for packet in self._decoder.split(data):
                yield from self._decoder.packet(packet)

    def flush(self) -> Iterator[Pcm]:
        if self._decoder is None:
            raise ProtocolError("expected a FLAC header, the stream ended within it")
        for packet in self._decoder.split(b""):
            yield from self._decoder.packet(packet)
        yield from self._decoder.flush()

    def _after_metadata(self, data: bytes) -> bytes:
        """The audio after the metadata, and a decoder for it; b"" if there is more to come."""
        self._held += data
        if not self._is_flac:
            if not b"fLaC".startswith(self._held[:4]):
                raise ProtocolError("expected a FLAC file, got something else")
            if len(self._held) < 4:
                return b""
            self._is_flac, self._skip = True, 4
        while self._passed() and not self._is_last:
            is_info = self._held[:1] in (b"\x00", b"\x80")
            if len(self._held) < 4 + is_info * _STREAMINFO:
                return b""
            size = int.from_bytes(self._held[1:4], "big")
            if is_info and size == _STREAMINFO:
                self._info = self._held[4 : 4 + size]
            self._is_last = bool(self._held[0] & 0x80)
            self._skip = 4 + size
        if self._skip or not self._is_last:
            return b""
        if not self._info:
            raise ProtocolError("expected a FLAC file, got one without STREAMINFO")
        self._decoder = PacketDecoder("flac", self._info)
        data, self._held = self._held, b""
        return data

    def _passed(self) -> bool:
        """Drop what is to be skipped; True if that was all."""
        dropped = min(self._skip, len(self._held))
        self._skip -= dropped
        self._held = self._held[dropped:]
        return not self._skip


class FramesReader:
    """Frames of MP3 or AAC (ADTS), with or without tags. Damaged ones are left out, since a stream
    may be joined anywhere; a long run of them, or nothing else, is a ProtocolError."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._tag = TagSkipper()
        self._decoder = PacketDecoder(encoding)
        self._is_first = True
        self._junk = 0  # bytes since there was audio
        self._heard = False

    def feed(self, data: bytes) -> Iterator[Pcm]:
        data = self._tag.feed(data)
        self._junk += len(data)
        if data:
            yield from self._audio(self._decoder.split(data))
        if self._junk > _PATIENCE:
            raise ProtocolError(
                f"expected {self._encoding} audio, got {self._junk} bytes without a frame"
            )

    def flush(self) -> Iterator[Pcm]:
        yield from self._audio(self._decoder.split(b""))
        yield from self._decoder.flush()
        if not self._heard:
            raise ProtocolError(f"expected {self._encoding} audio, got no frame of it")

    def _audio(self, packets: Iterable[bytes]) -> Iterator[Pcm]:
        for packet in packets:
            # An encoder's notes, in the form of a silent frame.
            is_note = self._is_first and (b"Xing" in packet[:64] or b"Info" in packet[:64])
            self._is_first = False
            try:
                pieces = [] if is_note else list(self._decoder.packet(packet))
            except ProtocolError:
                continue
            if pieces or is_note:
                self._heard, self._junk = True, 0
            yield from pieces


class TagSkipper:
    """Leaves out an ID3v2 tag at the start, whatever its size."""

    def __init__(self) -> None:
        self._held: bytes | None = b""
        self._left = 0

    def feed(self, data: bytes) -> bytes:
        """What is not the tag."""
        if self._held is not None:
            data = self._held + data
            if b"ID3".startswith(data[:3]) and len(data) < 10:
                self._held = data
                return b""
            self._held = None
            if data.startswith(b"ID3"):
                size = 0
                for byte in data[6:10]:
                    size = size << 7 | byte & 0x7F
                self._left = 10 + size + (10 if data[5] & 0x10 else 0)
        skipped = min(self._left, len(data))
        self._left -= skipped
        return data[skipped:]
