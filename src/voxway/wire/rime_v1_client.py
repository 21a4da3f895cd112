"""Rime's v1 socket as a provider's: see `rime_v1`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from .. import events as e
from . import rime_v1_messages as m
from .base import Address, Frame, dump
from .rime_v1_context import request_of


class Utterance(Struct):
    """A context of ours, and whether the text of what is said in it is complete."""

    context: str
    is_ended: bool = False


class Client:
    """The gateway to Rime. Every utterance has a context of its own there."""

    def __init__(self, options: e.SpeakOptions, address: Address) -> None:
        self._default = options
        self._options: dict[str, e.SpeakOptions] = {}
        self._open: dict[str, str] = {}  # ours with text that is not flushed -> theirs
        self._known: dict[str, Utterance] = {}  # by theirs
        self._count = 0

    def encode(self, event: e.Event) -> Iterable[Frame]:
        return map(dump, self._messages(event, event.context))

    def _messages(self, event: e.Event, context: str) -> Iterator[m.RequestMsg]:
        match event:
            case e.Start(options=e.SpeakOptions() as options) | e.Configure(options=options):
                self._options[context] = options
            case e.Text(text=text):
                if context not in self._open:
                    yield self._begin(context)
                yield m.RequestMsg(contextId=self._open[context], text=f"{text} ")
            case e.Flush() | e.Finish(abort=False):
                is_all = isinstance(event, e.Finish) and not context
                for ours in list(self._open) if is_all else [context]:
                    if theirs := self._open.pop(ours, None):
                        self._known[theirs].is_ended = True
                        yield m.RequestMsg(contextId=theirs, end=m.Nothing())
            case e.Clear() | e.Cancel() | e.Finish():
                self._open.pop(context, None)
                for theirs in [t for t, u in self._known.items() if u.context == context]:
                    del self._known[theirs]
                    yield m.RequestMsg(contextId=theirs, cancel=m.Nothing())

    def _begin(self, context: str) -> m.RequestMsg:
        self._count += 1
        theirs = self._open[context] = f"voxway-{self._count}"
        self._known[theirs] = Utterance(context)
        options = self._options.get(context, self._default)
        return m.RequestMsg(contextId=theirs, start=request_of(options))

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        said: m.ResponseMsg = m.read_response(frame)
        utterance = self._known.get(said.contextId)
        if said.ready is not None:
            yield e.Ready()
        elif utterance is None:
            if said.error is not None and not said.contextId:
                yield said.error.failure()
        elif said.audio:
            yield e.Audio(said.audio, context=utterance.context)
        elif said.done is not None or said.error is not None or said.cancelled is not None:
            yield from self._over(said, utterance)

    def _over(self, said: m.ResponseMsg, utterance: Utterance) -> Iterator[e.Event]:
        """The context has come to its end there."""
        del self._known[said.contextId]
        context = utterance.context
        if not utterance.is_ended:
            del self._open[context]
        if said.error is not None:
            yield said.error.failure(context)
        timestamps = said.done.timestamps if said.done else None
        if words := m.words(timestamps):
            yield e.Words(words, context=context)
        if utterance.is_ended:
            yield e.Flushed(context=context)
