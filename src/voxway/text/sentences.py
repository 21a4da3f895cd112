"""Sentences out of text that arrives word by word, each as soon as it is certainly complete.

What waits for what, since every wait is heard as latency:

* A newline, and `?`, `!` and their kin of other scripts before a white space, end a sentence at
  once. (So "Yahoo! is" is two: waiting for the next word would delay every question asked.)
* CJK marks end it as soon as the next character is known not to belong to them.
* `.`, `...` and any mark inside a closing quote or bracket wait for the next visible character: a
  small letter goes on ('"Really?" he said'), unless the whole sentence is in small letters.
* Initials and abbreviations that may end a sentence ("U.S.", "Inc.") wait for the next word.
* A mark with no white space after it is part of a word: 3.14, voxway.dev, 1.2.3.

Every decision depends on the text alone and not on how it was cut into chunks.
"""

# ruff: noqa: RUF001 (marks of other scripts look like ours)

from __future__ import annotations

import re
import unicodedata
from enum import Enum

from .words import CLOSING, COUNTED, NAMES, OPENING, STARTERS

MAX_CHARS = 220

_STOPS = ".…"
_STRONG = "!?\u203c\u2047\u2048\u2049\u061f\u06d4\u0964\u0965\u037e\u0589\u2e2e"
_WIDE = "。！？｡\u1362\u1367\u104b\u17d4\u17d5"  # of scripts that put no white space after them
_CLOSERS = "\"'”’»)]}」』）】》〉›*_"
_OPENERS = "\"'“‘«([{「『（【《〈‹¿¡*_—–-"
_NEWLINES = "\n\r\x85\u2028\u2029"

# The counts bound how far a decision can wait.
_END = re.compile(
    f"[{_NEWLINES}]|(?P<marks>[{re.escape(_STOPS + _STRONG + _WIDE)}]{{1,8}})"
    f"(?P<closers>[{re.escape(_CLOSERS)}]{{0,4}})"
)
_WORD = re.compile(r"[^\W\d_]{1,16}")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")

# Places to breathe in a long sentence, best first.
_CLAUSES = (
    re.compile(r"[;:]\s+|\s*[—–]\s*|\s-+\s|[；：]"),
    re.compile(r"[,،]\s+|[，、]"),
    re.compile(r"\s+"),
)


class _Verdict(Enum):
    END = 1
    GO_ON = 2
    WAIT = 3


def speakable(text: str) -> bool:
    """Whether there is anything to say: a letter or digit of any script."""
    return any(char.isalnum() for char in text)


class Segmenter:
    """Collects text and gives whole sentences. No sentence is longer than `max_chars`."""

    def __init__(self, max_chars: int = MAX_CHARS) -> None:
        self.max_chars = max_chars
        self._text = ""

    def feed(self, text: str) -> list[str]:
        """Take more text; give the sentences that are complete now."""
        self._text += text
        return self._take(final=False)

    def flush(self) -> list[str]:
        """Give all that is left: no more text belongs to it."""
        sentences = self._take(final=True)
        rest = self._text.strip()
        self.clear()
        return [*sentences, rest] if rest else sentences

    def clear(self) -> None:
        """Forget what was not given yet."""
        self._text = ""

    def _take(self, final: bool) -> list[str]:
        text, sentences = self._text, []
        start = _skip_blanks(text, 0)
        while (end := _next_end(text, start, self.max_chars, final)) is not None:
            sentences.append(text[start:end].strip())
            start = _skip_blanks(text, end)
        self._text = text[start:]
        return sentences


def _next_end(text: str, start: int, max_chars: int, final: bool) -> int | None:
    """Where the sentence that begins at `start` ends, None if that is not known yet."""
    limit = start + max_chars
    for match in _END.finditer(text, start):
        if match.end() > limit:
            break
        verdict = _judge(text, start, match, final)
        if verdict is _Verdict.END:
            return match.end()
        if verdict is _Verdict.WAIT:
            return None
    return _breath(text, start, limit) if len(text) > limit else None


def _judge(text: str, start: int, match: re.Match[str], final: bool) -> _Verdict:
    marks, closers = match["marks"], match["closers"]
    if marks is None:
        return _Verdict.END
    end = match.end()
    if end == len(text):
        return _Verdict.WAIT
    if marks[-1] in _WIDE:
        return _Verdict.END
    if not text[end].isspace():
        return _Verdict.GO_ON
    if not closers and marks[-1] in _STRONG:
        return _Verdict.END
    follower = _skip_blanks(text, end)
    if any(char in _NEWLINES for char in text[end:follower]):
        return _Verdict.END
    if follower == len(text):
        return _Verdict.WAIT
    return _judge_stop(text, (start, match.start(), follower), marks, final)


def _judge_stop(text: str, spot: tuple[int, int, int], marks: str, final: bool) -> _Verdict:
    """Judge a mark between white space and the visible character at the last index of `spot`."""
    start, mark, follower = spot
    char = text[follower]
    if char in _STOPS + _STRONG + _WIDE + ",;:)]}":
        return _Verdict.GO_ON
    if marks == ".":
        word = text[start:mark].rsplit(None, 1)[-1:]
        verdict = _judge_word(text, word[0].lstrip(_OPENERS) if word else "", spot, final)
        if verdict is not None:
            return verdict
        if char.islower():
            return _Verdict.END if text[start:mark].islower() else _Verdict.GO_ON
    return _Verdict.GO_ON if char.islower() else _Verdict.END


def _judge_word(text: str, word: str, spot: tuple[int, int, int], final: bool) -> _Verdict | None:
    """What the word before a full stop says about it; None: nothing, it is an ordinary word."""
    start, mark, follower = spot
    key, char = word.lower(), text[follower]
    if key in OPENING:
        return _Verdict.GO_ON
    if key in CLOSING:
        return _Verdict.GO_ON if char.islower() else _Verdict.END
    if key.isdecimal():  # "1. First" is an item of a list; "3. 14" may be a date or a decimal
        listed = not text[start:mark].strip(_OPENERS + key).strip()
        return _Verdict.GO_ON if listed or char.isdecimal() else None
    if key in COUNTED:
        return _Verdict.GO_ON if char.isdecimal() else None
    if key in NAMES or _INITIALS.fullmatch(word):
        return _judge_name(text, follower, final)
    return None


def _judge_name(text: str, follower: int, final: bool) -> _Verdict:
    """Whether "U.S." or "Inc." ends its sentence: only if the next word looks like a beginning."""
    while follower < len(text) and text[follower] in _OPENERS:
        follower += 1
    following = _WORD.match(text, follower)
    reached = following.end() if following else follower
    if reached == len(text) and not final:
        return _Verdict.WAIT
    if following is None or text[follower].islower():
        return _Verdict.GO_ON
    return _Verdict.END if following[0].lower() in STARTERS else _Verdict.GO_ON


def _breath(text: str, start: int, limit: int) -> int:
    """The best place in `text[start:limit]` to cut a sentence that is too long. A clause in the
    first third would make a stump: then a worse kind of place further on is better."""
    earliest = start + (limit - start) // 3
    for clause in _CLAUSES:
        ends = [match.end() for match in clause.finditer(text, earliest, limit)]
        if ends:
            return ends[-1]
    blanks = [match.end() for match in _CLAUSES[-1].finditer(text, start + 1, limit)]
    return blanks[-1] if blanks else _hard_cut(text, start, limit)


def _hard_cut(text: str, start: int, limit: int) -> int:
    """`limit`, or a little before it where no grapheme is torn."""
    for cut in range(limit, max(start, limit - 32), -1):
        if not _joined(text, cut):
            return cut
    return limit


def _joined(text: str, cut: int) -> bool:
    """Whether the characters around `cut` belong to one grapheme (nearly: enough for a cut)."""
    before, after = text[cut - 1], text[cut]
    if unicodedata.category(after).startswith("M") or "\u200d" in (before, after):
        return True
    if 0xDC00 <= ord(after) <= 0xDFFF or 0x1F3FB <= ord(after) <= 0x1F3FF:
        return True  # the second half of a surrogate pair; a skin tone
    flags = 0
    while flags < cut and 0x1F1E6 <= ord(text[cut - 1 - flags]) <= 0x1F1FF:
        flags += 1
    return flags % 2 == 1 and 0x1F1E6 <= ord(after) <= 0x1F1FF


def _skip_blanks(text: str, start: int) -> int:
    while start < len(text) and text[start].isspace():
        start += 1
    return start
