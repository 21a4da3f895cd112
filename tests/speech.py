"""Tools to compare speech with text: a normaliser, the word error rate, sentences and clips."""

from __future__ import annotations

import re
import wave
from pathlib import Path

DATA = Path(__file__).parent / "data"

SENTENCES = (
    "The quick brown fox jumps over the lazy dog.",
    "Please call Stella, and ask her to bring these things with her from the store.",
    "My order number is 4712, and it has not arrived yet.",
    "The meeting was moved to Thursday at 3:30 in the afternoon.",
    "Dr. Smith will see you on March 14th at the clinic.",
    "The total comes to $42.50, including tax.",
    "In 1969, two men walked on the moon for the first time.",
    "Could you tell me what the weather will be like in London tomorrow?",
    "Turn left after the bridge, then drive for about 5 miles.",
    "I can't believe that it's already been 20 years since we met!",
    "Mary and Thomas are flying from Chicago to Boston next Friday.",
    "Your account balance is 1,250 dollars.",
    "If you need more help, press 1; otherwise, stay on the line.",
    "She bought a loaf of bread, some cheese, and a bottle of milk.",
    "The train to Manchester leaves from platform 9.",
    "Nobody knows why the old lighthouse was abandoned.",
    "He asked whether we could reschedule the interview for Monday.",
    "Water boils at 100 degrees at sea level.",
    "Thank you for calling; an agent will be with you shortly.",
    "About 75% of the students passed the final exam.",
    "There are 365 days in a year, and 24 hours in a day.",
    "Open the window, it's getting hot in here.",
)

CLIPS = {
    "jfk.wav": "and so my fellow americans ask not what your country can do for you "
    "ask what you can do for your country",
    "austen-0870.wav": "and mister john dashwood had then leisure to consider how much there "
    "might be prudently in his power to do for them",
    "austen-0880.wav": "he was not an ill disposed young man",
    "austen-0890.wav": "unless to be rather cold hearted and rather selfish is to be ill disposed",
    "austen-0920.wav": "had he married a more amiable woman he might have been made still more "
    "respectable than he was",
    "austen-0930.wav": "he might even have been made amiable himself",
    "goforward.raw": "go forward ten meters",
}

_UNITS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen""".split()  # noqa: SIM905
_TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_SPELLED = {"dr": "doctor", "mr": "mister", "mrs": "missus", "st": "saint", "&": "and"}


def clip(name: str) -> tuple[bytes, str]:
    """Human speech as 16 kHz linear16, and what is said."""
    path = DATA / name
    if path.suffix == ".raw":
        return path.read_bytes(), CLIPS[name]
    with wave.open(str(path)) as file:
        return file.readframes(file.getnframes()), CLIPS[name]


def normalise(text: str) -> list[str]:
    """The words of `text` as they sound: small letters, no punctuation, numbers spelled out."""
    text = text.lower().replace("\u2019", "'")
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    text = re.sub(r"\$(\d+)\.(\d\d)\b", lambda m: f"{m[1]} dollars and {int(m[2])} cents", text)
    text = re.sub(r"\$(\d+)", r"\1 dollars", text)
    text = re.sub(r"(\d)\s*%", r"\1 percent", text).replace("per cent", "percent")
    text = re.sub(r"\b(\d{1,2}):(\d\d)\b", _time, text)
    text = re.sub(r"(?<=\bat )(\d{1,2})\.(\d\d)\b", _time, text)
    text = re.sub(r"(\d+)(?:st|nd|rd|th)\b", lambda m: _ordinal(int(m[1])), text)
    text = re.sub(r"(\d+)\.(\d+)", lambda m: f"{m[1]} point {' '.join(m[2])}", text)
    text = re.sub(r"\d+", lambda m: f" {_number(m[0])} ", text)
    words = re.findall(r"[^\W_]+(?:'[^\W_]+)*|&", text)
    return [_SPELLED.get(word, word) for word in words]


def wer(reference: str, hypothesis: str) -> float:
    """Word error rate: edits from what was said to what was heard, per word that was said."""
    said, heard = normalise(reference), normalise(hypothesis)
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
    return row[-1] / max(len(said), 1)


def _number(digits: str) -> str:
    value = int(digits)
    if digits[0] == "0" or len(digits) > 6:
        return " ".join(_UNITS[int(digit)] for digit in digits)
    if 1100 <= value <= 1999 or 2010 <= value <= 2099:
        century, rest = divmod(value, 100)
        return f"{_cardinal(century)} {_cardinal(rest) if rest else 'hundred'}"
    return _cardinal(value)


def _cardinal(value: int) -> str:
    if value < 20:
        return _UNITS[value]
    if value < 100:
        return _joined(_TENS[value // 10], value % 10)
    for size, name in ((1000, "thousand"), (100, "hundred")):
        if value >= size:
            return _joined(f"{_cardinal(value // size)} {name}", value % size)
    raise AssertionError(value)


def _joined(head: str, rest: int) -> str:
    return f"{head} {_cardinal(rest)}" if rest else head


def _ordinal(value: int) -> str:
    *head, last = _cardinal(value).split()
    if last not in _ORDINALS:
        last = last[:-1] + "ieth" if last.endswith("y") else last + "th"
    return " ".join([*head, _ORDINALS.get(last, last)])


def _time(match: re.Match[str]) -> str:
    minutes = int(match[2])
    if minutes == 0:
        return f"{match[1]} o'clock"
    return f"{match[1]} oh {minutes}" if minutes < 10 else f"{match[1]} {minutes}"
