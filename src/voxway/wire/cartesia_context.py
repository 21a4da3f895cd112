"""One context of Cartesia's speech socket, as it is kept for a client: what it was given, what was
asked for, and how far it has spoken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pybase64

from .. import events as e
from ..errors import ProtocolError
from .base import Timings, dump
from .cartesia_messages import OutputMsg
from .cartesia_request import RequestMsg, differing


class Context:
    """`is_failed`: its client was told so, which it takes as the end."""

    def __init__(self, request: RequestMsg) -> None:
        self.is_failed = False
        self._settings = request
        self._has_text = False  # since the last flush
        self._waiting = 0  # flushes that were asked for
        self._flushed = 0
        self._start = 0.0  # of the utterance; words are timed from the start of the context
        self._is_closed = False

    def take(self, request: RequestMsg) -> Iterator[e.Event]:
        """What another message asks for. Raises ProtocolError for one that does not fit."""
        name, text = request.context_id, request.transcript or ""
        if text.strip():
            self._check(request)
        elif self._is_closed:
            return
        if text.strip() or (text and self._has_text):
            self._has_text = True
            yield e.Text(text, context=name)
        if request.flush:
            self._has_text = False
            self._waiting += 1
            yield e.Flush(context=name)
        if not request.continue_:
            self._is_closed = True
            yield e.Finish(context=name)

    def _check(self, request: RequestMsg) -> None:
        # Only of text: the end that the SDK's `no_more_inputs` sends has defaults for settings.
        if self._is_closed:
            raise ProtocolError("continue: it was false before this transcript", param="continue")
        if setting := differing(self._settings, request):
            raise ProtocolError(f"{setting}: it differs within a context", param=setting)

    def tell(self, event: e.Event) -> Iterable[OutputMsg]:
        """What the client is told of words, and of the end of an utterance."""
        match event:
            case e.Words(words=words) if self._settings.add_timestamps:
                timings = Timings(
                    tuple(word.text for word in words),
                    tuple(round(self._start + word.start, 3) for word in words),
                    tuple(round(self._start + word.end, 3) for word in words),
                )
                yield OutputMsg("timestamps", False, 206, event.context, timings)
            case e.Flushed(duration=duration):
                self._start += duration or 0.0
                if self._waiting:
                    self._waiting -= 1
                    self._flushed += 1
                    yield OutputMsg(
                        "flush_done", False, 206, event.context, None, True, self._flushed
                    )

    def fail(self) -> bool:
        """Whether the client is to be told: once."""
        was_failed, self.is_failed = self.is_failed, True
        return not was_failed

    def chunk(self, audio: e.Audio) -> str:
        # The one hot message: see unified.py. Its `flush_id` is that of the flush to come.
        uses_flush = self._waiting or self._flushed
        flush_id = f',"flush_id":{self._flushed + 1}' if uses_flush else ""
        return (
            f'{{"type":"chunk","context_id":{dump(audio.context)},'
            f'"data":"{pybase64.b64encode_as_string(audio.data)}",'
            f'"done":false,"status_code":206,"step_time":0.0{flush_id}}}'
        )
