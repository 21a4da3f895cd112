"""What a wire over plain HTTP says to its transport (`net/http`) and hears from it.

To the wire it is a socket. Sent, a frame is the body of one POST, and an empty text asks for a
`MARK` once all before it is done. Received, bytes are of the answer's body; text is about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from ..audio.formats import AudioFormat
from ..audio.wav import RiffStripper
from ..errors import RULES, ProtocolError
from ..events import Audio, Event, Failed, Flushed
from .base import Address, Dialect, Endpoint, Frame, Opening, dump, parser

ASK_FOR_MARK = ""
END, MARK = "end", "mark"
BOUNDARY = "voxway-5c1d6f0e8b2a4973"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
_FIELD = 'Content-Disposition: form-data; name="{}"'
_FILE = _FIELD.format("file") + '; filename="audio.wav"\r\nContent-Type: audio/wav'


class Failure(Struct, frozen=True):
    """An answer other than 2xx, or none at all (status 0; `body` says why). Seconds."""

    status: int
    body: str
    retry_after: float | None = None


class Detail(Struct, frozen=True):
    message: str = ""


class Complaint(Struct, frozen=True):
    """Where servers say what is wrong: `error` is OpenAI's, `detail` that of FastAPI."""

    error: Detail | str | None = None
    detail: Any = None
    message: str = ""


CODES = {
    0: "backend_connection_failed",
    401: "auth_error",
    403: "forbidden",
    404: "model_not_found",
    413: "payload_too_large",
    429: "rate_limit",
}
MAX_REASON = 300  # characters

read_failure = parser(Failure)


def failed(frame: str) -> Failed:
    """The event for a failure, as the transport wrote it down."""
    failure: Failure = read_failure(frame)
    status = failure.status
    other = "invalid_request" if 400 <= status < 500 else "provider_error"
    code = CODES.get(status, other)
    # What is said of a wrong key may quote it.
    reason = "" if status in (401, 403) else f": {_reason(failure.body)}"
    wait = f"; retry after {failure.retry_after:.0f} s" if failure.retry_after else ""
    said = f"the backend answered {status}" if status else "no answer of the backend"
    return Failed(code, f"{said}{reason}{wait}", RULES[code].retryable)


def _reason(body: str) -> str:
    try:
        told = msgspec.json.decode(body, type=Complaint)
    except (msgspec.DecodeError, RecursionError):
        return body[:MAX_REASON]
    error = told.error.message if isinstance(told.error, Detail) else told.error
    return str(error or told.message or told.detail or body)[:MAX_REASON]


class Answers:
    """The audio of one answer after the other, which is one stream. What comes as WAV though raw
    samples were asked for is taken out of it."""

    def __init__(self, format: AudioFormat) -> None:
        self._format = format
        self._spoken = 0.0  # seconds since the last mark
        self._begin()

    def _begin(self) -> None:
        self._stripper = RiffStripper() if self._format.frame_bytes else None
        self._odd = b""

    def decode(self, frame: Frame) -> Iterator[Event]:
        if isinstance(frame, bytes):
            yield from self._audio(self._stripper.feed(frame) if self._stripper else frame)
        elif frame == END:
            yield from self._audio(self._stripper.flush() if self._stripper else b"")
            self._begin()
        elif frame == MARK:
            spoken, self._spoken = self._spoken, 0.0
            yield Flushed(spoken)
        else:
            self._begin()
            yield failed(frame)

    def _audio(self, data: bytes) -> Iterator[Event]:
        wanted = self._format
        header = self._stripper.header if self._stripper else None
        if header and (header.format, header.channels) != (wanted, 1):
            raise ProtocolError(f"WAV of {header} is not {wanted}, mono")
        data = self._odd + data
        whole = len(data) - len(data) % max(1, wanted.frame_bytes)  # an answer is cut anywhere
        data, self._odd = data[:whole], data[whole:]
        if data:
            self._spoken += wanted.seconds(whole)
            yield Audio(data)


def form(fields: Mapping[str, Any], wav: bytes) -> bytes:
    """The body of a POST of `FORM` with a file of audio."""
    parts = [
        _part(_FIELD.format(name), (value if isinstance(value, str) else dump(value)).encode())
        for name, value in fields.items()
    ]
    return b"".join([*parts, _part(_FILE, wav), f"--{BOUNDARY}--\r\n".encode()])


def _part(head: str, content: bytes) -> bytes:
    # The boundary is no secret: whoever writes it into their audio must not end the part by it.
    safe = content.replace(BOUNDARY.encode(), bytes(len(BOUNDARY)))
    return f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + safe + b"\r\n"


def at(path: str, content: str) -> Callable[[Any, Address], Endpoint]:
    """Where to POST `content` (a media type), with the key of the address."""

    def endpoint(options: Any, address: Address) -> Endpoint:
        base = urlsplit(address.url).path.rstrip("/")
        # SDKs name a server by its URL up to `/v1`; any other path is that of the service itself.
        rest = path.removeprefix("/v1") if base.endswith("/v1") else "" if base else path
        key = {"Authorization": f"Bearer {address.key}"} if address.key else {}
        return Endpoint(address.join(rest, "http"), {"Content-Type": content, **key})

    return endpoint


def no_dialect(opening: Opening) -> Dialect:
    """The front side of such a wire: there is none on a socket."""
    raise ProtocolError("this API is HTTP: POST to it")
