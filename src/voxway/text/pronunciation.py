"""Say some words otherwise than they are written, and tell their times as they were written.

A rule finds whole words only. A word ends where white space, punctuation or another kind of script
begins; in Chinese, Japanese (but for katakana) and the like, which leave no gaps, it may end
anywhere. Where several rules fit, the longest wins; what a rule has put in is not rewritten again.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from ..errors import ProtocolError
from ..events import Word
from .retelling import Retelling, Unit

MAX_RULES = 1_000
MAX_CHARS = {"match": 100, "replace": 200}

# Kinds of script whose words may stand beside those of another kind with nothing in between.
_KINDS = {
    "spaceless": re.compile(
        "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u309f\u3400-\u4dbf"
        "\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
    ),
    "katakana": re.compile("[\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f]"),
    "hangul": re.compile("[\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff]"),
}
# All but the middle of plain words, where no match can begin.
_STARTS = re.compile(r"(?<![A-Za-z0-9])\S|[^A-Za-z0-9\s]")
# No words of their own: "s" in "it's", and neither is "can" in "can't". "Acme" is one in "Acme's".
_SUFFIXES = frozenset("s t d m ll re ve".split())  # noqa: SIM905
_APOSTROPHES = ("'", "\u2019")

# Letters lead to nodes, any white space is " ", and "" leads to the replacement.
_Node = dict[str, Any]


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """Say `replace` for `match`: in any letter case if `match` is all lower case, else exactly as
    it is written. White space in a phrase stands for any white space. An empty `replace` leaves
    the words out."""

    match: str
    replace: str


class Span(Struct, frozen=True):
    """Characters `start` to `end` of the rewritten text stand for these of the source."""

    start: int
    end: int
    source_start: int
    source_end: int


class Rewritten(Struct, frozen=True):
    """A text to be spoken and the one it was made of. Outside the spans they are the same."""

    text: str
    source: str
    spans: tuple[Span, ...] = ()

    def units(self) -> Iterator[Unit]:
        """Both texts cut where both have the same white space: mostly a word each."""
        written = spoken = ""
        at, changed = 0, False
        end = Span(len(self.text), len(self.text), len(self.source), len(self.source))
        for span in (*self.spans, end):
            first, *others = re.split(r"\s+", self.source[at : span.source_start])
            written, spoken = written + first, spoken + first
            for other in others:
                yield Unit(written, spoken, changed)
                written, spoken, changed = other, other, False
            written += self.source[span.source_start : span.source_end]
            spoken += self.text[span.start : span.end]
            at, changed = span.source_end, changed or span is not end
        yield Unit(written, spoken, changed)

    def source_words(self, words: Sequence[Word]) -> tuple[Word, ...]:
        """The times of spoken words, told for the words of the source."""
        retelling = Retelling()
        retelling.expect(self.text, self.source, self.units())
        return (*retelling.tell(words), *retelling.rest())


class Rewriter:
    """Applies rules to text: a walk down a tree of letters finds all that begin at a place."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._exact: _Node = {}
        self._any_case: _Node = {}
        for rule in rules:
            tree = self._any_case if _folded(rule.match) == rule.match else self._exact
            for form in ("NFC", "NFD"):  # an accent may be a character of its own
                _plant(tree, unicodedata.normalize(form, rule.match), rule.replace)

    def rewrite(self, text: str) -> Rewritten:
        """The text with every rule applied once."""
        pieces: list[str] = []
        spans: list[Span] = []
        at = length = 0
        folded = _folded(text)
        for place in _STARTS.finditer(text):
            start = place.start()
            found = self._longest(text, folded, start) if start >= at else None
            if found is None:
                continue
            end, replacement = found
            before = text[at:start] or (pieces[-1] if pieces else "")
            said = _set_apart(before[-1:], replacement, text[end : end + 1])
            pieces += (text[at:start], said)
            length += start - at
            spans.append(Span(length, length + len(said), start, end))
            length, at = length + len(said), end
        return Rewritten("".join((*pieces, text[at:])), text, tuple(spans))

    def _longest(self, text: str, folded: str, start: int) -> tuple[int, str] | None:
        """Where the longest match that begins at `start` ends, and what to say for it."""
        exact = _walk(self._exact, text, start)
        any_case = _walk(self._any_case, folded, start)
        # The exact spelling comes first: of two equally long ones `max` takes that.
        fits = [found for found in (*exact, *any_case) if _is_whole(text, start, found[0])]
        return max(fits, key=lambda found: found[0], default=None)


def checked(rules: Sequence[Rule], where: str = "rules") -> tuple[Rule, ...]:
    """The rules in their normal form. Raises ProtocolError that names the field at fault."""
    if not 1 <= len(rules) <= MAX_RULES:
        raise _invalid(f"{len(rules)} rules: a dictionary has 1 to {MAX_RULES}", where)
    seen: dict[str, int] = {}
    normal = []
    for i, rule in enumerate(rules):
        spot = f"{where}[{i}]"
        rule = Rule(
            _plain(rule.match, "match", f"{spot}.match"),
            _plain(rule.replace, "replace", f"{spot}.replace"),
        )
        if not rule.match:
            raise _invalid("match is empty", f"{spot}.match")
        if rule.match in seen:
            raise _invalid(f"matches the same as rule {seen[rule.match]}", f"{spot}.match")
        seen[rule.match] = i
        normal.append(rule)
    return tuple(normal)


def content_hash(rules: Iterable[Rule]) -> str:
    """`sha256:...` of what the rules say, whatever their order."""
    pairs = sorted((rule.match, rule.replace) for rule in rules)
    return f"sha256:{hashlib.sha256(msgspec.json.encode(pairs)).hexdigest()}"


def _plain(text: str, field: str, where: str) -> str:
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        raise _invalid(f"{field} has a control character in it", where)
    text = " ".join(unicodedata.normalize("NFC", text).split())
    if len(text) > MAX_CHARS[field]:
        raise _invalid(f"{field} of {len(text)} characters is over {MAX_CHARS[field]}", where)
    return text


def _invalid(message: str, where: str) -> ProtocolError:
    return ProtocolError(f"{where}: {message}", code="invalid_pronunciation", param=where)


def _folded(text: str) -> str:
    """The text in small letters, as long as before."""
    if text.isascii():
        return text.lower()
    return "".join(lower if len(lower := char.lower()) == 1 else char for char in text)


def _plant(tree: _Node, match: str, replacement: str) -> None:
    for char in match:
        tree = tree.setdefault(char, {})
    tree[""] = replacement


def _walk(tree: _Node, text: str, at: int) -> Iterator[tuple[int, str]]:
    """Every match that begins at `at`: where it ends, and its replacement."""
    while at < len(text):
        char = text[at]
        at += 1
        if char.isspace():
            char = " "
            while at < len(text) and text[at].isspace():
                at += 1
        if char not in tree:
            return
        tree = tree[char]
        if "" in tree:
            yield at, tree[""]


def _is_whole(text: str, start: int, end: int) -> bool:
    """Whether these characters are whole words. Symbols alone ("&") may stand anywhere."""
    match = text[start:end]
    if not any(char.isalnum() for char in match):
        return True
    if end < len(text) and (_is_mark(text[end]) or _grow_together(match[-1], text[end])):
        return False
    outside = start - 1
    while outside > 0 and _is_mark(text[outside]):
        outside -= 1
    if outside >= 0 and _grow_together(match[0], text[outside]):
        return False
    return not _is_contraction(text, start, end)


def _is_contraction(text: str, start: int, end: int) -> bool:
    """Whether this is one half of a word such as "can't" or "it's"."""
    after = text[end : end + 3].lower()
    if after[:1] in _APOSTROPHES and after[1:2] == "t" and not after[2:].isalnum():
        return True
    return (
        start > 1
        and text[start - 1] in _APOSTROPHES
        and text[start - 2].isalpha()
        and text[start:end].lower() in _SUFFIXES
    )


def _set_apart(before: str, said: str, after: str) -> str:
    """What is said, with a space where it would grow together with its neighbour ("R&D")."""
    if not said:
        return " " if before and after and _grow_together(before, after) else ""
    left = " " if before and _grow_together(said[0], before) else ""
    right = " " if after and _grow_together(said[-1], after) else ""
    return f"{left}{said}{right}"


def _grow_together(edge: str, outside: str) -> bool:
    """Whether a character outside goes on with the word at whose edge it stands. A symbol at the
    edge is part of the word, as in "C++"."""
    kind = _kind(edge) or "word"
    return kind != "spaceless" and kind == _kind(outside)


def _kind(char: str) -> str:
    """The kind of script of a letter or digit; "" for what is neither."""
    if not (char.isalnum() or char == "_" or _is_mark(char)):
        return ""
    return next((kind for kind, chars in _KINDS.items() if chars.match(char)), "word")


def _is_mark(char: str) -> bool:
    """Whether it belongs to the letter before it."""
    return unicodedata.category(char).startswith("M") or char in "\u200c\u200d"
