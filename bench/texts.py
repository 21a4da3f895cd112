"""What is said in the measurements. Every sentence has ten words."""

from __future__ import annotations

ADJECTIVES = ("quiet", "yellow", "hungry", "clever", "broken", "gentle", "modern")
PEOPLE = ("teacher", "farmer", "doctor", "painter", "driver")
VERBS = ("watched", "carried", "found", "painted")
THINGS = ("window", "basket", "letter", "camera", "ladder", "engine")
PLACES = ("river", "market", "garden", "station", "library", "harbour", "forest", "school")

PARAGRAPH = 40  # sentences of a long paragraph: about two minutes of speech


def sentence(number: int) -> str:
    """A sentence of ten words, a different one for each number."""
    return (
        f"The {ADJECTIVES[number % 7]} {PEOPLE[number % 5]} {VERBS[number % 4]} "
        f"the {THINGS[number % 6]} near the old {PLACES[number % 8]}."
    )


def paragraph() -> str:
    """Many sentences, sent as one text."""
    return " ".join(sentence(number) for number in range(PARAGRAPH))


# Four seconds of speech in the embedded voice.
SPOKEN = "The train to the coast leaves from the second platform at noon, so please hurry."
