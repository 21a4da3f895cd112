"""The messages of Rime's sockets in JSON, `/ws3` and `/ws2`. A `Reply` is any of the server's."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from .base import Timings, parser


class InputMsg(Struct, frozen=True, omit_defaults=True):
    """Either a text or an operation. A client's settings of a single text (pipecat) are ignored."""

    text: str | None = None
    contextId: str | None = None
    operation: Literal["flush", "clear", "eos"] | None = None


class TimestampsMsg(Struct, tag="timestamps", frozen=True):
    word_timestamps: Timings
    contextId: str | None


class DoneMsg(Struct, tag="done", frozen=True):
    done: bool  # on /ws2
    contextId: str | None


class ErrorMsg(Struct, tag="error", frozen=True):
    message: str


class Reply(Struct, frozen=True):
    type: str = ""
    data: bytes = b""
    word_timestamps: Timings | None = None
    contextId: Any = None
    message: Any = ""


read_input, read_reply = parser(InputMsg), parser(Reply)
