"""libmoonshine as we use it: one transcriber shared by many streams, each a list of lines.

Only `moonshine_voice.transcriber` is imported: the package's microphone module needs PortAudio.
The library's own `Stream.add_audio` wants a list of floats and takes 140 us for 100 ms of audio;
handing its C function a pointer takes 4 us. Its listeners swallow exceptions, so none are used:
each update returns all lines of the stream since its start.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from moonshine_voice import transcriber as library
from moonshine_voice.errors import MoonshineError, check_error
from moonshine_voice.moonshine_api import ModelArch
from msgspec import Struct

from ..errors import UpstreamError

SAMPLE_RATE = 16_000

# A line without a pause is cut before this (seconds), which bounds memory and the time of an
# update. The library's cut falls into words and says the one around it twice: with 10 seconds that
# happened in ordinary sentences.
MAX_LINE = 15.0

_FORCE = library.MOONSHINE_FLAG_FORCE_UPDATE
_NEVER = 1e9


class Turn(Struct, frozen=True):
    """One speaker's part of a line, seconds from the start of the library stream."""

    speaker: int
    start: float
    end: float


class Line(Struct, frozen=True):
    """What was said between two pauses, seconds from the start of the library stream."""

    id: int
    text: str
    start: float
    end: float
    complete: bool
    turns: tuple[Turn, ...] = ()


class Transcriber:
    """The model. Streams of one transcriber may be used from several threads at once."""

    def __init__(self, diarization: bool = False) -> None:
        model = Path(library.__file__).parent / "assets" / "tiny-en"
        options = {
            "identify_speakers": str(diarization).lower(),
            "return_audio_data": "false",
            "vad_max_segment_duration": MAX_LINE,
        }
        # A second thread would help nobody: the model is small, and the thread spins while it waits
        # for its part. Measured: the same time for half the work, and a fifth more streams.
        os.environ["MOONSHINE_ORT_SINGLE_THREAD"] = "1"
        try:
            self._model = library.Transcriber(str(model), ModelArch.TINY, options=options)
        except MoonshineError as error:
            raise UpstreamError(f"the embedded recognizer does not load: {error}") from error
        self._lock = Lock()

    def open(self) -> Stream:
        """A stream that hears from now on."""
        with self._lock:
            return Stream(self._model, self._lock)


class Stream:
    """One stream of audio. Raises UpstreamError when the library fails."""

    def __init__(self, model: Any, lock: Lock) -> None:
        self._model = model
        self._lock = lock  # for what changes the library's table of streams
        self._stream = model.create_stream(update_interval=_NEVER)
        self._stream.start()

    def add(self, pcm: bytes) -> None:
        """Take linear16 audio; nothing is computed yet."""
        samples = np.frombuffer(pcm, "<i2").astype(np.float32)
        samples *= 1 / 32768
        pointer = samples.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        stream, handle = self._stream._handle, self._model._handle
        code = self._model._lib.moonshine_transcribe_add_audio_to_stream(
            handle, stream, pointer, len(samples), SAMPLE_RATE, 0
        )
        _checked(code)

    def lines(self) -> list[Line]:
        """All lines up to now, the last of which may still grow."""
        return self._update(0)

    def end(self) -> list[Line]:
        """All lines, complete. Then the stream begins anew, at time 0 and with no lines.

        Without the forced update before the stop, words after the last update are lost.
        """
        self._update(_FORCE)
        lines = self._guarded(self._stream.stop)
        with self._lock:
            self._guarded(self._stream.start)
        return [_line(line) for line in lines.lines]

    def close(self) -> None:
        """Free the stream. Safe to call twice."""
        with self._lock:
            self._stream.close()

    def _update(self, flags: int) -> list[Line]:
        transcript = self._guarded(self._stream.update_transcription, flags)
        return [_line(line) for line in transcript.lines]

    def _guarded(self, call: Any, *args: object) -> Any:
        try:
            return call(*args)
        except MoonshineError as error:
            raise UpstreamError(f"the embedded recognizer failed: {error}") from error


def _checked(code: int) -> None:
    try:
        check_error(code)
    except MoonshineError as error:
        raise UpstreamError(f"the embedded recognizer failed: {error}") from error


def _line(line: Any) -> Line:
    turns = tuple(
        Turn(span.speaker_index, span.start_time, span.start_time + span.duration)
        for span in line.speaker_spans or ()
    )
    end = line.start_time + line.duration
    return Line(line.line_id, line.text.strip(), line.start_time, end, line.is_complete, turns)
