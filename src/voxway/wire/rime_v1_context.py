"""One context of Rime's v1 socket: what it is asked to be, and what is kept of it meanwhile."""

from __future__ import annotations

import pybase64
from msgspec import Struct, field, structs

from ..audio.wav import wav_header
from ..errors import ConfigError
from ..events import Audio, SpeakOptions, Word
from . import rime_v1_messages as m
from .base import Frame, dump
from .rime import RATE, SHORT
from .rime_v1_binary import write

# Its names of formats -> ours; `audio/wav` is pcm with a header.
OURS = {
    "audio/pcm": "linear16",
    "audio/l16": "linear16",
    "audio/wav": "linear16",
    "audio/pcmu": "mulaw",
    "audio/mpeg": "mp3",
    "audio/ogg;codecs=opus": "opus",
}
NATIVE = {ours: native for native, ours in reversed(OURS.items())}
# Of single models, by the message that they are in.
CODA = ("textLookaheadTokens",)
MIST = ("pauseBetweenBrackets", "phonemizeBetweenBrackets", "saveOovs")


class Context(Struct):
    """`is_open`: more text may come; `is_started`: its client was told so; `is_failed`: likewise,
    which is its end."""

    request_id: str
    options: SpeakOptions
    is_wav: bool
    is_open: bool
    is_started: bool = False
    is_failed: bool = False
    has_header: bool = False
    words: list[Word] = field(default_factory=list)

    def chunk(self, audio: Audio, *, is_binary: bool) -> Frame:
        data = audio.data
        if self.is_wav and not self.has_header:
            data = wav_header(self.options.sample_rate or RATE) + data
        self.has_header = True
        if is_binary:
            return write(m.ResponseMsg(contextId=audio.context, audio=data))
        # The one hot message: see unified.py.
        encoded = pybase64.b64encode_as_string(data)
        return f'{{"contextId":{dump(audio.context)},"audio":"{encoded}"}}'

    def done(self) -> m.Done:
        """Times come once, after all audio, if they were asked for."""
        if not self.options.word_timestamps:
            return m.Done()
        return m.Done(m.Timestamps(m.spans(self.words), m.Status()))


def options_of(
    asked: m.SynthesisRequest, defaults: m.SynthesisRequest
) -> tuple[SpeakOptions, bool]:
    """The options, and whether the audio is to have a WAV header. Raises ConfigError for a format
    that is not made here."""
    missing = {name for name in asked.__struct_fields__ if getattr(asked, name) is None}
    asked = structs.replace(asked, **{name: getattr(defaults, name) for name in missing})
    audio = asked.audioParameters or m.AudioParameters()
    name = (audio.audioFormat or "audio/wav").lower().replace(" ", "")
    if name not in OURS:
        text = f"audioFormat {name[:40]!r} is not one of {', '.join(OURS)}"
        raise ConfigError(text, param="start.audioParameters.audioFormat")
    slower = audio.timeScaleFactor or 1.0
    given = {name: getattr(asked.codaParameters, name, None) for name in CODA}
    given |= {name: getattr(asked.mistParameters, name, None) for name in MIST}
    options = SpeakOptions(
        voice=asked.speaker,
        language=SHORT.get(asked.language or "", asked.language),
        encoding=OURS[name],
        sample_rate=audio.samplingRate or RATE,
        speed=None if slower == 1.0 else round(1 / slower, 3),
        word_timestamps=bool(asked.timestamps and asked.timestamps.enable),
        extra={name: value for name, value in given.items() if value is not None},
    )
    return options, name == "audio/wav"


def request_of(options: SpeakOptions) -> m.SynthesisRequest:
    """How a context for these options is started. Its text follows."""
    speed, extra = options.speed or 1.0, options.extra
    coda = {name: extra[name] for name in CODA if name in extra}
    mist = {name: extra[name] for name in MIST if name in extra}
    return m.SynthesisRequest(
        language=options.language,
        speaker=options.voice,
        audioParameters=m.AudioParameters(
            NATIVE.get(options.encoding or "", "audio/pcm"),
            options.sample_rate or RATE,
            None if speed == 1.0 else round(1 / speed, 3),
        ),
        codaParameters=m.CodaParameters(**coda) if coda else None,
        mistParameters=m.MistParameters(**mist) if mist else None,
        timestamps=m.TimestampOptions(True) if options.word_timestamps else None,
    )
