"""Every sentence once, whatever is lost: what is said again, and what is left out of it."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client.peer import read, sound
from voxway.audio.formats import AudioFormat
from voxway.client.notices import Abandoned, Notice, Resent
from voxway.client.speaking import Speaking, SpeechEvent
from voxway.events import (
    Audio,
    Event,
    Flush,
    Flushed,
    SegmentEnd,
    SegmentStart,
    Text,
    Word,
    Words,
)

RATE = 10  # Hz: a letter sounds for a tenth of a second, a blank does not
FORMAT = AudioFormat("linear16", RATE)


class Talk:
    """A client's side, and a voice that says each text as its letters, until its connection is
    lost. `has_segments`: it tells where sentences begin and end; `words`: and when words are."""

    def __init__(
        self, resends: int | None = None, *, has_segments: bool = True, has_words: bool = False
    ) -> None:
        self.speaking = Speaking(resends)
        self.told: list[SpeechEvent] = []
        self.notices: list[Notice] = []
        self._has_segments = has_segments
        self._has_words = has_words
        self.connect()

    def connect(self) -> None:
        self.speaking.lost()
        self.speaking.began(FORMAT)
        self._server: deque[Event] = deque()
        self._clock = 0.0  # of the utterance, seconds

    def utterance(self, text: str, *, ends: bool = True) -> str:
        utterance = self.speaking.add()
        utterance.text, utterance.is_complete = text, ends
        return utterance.id

    def say(self) -> list[str]:
        """Hand on all that may be said; the texts among it."""
        texts = []
        while items := list(self.speaking.next()):
            for item in items:
                match item:
                    case Notice():
                        self.notices.append(item)
                    case Flushed():
                        self.told.append(item)
                    case Text(text=text):
                        texts.append(text)
                        self._server.extend(self._spoken(text))
                    case Flush():
                        self._clock = 0.0
                        self._server.append(Flushed())
        return texts

    def _spoken(self, text: str) -> Iterator[Event]:
        audio = sound(text.replace(" ", ""))
        if self._has_segments:
            yield SegmentStart("seg_1", text)
        if self._has_words:
            at = self._clock
            for word in text.split(" "):
                end = at + len(word) / RATE
                yield Words((Word(text=word, start=at, end=end),))
                at = end
        self._clock += len(audio) / 2 / RATE
        for start in range(0, len(audio), 5):  # which is no number of whole samples
            yield Audio(audio[start : start + 5])
        if self._has_segments:
            yield SegmentEnd("seg_1")

    def hear(self, count: int = 10_000) -> None:
        """So many events of the voice."""
        while self._server and count > 0:
            count -= 1
            event = self._server.popleft()
            self.told.extend(self.speaking.told(event, self.speaking.epoch))
            self.say()

    @property
    def heard(self) -> str:
        return read(b"".join(event.data for event in self.told if isinstance(event, Audio)))

    def of(self, kind: type[Notice]) -> list[Notice]:
        return [notice for notice in self.notices if isinstance(notice, kind)]


def test_events_are_named_by_their_utterance() -> None:
    talk = Talk()
    ids = [talk.utterance("One."), talk.utterance("Two.")]
    assert talk.say() == ["One.", "Two."]
    talk.hear()
    assert [(type(e), e.context) for e in talk.told if not isinstance(e, Audio)] == [
        (kind, id) for id in ids for kind in (SegmentStart, SegmentEnd, Flushed)
    ]
    assert talk.told[-1] == Flushed(4 / RATE, context=ids[1])


def test_unspoken_text_is_said_again_after_a_reconnect() -> None:
    talk = Talk()
    talk.utterance("One.")
    talk.utterance("Two.")
    talk.say()
    talk.hear(5)  # all of the first but its end
    talk.connect()
    assert talk.say() == ["Two."]
    talk.hear()
    assert talk.heard == "One.Two."


def test_spoken_text_is_never_said_twice_known_by_its_terminal() -> None:
    talk = Talk(has_segments=False)
    talk.utterance("One.")
    talk.say()
    talk.hear()
    talk.connect()
    assert talk.say() == []


def test_spoken_text_is_never_said_twice_known_by_its_segments() -> None:
    talk = Talk()
    utterance = talk.speaking.add()
    for sentence in ("One is.", "Two is."):
        utterance.text = f"{utterance.text} {sentence}".strip()
        talk.say()
    utterance.is_complete = True
    talk.say()
    talk.hear(5)  # the first sentence
    talk.connect()
    assert talk.say() == ["Two is."]
    talk.hear()
    assert talk.heard == "Oneis.Twois."


def test_what_was_heard_of_a_sentence_is_left_out_when_it_is_said_again() -> None:
    talk = Talk()
    talk.utterance("Hello there.")
    talk.say()
    talk.hear(3)  # its beginning, and ten bytes
    assert talk.heard == "Hello"
    talk.connect()
    assert talk.say() == ["Hello there."]
    assert talk.of(Resent) == [Resent("u1", "Hello there.", 5 / RATE)]
    talk.hear()
    assert talk.heard == "Hellothere."
    assert len([event for event in talk.told if isinstance(event, SegmentStart)]) == 1


def test_an_utterance_is_said_again_at_most_once() -> None:
    talk = Talk(resends=1)
    talk.utterance("Hello there.")
    talk.utterance("And on.")
    for _ in range(2):
        talk.say()
        talk.hear(3)
        talk.connect()
    assert talk.say() == ["And on."]
    assert talk.of(Abandoned) == [Abandoned("u1", "Hello there.")]
    talk.hear()
    assert talk.heard == "HelloAndon."
    assert [event.context for event in talk.told if isinstance(event, Flushed)] == ["u1", "u2"]


def test_it_may_be_asked_for_more() -> None:
    talk = Talk(resends=None)
    talk.utterance("Hello there.")
    for _ in range(20):
        talk.say()
        talk.hear(2)
        talk.connect()
    talk.say()
    talk.hear()
    assert talk.heard == "Hellothere."


def test_compressed_audio_is_not_joined_in_its_middle() -> None:
    talk = Talk()
    talk.speaking.began(AudioFormat("mp3", 24_000))
    talk.utterance("Hello there.")
    talk.say()
    talk.hear(3)
    talk.speaking.lost()
    talk.speaking.began(AudioFormat("mp3", 24_000))
    assert talk.say() == []
    assert talk.of(Abandoned)


def test_times_of_words_go_on_where_they_were() -> None:
    talk = Talk(has_words=True)
    utterance = talk.speaking.add()
    for sentence in ("One is.", "Two is here."):
        utterance.text = f"{utterance.text} {sentence}".strip()
        talk.say()
    utterance.is_complete = True
    talk.say()
    talk.hear(3 + 3 + 1 + 1 + 4)  # the first sentence, the words of the second and some audio
    talk.connect()
    talk.say()
    talk.hear()
    words = [word for event in talk.told if isinstance(event, Words) for word in event.words]
    assert [word.text for word in words] == ["One", "is.", "Two", "is", "here."]
    assert [round(word.start * RATE) for word in words] == [0, 3, 6, 9, 11]


def test_text_without_anything_to_say_needs_no_voice() -> None:
    talk = Talk()
    id = talk.utterance(" ...")
    assert talk.say() == []
    assert talk.told == [Flushed(0.0, context=id)]


def test_what_was_cleared_is_not_heard() -> None:
    talk = Talk()
    talk.utterance("One.")
    talk.say()
    assert talk.speaking.clear()
    talk.utterance("Two.")
    talk.say()
    stale = [Audio(sound("One.")), Flushed()]
    assert [told for event in stale for told in talk.speaking.told(event, 0)] == []
    assert list(talk.speaking.told(Audio(sound("Two.")), 1))
    assert not Speaking(None).clear()


def test_dropping_one_text_leaves_the_others() -> None:
    talk = Talk()
    one, two, three = (talk.utterance(text) for text in ("One.", "Two.", "Three."))
    talk.say()
    assert not talk.speaking.drop({two})  # it is behind the first, and comes all the same
    talk.hear()
    assert talk.heard == "One.Three."
    del three
    four, five = talk.utterance("Four."), talk.utterance("Five.")
    talk.say()
    assert talk.speaking.drop({four})
    assert talk.speaking.epoch == 1
    talk._server.clear()
    assert talk.say() == ["Five."]
    talk.hear()
    assert talk.heard == "One.Three.Five."
    assert talk.of(Resent) == []
    assert not talk.speaking.drop({one, five})


@pytest.mark.parametrize("has_segments", [True, False], ids=["segments", "terminals"])
@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_sentence_is_heard_once_in_order(has_segments: bool, seed: int) -> None:
    """However often the connection is lost, wherever that is, however the text is cut."""
    chance = random.Random(seed)
    talk = Talk(has_segments=has_segments)
    wanted = ""
    count = chance.randint(1, 4)
    for number in range(count):
        sentences = [f"{number}{n} is it." for n in range(chance.randint(1, 3))]
        utterance = talk.speaking.add()
        for sentence in sentences:
            utterance.text = f"{utterance.text} {sentence}".strip()
            if chance.random() < 0.5:
                talk.say()
            if chance.random() < 0.3:
                talk.hear(chance.randint(0, 9))
            if chance.random() < 0.3:
                talk.connect()
        utterance.is_complete = True
        wanted += "".join(sentences).replace(" ", "")
    for _ in range(chance.randint(0, 6)):
        talk.say()
        talk.hear(chance.randint(0, 30))
        talk.connect()
    talk.say()
    talk.hear()
    assert talk.heard == wanted
    assert len(talk.speaking) == 0
    ends = [event.context for event in talk.told if isinstance(event, Flushed)]
    assert ends == [f"u{n + 1}" for n in range(count)]
