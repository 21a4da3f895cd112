"""The messages of Kyutai's recognition. A `Reply` is any of the server's as it is read."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from .kyutai import OggOpusMsg, unpacker


class AudioMsg(Struct, tag="Audio", frozen=True):
    pcm: list[float]


class InitMsg(Struct, tag="Init", frozen=True):
    pass


class MarkerMsg(Struct, tag="Marker", frozen=True):
    id: int


class StepMsg(Struct, tag="Step", frozen=True):
    step_idx: int
    prs: tuple[float, ...]
    buffered_pcm: int


class WordMsg(Struct, tag="Word", frozen=True):
    text: str
    start_time: float


class EndWordMsg(Struct, tag="EndWord", frozen=True):
    stop_time: float


class Reply(Struct, frozen=True):
    type: Any = ""
    prs: tuple[float, ...] = ()
    text: str = ""
    start_time: float = 0.0
    stop_time: float = 0.0
    message: Any = ""


read_command = unpacker(AudioMsg | OggOpusMsg | MarkerMsg | InitMsg)
read_reply = unpacker(Reply)
