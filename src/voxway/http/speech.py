"""Speech as an HTTP answer: it leaves as it is made, and stops when the client goes away.

Until the first audio is there, what goes wrong is an error like any other. After that the
connection is cut, so that the client sees a body without an end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import assert_never

import pybase64
import structlog
from litestar.types import Receive, Scope, Send
from msgspec import Struct, json

from ..direct import Direct, failure
from ..errors import ErrorBody, GatewayError, refused
from ..events import Audio, Ended, Failed, Flushed, Ready, Warning
from .forms import Form
from .presence import GoneError, together, watch
from .stamp import request_id_of
from .telling import told

log = structlog.get_logger("voxway")


class SpeechEvent(Struct, frozen=True, omit_defaults=True):
    """One message of a `text/event-stream`: some audio in base64, or the end of it."""

    audio: str
    is_final: bool
    encoding: str | None = None
    sample_rate: int | None = None
    duration: float | None = None  # of all the speech, in the last event


Part = bytes | Flushed


class Speech:
    """An ASGI answer. `is_wav` as in `Form`; `as_events` sends server-sent events."""

    def __init__(self, direct: Direct, *, is_wav: bool, as_events: bool) -> None:
        self._direct = direct
        self._is_wav = is_wav
        self._as_events = as_events
        self._warnings: list[Warning] = []
        self._form: Form | None = None
        self._has_begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = request_id_of(scope)
        try:
            async with together() as group:
                watching = group.create_task(watch(receive))
                await self._answer(send)
                watching.cancel()
        except GoneError:
            return
        except GatewayError as error:
            if not self._has_begun:
                raise
            log.warning("speech cut", code=error.error, request=request_id)
            if self._as_events:
                await _send_error(send, refused(error, request_id)[0])
            # Without the end of the body, the server cuts the connection.
        finally:
            self._direct.leave()

    async def _answer(self, send: Send) -> None:
        async for part in self._parts():
            if not self._has_begun:
                await self._begin(send)
            await _send_body(send, self._event(part) if self._as_events else self._bytes(part))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _parts(self) -> AsyncIterator[Part]:
        """Audio, then the end. Raises GatewayError if there is none."""
        async for event in self._direct:
            match event:
                case Ready(encoding=encoding, sample_rate=rate):
                    self._form = Form(encoding, rate, self._is_wav)
                case Warning():
                    self._warnings.append(event)
                case Audio(data=data):
                    yield data
                case Flushed():
                    yield event
                    return
                case Failed() | Ended():
                    raise failure(event)
                case _:
                    continue
        raise failure(None)

    async def _begin(self, send: Send) -> None:
        if self._form is None:
            raise failure(None)
        media_type = "text/event-stream" if self._as_events else self._form.media_type
        headers = [(b"content-type", media_type.encode()), (b"cache-control", b"no-store")]
        headers += [(name.encode(), text.encode()) for name, text in told(self._warnings).items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        self._has_begun = True
        if not self._as_events:
            await _send_body(send, self._form.head)

    def _bytes(self, part: Part) -> bytes:
        return part if isinstance(part, bytes) else b""

    def _event(self, part: Part) -> bytes:
        assert self._form is not None
        match part:
            case bytes():
                audio = pybase64.b64encode_as_string(part)
                return _sse(SpeechEvent(audio, False, self._form.encoding, self._form.sample_rate))
            case Flushed(duration=duration):
                return _sse(SpeechEvent("", True, duration=duration))
            case unmatched:
                assert_never(unmatched)


async def _send_body(send: Send, body: bytes) -> None:
    if body:
        await send({"type": "http.response.body", "body": body, "more_body": True})


async def _send_error(send: Send, body: ErrorBody) -> None:
    await _send_body(send, b"event: error\n" + _sse(body))


def _sse(message: Struct) -> bytes:
    return b"data: " + json.encode(message) + b"\n\n"
