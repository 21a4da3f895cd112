"""ElevenLabs speech, one text a socket: `/v1/text-to-speech/{voice}/stream-input`.

The first message configures, "" ends the text; then comes the rest, `isFinal`, and a close (1000).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .. import events as e
from ..errors import ProtocolError
from . import elevenlabs_messages as m
from .alignment import Reader
from .base import Address, Endpoint, Frame, Marks, Opening, Wire, dump
from .elevenlabs_options import audio_of, endpoint_at, first_message, options_in, options_with
from .policies import POLICIES


class Server:
    """ElevenLabs' side. `try_trigger_generation` and later settings have no effect."""

    def __init__(self, opening: Opening) -> None:
        self._options = options_in(opening)
        self._teller = m.Teller(audio_of(self._options))
        self._is_first, self._is_over = True, False

    def opening(self) -> Iterable[e.Event]:
        return ()

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        said: m.InputMsg = m.read_input(frame)
        if said.text is None and not said.flush:
            raise ProtocolError("text: missing", param="text")
        if self._is_over:
            return
        is_first, self._is_first = self._is_first, False
        if is_first:
            yield e.Start(options_with(self._options, said))
        # A space keeps the socket open, but it may stand between two words all the same.
        if said.text and not (is_first and said.text.isspace()):
            yield e.Text(said.text)
        if said.flush:
            yield e.Flush()
        if said.text == "":
            self._is_over = True
            yield e.Finish()

    def encode(self, event: e.Event) -> Iterable[Frame]:
        return self._teller.encode(event)

    def closing(self, code: int, reason: str) -> tuple[int, str]:
        return m.closing(code, reason)


class Client:
    """The gateway to ElevenLabs, for one utterance."""

    def __init__(self, options: e.SpeakOptions, address: Address) -> None:
        self._options = options
        self._reader = Reader(audio_of(options))
        self._is_begun = self._is_ended = False

    def encode(self, event: e.Event) -> Iterable[Frame]:
        return map(dump, self._messages(event))

    def _messages(self, event: e.Event) -> Iterator[m.InputMsg]:
        match event:
            case e.Start(options=e.SpeakOptions() as options):
                self._options = options
                yield from self._begin()
            case e.Text(text=text):
                yield from self._begin()
                yield m.InputMsg(m.spaced(text))
            case e.KeepAlive():
                if self._is_begun and not self._is_ended:
                    yield m.InputMsg(" ")
            case e.Flush() | e.Finish():
                if self._is_begun and not self._is_ended:
                    self._is_ended = True
                    yield m.InputMsg("")

    def _begin(self) -> Iterator[m.InputMsg]:
        if not self._is_begun:
            self._is_begun = True
            yield first_message(self._options)

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        said: m.OutputMsg = m.read_output(frame)
        if said.is_error:
            yield m.failure(said)
            return
        yield from m.spoken(said, self._reader)
        if said.is_last and self._is_ended:
            yield e.Flushed()


def endpoint(options: e.SpeakOptions, address: Address) -> Endpoint:
    return endpoint_at("stream-input", options, address)


WIRE = Wire(
    task="tts",
    provider="elevenlabs",
    client=Client,
    endpoint=endpoint,
    server=Server,
    paths=("/v1/text-to-speech/{voice}/stream-input",),
    names_model="model_id",
    marks=Marks(untyped=True),
    policy=POLICIES["elevenlabs"],
    key_in=m.key_in,
    is_polite=True,
)
