"""OpenAI's audio API over HTTP, which most servers of open models have, too.

Speech: one POST a sentence, answered by 24 kHz pcm. Recognition: one POST an utterance, cut here by
its loudness. Both are met as backends only: in front of the gateway, HTTP is no wire.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from msgspec import structs, to_builtins

from .. import events as e
from ..audio.endpoint import Endpointer, Segment
from ..audio.formats import AudioFormat
from ..audio.wav import wav_header
from ..errors import ProtocolError
from . import openai_messages as m
from .base import Address, Frame, Wire, dump, parser
from .http import ASK_FOR_MARK, END, FORM, MARK, Answers, at, failed, form, no_dialect
from .policies import POLICIES

SPEECH_RATE, LISTEN_RATE = 24_000, 16_000  # Hz, where nobody says otherwise
MAX_ANSWER = 1024 * 1024  # bytes of a transcription
DETECTED = ("", "auto", "multi")  # languages that a recognizer finds out by itself

_transcription = parser(m.TranscriptionMsg)


class SpeechClient:
    """The gateway to a voice: the sentences are made in the order in which they come."""

    def __init__(self, options: e.SpeakOptions, address: Address) -> None:
        self._options = options
        self._model = address.model
        rate = options.sample_rate or SPEECH_RATE
        self._answers = Answers(AudioFormat("linear16", rate))

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Text(text=text):
                o = self._options
                speed = None if o.speed == 1.0 else o.speed  # not every model has any
                message = m.SpeechMsg(self._model, text, "pcm", o.voice, speed)
                yield dump(o.extra | to_builtins(message))
            case e.Flush():
                yield ASK_FOR_MARK
            case e.Configure(options=o):
                now = self._options
                voice, speed = o.voice or now.voice, o.speed or now.speed
                self._options = structs.replace(now, voice=voice, speed=speed)

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        # chatterbox-tts-api answers with WAV whatever it is asked for (its source, 2026-11).
        return self._answers.decode(frame)


class TranscriptionClient:
    """The gateway to a recognizer of files. A flush is answered by what it cuts off, if any."""

    def __init__(self, options: e.ListenOptions, address: Address) -> None:
        self._options = options
        self._rate = options.sample_rate or LISTEN_RATE
        # Whisper takes `pt`, not `pt-BR`.
        language = (options.language or "").replace("_", "-").split("-")[0].lower()
        self._form = options.extra | to_builtins(
            m.FormMsg(
                address.model,
                "verbose_json" if options.word_timestamps else "json",
                None if language in DETECTED else language,
                "word" if options.word_timestamps else None,
            )
        )
        self._endpointer = Endpointer(self._rate)
        self._asked: deque[tuple[Segment, bool]] = deque()  # and whether by a flush
        self._answer = b""
        self._has_answered = False  # the flush whose mark comes next

    def encode(self, event: e.Event) -> Iterator[Frame]:
        match event:
            case e.Audio(data=data):
                yield from (self._ask(part, False) for part in self._endpointer.feed(data))
            case e.Flush():
                if rest := self._endpointer.flush():
                    yield self._ask(rest, True)
                yield ASK_FOR_MARK

    def _ask(self, segment: Segment, by_flush: bool) -> Frame:
        self._asked.append((segment, by_flush))
        return form(self._form, wav_header(self._rate, len(segment.pcm)) + segment.pcm)

    def decode(self, frame: Frame) -> Iterator[e.Event]:
        if isinstance(frame, bytes):
            self._answer += frame
            if len(self._answer) > MAX_ANSWER:
                raise ProtocolError(f"a transcription of more than {MAX_ANSWER} bytes")
        elif frame == MARK:
            if not self._has_answered:
                yield e.Transcript("", True, from_finalize=True)
            self._has_answered = False
        elif not self._asked:
            raise ProtocolError("an answer to nothing")
        else:
            answer, self._answer = self._answer, b""
            segment, by_flush = self._asked.popleft()
            if frame != END:
                yield failed(frame)
            elif (heard := _transcription(answer)).text.strip() or by_flush:
                self._has_answered = by_flush
                yield self._transcript(heard, segment, by_flush)

    def _transcript(self, heard: m.TranscriptionMsg, segment: Segment, by_flush: bool) -> e.Event:
        parts = heard.segments or ()
        words = heard.words or [word for part in parts for word in part.words or ()]
        # OpenAI says `english`, others `en`.
        is_code = 0 < len(heard.language or "") <= 3
        return e.Transcript(
            heard.text.strip(),
            True,
            by_flush,
            language=heard.language if is_code else self._options.language,
            start=segment.start,
            duration=segment.duration,
            words=tuple(_word(word, segment.start) for word in words),
            is_endpoint=segment.by_pause or by_flush,
        )


def _word(word: m.WordMsg, start: float) -> e.Word:
    return e.Word(
        text=word.word.strip(),
        start=start + word.start,
        end=start + word.end,
        confidence=word.probability,
    )


SPEECH = Wire(
    task="tts",
    provider="openai",
    client=SpeechClient,
    endpoint=at("/v1/audio/speech", "application/json"),
    server=no_dialect,
    policy=POLICIES["openai_speech"],
)
TRANSCRIPTIONS = Wire(
    task="stt",
    provider="openai",
    client=TranscriptionClient,
    endpoint=at("/v1/audio/transcriptions", FORM),
    server=no_dialect,
    policy=POLICIES["openai_transcriptions"],
)
