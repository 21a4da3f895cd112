"""A client of any wire, made of its own `Client`, for tests that put every dialect before every
backend."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import parse_qsl, urlencode

from msgspec import Struct, field, structs
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from conftest import BOUND, Gateway
from voxway.audio.convert import Converter
from voxway.audio.formats import AudioFormat
from voxway.catalog.wires import WIRES
from voxway.events import (
    Audio,
    Ended,
    Event,
    Failed,
    Finish,
    Flush,
    Flushed,
    ListenOptions,
    Options,
    Ready,
    SpeakOptions,
    Start,
    Text,
    Transcript,
    Word,
    Words,
)
from voxway.wire import base
from voxway.wire.base import Address, Codec
from voxway.wire.http import no_dialect
from wire.pair import FORMATS

SPOKEN = SpeakOptions(
    voice="heart",
    language="en",
    encoding="linear16",
    sample_rate=24_000,
    speed=1.0,
    word_timestamps=True,
)
HEARD = ListenOptions(
    encoding="linear16", sample_rate=16_000, language="en", word_timestamps=True, partials=True
)

SOON = 30.0  # seconds: less than a keepalive takes, which would wake what has fallen asleep
PIECE = 32_000  # bytes of audio in one message: a second


def format_of(name: str, task: str) -> AudioFormat:
    """In which a client of this wire has its audio."""
    usual: Options = SPOKEN if task == "tts" else HEARD
    return FORMATS.get(name) or AudioFormat(cast(str, usual.encoding), cast(int, usual.sample_rate))


def dialects(task: str) -> list[str]:
    """The names of all wires that have a socket, for one task."""
    return [
        name
        for name, wires in WIRES.items()
        for wire in wires
        if wire.task == task and name != "engine" and wire.server is not no_dialect
    ]


def wire_of(name: str, task: str) -> base.Wire:
    return next(wire for wire in WIRES[name] if wire.task == task)


class Peer:
    """One connection, in the vocabulary."""

    def __init__(self, gateway: Gateway, name: str, task: str, model: str) -> None:
        wire = wire_of(name, task)
        usual: Any = SPOKEN if task == "tts" else HEARD
        form = format_of(name, task)
        options = structs.replace(usual, encoding=form.encoding, sample_rate=form.sample_rate)
        address = Address(gateway.url, model, gateway.key)
        self.policy = wire.policy
        self.codec: Codec = wire.client(options, address)
        endpoint = wire.endpoint(options, address)
        url = endpoint.url
        if name != "unified":  # by the name of our own: the voice may be the model there
            path, _, query = url.partition("?")
            given = dict(parse_qsl(query)) | {wire.names_model: model}
            url = f"{path}?{urlencode(given)}"
        self._connecting = connect(
            url,
            additional_headers=dict(endpoint.headers),
            subprotocols=[Subprotocol(each) for each in endpoint.subprotocols] or None,
            max_size=64 * 1024,  # no frame to a client is larger
            open_timeout=BOUND,
        )
        self.socket = self._connecting.__enter__()
        self.say(Start(options))

    def say(self, *commands: Event) -> None:
        for command in commands:
            for frame in self.codec.encode(command):
                self.socket.send(frame)

    def hear(self) -> list[Event] | None:
        """What the next frame says; None once the socket is closed."""
        try:
            return list(self.codec.decode(self.socket.recv(SOON)))
        except ConnectionClosed as closed:
            self.close_code = closed.rcvd.code if closed.rcvd else 1006
            return None

    def close(self) -> None:
        self._connecting.__exit__(None, None, None)


class Utterance(Struct):
    """What came back for one flush."""

    pcm: bytes = b""
    words: list[Word] = field(default_factory=list)
    order: list[str] = field(default_factory=list)


def speak(gateway: Gateway, name: str, model: str, texts: list[str]) -> list[Utterance]:
    """Each text spoken as an utterance of its own, one after the other."""
    spoken: list[Utterance] = []
    peer: Peer | None = None
    for text in texts:
        if peer is None:
            peer = Peer(gateway, name, "tts", model)
        peer.say(Text(text, partial=False), Flush())
        got = utterance(peer)
        got.pcm = converted(got.pcm, format_of(name, "tts"), format_of("unified", "tts"))
        spoken.append(got)
        if peer.policy.per_utterance:
            peer.close()
            peer = None
    if peer is not None:
        peer.close()
    return spoken


def converted(audio: bytes, source: AudioFormat, target: AudioFormat) -> bytes:
    if source == target:
        return audio
    converter = Converter(source, target)
    return converter.feed(audio) + converter.flush()


def utterance(peer: Peer) -> Utterance:
    """Everything up to its terminal, or up to a close in order where that is the terminal."""
    got = Utterance()
    while (events := peer.hear()) is not None:
        for event in events:
            match event:
                case Audio(data=data):
                    got.pcm += data
                case Words(words=words):
                    got.words += words
                case Failed(code=code, message=message):
                    raise AssertionError(f"{code}: {message}")
                case Flushed():
                    got.order.append("Flushed")
                    return got
                case _:
                    pass
            if not isinstance(event, Ready):
                got.order.append(type(event).__name__)
    assert peer.policy.per_utterance
    assert peer.close_code == 1000
    got.order.append("Flushed")
    return got


class Heard(Struct):
    """What came back for a recording that was finalized, then ended."""

    finals: list[Transcript] = field(default_factory=list)
    answers: int = 0
    has_ended: bool = False

    @property
    def text(self) -> str:
        return " ".join(final.text for final in self.finals if final.text)

    @property
    def words(self) -> list[Word]:
        return [word for final in self.finals for word in final.words]


def listen(gateway: Gateway, name: str, model: str, pcm: bytes) -> Heard:
    """A recording sent as fast as it goes, finalized, and the stream ended."""
    peer = Peer(gateway, name, "stt", model)
    pcm = converted(pcm, format_of("unified", "stt"), format_of(name, "stt"))
    got = Heard()
    for at in range(0, len(pcm), PIECE):
        peer.say(Audio(pcm[at : at + PIECE]))
    peer.say(Flush())
    while not got.answers and (events := peer.hear()) is not None:
        note(got, events)
    peer.say(Finish())
    if not peer.policy.ends_itself:
        peer.close()
        got.has_ended = True
        return got
    while (events := peer.hear()) is not None:
        note(got, events)
    got.has_ended |= peer.close_code == 1000
    return got


def note(got: Heard, events: list[Event]) -> None:
    for event in events:
        match event:
            case Transcript(final=True):
                got.finals.append(event)
                got.answers += event.from_finalize
            case Ended():
                got.has_ended = True
            case Failed(code=code, message=message):
                raise AssertionError(f"{code}: {message}")
            case _:
                pass
