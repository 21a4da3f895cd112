"""What the two sockets of Kyutai's moshi-server have in common: msgpack maps told apart by `type`,
24 kHz audio as lists of single floats in frames of 80 ms, and one text for every error.

Facts: moshi-server (rust, 2025-10), delayed-streams-modeling, unmute; livekit-plugins-kyutai 0.0.6.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from ..errors import RULES, ProtocolError
from ..events import Failed
from .base import Address, Frame, invalid

RATE, FRAME = 24_000, 1920  # Hz, samples
FRAME_BYTES = 4 * FRAME
SECOND = 4 * RATE  # bytes
FULL = "no free channels"
_CODE = re.compile(r"\((\w+)\)$")  # ours stands behind the text

pack = msgspec.msgpack.Encoder().encode


class ReadyMsg(Struct, tag="Ready", frozen=True):
    pass


class OggOpusMsg(Struct, tag="OggOpus", frozen=True):
    data: list[int]


class ErrorMsg(Struct, tag="Error", frozen=True):
    message: str


class Head(Struct, frozen=True):
    type: Any = None
    message: Any = ""


def unpacker(type: Any) -> Callable[[Frame], Any]:
    """A decoder for `type` that fails with ProtocolError naming the field."""
    read = msgspec.msgpack.Decoder(type).decode

    def parse(frame: Frame) -> Any:
        try:
            return read(frame if isinstance(frame, bytes) else frame.encode("utf-8", "replace"))
        except msgspec.ValidationError as error:
            raise invalid(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ProtocolError(f"not msgpack: {error}") from None

    return parse


_head = unpacker(Head)


def turned_away(frame: Frame) -> bool:
    """Whether the first frame says that all channels are taken."""
    try:
        head: Head = _head(frame)
    except ProtocolError:
        return False
    return head.type == "Error" and str(head.message).startswith(FULL)


def audio_message(pcm: bytes) -> bytes:
    """An `Audio` with these samples (linear32). Packed by hand, since msgspec writes doubles."""
    count = len(pcm) // 4
    body = bytearray(b"\xca" * (5 * count))
    for at in range(4):
        body[at + 1 :: 5] = pcm[3 - at : 4 * count : 4]
    return b"\x82\xa4type\xa5Audio\xa3pcm\xdd" + count.to_bytes(4, "big") + body


def frames(pcm: bytes) -> Iterator[bytes]:
    """In pieces of 80 ms; the last may be shorter."""
    return (pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm), FRAME_BYTES))


def samples(pcm: list[float]) -> bytes:
    """Those of an `Audio`, as linear32."""
    try:
        return struct.pack(f"<{len(pcm)}f", *pcm)
    except OverflowError:
        raise ProtocolError("pcm: a number that no single float holds", param="pcm") from None


def seconds(said: float) -> float:
    """A time as it was said; nonsense is the beginning."""
    return min(max(0.0, said), 1e6)


def error_message(failed: Failed) -> ErrorMsg:
    text = failed.message
    if RULES.get(failed.code) == RULES["rate_limit"]:
        text = f"{FULL}: {text}"
    return ErrorMsg(f"{text} ({failed.code})" if failed.code in RULES else text)


def failure(message: str) -> Failed:
    found = _CODE.search(message)
    code = found[1] if found and found[1] in RULES else "provider_error"
    if code == "provider_error" and message.startswith(FULL):
        code = "backpressure"
    return Failed(code, message, RULES[code].retryable)


def key_headers(address: Address) -> Mapping[str, str]:
    return {"kyutai-api-key": address.key} if address.key else {}
