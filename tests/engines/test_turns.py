"""The embedded recognizer with turns: real speech, real pauses."""

from __future__ import annotations

from voxway.engines.moonshine import MoonshineEar
from voxway.engines.turns import Following, listen
from voxway.events import ListenOptions, Reply, Transcript, Turn, Turns

from .conftest import Say, feed, text_of

FIRST, SECOND = "Nobody knows why.", "The water is very cold today."


def silence(seconds: float) -> bytes:
    return bytes(round(seconds * 16_000) * 2)


def told(ear: MoonshineEar, pcm: bytes, options: ListenOptions) -> list[Reply]:
    hearing = listen(ear, options)
    try:
        return feed(hearing.feed, pcm) + hearing.finalize()
    finally:
        hearing.close()


def phases(replies: list[Reply]) -> list[str]:
    return [reply.phase for reply in replies if isinstance(reply, Turn)]


def test_each_turn_is_told_once_with_its_words(ear: MoonshineEar, say: Say) -> None:
    pcm = say(FIRST) + silence(2.5) + say(SECOND) + silence(2.5)
    replies = told(ear, pcm, ListenOptions(turns=Turns()))
    assert phases(replies) == ["start", "end", "start", "end"]
    ends = [r for r in replies if isinstance(r, Turn) and r.phase == "end"]
    assert [end.text for end in ends] == [FIRST, SECOND]
    assert {end.trigger for end in ends} == {"model"}
    assert all(0.7 <= (end.confidence or 0.0) < 1.0 for end in ends)
    # The end is told while it is still silent: about a second after the last word.
    first = ends[0].at or 0.0
    assert len(say(FIRST)) / 32_000 < first < (len(say(FIRST)) + len(silence(2.5))) / 32_000


def test_whoever_takes_a_breath_has_not_ended(ear: MoonshineEar, say: Say) -> None:
    pcm = say(FIRST) + silence(0.4) + say(SECOND) + silence(2.5)
    asked = Turns(threshold=0.9, eager_threshold=0.3)
    replies = told(ear, pcm, ListenOptions(turns=asked, partials=False))
    assert phases(replies) == ["start", "eager_end", "resumed", "eager_end", "end"]
    assert text_of(replies) == f"{FIRST} {SECOND}"
    assert all(reply.final for reply in replies if isinstance(reply, Transcript))


def test_a_finalize_ends_it_and_nothing_is_made_of_silence(ear: MoonshineEar, say: Say) -> None:
    replies = told(ear, silence(3.0) + say(FIRST), ListenOptions(turns=Turns()))
    *_, answer, end = replies
    assert phases(replies) == ["start", "end"]
    assert isinstance(answer, Transcript)
    assert answer.from_finalize
    assert end == Turn("end", FIRST, trigger="manual")


def test_patience_can_change(ear: MoonshineEar, say: Say) -> None:
    hearing = listen(ear, ListenOptions(turns=Turns(threshold=1.0, timeout=60.0)))
    assert isinstance(hearing, Following)
    assert phases(feed(hearing.feed, say(FIRST) + silence(3.0))) == ["start"]
    hearing.adjust(Turns(timeout=1.0))
    [end] = [r for r in feed(hearing.feed, silence(0.1)) if isinstance(r, Turn)]
    hearing.close()
    assert (end.phase, end.trigger) == ("end", "timeout")


def test_without_turns_it_is_the_ear_itself(ear: MoonshineEar) -> None:
    hearing = listen(ear, ListenOptions())
    hearing.close()
    assert not isinstance(hearing, Following)
