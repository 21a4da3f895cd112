"""One server, and the sessions with it: a gateway, or a provider reached directly.

async with Voxway("wss://speech.example.com", key) as vox:
    speech = await vox.speak("Good morning.")
    async with vox.tts(voice="heart") as tts:
        async for chunk in tts.stream(words_of_a_language_model):
            play(chunk.data)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any
from weakref import WeakSet

from msgspec import Struct, structs

from ..audio.formats import AudioFormat
from ..audio.wav import wav_header
from ..errors import ConfigError
from ..events import Audio, Flushed, ListenOptions, Pronunciation, SpeakOptions, Word, Words
from .gateway import find_gateway
from .job import Pieces
from .metrics import Measurement
from .notices import Notice
from .owner import HEARTBEAT, Manner
from .playback import PlaybackBuffer
from .reconnect import TELNYX, Retry
from .service import Service, provider_service
from .stt import Listening, Stt
from .tts import Delivery, Tts

DEFAULT_VOICE, DEFAULT_EAR = "local/hibari:en", "local/moonshine:tiny-en"
UNHURRIED = 60.0  # seconds


class Speech(Struct, frozen=True):
    """What was spoken. Times of words are seconds from its beginning."""

    audio: bytes
    format: AudioFormat
    words: tuple[Word, ...] = ()

    def __repr__(self) -> str:
        return f"Speech({self.seconds:.2f} s, {self.format})"

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
        """Write a WAV file, or compressed audio as it is. Raises OSError."""
        is_raw = bool(self.format.frame_bytes)
        Path(path).write_bytes(self.wav() if is_raw else self.audio)


class Voxway:
    """See the module. Without `provider`, what is not given is looked up as `find_gateway` does.
    With one ("deepgram", "elevenlabs", "cartesia", "telnyx"), `url` is that provider's own if it is
    not given, and models have the names that they have there.

    `on_notice` is called with what its sessions tell of their own doings. Raises ConfigError.
    """

    def __init__(
        self,
        url: str = "",
        key: str = "",
        *,
        provider: str = "",
        ca: str | None = None,
        retry: Retry = TELNYX,
        heartbeat: float = HEARTBEAT,
        on_notice: Callable[[Notice], None] | None = None,
        on_measurement: Callable[[Measurement], None] | None = None,
    ) -> None:
        self.service = (
            provider_service(provider, url, key)
            if provider
            else Service(find_gateway(url, key, ca))
        )
        self._manner = Manner(retry, heartbeat, on_notice, on_measurement)
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

    def tts(
        self,
        model: str = "",
        *,
        voice: str | None = None,
        language: str | None = None,
        encoding: str = "linear16",
        sample_rate: int | None = None,
        speed: float | None = None,
        words: bool = False,
        pronunciation: Pronunciation | None = None,
        extra: Mapping[str, Any] | None = None,
        delivery: Delivery = Delivery(),  # noqa: B008 - it is frozen
        playback: PlaybackBuffer | None = None,
    ) -> Tts:
        """A session with a voice, to be entered with `async with`. `words`: tell their times.
        Audio comes at the rate of `playback`, if there is one, or at `sample_rate`."""
        if playback is not None:
            sample_rate = sample_rate or playback.sample_rate
        options = SpeakOptions(
            voice=voice,
            language=language,
            encoding=encoding,
            sample_rate=sample_rate or self._default_rate(24_000),
            speed=speed,
            word_timestamps=words,
            pronunciation=pronunciation,
            extra=dict(extra or {}),
        )
        route = self.service.route("tts", self._model(model, DEFAULT_VOICE))
        session = Tts(route, options, self._manner, delivery, playback)
        self._sessions.add(session)
        return session

    def stt(
        self,
        model: str = "",
        *,
        language: str | None = None,
        encoding: str = "linear16",
        sample_rate: int = 16_000,
        partials: bool = True,
        vad_events: bool = False,
        words: bool = False,
        speakers: bool = False,
        extra: Mapping[str, Any] | None = None,
        listening: Listening = Listening(),  # noqa: B008 - it is frozen
    ) -> Stt:
        """A session with a recognizer, to be entered with `async with`; `encoding` and
        `sample_rate` are those of the audio that it will be sent."""
        options = ListenOptions(
            language=language,
            encoding=encoding,
            sample_rate=sample_rate,
            partials=partials,
            vad_events=vad_events,
            word_timestamps=words,
            diarization=speakers,
            extra=dict(extra or {}),
        )
        route = self.service.route("stt", self._model(model, DEFAULT_EAR))
        manner = self._manner
        if listening.overflow == "block":
            # A server that reads no faster than it listens answers pings late.
            manner = structs.replace(manner, heartbeat=max(manner.heartbeat, UNHURRIED))
        session = Stt(route, options, manner, listening)
        self._sessions.add(session)
        return session

    async def speak(self, text: Pieces, model: str = "", **options: Any) -> Speech:
        """Speak a text, and give all of it; the options are those of `tts`. Raises GatewayError,
        also if some of the text could not be spoken."""
        async with self.tts(model, **options) as tts:
            return await spoken(tts, text)

    def _model(self, model: str, default: str) -> str:
        if not model and self.service.provider:
            raise ConfigError(f"which model of {self.service.provider}?", param="model")
        return model or default

    def _default_rate(self, rate: int) -> int | None:
        """A gateway knows what fits the model; a provider has to be told."""
        return rate if self.service.provider else None


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
