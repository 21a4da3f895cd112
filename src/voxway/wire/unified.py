"""The unified protocol: one set of JSON messages for every voice and every recognizer.

Documented routes carry speech as base64 in `audio_chunk`; the bridge and the engine workers carry
it as binary frames. `Server` is the gateway's side, `Client` that of whoever connects to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, assert_never

import pybase64
from msgspec import Struct, structs

from ..audio.formats import SAMPLE_BYTES, AudioFormat
from ..errors import ProtocolError
from ..events import (
    Adjust,
    Adjusted,
    Aside,
    Audio,
    Cancel,
    Clear,
    Cleared,
    Configure,
    Ended,
    Event,
    Failed,
    Finish,
    Flush,
    Flushed,
    KeepAlive,
    Malformed,
    Ready,
    SegmentEnd,
    SegmentStart,
    SpeakOptions,
    SpeechStarted,
    Start,
    Text,
    Transcript,
    Turn,
    UtteranceEnd,
    Warning,
    Word,
    Words,
)
from . import unified_messages as m
from . import unified_turns as turns
from .base import Frame, Task, dump, parser
from .unified_commands import (
    UnknownType,
    init_from,
    is_init,
    named,
    read_command,
    reference,
    start_from,
    unknown_options,
)


class Style(Struct, frozen=True):
    """What differs between the routes that speak this protocol. `is_bridge`: clients there treat
    every error as the end, so what can be ignored is only warned of, a bad configuration closes
    the socket, and an abort by `cancel` is silent."""

    task: Task
    binary_audio: bool = False
    terminals: Literal["both", "audio_end", "flushed"] = "both"
    is_bridge: bool = False


TRANSPORTS = {"binary": True, "json": False}

_reply = parser(m.ReplyMsg)


class Server:
    """The gateway's side of one socket: reads commands, writes events."""

    def __init__(self, style: Style, context_id: str = "") -> None:
        self._style = style
        self._sequence = 0
        self._format: AudioFormat | None = None
        self._cancel_means_end = False
        self._name(context_id)

    def opening(self) -> Iterable[Event]:
        return ()

    def closing(self, code: int, reason: str) -> tuple[int, str]:
        return code, reason

    def decode(self, frame: Frame) -> Iterable[Event]:
        if isinstance(frame, bytes):
            return (Audio(frame),)
        try:
            return self._commands(read_command(frame), frame)
        except UnknownType as error:
            ignorable = self._style.is_bridge
            return (Malformed(error.message, param=error.param, is_ignorable=ignorable),)
        except ProtocolError as error:
            bad = Malformed(error.message, error.error, error.param, is_start=is_init(frame))
            return (bad,)

    def _commands(self, message: m.CommandMsg, frame: str) -> Iterator[Event]:  # noqa: C901
        match message:  # one case a message
            case m.InitMsg() as init:
                yield self._start(init, frame)
            case m.TextMsg(text=text, flush=flush, partial=partial, pronunciation=given):
                yield Text(text, partial, reference(given, "pronunciation"))
                if flush:
                    yield Flush()
            case m.AudioMsg(data=data):
                yield Audio(data)
            case m.FlushMsg() | m.FinalizeMsg():
                yield Flush()
            case m.ClearMsg():
                yield Clear()
            case m.CancelMsg():
                yield from (Flush(), Finish()) if self._cancel_means_end else (Cancel(),)
            case m.StopMsg():
                yield Cancel() if self._style.task == "tts" else Finish()
            case m.ConfigureMsg() if self._style.task == "stt":
                yield turns.adjustment(message)
            case m.ConfigureMsg(voice=voice, voice_id=id, language=language, speed=speed):
                yield Configure(SpeakOptions(voice=voice or id, language=language, speed=speed))
            case m.CloseMsg():
                yield Finish(abort=self._style.task == "tts")
            case m.KeepAliveMsg():
                yield KeepAlive()
            case m.PingMsg():
                yield KeepAlive(reply=True)
            case unmatched:
                assert_never(unmatched)

    def _start(self, init: m.InitMsg, frame: str) -> Start:
        config = init.config
        self._style = structs.replace(
            self._style,
            binary_audio=TRANSPORTS.get(config.audio_transport or "", self._style.binary_audio),
            terminals=config.terminal or self._style.terminals,
        )
        if init.context_id:
            self._name(init.context_id)
        extra = unknown_options(frame)
        # livekit-plugins-slng 1.5 opens Rime's models so, and never flushes: it sends `cancel` for
        # "speak the rest, then close" (its source, 2026-11-21).
        self._cancel_means_end = "speaker" in extra and "modelId" in extra
        return start_from(init, self._style.task, extra)

    @property
    def context_id(self) -> str:
        """The name of the conversation: the client's, or the one made for it."""
        return self._context_id

    def _name(self, context_id: str) -> None:
        self._context_id = context_id
        self._context_suffix = f',"context_id":{dump(context_id)}}}' if context_id else "}"

    def encode(self, event: Event) -> Iterable[Frame]:
        if isinstance(event, Audio):
            return (event.data if self._style.binary_audio else self._audio_chunk(event.data),)
        return map(dump, self._messages(event))

    def _audio_chunk(self, data: bytes) -> str:
        # The one hot message: a template and a fast base64 cost a tenth of a JSON encoder.
        sequence, self._sequence = self._sequence, self._sequence + 1
        ms = round(self._format.seconds(len(data)) * 1000) if self._format else 0
        duration = f',"duration_ms":{ms}' if ms else ""
        return (
            f'{{"type":"audio_chunk","data":"{pybase64.b64encode_as_string(data)}",'
            f'"sequence":{sequence}{duration}{self._context_suffix}'
        )

    def _messages(self, event: Event) -> Iterator[m.Message]:  # noqa: C901 - one case an event
        context = self._context_id or None
        match event:
            case Transcript():
                yield _transcript(event, copy=self._style.is_bridge)
            case Flushed(duration=duration):
                if self._style.terminals != "audio_end":
                    yield m.FlushedMsg()
                if self._style.terminals != "flushed":
                    yield m.AudioEndMsg(duration, context)
            case Cleared(cancelled=False):
                yield m.ClearedMsg()
            case Cleared():
                if not self._style.is_bridge:
                    yield m.AudioEndMsg(None, context)
            case Ready():
                if event.encoding in SAMPLE_BYTES:
                    self._format = AudioFormat(event.encoding, event.sample_rate)
                yield m.ReadyMsg(
                    event.session_id,
                    event.request_id or None,
                    event.model or None,
                    event.encoding or None,
                    event.sample_rate or None,
                    event.capabilities,
                    self._style.is_bridge and self._style.task == "tts",
                    context,
                )
            case Failed() as f:
                yield m.ErrorMsg(f.code, f.message, f.retryable, f.param, f.retry_after, context)
            case Ended(reason=reason, usage=usage):
                yield m.SessionEndedMsg(reason, usage, context)
            case _:
                yield from _plain(event)


def _plain(event: Event) -> Iterator[m.Message]:
    """The events whose message needs nothing but the event."""
    match event:
        case Words(words=words):
            yield m.WordsMsg(tuple(map(_timed, words)))
        case SegmentStart(id=id, text=text):
            yield m.SegmentStartMsg(id, text)
        case SegmentEnd(id=id):
            yield m.SegmentEndMsg(id)
        case SpeechStarted(at=at):
            yield m.SpeechStartedMsg(at)
        case UtteranceEnd(last_word_end=end):
            yield m.UtteranceEndMsg(end)
        case Warning(code=code, message=message, option=option, model=model):
            yield m.WarningMsg(code, message, option, model)
        case Turn():
            yield turns.message(event)
        case KeepAlive():
            yield m.PongMsg()
        case Adjusted() | Aside():
            return
        case _:
            raise TypeError(f"{type(event).__name__} is not said to a client")


def _transcript(t: Transcript, *, copy: bool) -> m.PartialMsg | m.FinalMsg:
    text = t.text if copy else None
    if not t.final:
        return m.PartialMsg(t.text, t.confidence, t.language, text)
    return m.FinalMsg(
        t.text,
        t.confidence,
        t.language,
        t.duration,
        t.start,
        tuple(map(_timed, t.words)),
        t.from_finalize,
        text,
    )


def _timed(w: Word) -> m.TimedWord:
    return m.TimedWord(w.text, round(w.start, 3), round(w.end, 3), w.confidence, w.speaker)


def _word(w: m.TimedWord) -> Word:
    return Word(text=w.word, start=w.start, end=w.end, confidence=w.confidence, speaker=w.speaker)


class Client:
    """The side of whoever connects: an SDK, a tool, or the gateway to an engine worker."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._flushed = False

    def encode(self, event: Event) -> Iterator[Frame]:  # noqa: C901 - one case a command
        match event:
            case Audio(data=data):
                yield data
            case Text(text=text, partial=partial, pronunciation=p):
                yield dump(m.TextMsg(text, partial=partial, pronunciation=named(p)))
            case Start(options=options):
                yield dump(init_from(options))
            case Flush():
                yield dump(m.FlushMsg() if self._style.task == "tts" else m.FinalizeMsg())
            case Clear():
                yield dump(m.ClearMsg())
            case Cancel():
                yield dump(m.CancelMsg())
            case Configure(options=o):
                yield dump(m.ConfigureMsg(o.voice, None, o.language, o.speed))
            case Adjust(options=o):
                yield dump(m.ConfigureMsg(**turns.settings(o.turns)))
            case Finish():
                yield dump(m.CloseMsg())
            case KeepAlive(reply=reply):
                yield dump(m.PingMsg() if reply else m.KeepAliveMsg())
            case _:
                raise TypeError(f"{type(event).__name__} is not said to a server")

    def decode(self, frame: Frame) -> Iterator[Event]:
        if isinstance(frame, bytes):
            yield Audio(frame)
            return
        match _reply(frame):
            case m.AudioChunkMsg(data=data):
                yield Audio(data)
            case m.FlushedMsg():
                # Where both terminals come, `audio_end` is the later one and has the duration.
                self._flushed = True
                if self._style.terminals == "flushed":
                    yield Flushed()
            case m.AudioEndMsg(duration=duration):
                ends_utterance = self._flushed or self._style.terminals == "audio_end"
                self._flushed = False
                yield Flushed(duration) if ends_utterance else Cleared(cancelled=True)
            case message:
                yield _event(message)


def _event(message: Any) -> Event:
    match message:
        case m.PartialMsg(transcript=text, confidence=confidence, language=language):
            return Transcript(text, False, confidence=confidence, language=language)
        case m.FinalMsg() as f:
            words = tuple(map(_word, f.words))
            return Transcript(
                f.transcript,
                True,
                f.from_finalize,
                f.confidence,
                f.language,
                f.start,
                f.duration,
                words,
            )
        case m.ReadyMsg() as r:
            return Ready(
                r.session_id,
                r.slng_request_id or "",
                r.model_id or "",
                r.encoding or "",
                r.sample_rate or 0,
                r.capabilities,
            )
        case m.ErrorMsg() as e:
            return Failed(e.code, e.message, e.retryable, param=e.param, retry_after=e.retry_after)
        case m.SessionEndedMsg(reason=reason, usage=usage):
            return Ended(reason, usage)
        case m.ClearedMsg():
            return Cleared()
        case _:
            return _plain_event(message)


def _plain_event(message: Any) -> Event:
    match message:
        case m.WordsMsg(words=words):
            return Words(tuple(map(_word, words)))
        case m.SegmentStartMsg(segment_id=id, text=text):
            return SegmentStart(id, text)
        case m.SegmentEndMsg(segment_id=id):
            return SegmentEnd(id)
        case m.SpeechStartedMsg(timestamp=at):
            return SpeechStarted(at)
        case m.UtteranceEndMsg(last_word_end=end):
            return UtteranceEnd(end)
        case m.WarningMsg(code=code, message=text, option=option, model=model):
            return Warning(code, text, option, model)
        case m.PongMsg():
            return KeepAlive()
        case m.TurnStartMsg() | m.TurnEagerEndMsg() | m.TurnResumedMsg() | m.TurnEndMsg():
            return turns.event(message)
        case _:
            raise ProtocolError(f"{type(message).__name__} is not for a client")
