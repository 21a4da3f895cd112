"""A wire's two codecs back to back, with a backend behind the server side that says what it heard.

What a client says goes through `Client.encode`, `Server.decode`, the backend, `Server.encode` and
`Client.decode`. The pair treats the client codec as its row of the policy table asks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from tools.golden import ADDRESS, opening_of
from voxway import events as e
from voxway.audio.formats import AudioFormat
from voxway.wire.base import Frame, Wire, decode

RATE, HEARING_RATE = 24_000, 16_000
WORD = 0.25  # seconds of audio that a word takes
HEARD = AudioFormat("linear16", HEARING_RATE)
# Wires that have audio in one format only.
FORMATS = dict.fromkeys(("kyutai_stt", "kyutai_tts"), AudioFormat("linear32", 24_000))
FORMATS["openai_realtime"] = AudioFormat("linear16", 24_000)


class Backend(Protocol):
    def answer(self, command: e.Event) -> Iterable[e.Event]:
        """What a session would have said to the client by then."""
        ...


class Voice:
    """Speaks: every word is a quarter of a second of linear16, made of its own letters. Text is
    spoken at its flush, sentence by sentence. `tells_last`: the end of what a `Finish` had spoken
    is told, as that of an utterance is."""

    def __init__(self, *, tells_last: bool = True) -> None:
        self._tells_last = tells_last
        self._texts: dict[str, str] = {}
        self._is_ready = False

    def answer(self, command: e.Event) -> Iterator[e.Event]:
        context = command.context
        match command:
            case e.Start(options=options):
                if not self._is_ready:
                    given = options if isinstance(options, e.SpeakOptions) else e.SpeakOptions()
                    rate = given.sample_rate or RATE
                    yield e.Ready("s1", "r1", "model-1", given.encoding or "linear16", rate)
                self._is_ready = True
            case e.Text(text=text, partial=partial):
                self._texts[context] = self._texts.get(context, "") + text + " " * (not partial)
            case e.Flush():
                yield from self._speak(context)
            case e.Finish(abort=is_abort):
                if self._texts.get(context, "").strip() and not is_abort:
                    yield from self._speak(context, tells_end=self._tells_last)
                yield e.Ended("context_closed" if context else "client_closed", context=context)
            case e.Clear() | e.Cancel():
                self._texts.pop(context, None)
                yield e.Cleared(isinstance(command, e.Cancel), context=context)
            case e.KeepAlive(reply=True):
                yield e.KeepAlive()

    def _speak(self, context: str, *, tells_end: bool = True) -> Iterator[e.Event]:
        at = 0.0
        for number, sentence in enumerate(sentences(self._texts.pop(context, ""))):
            spoken = timed(sentence, at)
            at = spoken[-1].end
            yield e.SegmentStart(f"seg_{number}", sentence, context=context)
            yield e.Words(spoken, context=context)
            audio = speech(sentence)
            yield e.Audio(audio[:1000], context=context)
            yield e.Audio(audio[1000:], context=context)
            yield e.SegmentEnd(f"seg_{number}", context=context)
        if tells_end:
            yield e.Flushed(at, context=context)


class Nobody:
    """Says nothing: what the client is told is told by hand."""

    def answer(self, command: e.Event) -> Iterator[e.Event]:
        yield from ()


def sentences(text: str) -> list[str]:
    marked = " ".join(text.split()).replace(". ", ".\n").replace("? ", "?\n")
    return list(filter(None, marked.split("\n")))


def timed(text: str, start: float = 0.0) -> tuple[e.Word, ...]:
    return tuple(
        e.Word(text=word, start=start + n * WORD, end=start + (n + 1) * WORD)
        for n, word in enumerate(text.split())
    )


def speech(text: str) -> bytes:
    """What `Voice` makes of a text."""
    size = round(WORD * RATE) * 2
    return b"".join((word.encode() * size)[:size] for word in text.split())


class Ear:
    """Listens: each piece of audio is the letters of a sentence, and silence. One that ends with a
    full stop is told at once, another at the flush, or when it was silent for as long as a turn
    may be."""

    def __init__(self, format: AudioFormat = HEARD) -> None:
        self._format = format
        self._pending = ""
        self._is_ready = self._has_turn = False
        self._turns: e.Turns | None = None
        self._began = self._at = self._until = 0.0

    def answer(self, command: e.Event) -> Iterator[e.Event]:
        match command:
            case e.Start(options=options):
                if not self._is_ready:
                    given = options if isinstance(options, e.ListenOptions) else e.ListenOptions()
                    rate = given.sample_rate or HEARING_RATE
                    yield e.Ready("s1", "r1", "model-1", given.encoding or "linear16", rate)
                    self._turns = given.turns
                self._is_ready = True
            case e.Audio(data=data):
                silent = len(data) - len(data.lstrip(b"\0"))
                began = self._at + self._format.seconds(silent)
                self._at += self._format.seconds(len(data))
                if text := letters(data):
                    self._pending, self._began, self._until = text, began, self._at
                    yield from self._hear()
                elif self._is_over():
                    yield from self._ended(self._final(from_finalize=False), "timeout")
            case e.Flush():
                yield from self._ended(self._final(from_finalize=True), "manual")
            case e.Finish(abort=False):
                if self._pending:
                    yield from self._ended(self._final(from_finalize=False), "timeout")
                yield e.Ended("client_closed")
            case e.Adjust(options=options):
                yield e.Adjusted(options)

    def _is_over(self) -> bool:
        """Whether it was silent for as long as a turn may be."""
        timeout = self._turns and self._turns.timeout
        return bool(timeout and self._pending and self._at - self._until >= timeout)

    def _hear(self) -> Iterator[e.Event]:
        if self._turns is not None:
            self._has_turn = True
            yield e.Turn("start", at=self._began)
        yield e.SpeechStarted(self._began)
        yield e.Transcript(self._pending.split()[0], False, start=self._began, duration=WORD)
        if self._pending.endswith("."):
            yield from self._ended(self._final(from_finalize=False), "model")
            yield e.UtteranceEnd(self._at)

    def _ended(self, final: e.Transcript, trigger: e.Trigger) -> Iterator[e.Event]:
        yield final
        if self._has_turn:
            self._has_turn = False
            yield e.Turn("end", final.text, 0.9, self._at, trigger)

    def _final(self, *, from_finalize: bool) -> e.Transcript:
        text, self._pending = self._pending, ""
        words = timed(text, self._began)
        start, self._began = self._began, self._at
        return e.Transcript(
            text,
            True,
            from_finalize,
            0.9,
            start=start,
            duration=words[-1].end - start if words else 0.0,
            words=words,
            is_endpoint=not from_finalize,
        )


def sound(sentence: str, format: AudioFormat = HEARD) -> bytes:
    """What `Ear` takes for a sentence, as long as `timed` says."""
    size = format.bytes_for(WORD) * len(sentence.split())
    return sentence.encode("utf-16-le").ljust(size, b"\0")


def letters(audio: bytes) -> str:
    """What is in a sound."""
    return audio.decode("utf-16-le").replace("\0", "")


class Pair:
    """One socket. `heard` is what the server made of the client's frames; `frames` are all that
    were sent, from each side, in order."""

    def __init__(self, wire: Wire, options: e.Options, backend: Backend) -> None:
        self.wire = wire
        self.client = wire.client(options, ADDRESS)
        self.endpoint = wire.endpoint(options, ADDRESS)
        self.opening = opening_of(wire, self.endpoint.url)
        self.server = wire.server(self.opening)
        self.backend = backend
        self.format = AudioFormat(options.encoding or "linear16", options.sample_rate or RATE)
        self.heard: list[e.Event] = []
        self.frames: list[tuple[str, Frame]] = []
        self.opened = self._act(list(self.server.opening()))

    def say(self, *commands: e.Event) -> list[e.Event]:
        """What the client hears of it."""
        told: list[e.Event] = []
        for command in commands:
            for frame in self.client.encode(command):
                self.frames.append(("client", frame))
                told += self._act(decode(self.server, frame))
        return told

    def sound(self, sentence: str) -> e.Audio:
        return e.Audio(sound(sentence, self.format))

    def tell(self, event: e.Event) -> list[e.Event]:
        """What the client hears of an event."""
        told: list[e.Event] = []
        for frame in self.server.encode(event):
            self.frames.append(("server", frame))
            told += decode(self.client, frame)
        return told

    def _act(self, commands: list[e.Event]) -> list[e.Event]:
        self.heard += commands
        answers = [event for command in commands for event in self._answer(command)]
        return [told for event in answers for told in self.tell(event)]

    def _answer(self, command: e.Event) -> Iterable[e.Event]:
        return (command,) if isinstance(command, e.Aside) else self.backend.answer(command)
