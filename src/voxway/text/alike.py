"""How far what was heard is from what was said."""

from __future__ import annotations

import re


def words(text: str) -> list[str]:
    """The words alone: small letters, no punctuation."""
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", text.lower().replace("\u2019", "'"))


def wrong(said: list[str], heard: list[str]) -> int:
    """Words to change, leave out or put in until one is the other."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
    return row[-1]
