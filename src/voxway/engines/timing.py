"""When each written word is spoken, from the times of other, spoken words.

A voice says "nine dollars" for "$9", a recognizer's dictionary lacks a name: both know times only
for what they said or knew. A word is a piece between white space with a letter or digit in it,
punctuation and all, so that joining the words gives the text back.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import accumulate

from ..events import Word
from ..text.sentences import speakable


def words_in(text: str) -> list[str]:
    """The words of `text` as written."""
    return [word for word in text.split() if speakable(word)]


def spread(words: Sequence[str], start: float, end: float) -> list[Word]:
    """`words` one after the other from `start` to `end`, each as long as its letters."""
    edges = [0, *accumulate(1 + len(_letters(word)) for word in words)]
    scale = (end - start) / edges[-1] if edges[-1] else 0.0
    return [
        Word(text=word, start=start + edges[i] * scale, end=start + edges[i + 1] * scale)
        for i, word in enumerate(words)
    ]


def transfer(words: Sequence[str], spoken: Sequence[Word], start: float, end: float) -> list[Word]:
    """Give the times of `spoken` to the same words in `words`. Words in between share the time
    in between, within `start` and `end`."""
    keys, spoken_keys = [_letters(w) for w in words], [_letters(w.text) for w in spoken]
    matcher = SequenceMatcher(None, keys, spoken_keys, autojunk=False)
    timed: list[Word] = []
    for tag, i, i_end, j, j_end in matcher.get_opcodes():
        if tag == "equal":
            pairs = zip(words[i:i_end], spoken[j:j_end], strict=True)
            timed += [Word(text=text, start=span.start, end=span.end) for text, span in pairs]
        elif j < j_end:
            timed += spread(words[i:i_end], spoken[j].start, spoken[j_end - 1].end)
        else:
            before = spoken[j - 1].end if j else start
            after = spoken[j].start if j < len(spoken) else end
            timed += spread(words[i:i_end], before, after)
    return timed


def shifted(words: Sequence[Word], offset: float, end: float) -> tuple[Word, ...]:
    """`words` moved by `offset` and kept within 0 and `end`, in order, to the millisecond."""
    moved, earliest = [], 0.0
    for word in words:
        begin = min(max(word.start + offset, earliest), end)
        finish = min(max(word.end + offset, begin), end)
        moved.append(Word(text=word.text, start=round(begin, 3), end=round(finish, 3)))
        earliest = begin
    return tuple(moved)


def _letters(word: str) -> str:
    return "".join(char for char in word.lower() if char.isalnum())
