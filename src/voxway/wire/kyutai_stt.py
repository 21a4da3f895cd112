"""Kyutai recognition, `/api/asr-streaming`: frames of 80 ms in; a step for each, and words out.

There are no finals. A marker comes back once all before it is written down, for which the model has
to hear as much more as it is behind: silence, if need be. Facts: see `kyutai`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from msgspec import Struct, structs

from .. import events as e
from . import kyutai as k
from . import kyutai_messages as m
from .base import Address, Endpoint, Frame, Opening, Wire, close_plainly
from .kyutai_words import Clock, Segment, timed
from .policies import POLICIES

PATH = "/api/asr-streaming"
MARGIN = 0.16  # seconds of silence, more than the model is behind
PAUSE = 0.6  # the likelihood of one that is taken for it, as in unmute
OPTIONS = e.ListenOptions(sample_rate=k.RATE, vad_events=True, word_timestamps=True)
HORIZON = 2  # of the four likelihoods, the one that unmute looks at


class Server:
    """Kyutai's side. It is ready at once; in which format it hears is known by the first message.
    Words are never taken back, so those are told that are final."""

    def __init__(self, opening: Opening) -> None:
        self._is_started = self._is_greeted = False
        self._bytes = 0  # less than a frame
        self._told = 0  # steps
        self._pause = 1.0
        self._markers: deque[int] = deque()

    def opening(self) -> Iterable[e.Event]:
        return (e.Aside(),)

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        if isinstance(frame, str):
            return
        match m.read_command(frame):
            case m.AudioMsg(pcm=pcm) if pcm:
                yield from self._start("linear32")
                yield from self._hear(k.samples(pcm))
            case k.OggOpusMsg(data=data) if data:
                yield from self._start("opus")
                yield e.Audio(bytes(byte & 255 for byte in data))
                yield e.Aside()
            case m.MarkerMsg(id=id):
                yield from self._start("linear32")
                self._markers.append(id)
                yield e.Flush()

    def _hear(self, pcm: bytes) -> Iterator[e.Event]:
        """In pieces of a frame: its clients send a second of silence at once."""
        for piece in k.frames(pcm):
            yield e.Audio(piece)
            self._bytes += len(piece)
            if self._bytes >= k.FRAME_BYTES:
                self._bytes -= k.FRAME_BYTES
                yield e.Aside()

    def _start(self, encoding: str) -> Iterator[e.Event]:
        if not self._is_started:
            self._is_started = True
            yield e.Start(structs.replace(OPTIONS, encoding=encoding))

    def encode(self, event: e.Event) -> Iterable[Frame]:
        return map(k.pack, self._messages(event))

    def _messages(self, event: e.Event) -> Iterator[Struct]:
        match event:
            case e.Aside() if not self._is_greeted:
                self._is_greeted = True
                yield k.ReadyMsg()
            case e.Aside():
                yield m.StepMsg(self._told, (self._pause,) * 4, 0)
                self._told += 1
            case e.SpeechStarted() | e.Transcript(final=False):
                self._pause = 0.0
            case e.UtteranceEnd():
                self._pause = 1.0
            case e.Transcript() as t:
                self._pause = 1.0
                for word in timed(t):
                    yield m.WordMsg(word.text, round(word.start, 3))
                    yield m.EndWordMsg(round(word.end, 3))
                if t.from_finalize and self._markers:
                    yield m.MarkerMsg(self._markers.popleft())
            case e.Failed():
                yield k.error_message(event)

    def closing(self, code: int, reason: str) -> tuple[int, str]:
        return close_plainly(code, reason)


class Client:
    """The gateway to Kyutai."""

    def __init__(self, options: e.ListenOptions, address: Address) -> None:
        self._options = options
        # stt-2.6b-en is 2.5 s behind and wants a second of silence first; stt-1b-en_fr 0.5 s.
        self._is_slow = "2.6b" in address.model
        self._clock = Clock()
        self._rest = b""  # less than a frame
        self._markers = 0  # without an answer
        self._segment = Segment(self._clock)

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Start() if self._is_slow:
                yield from self._silence(1.0)
            case e.Audio(data=data):
                data = self._rest + data
                whole = len(data) - len(data) % k.FRAME_BYTES
                self._rest = data[whole:]
                self._clock.hear(whole / k.SECOND)
                yield from map(k.audio_message, k.frames(data[:whole]))
            case e.Flush():
                self._markers += 1
                if rest := self._rest:
                    self._rest = b""
                    yield k.audio_message(rest.ljust(k.FRAME_BYTES, b"\0"))
                    self._clock.hear(len(rest) / k.SECOND)
                    self._clock.pad((k.FRAME_BYTES - len(rest)) / k.SECOND)
                yield k.pack(m.MarkerMsg(self._markers))
                yield from self._silence((2.5 if self._is_slow else 0.5) + MARGIN)

    def _silence(self, seconds: float) -> Iterator[bytes]:
        frames = -int(-seconds * k.RATE // k.FRAME)
        self._clock.pad(frames * k.FRAME / k.RATE)
        yield from [k.audio_message(bytes(k.FRAME_BYTES))] * frames

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        if isinstance(frame, str):
            return
        said: m.Reply = m.read_reply(frame)
        segment = self._segment
        match said.type:
            case "Ready":
                yield e.Ready()
            case "Word" if said.text.strip():
                if not segment.words and self._options.vad_events:
                    yield e.SpeechStarted(self._clock.ours(said.start_time))
                segment.add(said.text.strip(), said.start_time)
                # Wanted or not: the pacer has to know that something is outstanding.
                yield segment.transcript()
            case "EndWord":
                segment.end(said.stop_time)
            case "Step" if said.prs[HORIZON:] and said.prs[HORIZON] > PAUSE and segment.is_whole:
                final = segment.take()
                yield final
                if self._options.vad_events:
                    yield e.UtteranceEnd(final.words[-1].end)
            case "Marker" if self._markers:
                self._markers -= 1
                yield segment.take(from_finalize=True)
            case "Error":
                yield k.failure(str(said.message))


def endpoint(options: e.ListenOptions, address: Address) -> Endpoint:
    return Endpoint(address.join(PATH), k.key_headers(address))


WIRE = Wire(
    task="stt",
    provider="kyutai",
    client=Client,
    endpoint=endpoint,
    server=Server,
    paths=(PATH,),
    policy=POLICIES["kyutai_stt"],
    turned_away=k.turned_away,
)
