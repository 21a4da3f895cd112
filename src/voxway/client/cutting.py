"""Text that arrives in pieces, cut into what is said at once, by how the application wants it.

An utterance ends with a flush. One for each sentence is heard soonest; one for a paragraph sounds
best, since the voice knows what follows; or the application says when.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from ..text.sentences import Segmenter

FlushPolicy = Literal["sentence", "paragraph", "manual"]
MAX_TEXT = 500  # characters in one message: what the smallest tier takes
_BETWEEN = re.compile(r"(\s*\n\s*\n\s*)")  # paragraphs


class Said(Struct, frozen=True):
    """A sentence to say, or none; `ends`: the utterance is complete with it."""

    text: str
    ends: bool


class Cutter:
    """One text after the other: `feed` its pieces, then `flush`."""

    def __init__(self, policy: FlushPolicy) -> None:
        self._policy = policy
        self._segmenter = Segmenter()
        self._blank = ""  # white space that may become the end of a paragraph
        self._has_text = False  # since the last flush

    def feed(self, piece: str) -> Iterator[Said]:
        """What can be said so far."""
        if self._policy != "paragraph":
            yield from self._cut(piece)
            return
        text = self._blank + piece
        body = text.rstrip()
        self._blank = text[len(body) :]
        for at, part in enumerate(_BETWEEN.split(body)):
            if at % 2 == 0:
                yield from self._cut(part)
            elif self._has_text:
                yield from self.flush()

    def flush(self) -> Iterator[Said]:
        """The rest, and the end of the utterance."""
        self._has_text = False
        *sentences, last = self._segmenter.flush() or [""]
        yield from (Said(sentence, self._policy == "sentence") for sentence in sentences)
        yield Said(last, True)

    def _cut(self, piece: str) -> Iterator[Said]:
        self._has_text |= not piece.isspace() and bool(piece)
        for sentence in self._segmenter.feed(piece):
            yield Said(sentence, self._policy == "sentence")


def messages(text: str) -> Iterator[str]:
    """The text in messages of at most MAX_TEXT characters, between words where there are any."""
    while len(text) > MAX_TEXT:
        at = text.rfind(" ", 1, MAX_TEXT) + 1 or MAX_TEXT
        yield text[:at]
        text = text[at:]
    if text:
        yield text
