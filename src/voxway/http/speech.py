"""Speech as an HTTP answer: it leaves as it is made, and stops when the client goes away.

Until the first audio is there, what goes wrong is an error like any other. After that it is told
where the answer has a place for it; else the connection is cut, so that the client sees a body
without an end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol, assert_never

import pybase64
import structlog
from litestar.types import Receive, Scope, Send
from msgspec import Struct, json

from ..direct import Direct, failure
from ..errors import GatewayError, ProtocolError, refused
from ..events import (
    Audio,
    Ended,
    Event,
    Failed,
    Flush,
    Flushed,
    Ready,
    SpeakOptions,
    Start,
    Text,
    Warning,
    Word,
    Words,
)
from ..visit import Visit
from .forms import Form
from .presence import GoneError, together, watch
from .services import Services
from .stamp import request_id_of
from .telling import told

log = structlog.get_logger("voxway")

Part = Audio | Words | Flushed


class Manner(Protocol):
    """How speech is told to one kind of client. Made anew for every answer."""

    def begin(self, ready: Ready) -> tuple[str, bytes]:
        """The media type, and what comes before everything else."""
        ...

    def tell(self, part: Part) -> bytes:
        """What is told of a part; after `Flushed` there is nothing more."""
        ...

    def fail(self, error: GatewayError, request_id: str) -> bytes:
        """What is told of a failure on the way: nothing, where there is no place for it."""
        ...


class Plainly:
    """The audio as it is. `is_wav` as in `Form`."""

    def __init__(self, *, is_wav: bool = True) -> None:
        self._is_wav = is_wav

    def begin(self, ready: Ready) -> tuple[str, bytes]:
        form = Form(ready.encoding, ready.sample_rate, self._is_wav)
        return form.media_type, form.head

    def tell(self, part: Part) -> bytes:
        return part.data if isinstance(part, Audio) else b""

    def fail(self, error: GatewayError, request_id: str) -> bytes:
        return b""


class SpeechEvent(Struct, frozen=True, omit_defaults=True):
    """One message of a `text/event-stream`: some audio in base64, or the end of it."""

    audio: str
    is_final: bool
    encoding: str | None = None
    sample_rate: int | None = None
    duration: float | None = None  # of all the speech, in the last event


class InEvents:
    """Server-sent events with audio in base64."""

    def begin(self, ready: Ready) -> tuple[str, bytes]:
        self._encoding, self._rate = ready.encoding, ready.sample_rate
        return EVENTS, b""

    def tell(self, part: Part) -> bytes:
        match part:
            case Audio(data=data):
                audio = pybase64.b64encode_as_string(data)
                return sse(SpeechEvent(audio, False, self._encoding, self._rate))
            case Words():
                return b""
            case Flushed(duration=duration):
                return sse(SpeechEvent("", True, duration=duration))
            case unmatched:
                assert_never(unmatched)

    def fail(self, error: GatewayError, request_id: str) -> bytes:
        return sse(refused(error, request_id)[0], "error")


EVENTS = "text/event-stream"


def sse(message: Struct, event: str = "") -> bytes:
    """One server-sent event."""
    name = f"event: {event}\n".encode() if event else b""
    return name + b"data: " + json.encode(message) + b"\n\n"


async def speak(services: Services, visit: Visit, options: SpeakOptions, text: str) -> Direct:
    """A session that says one text. Raises GatewayError."""
    if not text.strip():
        raise ProtocolError("text: there is nothing to say", param="text")
    direct = await services.converse(visit)
    commands: tuple[Event, ...] = (Start(options), Text(text, partial=False), Flush())
    for command in commands:
        direct.say(command)
    return direct


class Speech:
    """An ASGI answer with what a session says, in some manner. `warnings` are told besides those
    of the session."""

    def __init__(
        self,
        direct: Direct,
        manner: Manner,
        headers: Mapping[str, str] = {},
        warnings: Sequence[Warning] = (),
    ) -> None:
        self._direct = direct
        self._manner = manner
        self._headers = headers
        self._warnings = list(warnings)
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
            await _send_body(send, self._manner.fail(error, request_id))
            # Without the end of the body, the server cuts the connection.
        finally:
            self._direct.leave()

    async def _answer(self, send: Send) -> None:
        ready = Ready()
        early: list[Part] = []  # words may come before the audio
        async for part in parts(self._direct):
            match part:
                case Ready():
                    ready = part
                case Warning():
                    self._warnings.append(part)
                case Words() if not self._has_begun:
                    early.append(part)
                case Audio() | Words() | Flushed():
                    if not self._has_begun:
                        await self._begin(send, ready)
                    told_now = [self._manner.tell(each) for each in (*early, part)]
                    early.clear()
                    await _send_body(send, b"".join(told_now))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _begin(self, send: Send, ready: Ready) -> None:
        media_type, head = self._manner.begin(ready)
        headers = {"content-type": media_type, "cache-control": "no-store"}
        headers |= {**self._headers, **told(self._warnings)}
        raw = [(name.encode(), text.encode()) for name, text in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": raw})
        self._has_begun = True
        await _send_body(send, head)


async def parts(direct: Direct) -> AsyncIterator[Ready | Warning | Part]:
    """What a session says of its one text, up to the end of it. Raises GatewayError if it fails
    before."""
    is_ready = False
    async for event in direct:
        match event:
            case Ready():
                is_ready = True
                yield event
            case Audio() | Flushed() if not is_ready:
                raise failure(None)
            case Warning() | Audio() | Words():
                yield event
            case Flushed():
                yield event
                return
            case Failed() | Ended():
                raise failure(event)
            case _:
                continue
    raise failure(None)


class Said(Struct, frozen=True):
    """All that was said. Seconds."""

    audio: bytes
    words: tuple[Word, ...]
    warnings: tuple[Warning, ...]
    duration: float | None


async def whole(direct: Direct, receive: Receive) -> Said:
    """Wait for all of it; give up when the client goes away. The body must have been read."""
    try:
        async with together() as group:
            watching = group.create_task(watch(receive))
            said = await _collect(direct)
            watching.cancel()
    finally:
        direct.leave()
    return said


async def _collect(direct: Direct) -> Said:
    audio: list[bytes] = []
    words: list[Word] = []
    warnings: list[Warning] = []
    duration: float | None = None
    async for part in parts(direct):
        match part:
            case Audio(data=data):
                audio.append(data)
            case Words(words=some):
                words += some
            case Warning():
                warnings.append(part)
            case Flushed():
                duration = part.duration
            case Ready():
                continue
    return Said(b"".join(audio), tuple(words), tuple(warnings), duration)


async def _send_body(send: Send, body: bytes) -> None:
    if body:
        await send({"type": "http.response.body", "body": body, "more_body": True})
