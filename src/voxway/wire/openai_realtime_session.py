"""How a session of OpenAI's realtime transcription is configured, and when its turns end.

An update changes what it names: what is absent stays, and null is a value. Names are of openai 3.52
and, in `OldSession`, of the beta.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, structs

from ..audio.formats import AudioFormat
from ..errors import ProtocolError
from ..events import ListenOptions, Turns

# The name of a format -> ours. The second generation has objects, the beta had names.
Name = Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
FORMATS: dict[Name, tuple[str, int]] = {
    "audio/pcm": ("linear16", 24_000),
    "audio/pcmu": ("mulaw", 8_000),
    "audio/pcma": ("alaw", 8_000),
}
OLD_FORMATS: dict[str, Name] = {
    "pcm16": "audio/pcm",
    "g711_ulaw": "audio/pcmu",
    "g711_alaw": "audio/pcma",
}
OLD_NAMES = {name: old for old, name in OLD_FORMATS.items()}


class Format(Struct, frozen=True):
    type: Name = "audio/pcm"
    rate: int | UnsetType = UNSET


class Transcription(Struct, frozen=True, omit_defaults=True):
    model: str | None = None
    language: str | None = None
    prompt: str | None = None


class Detection(Struct, frozen=True, omit_defaults=True):
    """Of turns. `threshold` is how loud speech must be, which is nothing to us."""

    type: Literal["server_vad", "semantic_vad"]
    threshold: float | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None
    eagerness: Literal["low", "medium", "high", "auto"] | None = None


class Input(Struct, frozen=True, omit_defaults=True):
    format: Format | UnsetType | None = UNSET
    transcription: Transcription | UnsetType | None = UNSET
    turn_detection: Detection | UnsetType | None = UNSET
    noise_reduction: dict[str, Any] | UnsetType | None = UNSET


class AudioConfig(Struct, frozen=True, omit_defaults=True):
    input: Input = Input()


class Session(Struct, frozen=True, omit_defaults=True):
    type: Literal["transcription"] | UnsetType = UNSET
    audio: AudioConfig = AudioConfig()
    include: tuple[str, ...] | UnsetType | None = UNSET


class OldSession(Struct, frozen=True):
    input_audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"] | UnsetType = UNSET
    input_audio_transcription: Transcription | UnsetType | None = UNSET
    turn_detection: Detection | UnsetType | None = UNSET


SERVER_VAD = Detection("server_vad", 0.5, 300, 500)
LONGEST = 60_000  # ms of silence that can be asked for
# Seconds of silence, and the confidence that it takes, by eagerness.
EAGERNESS = {"low": (8.0, 0.9), "medium": (4.0, 0.7), "high": (2.0, 0.5)}


def turns_of(detection: Detection | None) -> Turns:
    """When a piece of speech ends. Simple voice activity waits for silence alone."""
    if detection is None or detection.type == "server_vad":
        given = SERVER_VAD if detection is None else detection
        ms = 500 if given.silence_duration_ms is None else given.silence_duration_ms
        return Turns(threshold=1.0, timeout=min(max(ms, 1), LONGEST) / 1000)
    timeout, threshold = EAGERNESS.get(detection.eagerness or "auto", EAGERNESS["medium"])
    return Turns(threshold=threshold, timeout=timeout)


def merged(now: Input, given: Input) -> Input:
    """`now` with what is given."""
    fields = {name: v for name, v in structs.asdict(given).items() if v is not UNSET}
    return structs.replace(now, **fields)


def as_input(old: OldSession) -> Input:
    """What the beta says, in the words of today."""
    name = old.input_audio_format
    format = UNSET if name is UNSET else Format(OLD_FORMATS[name])
    return Input(format, old.input_audio_transcription, old.turn_detection)


class Configuration:
    """One session's, as its client has it so far."""

    def __init__(self, model: str | None) -> None:
        format, asked = Format(rate=24_000), Transcription(model)
        self.input = Input(format, asked, SERVER_VAD, noise_reduction=None)
        self._by_url = model
        self.answering = ""  # the id of the model that does

    @property
    def detection(self) -> Detection | None:
        """None: the client commits."""
        given = self.input.turn_detection
        return given if isinstance(given, Detection) else None

    @property
    def turns(self) -> Turns:
        return turns_of(self.detection)

    @property
    def format(self) -> AudioFormat:
        return AudioFormat(*FORMATS[(self.input.format or Format()).type])

    @property
    def in_force(self) -> Input:
        """As the client has it, but for a model that does not answer: the URL chose one."""
        asked, ours = self.input.transcription, self.answering
        names = (None, self._by_url, ours, ours.rpartition("/")[2].partition(":")[0])
        if not ours or not isinstance(asked, Transcription) or asked.model in names:
            return self.input
        return structs.replace(self.input, transcription=structs.replace(asked, model=ours))

    def options(self) -> ListenOptions:
        asked = self.input.transcription or Transcription()
        return ListenOptions(
            language=asked.language,
            encoding=self.format.encoding,
            sample_rate=self.format.sample_rate,
            turns=self.turns,
            extra={"prompt": asked.prompt} if asked.prompt else {},
        )

    def change(self, given: Input) -> None:
        """Raises ProtocolError for a rate that the format does not have."""
        format = given.format
        if isinstance(format, Format) and format.rate not in (UNSET, FORMATS[format.type][1]):
            where = "session.audio.input.format.rate"
            text = f"{where} {format.rate}: {format.type} has {FORMATS[format.type][1]}"
            raise ProtocolError(text, param=where)
        self.input = merged(self.input, given)

    def change_later(self, given: Input) -> bool:
        """Whether the recognizer has to know of it. Raises ProtocolError for what cannot change
        any more."""
        before, after = self.input, merged(self.input, given)
        for name in ("format", "transcription"):
            if getattr(before, name) != getattr(after, name):
                where = f"session.audio.input.{name}"
                raise ProtocolError(f"{where} stays as it was in the first update", param=where)
        self.input = after
        return self.detection is not None and before.turn_detection != after.turn_detection


def detection_for(turns: Turns | None) -> Detection:
    """Without a wish for turns, a pause ends a piece; else the model says when one is over."""
    if turns is None:
        return SERVER_VAD
    if turns.timeout is not None and turns.timeout < EAGERNESS["high"][0]:
        return Detection("server_vad", silence_duration_ms=round(turns.timeout * 1000))
    if turns.timeout is None:
        return Detection("semantic_vad", eagerness="auto")
    near = min(EAGERNESS, key=lambda name: abs(EAGERNESS[name][0] - (turns.timeout or 0.0)))
    return Detection("semantic_vad", eagerness=near)  # type: ignore[arg-type]
