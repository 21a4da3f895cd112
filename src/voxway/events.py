"""What the two sides of a session say to each other, whatever the wire.

A *command* travels from the client to the upstream; an *event* travels back. Each is a frozen
value: compare it, log it, put it in a test. All times are seconds and all rates Hz.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct


class Event(Struct, frozen=True, kw_only=True):
    """Base of all commands and events. `context` tells streams apart on wires that carry several
    on one socket; wires that know none leave it empty."""

    context: str = ""


class Pronunciation(Struct, frozen=True, kw_only=True):
    """Which dictionary to speak by: one of these two is given."""

    name: str | None = None
    dictionary_id: str | None = None


class SpeakOptions(Struct, frozen=True, kw_only=True):
    """How to speak. None: the model's default. `extra` holds what only some providers know."""

    voice: str | None = None
    language: str | None = None
    encoding: str | None = None
    sample_rate: int | None = None
    speed: float | None = None
    word_timestamps: bool = False
    pronunciation: Pronunciation | None = None
    extra: dict[str, Any] = {}


class Turns(Struct, frozen=True, kw_only=True):
    """When a speaker's turn is over: as soon as the confidence that no more is coming (0 to 1) is
    at least `threshold`, and after `timeout` seconds of silence in any case. From `eager_threshold`
    on the end is foretold; without it, it is not. None: the model's default."""

    threshold: float | None = None
    eager_threshold: float | None = None
    timeout: float | None = None


class ListenOptions(Struct, frozen=True, kw_only=True):
    """How to listen. None: the model's default. `encoding` and `sample_rate` describe the audio
    that will be sent; containers (wav, mp3, ogg, flac, webm) carry their own rate. Without `turns`
    nobody wants to know of any."""

    language: str | None = None
    encoding: str | None = None
    sample_rate: int | None = None
    partials: bool = True
    vad_events: bool = False
    word_timestamps: bool = False
    diarization: bool = False
    turns: Turns | None = None
    extra: dict[str, Any] = {}


Options = SpeakOptions | ListenOptions


class Word(Struct, frozen=True, kw_only=True):
    """One spoken word: seconds from the start of the utterance (TTS) or of the stream (STT)."""

    text: str
    start: float
    end: float
    confidence: float | None = None
    speaker: int | None = None


class Usage(Struct, frozen=True, kw_only=True):
    """What a session used so far: characters to speak, and how many of them were `cached`; seconds
    of audio in and out; messages. `provider_time`: the seconds for which the model had work of it;
    `ttfa`: those from its first work to its first audio, or its first transcript."""

    model: str = ""
    characters: int = 0
    cached: int = 0
    audio_in: float = 0.0
    audio_out: float = 0.0
    messages: int = 0
    duration: float = 0.0
    provider_time: float = 0.0
    ttfa: float | None = None


# Both ways


class Audio(Event, frozen=True):
    """A chunk of encoded audio: heard (client to upstream) or spoken (upstream to client)."""

    data: bytes

    def __repr__(self) -> str:  # what somebody said belongs into no log and no traceback
        return (
            f"Audio(<{len(self.data)} bytes>{f', context={self.context!r}' * bool(self.context)})"
        )

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("bytes", len(self.data))]


class KeepAlive(Event, frozen=True):
    """Nothing to say yet; do not time out. `reply` asks for one back (the unified `ping`)."""

    reply: bool = False


class Malformed(Event, frozen=True):
    """A frame its wire does not allow. The session decides what that costs. `is_ignorable`: the
    route is one where such a thing is only warned of; `is_start`: it was to configure;
    `is_fatal`: its wire closes the socket for it."""

    message: str
    code: str = "invalid_request"
    param: str | None = None
    is_ignorable: bool = False
    is_start: bool = False
    is_fatal: bool = False


class Aside(Event, frozen=True):
    """What a dialect answers by itself, for what its clients wait for and no session knows of: it
    goes straight back to that dialect's `encode`. It is counted against no limit."""


# Commands: client -> upstream


class Start(Event, frozen=True):
    """Configure the session, or a context of it. Said once each; what starts without it uses the
    defaults. `tag` is the client's own name for the conversation, for logs. `is_again`: the client
    opens an open session once more, in another dialect."""

    options: Options | None = None
    tag: str = ""
    is_again: bool = False


class Text(Event, frozen=True):
    """Text to speak, in order. `partial` says that a sentence may go on in the next one. With
    `pronunciation`, this and what follows is spoken by that dictionary."""

    text: str
    partial: bool = True
    pronunciation: Pronunciation | None = None


class Flush(Event, frozen=True):
    """Give what you have: speak the buffered text (answered by one `Flushed`), or finalize the
    heard audio (answered by one `Transcript` with `from_finalize`)."""


class Clear(Event, frozen=True):
    """Abort running and queued speech, keep the session; answered by `Cleared`."""


class Cancel(Event, frozen=True):
    """The same abort as `Clear`, answered by `Cleared(cancelled=True)`."""


class Configure(Event, frozen=True):
    """Change voice, language or speed from the next utterance on. None: leave as it is."""

    options: SpeakOptions


class Adjust(Event, frozen=True):
    """Change how a recognizer listens, from now on: when turns end, and what of `extra` it can
    change. None: leave as it is. Answered by `Adjusted`."""

    options: ListenOptions


class Finish(Event, frozen=True):
    """No more input: deliver the rest, then end. With `abort`, end at once. With a context, only
    that one ends, with an `Ended` of its own."""

    abort: bool = False


# Events: upstream -> client


class Ready(Event, frozen=True):
    """The upstream is there and configured. `encoding` and `sample_rate` are those in force."""

    session_id: str = ""
    request_id: str = ""
    model: str = ""
    encoding: str = ""
    sample_rate: int = 0
    capabilities: tuple[str, ...] = ()


class Words(Event, frozen=True):
    """Timings of words just spoken, from the start of the utterance."""

    words: tuple[Word, ...]


class SegmentStart(Event, frozen=True):
    """The first audio of one sentence follows."""

    id: str
    text: str | None = None


class SegmentEnd(Event, frozen=True):
    """The last audio of that sentence has been sent."""

    id: str


class Flushed(Event, frozen=True):
    """The one terminal of an utterance: all audio for the text before its flush is out.
    `duration` is that audio's length."""

    duration: float | None = None


class Cleared(Event, frozen=True):
    """No audio, word or terminal from before the abort will follow."""

    cancelled: bool = False


class SpeechStarted(Event, frozen=True):
    """Somebody began to speak, this long after the start of the stream."""

    at: float


class Transcript(Event, frozen=True):
    """What was heard. Partials (`final=False`) replace each other until their final.
    `from_finalize` marks the one answer that every `Flush` gets, with empty text if need be.
    `start` is the segment's offset in the stream. `is_endpoint`: a final that a pause ended."""

    text: str
    final: bool
    from_finalize: bool = False
    confidence: float | None = None
    language: str | None = None
    start: float | None = None
    duration: float | None = None
    words: tuple[Word, ...] = ()
    is_endpoint: bool = True


class UtteranceEnd(Event, frozen=True):
    """The speaker paused. `last_word_end` is an offset in the stream."""

    last_word_end: float | None = None


Trigger = Literal["model", "timeout", "manual"]


class Turn(Event, frozen=True):
    """A speaker's turn: it starts before its first transcript and ends after its last final. An
    eager end foretells the end; it is taken back by `resumed`.

    `text` is all of the turn so far, `confidence` that no more of it is coming, `at` an offset in
    the stream. An end has a `trigger`: the model took it for one, silence lasted long enough, or a
    finalize asked for it."""

    phase: Literal["start", "eager_end", "resumed", "end"]
    text: str = ""
    confidence: float | None = None
    at: float | None = None
    trigger: Trigger | Literal[""] = ""


class Adjusted(Event, frozen=True):
    """A recognizer listens otherwise now: `options` are all that are in force."""

    options: ListenOptions


class Warning(Event, frozen=True):
    """Something asked for is not done, or is done otherwise; `option` names it."""

    code: str
    message: str
    option: str | None = None
    model: str | None = None


class Failed(Event, frozen=True):
    """Something went wrong. `fatal` says that the session ends with it; `retry_after` in how many
    seconds it may go well, if anybody knows."""

    code: str
    message: str
    retryable: bool = False
    fatal: bool = False
    param: str | None = None
    retry_after: float | None = None


class Ended(Event, frozen=True):
    """The last event of a session, or of one context of it."""

    reason: str = ""
    usage: Usage | None = None


Command = (
    Start
    | Text
    | Audio
    | Flush
    | Clear
    | Cancel
    | Configure
    | Adjust
    | KeepAlive
    | Aside
    | Finish
    | Malformed
)
Reply = (
    Ready
    | Audio
    | Words
    | SegmentStart
    | SegmentEnd
    | Flushed
    | Cleared
    | SpeechStarted
    | Transcript
    | UtteranceEnd
    | Turn
    | Adjusted
    | Warning
    | Failed
    | Ended
    | KeepAlive
    | Malformed
)
