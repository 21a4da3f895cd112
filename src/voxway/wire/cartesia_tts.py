"""Cartesia speech, `/tts/websocket`: messages with one `context_id` are one text, which `done`
ends. Contexts interleave. Facts: cartesia 4.2, livekit-plugins-cartesia 1.8, pipecat 1.14.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .. import events as e
from ..errors import ProtocolError
from . import cartesia
from .base import Address, Endpoint, Frame, Marks, Opening, Wire, dump
from .cartesia_context import Context
from .cartesia_messages import OutputMsg, done, read_speech
from .cartesia_request import RequestMsg, Utterance, context_named, options_of, read_request
from .policies import POLICIES

PATH = "/tts/websocket"


class Server:
    """Cartesia's side. Settings come with each context, none with the socket."""

    def __init__(self, opening: Opening) -> None:
        self._request_id = opening.request_id
        self._contexts: dict[str, Context] = {}
        self._left: list[str] = []  # contexts of whose end the client is not told (again)

    def opening(self) -> Iterable[e.Event]:
        return ()

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        try:
            yield from self._commands(read_request(frame))
        except ProtocolError as error:
            # Clients hear only what names their context, and take an error as its end.
            name = context_named(frame)
            yield e.Malformed(error.message, error.error, error.param, context=name)
            if name in self._contexts:
                yield self._leave(name)

    def _commands(self, request: RequestMsg) -> Iterator[e.Event]:
        name = request.context_id
        context = self._contexts.get(name)
        if request.cancel:
            if context:
                yield e.Cancel(context=name)
                yield self._leave(name)
            return
        if context and context.is_failed:
            yield self._leave(name)
        if name not in self._contexts:
            yield e.Start(options_of(request), context=name)
            self._contexts[name] = Context(request)
        yield from self._contexts[name].take(request)

    def _leave(self, name: str) -> e.Event:
        del self._contexts[name]
        self._left.append(name)
        return e.Finish(abort=True, context=name)

    def encode(self, event: e.Event) -> Iterable[Frame]:
        context = self._contexts.get(event.context)
        if isinstance(event, e.Audio):
            return () if context is None else (context.chunk(event),)
        return map(dump, self._messages(event, context))

    def _messages(
        self, event: e.Event, context: Context | None
    ) -> Iterable[OutputMsg | cartesia.ErrorMsg]:
        name = event.context
        match event:
            case e.Words() | e.Flushed() if context:
                yield from context.tell(event)
            case e.Cleared(cancelled=True):
                yield done(name)
            case e.Ended() if name in self._left:
                self._left.remove(name)
            case e.Ended() if context:
                del self._contexts[name]
                if not context.is_failed:
                    yield done(name)
            case e.Failed(fatal=fatal):
                # What ends the socket ends all contexts, and each has a listener of its own.
                everyone = self._contexts if fatal and not name else ()
                for each in everyone or (name,):
                    known = self._contexts.get(each)
                    if known is None or known.fail():
                        yield cartesia.error_message(event, self._request_id, each)

    def closing(self, code: int, reason: str) -> tuple[int, str]:
        return cartesia.closing(code, reason)


class Client:
    """The gateway to Cartesia. A context there dies a second after its last audio, so every
    utterance has a new one; what is still said in one that we left is dropped."""

    def __init__(self, options: e.SpeakOptions, address: Address) -> None:
        self._default = options
        self._model = options.extra.get("model_id") or address.model
        self._options: dict[str, e.SpeakOptions] = {}
        self._open: dict[str, Utterance] = {}  # by our context
        self._known: dict[str, Utterance] = {}  # by the provider's
        self._count = 0

    def encode(self, event: e.Event) -> Iterator[Frame]:
        context = event.context
        match event:
            case e.Start(options=e.SpeakOptions() as options) | e.Configure(options=options):
                self._options[context] = options
            case e.Text(text=text):
                # Texts are joined as they are; ours are whole sentences without their spaces.
                yield self._say(context, f"{text} ", ends=False)
            case e.Flush():
                yield self._say(context, "", ends=True)
            case e.Finish(abort=False):
                for ours in [ours for ours in self._open if context in ("", ours)]:
                    yield self._say(ours, "", ends=True)
            case e.Clear() | e.Cancel() | e.Finish():
                for utterance in [u for u in self._known.values() if u.context == context]:
                    self._forget(utterance)
                    yield dump(RequestMsg(context_id=utterance.id, cancel=True))

    def _say(self, context: str, text: str, *, ends: bool) -> str:
        utterance = self._open.pop(context, None)
        if utterance is None:
            self._count += 1
            options = self._options.get(context, self._default)
            utterance = Utterance(f"voxway-{self._count}", context, self._model, options)
            self._known[utterance.id] = utterance
        utterance.is_ended = ends
        if not ends:
            self._open[context] = utterance
        return dump(utterance.request(text))

    def _forget(self, utterance: Utterance) -> None:
        del self._known[utterance.id]
        if not utterance.is_ended:
            del self._open[utterance.context]

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        reply = read_speech(frame)
        utterance = self._known.get(reply.context_id or "")
        if utterance is None:
            if reply.type == "error" and not reply.context_id:
                yield reply.failure()
            return
        context = utterance.context
        match reply.type:
            case "chunk" if reply.data:
                yield e.Audio(reply.data, context=context)
            case "timestamps" if reply.word_timestamps:
                yield e.Words(reply.word_timestamps.spoken(), context=context)
            case "done" | "error":
                self._forget(utterance)
                if reply.type == "error":
                    yield reply.failure(context)
                if utterance.is_ended:
                    yield e.Flushed(context=context)


def endpoint(options: e.SpeakOptions, address: Address) -> Endpoint:
    return Endpoint(address.join(PATH), cartesia.key_headers(address))


WIRE = Wire(
    task="tts",
    provider="cartesia",
    client=Client,
    endpoint=endpoint,
    server=Server,
    paths=(PATH,),
    marks=Marks(untyped=True),
    policy=POLICIES["cartesia_tts"],
    refusal=cartesia.refusal,
    headers=cartesia.request_headers,
)
