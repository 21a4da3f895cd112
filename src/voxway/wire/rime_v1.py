"""Rime's v1 socket: one context an utterance, each with settings of its own, many side by side.

`ready` comes before anything is asked; a context is `started`, has its audio, and ends with `done`,
`cancelled` or `error`. Facts: rime-api 0.4, livekit-plugins-rime 1.8.9, pipecat 1.14.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .. import events as e
from ..errors import ProtocolError
from . import rime, rime_v1_binary
from . import rime_v1_messages as m
from .base import Address, Endpoint, Frame, Marks, Opening, Wire, dump
from .policies import POLICIES
from .rime_v1_binary import write
from .rime_v1_client import Client
from .rime_v1_context import Context, options_of

PATH = "/ws"
JSON, BINARY = "rime.v1.json", "rime.v1.binary"
DEFAULT = "default"  # the context of messages that name none


class Server:
    """Rime's side."""

    def __init__(self, opening: Opening) -> None:
        self._request_id = opening.request_id or "voxway"
        self._is_binary = opening.subprotocol == BINARY
        self._contexts: dict[str, Context] = {}
        self._defaults = m.SynthesisRequest()
        self._count = 0
        self._left: list[str] = []  # contexts of whose end the client knows already

    def opening(self) -> Iterable[e.Event]:
        return (e.Aside(),)

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        said = read_request(frame)
        given = [name for name in m.PAYLOADS if getattr(said, name) is not None]
        if len(given) != 1:
            raise ProtocolError(f"one payload is needed of {', '.join(m.PAYLOADS)}", param="start")
        name = said.contextId or DEFAULT
        try:
            yield from self._commands(said, name)
        except ProtocolError as error:
            # It is the end of the context that it names.
            yield e.Malformed(error.message, error.error, error.param, context=name)
            if name in self._contexts:
                yield self._leave(name)

    def _commands(self, said: m.RequestMsg, name: str) -> Iterator[e.Event]:
        context = self._contexts.get(name)
        if said.config is not None:
            self._defaults = said.config.defaults or self._defaults
        elif said.start is not None:
            yield from self._start(said.start, name)
        elif said.cancel is not None:
            yield e.Cancel(context=name)
            if context:
                yield self._leave(name)
        elif said.text is not None:
            if context is None or not context.is_open:
                raise ProtocolError(f"context {name[:40]!r} is not open for input", param="text")
            yield e.Text(said.text, context=name)
        elif context and context.is_open:
            context.is_open = False
            yield e.Finish(context=name)

    def _start(self, asked: m.SynthesisRequest, name: str) -> Iterator[e.Event]:
        if name in self._contexts:
            raise ProtocolError(f"context {name[:40]!r} is open already", param="contextId")
        options, is_wav = options_of(asked, self._defaults)
        self._count += 1
        self._contexts[name] = Context(
            f"{self._request_id}.{self._count}", options, is_wav, is_open=not asked.text
        )
        yield e.Start(options, context=name)
        yield e.Aside(context=name)
        if asked.text:
            yield e.Text(asked.text, context=name)
            yield e.Finish(context=name)

    def _leave(self, name: str) -> e.Event:
        del self._contexts[name]
        self._left.append(name)
        return e.Finish(abort=True, context=name)

    def encode(self, event: e.Event) -> Iterator[Frame]:
        context = self._contexts.get(event.context)
        if isinstance(event, e.Audio):
            if context:
                yield context.chunk(event, is_binary=self._is_binary)
        elif (said := self._said(event, context)) is not None:
            yield write(said) if self._is_binary else dump(said)

    def _said(self, event: e.Event, context: Context | None) -> m.ResponseMsg | None:
        name = event.context
        match event:
            case e.Aside() if not name:
                return m.ResponseMsg(ready=m.Ready(1))
            case e.Aside() if context:
                context.is_started = True
                return m.ResponseMsg(contextId=name, started=m.Started(context.request_id))
            case e.Words(words=words) if context:
                context.words += words
            case e.Cleared(cancelled=True):
                return m.ResponseMsg(contextId=name, cancelled=m.Nothing())
            case e.Ended() if name in self._left:
                self._left.remove(name)
            case e.Ended() if context:
                del self._contexts[name]
                if not context.is_failed:
                    return m.ResponseMsg(contextId=name, done=context.done())
            case e.Failed():
                return self._failed(event, context)
        return None

    def _failed(self, event: e.Failed, context: Context | None) -> m.ResponseMsg:
        name = event.context
        if context:
            context.is_failed = True
            if not context.is_started:  # the session refused it: no end of it will come
                del self._contexts[name]
        request_id = context.request_id if context else ""
        return m.ResponseMsg(contextId=name, error=m.error_of(event, request_id))

    def closing(self, code: int, reason: str) -> tuple[int, str]:
        return rime.closing(code, reason)


def read_request(frame: Frame) -> m.RequestMsg:
    """In whatever form: only the answers are all in that which was agreed upon."""
    if isinstance(frame, bytes):
        return rime_v1_binary.read_request(frame)
    said: m.RequestMsg = m.read_request(frame)
    return said


def key_in(frame: Frame) -> str:
    try:
        return m.key_in(read_request(frame))
    except ProtocolError:
        return ""


def turned_away(frame: Frame) -> bool:
    try:
        said: m.ResponseMsg = m.read_response(frame)
    except ProtocolError:
        return False
    return said.error is not None and said.error.kind in ("resource_exhausted", "unavailable")


def endpoint(options: e.SpeakOptions, address: Address) -> Endpoint:
    return Endpoint(address.join(PATH), rime.key_headers(address), (JSON,))


WIRE = Wire(
    task="tts",
    provider="rime",
    client=Client,
    endpoint=endpoint,
    server=Server,
    paths=(PATH,),
    subprotocols=(JSON, BINARY),
    names_model="modelId",
    marks=Marks(fields=frozenset({"start", "config"})),
    policy=POLICIES["rime_v1"],
    key_in=key_in,
    turned_away=turned_away,
)
