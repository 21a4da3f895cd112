"""Rime speech in JSON, `/ws3` (and the older `/ws2`): texts into one buffer, spoken sentence by
sentence; `flush` speaks the rest, `eos` ends.

`done` says that all that was there is spoken, if there was anything; an empty flush has no answer.
`contextId` is a mere label: events carry the latest that a text had. Facts: see `rime`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import pybase64

from .. import events as e
from ..audio.wav import wav_header
from ..errors import ProtocolError
from . import rime
from . import rime_messages as m
from .base import Address, Endpoint, Frame, Marks, Opening, Timings, Wire, dump
from .policies import POLICIES

PATH = "/ws3"


class Server:
    """Rime's side. What is not well-formed is told, and costs no more than that. Where Rime goes on
    with what it speaks already, a `clear` ends that as well."""

    def __init__(self, opening: Opening) -> None:
        self._asked = rime.asked_by(opening)
        self._rate = self._asked.options.sample_rate or rime.RATE
        self._flushed: deque[str | None] = deque()  # the labels of what is complete
        self._label: str | None = None
        self._has_text = self._has_header = False
        self._told = 0.0  # seconds up to the end of the last word

    def opening(self) -> Iterator[e.Event]:
        yield e.Start(self._asked.options)

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        said: m.InputMsg = m.read_input(frame)
        if said.text is not None:
            self._label = said.contextId or self._label
            self._has_text |= not said.text.isspace()
            yield e.Text(said.text)
        elif said.operation is None:
            raise ProtocolError("text or operation is needed", param="text")
        match said.operation:
            case "clear":
                self._flushed.clear()
                self._has_text, self._told = False, 0.0
                yield e.Clear()
            case "eos":
                yield e.Finish()
            case "flush" if self._has_text:
                yield self._flush()
            case None if self._asked.is_immediate and self._has_text:
                yield self._flush()

    def _flush(self) -> e.Event:
        self._has_text = False
        self._flushed.append(self._label)
        return e.Flush()

    def encode(self, event: e.Event) -> Iterator[Frame]:
        label = self._flushed[0] if self._flushed else self._label
        match event:
            case e.Audio(data=data):
                yield self._chunk(data, label)
            case e.Ready(sample_rate=rate) if rate:
                self._rate = rate
            case e.Words(words=words) if words:
                yield dump(m.TimestampsMsg(self._timings(words), label))
            case e.Flushed():
                yield self._done(self._flushed.popleft() if self._flushed else self._label)
            case e.Ended(reason="client_closed"):
                yield self._done(label)
            case e.Failed(code=code, message=message):
                yield dump(m.ErrorMsg(rime.numbered(code, message)))

    def _chunk(self, data: bytes, label: str | None) -> str:
        if self._asked.is_wav and not self._has_header:
            data = wav_header(self._rate) + data
        self._has_header = True
        # The one hot message: see unified.py.
        audio = pybase64.b64encode_as_string(data)
        return f'{{"type":"chunk","data":"{audio}","contextId":{dump(label)}}}'

    def _timings(self, words: tuple[e.Word, ...]) -> Timings:
        """From the end of the last: Rime's are of each synthesis, and clients add them up."""
        start, self._told = self._told, words[-1].end
        return Timings(
            tuple(word.text for word in words),
            tuple(round(max(0.0, word.start - start), 3) for word in words),
            tuple(round(max(0.0, word.end - start), 3) for word in words),
        )

    def _done(self, label: str | None) -> str:
        self._has_header, self._told = False, 0.0
        return dump(m.DoneMsg(True, label))

    def closing(self, code: int, reason: str) -> tuple[int, str]:
        return rime.closing(code, reason)


class Client:
    """The gateway to Rime. It may be done before we know that there is no more text, and would not
    say so again: the last sentence waits for the flush. By its label the end of it is told from one
    that was under way when it was sent."""

    def __init__(self, options: e.SpeakOptions, address: Address) -> None:
        self._last = ""
        self._count = 0  # of utterances
        self._is_flushed = False
        self._told = 0.0  # seconds up to the end of the last word

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Text(text=text):
                yield from self._say_last()
                self._last = f"{text} "
            case e.Flush():
                self._count += 1
                yield from self._say_last()
                self._is_flushed = True
                yield dump(m.InputMsg(operation="flush"))
            case e.Finish():
                yield dump(m.InputMsg(operation="eos"))

    def _say_last(self) -> Iterator[Frame]:
        if self._last:
            yield dump(m.InputMsg(self._last, f"u{self._count}"))
        self._last = ""

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        reply: m.Reply = m.read_reply(frame)
        match reply.type:
            case "chunk" if reply.data:
                yield e.Audio(reply.data)
            case "timestamps" if reply.word_timestamps:
                yield from self._words(reply.word_timestamps)
            case "done" if self._is_flushed and reply.contextId != f"u{self._count - 1}":
                self._is_flushed, self._told = False, 0.0
                yield e.Flushed()
            case "error":
                yield rime.failure(str(reply.message))

    def _words(self, timings: Timings) -> Iterator[e.Event]:
        """Timed from the start of each synthesis, which begins where the last one ended."""
        if words := timings.spoken(after=self._told):
            self._told = words[-1].end
            yield e.Words(words)


def endpoint(options: e.SpeakOptions, address: Address) -> Endpoint:
    return Endpoint(rime.url_of(PATH, options, address), rime.key_headers(address))


WIRE = Wire(
    task="tts",
    provider="rime",
    client=Client,
    endpoint=endpoint,
    server=Server,
    paths=(PATH, "/ws2"),
    names_model="modelId",
    marks=Marks(untyped=True),
    policy=POLICIES["rime_ws3"],
)
