"""The envelopes of Rime's v1 socket: a context's name, and exactly one payload.

Facts: rime/text_to_speech.proto of rime-api 0.4 (2026-10); in JSON as protobuf has it (camelCase,
bytes in base64, no defaults, durations as `1.5s`).
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from ..errors import RULES
from ..events import Failed, Word
from .base import parser
from .rime import Factor

KINDS = {
    "invalid_input": "invalid_request",
    "unauthenticated": "auth_error",
    "permission_denied": "forbidden",
    "not_found": "model_not_found",
    "resource_exhausted": "rate_limit",
    "timeout": "provider_error",
    "unavailable": "not_ready",
    "unimplemented": "config_error",
    "internal": "provider_error",
}
BY_STATUS = {
    401: "unauthenticated",
    402: "permission_denied",
    403: "permission_denied",
    404: "not_found",
    408: "timeout",
    429: "resource_exhausted",
    503: "unavailable",
}


class AudioParameters(Struct, frozen=True, omit_defaults=True):
    audioFormat: str | None = None
    samplingRate: int | None = None
    timeScaleFactor: Factor | None = None


class CodaParameters(Struct, frozen=True, omit_defaults=True):
    textLookaheadTokens: int | None = None


class MistParameters(Struct, frozen=True, omit_defaults=True):
    pauseBetweenBrackets: bool | None = None
    phonemizeBetweenBrackets: bool | None = None
    inlineTimeScaleFactors: tuple[float, ...] = ()
    saveOovs: bool | None = None


class TimestampOptions(Struct, frozen=True, omit_defaults=True):
    enable: bool = False


class SynthesisRequest(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """With a text it is all that the context says; without, texts follow."""

    language: str | None = None
    speaker: str | None = None
    text: str = ""
    audioParameters: AudioParameters | None = None
    splitStrategy: str | int | None = None
    codaParameters: CodaParameters | None = None
    mistParameters: MistParameters | None = None
    timestamps: TimestampOptions | None = None


class Nothing(Struct, frozen=True):
    pass


class Config(Struct, frozen=True, omit_defaults=True):
    authorization: str | None = None
    license: str | None = None
    defaults: SynthesisRequest | None = None


class RequestMsg(Struct, frozen=True, omit_defaults=True, kw_only=True):
    contextId: str = ""
    config: Config | None = None
    start: SynthesisRequest | None = None
    text: str | None = None
    end: Nothing | None = None
    cancel: Nothing | None = None


def key_in(request: RequestMsg) -> str:
    """That of a browser, which cannot set headers: with or without a scheme."""
    given = request.config.authorization if request.config else None
    return (given or "").strip().rpartition(" ")[2]


PAYLOADS = tuple(name for name in RequestMsg.__struct_fields__ if name != "contextId")


class Ready(Struct, frozen=True):
    protocol: int = 0


class Started(Struct, frozen=True):
    requestId: str = ""


class Span(Struct, frozen=True):
    text: str = ""
    start: str = "0s"
    end: str = "0s"


class Status(Struct, frozen=True, omit_defaults=True):
    """`code` 0 is that all went well."""

    code: int = 0
    message: str = ""


class Timestamps(Struct, frozen=True, omit_defaults=True):
    spans: tuple[Span, ...] = ()
    status: Status | None = None


class Done(Struct, frozen=True, omit_defaults=True):
    timestamps: Timestamps | None = None


class Error(Struct, frozen=True, omit_defaults=True):
    kind: str = ""
    message: str = ""
    requestId: str | None = None

    def failure(self, context: str = "") -> Failed:
        code = KINDS.get(self.kind, "provider_error")
        text = self.message or self.kind or "an error without a text"
        return Failed(code, text, RULES[code].retryable, context=context)


class ResponseMsg(Struct, frozen=True, omit_defaults=True, kw_only=True):
    contextId: str = ""
    ready: Ready | None = None
    started: Started | None = None
    audio: bytes | None = None
    done: Done | None = None
    cancelled: Nothing | None = None
    error: Error | None = None


def error_of(failed: Failed, request_id: str) -> Error:
    status = RULES[failed.code].http_status if failed.code in RULES else 500
    kind = BY_STATUS.get(status, "invalid_input" if status < 500 else "internal")
    return Error(kind, failed.message, request_id or None)


def spans(words: list[Word]) -> tuple[Span, ...]:
    return tuple(Span(w.text, f"{w.start:.3f}s", f"{w.end:.3f}s") for w in words)


def words(timestamps: Timestamps | None) -> tuple[Word, ...]:
    spans = timestamps.spans if timestamps else ()
    return tuple(Word(text=s.text, start=seconds(s.start), end=seconds(s.end)) for s in spans)


def seconds(duration: Any) -> float:
    """`1.5s`; nonsense is the beginning."""
    try:
        return min(max(0.0, float(str(duration).removesuffix("s"))), 1e6)
    except ValueError:
        return 0.0


read_request, read_response = parser(RequestMsg), parser(ResponseMsg)
