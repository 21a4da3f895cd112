"""Orpheus as Baseten deploys it: settings, bare text, `__END__`; binary audio comes back.

Facts from the server's source (basetenlabs/truss-examples, orpheus-3b-websockets, 2025-11). Nothing
but audio is ever said: an utterance is complete when the socket closes with 1000.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from .. import events as e
from ..errors import ProtocolError
from .base import Address, Endpoint, Frame, Marks, Opening, Wire, close_plainly, dump, invalid
from .policies import POLICIES

PATH = "/environments/production/websocket"
END = "__END__"
RATE = 24_000
ENCODINGS = {"pcm_mulaw": "mulaw"}  # anything else is s16le there


class MetadataMsg(Struct, frozen=True, omit_defaults=True):
    """The first frame. `language` is for orpheus-indic."""

    voice: str | None = None
    language: str | None = None
    encoding: str | None = None
    max_tokens: int | None = None
    buffer_size: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    repetition_penalty: float | None = None


class ControlMsg(Struct, tag="control", frozen=True):
    """What this gateway's users send beside text; Baseten's server would speak it."""

    action: Literal["flush", "stop", "clear", "close", "end"]


ACTIONS: dict[str, e.Event] = {
    "flush": e.Flush(),
    "stop": e.Clear(),
    "clear": e.Clear(),
    "close": e.Finish(),
    "end": e.Finish(),
}
OURS = ("voice", "language", "encoding")
SETTINGS = tuple(name for name in MetadataMsg.__struct_fields__ if name not in OURS)


class Server:
    """Baseten's side. Its URL says nothing, and what goes wrong is only seen by the close."""

    def __init__(self, opening: Opening) -> None:
        self._is_started = False

    def opening(self) -> Iterable[e.Event]:
        return ()

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        if isinstance(frame, bytes):
            raise ProtocolError("a binary frame: send text", param="audio")
        message = _object(frame)
        if message is not None:
            yield from self._control(message) if "type" in message else self._start(message)
        elif frame.strip() == END:
            yield e.Finish()
        elif frame.strip():
            yield from self._begin()
            # The words of all frames are joined with spaces: two frames never make one word.
            yield e.Text(frame if frame[-1].isspace() else f"{frame} ")

    def _begin(self) -> Iterator[e.Event]:
        if not self._is_started:
            self._is_started = True
            yield e.Start(e.SpeakOptions(encoding="linear16", sample_rate=RATE))

    def _control(self, message: dict[str, Any]) -> Iterator[e.Event]:
        try:
            command = ACTIONS[msgspec.convert(message, ControlMsg).action]
        except msgspec.ValidationError as error:
            raise invalid(str(error)) from None
        if isinstance(command, e.Flush):
            yield from self._begin()
        yield command

    def _start(self, message: dict[str, Any]) -> Iterable[e.Event]:
        try:
            metadata = msgspec.convert(message, MetadataMsg)
        except msgspec.ValidationError as error:
            bad = invalid(str(error))
            # No client could read of it: there is nothing to wait for.
            return (e.Malformed(bad.message, bad.error, bad.param, is_start=True, is_fatal=True),)
        self._is_started = True
        extra = {n: v for n, v in message.items() if n not in OURS and v is not None}
        options = e.SpeakOptions(
            voice=metadata.voice or None,
            language=metadata.language or None,
            encoding=ENCODINGS.get(metadata.encoding or "", "linear16"),
            sample_rate=RATE,
            extra=extra,
        )
        return (e.Start(options),)

    def encode(self, event: e.Event) -> Iterable[Frame]:
        return (event.data,) if isinstance(event, e.Audio) else ()

    def closing(self, code: int, reason: str) -> tuple[int, str]:
        return close_plainly(code, reason)


def _object(frame: str) -> dict[str, Any] | None:
    """The JSON object that a frame is. A number is JSON, too, but meant as text."""
    if not frame.lstrip().startswith("{"):
        return None
    try:
        message = msgspec.json.decode(frame)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


class Client:
    """The gateway to such a deployment, for one utterance."""

    def __init__(self, options: e.SpeakOptions, address: Address) -> None:
        self._options = options
        self._is_ended = False

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Start():
                given = {n: v for n, v in self._options.extra.items() if n in SETTINGS}
                yield dump(MetadataMsg(self._options.voice, self._options.language, **given))
            case e.Text(text=text):
                # Word by word, as Baseten's own client does. Each frame lets the server speak at
                # most `buffer_size` words, and so does the end: of a long sentence in one frame
                # the rest would be lost.
                yield from (word if word != END else "END" for word in text.split())
            case e.Flush() | e.Finish():
                if not self._is_ended:
                    yield END
                self._is_ended = True

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        if frame and isinstance(frame, bytes):
            yield e.Audio(frame)


def endpoint(options: e.SpeakOptions, address: Address) -> Endpoint:
    has_path = urlsplit(address.url).path.strip("/")
    headers = {"Authorization": f"Api-Key {address.key}"} if address.key else {}
    return Endpoint(address.join("" if has_path else PATH), headers)


WIRE = Wire(
    task="tts",
    provider="orpheus",
    client=Client,
    endpoint=endpoint,
    server=Server,
    paths=(PATH,),
    marks=Marks(types=frozenset({"control"}), untyped=True, bare_text=True),
    policy=POLICIES["orpheus"],
)
