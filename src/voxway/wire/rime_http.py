"""Rime over HTTP, `POST /v1/rime-tts`: one request a sentence, answered by its audio as it is made.

For where there is no socket, or no room on one. A backend only: in front, HTTP is no wire. Facts:
see `rime`.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, structs, to_builtins

from .. import events as e
from ..audio.formats import AudioFormat
from . import rime
from .base import Address, Endpoint, Frame, Wire, dump
from .http import ASK_FOR_MARK, Answers, at, no_dialect
from .policies import POLICIES

# The older names, which every one of its models and its own servers know.
ACCEPT = {"linear16": "audio/pcm", "mulaw": "audio/x-mulaw", "mp3": "audio/mp3"}


class SpeechMsg(Struct, frozen=True, omit_defaults=True):
    text: str
    modelId: str
    samplingRate: int
    speaker: str | None = None
    lang: str | None = None


class Client:
    """The gateway to Rime."""

    def __init__(self, options: e.SpeakOptions, address: Address) -> None:
        self._options = options
        self._address = address
        self._rate = options.sample_rate or rime.RATE
        self._answers = Answers(AudioFormat(options.encoding or "linear16", self._rate))

    def encode(self, event: e.Event) -> Iterator[Frame]:
        o = self._options
        match event:
            case e.Text(text=text):
                language = rime.language_of(o)
                said = SpeechMsg(text, self._address.model, self._rate, o.voice, language)
                yield dump(rime.settings_of(o, self._address) | to_builtins(said))
            case e.Flush():
                yield ASK_FOR_MARK
            case e.Configure(options=wanted):
                voice, speed = wanted.voice or o.voice, wanted.speed or o.speed
                self._options = structs.replace(o, voice=voice, speed=speed)

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        return self._answers.decode(frame)


_at = at("/v1/rime-tts", "application/json")


def endpoint(options: e.SpeakOptions, address: Address) -> Endpoint:
    there = _at(options, address)
    accept = {"Accept": ACCEPT.get(options.encoding or "", "audio/pcm")}
    return structs.replace(there, headers={**there.headers, **accept})


WIRE = Wire(
    task="tts",
    provider="rime",
    client=Client,
    endpoint=endpoint,
    server=no_dialect,
    policy=POLICIES["rime_http"],
)
