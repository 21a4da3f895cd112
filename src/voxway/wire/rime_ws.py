"""Rime's plain socket, `/ws`: bare text in, bare audio out, and three commands in angle brackets.

Nothing is ever said of an error, nor of an end: what was asked for is complete when `<EOS>` has
closed the socket. Facts: see `rime`; pipecat 1.14 (RimeNonJsonTTSService).
"""

from __future__ import annotations

from collections.abc import Iterator

from .. import events as e
from ..audio.wav import wav_header
from ..errors import ProtocolError
from . import rime
from .base import Address, Endpoint, Frame, Opening, Wire
from .policies import POLICIES

PATH = "/ws"
CLEAR, FLUSH, EOS = "<CLEAR>", "<FLUSH>", "<EOS>"
COMMANDS: dict[str, e.Event] = {CLEAR: e.Clear(), FLUSH: e.Flush(), EOS: e.Finish()}


class Server:
    """Rime's side."""

    def __init__(self, opening: Opening) -> None:
        self._asked = rime.asked_by(opening, is_timed=False)
        self._rate = self._asked.options.sample_rate or rime.RATE
        self._has_header = False

    def opening(self) -> Iterator[e.Event]:
        yield e.Start(self._asked.options)

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        if isinstance(frame, bytes):
            raise ProtocolError("a binary frame: send text", param="audio")
        if command := COMMANDS.get(frame.strip()):
            yield command
            return
        yield e.Text(frame)
        if self._asked.is_immediate and not frame.isspace():
            yield e.Flush()

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Audio(data=data):
                is_first = self._asked.is_wav and not self._has_header
                self._has_header = True
                yield wav_header(self._rate) + data if is_first else data
            case e.Ready(sample_rate=rate) if rate:
                self._rate = rate
            case e.Flushed():
                self._has_header = False

    def closing(self, code: int, reason: str) -> tuple[int, str]:
        return rime.closing(code, reason)


class Client:
    """The gateway to Rime, for one utterance."""

    def __init__(self, options: e.SpeakOptions, address: Address) -> None:
        self._is_ended = False

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Text(text=text) if text.strip() not in COMMANDS:
                yield f"{text} "
            case e.Flush() | e.Finish() if not self._is_ended:
                self._is_ended = True
                yield EOS

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        if frame and isinstance(frame, bytes):
            yield e.Audio(frame)


def endpoint(options: e.SpeakOptions, address: Address) -> Endpoint:
    return Endpoint(rime.url_of(PATH, options, address), rime.key_headers(address))


WIRE = Wire(
    task="tts",
    provider="rime",
    client=Client,
    endpoint=endpoint,
    server=Server,
    paths=(PATH,),
    names_model="modelId",
    policy=POLICIES["rime_ws"],
)
