"""libav's codecs without its containers: linear16 to packets, packets to linear16 mono."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from msgspec import Struct

from ..errors import ConfigError, ProtocolError
from .samples import Samples, mono

_PARSED_AT_ONCE = 512  # bytes


class Pcm(NamedTuple):
    """Some linear16 mono audio and its rate (Hz)."""

    rate: int
    data: bytes


_FULL_SCALE = 32_768


class Codec(Struct, frozen=True):
    """An encoder of libav's and how to open it. `sample_format` is one of 16-bit integers, or
    `fltp`; `bit_rate` is in bits per second, 0 where there is none to choose."""

    name: str
    sample_format: str
    sample_rate: int
    bit_rate: int
    options: dict[str, str]


def opened(codec: Codec) -> AudioCodecContext:
    """An encoder for mono audio. ConfigError if it does not take the bit rate."""
    context = av.CodecContext.create(codec.name, "w")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate = codec.sample_rate
    context.format = codec.sample_format
    context.layout = "mono"
    context.bit_rate = codec.bit_rate
    context.options = codec.options
    try:
        context.open()
    except av.FFmpegError as error:
        message = f"{codec.name} takes no bit rate of {codec.bit_rate} at {codec.sample_rate} Hz"
        raise ConfigError(message, param="bit_rate") from error
    return context


class FrameEncoder:
    """Packets from linear16 in chunks of any whole number of samples."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._context = opened(codec)
        self._held = bytearray()
        self._used = False

    @property
    def frame_size(self) -> int:
        """Samples in a packet."""
        return self._context.frame_size

    @property
    def extradata(self) -> bytes:
        """What a decoder must know before the first packet."""
        return self._context.extradata or b""

    def feed(self, pcm: bytes) -> list[bytes]:
        """The packets that are complete now."""
        self._held += pcm
        size = 2 * self.frame_size
        whole = len(self._held) // size * size
        packets: list[bytes] = []
        for start in range(0, whole, size):
            packets += self._encode(bytes(self._held[start : start + size]))
        del self._held[:whole]
        return packets

    def flush(self) -> list[bytes]:
        """The rest. The next `feed` starts a new stream."""
        packets = self._encode(bytes(self._held)) if self._held else []
        if self._used:
            packets += [bytes(packet) for packet in self._context.encode(None)]
            self._context = opened(self._codec)  # a drained encoder takes no more
        self._held.clear()
        self._used = False
        return packets

    def _encode(self, pcm: bytes) -> list[bytes]:
        self._used = True
        samples: Samples = np.frombuffer(pcm, "<i2").reshape(1, -1)
        if self._codec.sample_format == "fltp":
            samples = (samples / _FULL_SCALE).astype(np.float32)
        frame = AudioFrame.from_ndarray(samples, format=self._codec.sample_format, layout="mono")
        frame.sample_rate = self._codec.sample_rate
        return [bytes(packet) for packet in self._context.encode(frame)]


class PacketDecoder:
    """Audio from the packets of one stream. ProtocolError if libav cannot decode one."""

    def __init__(self, name: str, extradata: bytes | None = None) -> None:
        self._name = name
        context = av.CodecContext.create(name, "r")
        assert isinstance(context, AudioCodecContext)
        context.thread_count = 1  # threads would add frames of delay
        if extradata is not None:
            context.extradata = extradata
        self._context = context

    def packet(self, data: bytes) -> Iterator[Pcm]:
        """What one packet says."""
        return self._decode(av.Packet(data)) if data else iter(())

    def split(self, data: bytes) -> Iterator[bytes]:
        """The packets in a stretch of a self-synchronizing stream (mp3, flac); with b"", the last.
        One is held back until the next one's start is seen."""
        # The flac parser gives one packet per call, however much it has been given.
        for start in range(0, len(data), _PARSED_AT_ONCE):
            yield from self._parse(data[start : start + _PARSED_AT_ONCE])
        while not data and (last := self._parse(b"")):
            yield from last

    def _parse(self, data: bytes) -> list[bytes]:
        try:
            return [bytes(packet) for packet in self._context.parse(data)]
        except av.FFmpegError as error:
            raise self._undecodable() from error

    def flush(self) -> Iterator[Pcm]:
        """What the decoder still holds. Nothing can follow."""
        return self._decode(None)

    def _decode(self, packet: av.Packet[Any] | None) -> Iterator[Pcm]:
        try:
            frames = self._context.decode(packet)
        except av.FFmpegError as error:
            raise self._undecodable() from error
        for frame in frames:
            yield Pcm(frame.sample_rate, mono(channels(frame)))

    def _undecodable(self) -> ProtocolError:
        return ProtocolError(f"expected {self._name} audio, got bytes that cannot be decoded")


def channels(frame: AudioFrame) -> Samples:
    """The samples of a frame in the shape (channels, samples)."""
    samples = frame.to_ndarray()
    if frame.format.is_planar:
        return samples
    return samples.reshape(-1, frame.layout.nb_channels).T
