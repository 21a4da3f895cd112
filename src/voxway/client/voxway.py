"""One server, and the sessions with it: a gateway, or a provider reached directly.

async with Voxway("wss://speech.example.com", key) as vox:
    speech = await vox.speak("Good morning.")
    async with vox.tts(voice="heart") as tts:
        async for chunk in tts.stream(words_of_a_language_model):
            play(chunk.data)
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, TypedDict, Unpack
from weakref import WeakSet

from msgspec import Struct, structs

from ..audio.formats import AudioFormat
from ..audio.wav import wav_header
from ..errors import ConfigError
from ..events import Audio, Flushed, ListenOptions, Pronunciation, SpeakOptions, Turns, Word, Words
from .gateway import find_gateway
from .job import Pieces
from .metrics import Measurement
from .notices import Notice
from .owner import HEARTBEAT, Manner
from .playback import PlaybackBuffer
from .reconnect import TELNYX, Retry
from .service import Service, provider_service
from .sinks import ENCODED
from .sources import AnySource, FileSource, StreamSource
from .stt import Listening, Stt
from .transcript import Assembly
from .tts import Delivery, Tts

DEFAULT_VOICE, DEFAULT_EAR = "local/hibari:en", "local/moonshine:tiny-en"
WHOLE = Listening(overflow="block", chunks="steady", replay=30.0, patience=60.0)  # nothing dropped


class Speech(Struct, frozen=True):
    """What was spoken. Times of words are seconds from its beginning."""

    audio: bytes
    format: AudioFormat
    words: tuple[Word, ...] = ()

    def __repr__(self) -> str:
        return f"Speech({self.seconds:.2f} s, {self.format})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("seconds", round(self.seconds, 2)), ("format", self.format)]

    def __bytes__(self) -> bytes:
        return self.audio

    @property
    def seconds(self) -> float:
        return self.format.seconds(len(self.audio))

    def wav(self) -> bytes:
        """The same as a WAV file. Raises ConfigError for compressed audio."""
        if self.format.encoding == "linear32" or not self.format.frame_bytes:
            raise ConfigError(f"{self.format.encoding} does not go into WAV: ask for linear16")
        encoding, rate = self.format.encoding, self.format.sample_rate
        return wav_header(rate, len(self.audio), encoding=encoding) + self.audio

    def save(self, path: str | Path) -> None:
        """Write a WAV file, or compressed audio as it is. Raises OSError, and ConfigError for a
        suffix that belongs to another format."""
        is_raw, suffix = bool(self.format.frame_bytes), Path(path).suffix.lower()
        if is_raw and suffix in ENCODED:
            text = f"cannot write {path}: this is raw audio, which is kept as .wav;"
            raise ConfigError(f"{text} ask for another `encoding` to have it compressed")
        Path(path).write_bytes(self.wav() if is_raw else self.audio)


class How(TypedDict, total=False):
    """How a server is reached. `ca`: a PEM file to check it by. `retry`: when a lost connection is
    tried again. `heartbeat`: seconds of silence after which it is pinged, and then taken for lost.
    `on_notice` and `on_measurement` are told what the sessions do."""

    provider: str
    ca: str | None
    retry: Retry
    heartbeat: float
    on_notice: Callable[[Notice], None] | None
    on_measurement: Callable[[Measurement], None] | None


class Voice(TypedDict, total=False):
    """How to speak. `words`: tell their times. Audio comes at the rate of `playback`, which takes
    what `say` speaks, or at `sample_rate` (Hz). `extra` holds what only some providers know."""

    voice: str | None
    language: str | None
    encoding: str
    sample_rate: int | None
    speed: float | None
    words: bool
    pronunciation: Pronunciation | None
    extra: Mapping[str, Any]
    delivery: Delivery
    playback: PlaybackBuffer | None


class Hearing(TypedDict, total=False):
    """How to listen. `encoding` and `sample_rate` (Hz) are those of the audio that will be sent;
    `words` have times; `speakers` are told apart; `turns`, which only a gateway tells, by when
    they are to end."""

    language: str | None
    encoding: str
    sample_rate: int
    partials: bool
    vad_events: bool
    words: bool
    speakers: bool
    turns: Turns | None
    extra: Mapping[str, Any]
    listening: Listening


class Voxway:
    """See the module. Without `provider`, what is not given is looked up as `find_gateway` does.
    With one ("deepgram", "elevenlabs", "cartesia", "telnyx"), `url` is that provider's own if it is
    not given, and models have the names that they have there. Raises ConfigError.
    """

    def __init__(self, url: str = "", key: str = "", **how: Unpack[How]) -> None:
        provider, ca = how.get("provider", ""), how.get("ca")
        self.service = (
            provider_service(provider, url, key, ca)
            if provider
            else Service(find_gateway(url, key, ca))
        )
        self._manner = Manner(
            how.get("retry", TELNYX),
            how.get("heartbeat", HEARTBEAT),
            how.get("on_notice"),
            how.get("on_measurement"),
        )
        self._sessions: WeakSet[Tts | Stt] = WeakSet()

    def __repr__(self) -> str:
        return f"Voxway({self.service!r})"

    async def __aenter__(self) -> Voxway:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End all of its sessions at once."""
        for session in list(self._sessions):
            await session.aclose()

    def tts(self, model: str = "", **how: Unpack[Voice]) -> Tts:
        """A session with a voice, to be entered with `async with`."""
        playback = how.get("playback")
        rate = how.get("sample_rate") or (playback.sample_rate if playback else None)
        options = SpeakOptions(
            voice=how.get("voice"),
            language=how.get("language"),
            encoding=how.get("encoding", "linear16"),
            sample_rate=rate or self._default_rate(24_000),
            speed=how.get("speed"),
            word_timestamps=how.get("words", False),
            pronunciation=how.get("pronunciation"),
            extra=dict(how.get("extra", {})),
        )
        route = self.service.route("tts", self._model(model, DEFAULT_VOICE))
        delivery = how.get("delivery", Delivery())
        session = Tts(route, options, self._manner, delivery, playback)
        self._sessions.add(session)
        return session

    def stt(self, model: str = "", **how: Unpack[Hearing]) -> Stt:
        """A session with a recognizer, to be entered with `async with`. Raises ConfigError for
        turns of a provider reached directly."""
        turns = how.get("turns")
        if turns is not None and self.service.provider:
            raise ConfigError("turns are told by gateways: call one", param="turns")
        options = ListenOptions(
            language=how.get("language"),
            encoding=how.get("encoding", "linear16"),
            sample_rate=how.get("sample_rate", 16_000),
            partials=how.get("partials", True),
            vad_events=how.get("vad_events", False),
            word_timestamps=how.get("words", False),
            diarization=how.get("speakers", False),
            turns=turns,
            extra=dict(how.get("extra", {})),
        )
        route = self.service.route("stt", self._model(model, DEFAULT_EAR))
        session = Stt(route, options, self._manner, how.get("listening", Listening()))
        self._sessions.add(session)
        return session

    async def speak(self, text: Pieces, model: str = "", **how: Unpack[Voice]) -> Speech:
        """Speak a text, and give all of it. Raises GatewayError, also if some of the text could not
        be spoken."""
        async with self.tts(model, **how) as tts:
            return await spoken(tts, text)

    async def transcribe(
        self, source: AnySource | bytes, model: str = "", **how: Unpack[Hearing]
    ) -> Assembly:
        """Write down a file (its path, or what is in it) or a stream, and give all of it, marked
        `incomplete` if something went wrong at its end. Raises GatewayError."""
        sound = _sound(source)
        how["listening"] = how.get("listening", WHOLE)
        if isinstance(given := getattr(sound, "format", None), AudioFormat):
            how["encoding"], how["sample_rate"] = given.encoding, given.sample_rate
        async with self.stt(model, **how) as stt:
            async for _ in stt.events(sound):
                pass
        return stt.transcript

    def _model(self, model: str, default: str) -> str:
        if not model and self.service.provider:
            raise ConfigError(f"which model of {self.service.provider}?", param="model")
        return model or default

    def _default_rate(self, rate: int) -> int | None:
        """A gateway knows what fits the model; a provider has to be told."""
        return rate if self.service.provider else None


def _sound(source: AnySource | bytes) -> AsyncIterable[bytes]:
    if isinstance(source, bytes):
        return StreamSource(_once(source), name="the audio")
    return FileSource(source) if isinstance(source, str | PathLike) else source


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def spoken(tts: Tts, text: Pieces) -> Speech:
    """All of a text's speech. Raises GatewayError."""
    audio = bytearray()
    words: list[Word] = []
    base = 0.0  # where the utterance began
    async for event in tts.events(text):
        match event:
            case Audio(data=data):
                audio += data
            case Words(words=more):
                words += [
                    structs.replace(word, start=base + word.start, end=base + word.end)
                    for word in more
                ]
            case Flushed():
                base = tts.format.seconds(len(audio))
    return Speech(bytes(audio), tts.format, tuple(words))
