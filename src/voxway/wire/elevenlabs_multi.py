"""ElevenLabs speech with contexts: `/v1/text-to-speech/{voice}/multi-stream-input`.

A context's first message configures it, `flush` speaks what it has, `close_context` also ends it,
which `isFinal` confirms. Here "" ends nothing: it keeps a context alive.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from .. import events as e
from . import elevenlabs_messages as m
from .alignment import Reader
from .base import Address, Endpoint, Frame, Marks, Opening, Wire, dump
from .elevenlabs_options import audio_of, endpoint_at, first_message, options_in, options_with
from .policies import POLICIES

CONTEXTS = 5  # at a time; those that are closing count
DEFAULT = "default"  # the context of messages that name none


class Server:
    """ElevenLabs' side."""

    def __init__(self, opening: Opening) -> None:
        self._options = options_in(opening)
        self._teller = m.Teller(audio_of(self._options))  # of what is about no context
        self._tellers: dict[str, m.Teller] = {}  # of each context
        self._closing: set[str] = set()  # those that are not to be added to
        self._is_over = False

    def opening(self) -> Iterable[e.Event]:
        return ()

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        said: m.InputMsg = m.read_input(frame)
        name = said.context_id or said.contextId or DEFAULT
        is_open = name in self._tellers
        if self._is_over:
            return
        if said.close_socket:
            self._is_over = True
            yield e.Finish()
        elif is_open and name not in self._closing:
            yield from self._say(said, name)
        elif is_open or said.close_context or not said.text:
            yield e.KeepAlive()  # or it comes late for a context that is gone
        elif len(self._tellers) >= CONTEXTS:
            message = f"more than {CONTEXTS} contexts at a time"
            yield e.Malformed(message, "rate_limit", "context_id", is_fatal=True)
        else:
            self._tellers[name] = m.Teller(audio_of(self._options), name)
            yield e.Start(options_with(self._options, said), context=name)
            if said.flush or not said.text.isspace():
                yield from self._say(said, name)

    def _say(self, said: m.InputMsg, name: str) -> Iterator[e.Event]:
        if said.close_context:
            self._closing.add(name)
            yield e.Finish(context=name)
            return
        if said.text:
            yield e.Text(said.text, context=name)
        if said.flush:
            yield e.Flush(context=name)
        elif not said.text:
            yield e.KeepAlive()

    def encode(self, event: e.Event) -> Iterator[Frame]:
        if isinstance(event, e.Ended) and not event.context and event.reason in m.DONE:
            for name in list(self._tellers):
                yield from self.encode(e.Ended(context=name))
            return
        yield from self._tellers.get(event.context, self._teller).encode(event)
        if isinstance(event, e.Ended):
            self._tellers.pop(event.context, None)
            self._closing.discard(event.context)

    def closing(self, code: int, reason: str) -> tuple[int, str]:
        return m.closing(code, reason)


class Utterance(Struct):
    """A context at ElevenLabs, and ours that it speaks for. One that is aborted counts there until
    its end is told."""

    context: str
    reader: Reader
    is_aborted: bool = False


class Client:
    """The gateway to ElevenLabs. Each utterance is a context of its own there, so that what comes
    late of an abort is known by it."""

    def __init__(self, options: e.SpeakOptions, address: Address) -> None:
        self._options = {"": options}
        self._count = 0
        self._open: dict[str, str] = {}  # ours with text that is not flushed -> theirs
        self._utterances: dict[str, Utterance] = {}  # by theirs

    def encode(self, event: e.Event) -> Iterable[Frame]:
        return map(dump, self._messages(event))

    def _messages(self, event: e.Event) -> Iterator[m.InputMsg]:
        match event:
            case e.Start(options=e.SpeakOptions() as options):
                self._options[event.context] = options
            case e.Text(text=text, context=context):
                yield from self._begin(context)
                yield m.InputMsg(m.spaced(text), self._open[context])
            case e.Flush(context=context):
                yield from self._begin(context)  # it may have been ended from there
                theirs = self._open.pop(context)
                yield m.InputMsg(context_id=theirs, flush=True)
                yield m.InputMsg(context_id=theirs, close_context=True)
            case e.Clear(context=context) | e.Cancel(context=context):
                for utterance in self._utterances.values():
                    utterance.is_aborted |= utterance.context == context
                if context in self._open:
                    yield m.InputMsg(context_id=self._open.pop(context), close_context=True)
            case e.KeepAlive():
                # A context that has not begun would begin so, without its settings (pipecat #4520).
                yield from (m.InputMsg("", theirs) for theirs in self._open.values())
            case e.Finish(context=""):
                yield m.InputMsg(close_socket=True)

    def _begin(self, context: str) -> Iterator[m.InputMsg]:
        if context in self._open:
            return
        options = self._options.get(context, self._options[""])
        self._count += 1
        theirs = self._open[context] = f"u{self._count}"
        self._utterances[theirs] = Utterance(context, Reader(audio_of(options)))
        yield first_message(options, theirs)

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        said: m.OutputMsg = m.read_output(frame)
        theirs = said.contextId or said.context_id or ""
        utterance = self._utterances.get(theirs)
        if utterance is None:
            if said.is_error and not theirs:
                yield m.failure(said)
            return  # else it was aborted
        context = utterance.context
        is_over, was_open = said.is_last or said.is_error, self._open.get(context) == theirs
        if is_over:
            del self._utterances[theirs]
            if was_open:
                del self._open[context]  # ended from there; the answer is that to the flush
        if not utterance.is_aborted:
            known = m.spoken(said, utterance.reader, context)
            yield from (m.failure(said, context),) if said.is_error else known
        if is_over and utterance.is_aborted:
            yield e.Cleared(context=context)
        elif is_over and not was_open:
            yield e.Flushed(context=context)


def endpoint(options: e.SpeakOptions, address: Address) -> Endpoint:
    return endpoint_at("multi-stream-input", options, address)


WIRE = Wire(
    task="tts",
    provider="elevenlabs",
    client=Client,
    endpoint=endpoint,
    server=Server,
    paths=("/v1/text-to-speech/{voice}/multi-stream-input",),
    names_model="model_id",
    marks=Marks(fields=frozenset({"context_id", "contextId", "close_context", "close_socket"})),
    policy=POLICIES["elevenlabs_multi"],
    key_in=m.key_in,
    is_polite=True,
)
