"""Telnyx speech, `/v2/text-to-speech/speech`: the voice is in the URL, texts and audio in JSON.
One utterance a socket: an empty text ends it, and nothing can be changed.

Facts: developers.telnyx.com and telnyx 4.189 (2026), livekit-plugins-telnyx 1.8.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pybase64
from msgspec import structs

from .. import events as e
from ..audio.wav import wav_header
from ..errors import ProtocolError
from . import telnyx
from .base import Address, Endpoint, Frame, Marks, Opening, Wire, dump
from .policies import POLICIES
from .telnyx_messages import FinalMsg, SpeakMsg, read_speak, read_speech
from .telnyx_query import speak_options_of, speak_query_of

PATH = "/v2/text-to-speech/speech"
FINAL = dump(FinalMsg(None, "", True))


class Server:
    """Telnyx's side. What a client says before the handshake is spoken, too."""

    def __init__(self, opening: Opening) -> None:
        self._options, self._is_wav = speak_options_of(opening)
        self._rate = self._options.sample_rate or 24_000
        self._has_header = False
        self._is_started = False
        self._flushes = 0  # not yet answered

    def opening(self) -> Iterable[e.Event]:
        return ()

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        try:
            yield from self._commands(read_speak(frame))
        except ProtocolError as error:
            yield e.Malformed(error.message, error.error, error.param, is_fatal=True)

    def _commands(self, message: SpeakMsg) -> Iterator[e.Event]:
        text = message.text
        if message.force:
            self._flushes = 0
            yield e.Clear()
        elif text is None:
            raise ProtocolError("text is required", param="text")
        if text == "":
            yield e.Finish()
            return
        if text and not self._is_started:
            yield self._start(message.voice_settings or {})
        elif text and text.isspace():
            yield e.KeepAlive()
        if text and not text.isspace():
            yield e.Text(text)
        if message.flush:
            self._flushes += 1
            yield e.Flush()

    def _start(self, settings: dict[str, Any]) -> e.Start:
        self._is_started = True
        speed = settings.get("voice_speed", settings.get("speed"))  # Telnyx's own, other voices'
        extra = {"voice_settings": settings} if settings else {}
        return e.Start(
            structs.replace(
                self._options,
                speed=speed if isinstance(speed, int | float) else None,
                extra=self._options.extra | extra,
            )
        )

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Audio(data=data):
                yield self._chunk(data)
            case e.Ready(sample_rate=rate) if rate:
                self._rate = rate
            case e.Flushed() if self._flushes:
                self._flushes -= 1
                self._has_header = False
                yield FINAL
            case e.Ended(reason="client_closed"):
                yield FINAL
            case e.Failed(code=code, message=message, param=param):
                yield dump(telnyx.error_message(code, message, param))

    def _chunk(self, data: bytes) -> str:
        if self._is_wav and not self._has_header:
            data = wav_header(self._rate) + data
        self._has_header = True
        audio = pybase64.b64encode_as_string(data)
        return (
            f'{{"type":"audio_chunk","audio":"{audio}","text":null,"isFinal":false,"cached":false}}'
        )

    def closing(self, code: int, reason: str) -> tuple[int, str]:
        return telnyx.closing(code, reason)


class Client:
    """The gateway to Telnyx, for one utterance."""

    def __init__(self, options: e.SpeakOptions, address: Address) -> None:
        given = options.extra.get("voice_settings")
        self._settings = dict(given) if isinstance(given, dict) else {}
        if options.speed not in (None, 1.0):
            self._settings["voice_speed"] = options.speed
        self._is_ended = False

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Start():
                yield dump(SpeakMsg(" ", voice_settings=self._settings or None))
            case e.Text(text=text):
                yield dump(SpeakMsg(f"{text} "))
            case e.KeepAlive():
                yield dump(SpeakMsg(" "))
            case e.Flush() | e.Finish() if not self._is_ended:
                self._is_ended = True
                yield dump(SpeakMsg(""))

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        reply = read_speech(frame)
        if reply.audio:
            yield e.Audio(reply.audio)
        yield from reply.failures()
        # There is a final for each synthesis: those before the end was said are not the last.
        if reply.is_final and self._is_ended:
            yield e.Flushed()


def endpoint(options: e.SpeakOptions, address: Address) -> Endpoint:
    url = address.join(PATH, **speak_query_of(options, address))
    return Endpoint(url, telnyx.key_headers(address))


WIRE = Wire(
    task="tts",
    provider="telnyx",
    client=Client,
    endpoint=endpoint,
    server=Server,
    paths=(PATH,),
    names_model="voice",
    marks=Marks(untyped=True),
    policy=POLICIES["telnyx_tts"],
    refusal=telnyx.refusal,
    headers=telnyx.request_headers,
)
