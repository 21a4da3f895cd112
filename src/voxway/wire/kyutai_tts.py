"""Kyutai speech, `/api/tts_streaming`: words in, frames of 80 ms and the times of words out.

One utterance a socket: `Eos` has the rest spoken, then it closes. Facts: see `kyutai`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from msgspec import Struct

from .. import events as e
from . import kyutai as k
from .base import Address, Endpoint, Frame, Opening, Wire, close_plainly
from .policies import POLICIES

PATH = "/api/tts_streaming"
END = b"\0"  # the same as `Eos`
SETTINGS = ("seed", "temperature", "top_k", "cfg_alpha", "max_seq_len")


class TextMsg(Struct, tag="Text", frozen=True):
    text: str


class VoiceMsg(Struct, tag="Voice", frozen=True):
    embeddings: list[float]
    shape: list[int]


class EosMsg(Struct, tag="Eos", frozen=True):
    pass


class WordMsg(Struct, tag="Text", frozen=True):
    text: str
    start_s: float
    stop_s: float


class Reply(Struct, frozen=True):
    """Any message of the server's as it is read."""

    type: Any = ""
    pcm: list[float] = []
    data: list[int] = []
    text: str = ""
    start_s: float = 0.0
    stop_s: float = 0.0
    message: Any = ""


class Query(Struct, frozen=True):
    format: Literal["Pcm", "PcmMessagePack", "OggOpus", "OggOpusMessagePack"] = "OggOpus"
    voice: str | None = None
    model: str = ""


_command, _reply = k.unpacker(TextMsg | VoiceMsg | EosMsg), k.unpacker(Reply)


class Server:
    """Kyutai's side. Without msgpack there is nothing but audio."""

    def __init__(self, opening: Opening) -> None:
        query, extra = opening.read(Query)
        self._is_packed = query.format.endswith("MessagePack")
        self._is_pcm = query.format.startswith("Pcm")
        self._options = e.SpeakOptions(
            voice=query.voice or None,
            encoding="linear32" if self._is_pcm else "opus",
            sample_rate=k.RATE,
            word_timestamps=self._is_packed,
            extra=extra,
        )
        self._rest = b""  # less than a frame

    def opening(self) -> Iterable[e.Event]:
        return (e.Start(self._options),)

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        if isinstance(frame, str):
            yield from self._say(frame)
            return
        match EosMsg() if frame == END else _command(frame):
            case TextMsg(text=text):
                yield from self._say(text)
            case EosMsg():
                yield e.Finish()
            case _:
                text = "Voice: a voice is known by its name here"
                yield e.Malformed(text, param="embeddings", is_ignorable=True)

    def _say(self, text: str) -> Iterator[e.Event]:
        # Each message is words of its own.
        if text.strip():
            yield e.Text(text if text[-1].isspace() else f"{text} ")

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Audio(data=data):
                yield from self._audio(data)
            case e.Flushed() | e.Ended(reason="client_closed") if self._rest:
                # Players take frames of 80 ms, and no others.
                yield from self._audio(bytes(k.FRAME_BYTES - len(self._rest)))
            case _ if self._is_packed:
                yield from map(k.pack, self._messages(event))

    def _audio(self, data: bytes) -> Iterator[bytes]:
        if self._is_pcm:
            data = self._rest + data
            whole = len(data) - len(data) % k.FRAME_BYTES
            self._rest = data[whole:]
            for frame in k.frames(data[:whole]):
                yield k.audio_message(frame) if self._is_packed else frame
        else:
            yield k.pack(k.OggOpusMsg(list(data))) if self._is_packed else data

    def _messages(self, event: e.Event) -> Iterator[Struct]:
        match event:
            case e.Ready():
                yield k.ReadyMsg()
            case e.Words(words=words):
                for word in words:
                    yield WordMsg(word.text, round(word.start, 3), round(word.end, 3))
            case e.Failed():
                yield k.error_message(event)

    def closing(self, code: int, reason: str) -> tuple[int, str]:
        return close_plainly(code, reason)


class Client:
    """The gateway to Kyutai, for one utterance."""

    def __init__(self, options: e.SpeakOptions, address: Address) -> None:
        self._is_ended = False

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Text(text=text):
                yield k.pack(TextMsg(text))
            case e.Flush() | e.Finish(abort=False) if not self._is_ended:
                self._is_ended = True
                yield k.pack(EosMsg())

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        if isinstance(frame, str):
            return
        said: Reply = _reply(frame)
        match said.type:
            case "Ready":
                yield e.Ready()
            case "Audio" if said.pcm:
                yield e.Audio(k.samples(said.pcm))
            case "Text" if said.text:
                start, end = k.seconds(said.start_s), k.seconds(said.stop_s)
                yield e.Words((e.Word(text=said.text, start=start, end=end),))
            case "Error":
                yield k.failure(str(said.message))


def endpoint(options: e.SpeakOptions, address: Address) -> Endpoint:
    query: dict[str, Any] = {n: v for n, v in options.extra.items() if n in SETTINGS}
    url = address.join(PATH, format="PcmMessagePack", voice=options.voice, **query)
    return Endpoint(url, k.key_headers(address))


WIRE = Wire(
    task="tts",
    provider="kyutai",
    client=Client,
    endpoint=endpoint,
    server=Server,
    paths=(PATH,),
    policy=POLICIES["kyutai_tts"],
    turned_away=k.turned_away,
)
