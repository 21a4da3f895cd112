"""Putting a transcript together: Telnyx's table of partials, a row a test; and its exports."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from voxway.client.replay import Stretch
from voxway.client.transcript import Assembly
from voxway.events import Event, SpeechStarted, Transcript, UtteranceEnd, Word


def partial(text: str, start: float | None = None) -> Transcript:
    return Transcript(text, False, start=start, duration=None if start is None else 1.0)


def final(
    text: str, start: float | None = None, *, is_endpoint: bool = True, from_finalize: bool = False
) -> Transcript:
    duration = None if start is None else 1.0
    return Transcript(
        text,
        True,
        start=start,
        duration=duration,
        is_endpoint=is_endpoint,
        from_finalize=from_finalize,
    )


def assembled(*events: Event) -> Assembly:
    assembly = Assembly()
    for event in events:
        assembly.add(event)
    return assembly


def test_a_partial_replaces_the_partial_before_it_and_nothing_else() -> None:
    assembly = assembled(final("One."), partial("T"), partial("Two"))
    assert assembly.text() == "One."
    assert assembly.partial == "Two"


def test_a_final_takes_the_place_of_its_partials_for_good() -> None:
    assembly = assembled(partial("one"), final("One."), partial("One or"), final("Two."))
    assert assembly.text() == "One.\nTwo."
    assert assembly.partial == ""
    assert [each.text for each in assembly.finals] == ["One.", "Two."]


def test_the_end_of_an_utterance_is_no_text() -> None:
    assembly = assembled(final("One."))
    assert not assembly.add(UtteranceEnd(1.0))
    assert not assembly.add(SpeechStarted(2.0))
    assert assembly.text() == "One."


def test_an_empty_final_is_no_text_but_ends_its_partial() -> None:
    assembly = assembled(partial("uh"))
    assert assembly.add(final(""))
    assert (assembly.text(), assembly.partial, assembly.finals) == ("", "", ())
    assert not assembly.add(final("", from_finalize=True))


def test_a_partial_that_comes_after_its_final_is_dropped() -> None:
    assembly = assembled(final("One two.", start=3.0))
    assert not assembly.add(partial("One", start=3.0))
    assert assembly.partial == ""
    assert assembly.add(partial("Three", start=4.0))
    assert assembly.partial == "Three"
    words = (Word(text="One", start=3.1, end=3.3),)
    assert not assembly.add(Transcript("One", False, words=words))


def test_it_says_whether_there_is_something_to_show() -> None:
    assembly = Assembly()
    shown = [assembly.add(event) for event in (partial("a"), partial("a"), final("A."), final(""))]
    assert shown == [True, False, True, False]


def test_finals_of_one_utterance_share_a_line_until_it_ends() -> None:
    assembly = assembled(
        final("Had he married", is_endpoint=False),
        final("a more amiable woman."),
        final("He might", is_endpoint=False),
        UtteranceEnd(),
        final("even."),
    )
    assert assembly.text() == "Had he married a more amiable woman.\nHe might\neven."


def word(text: str, start: float, speaker: int | None = None) -> Word:
    return Word(text=text, start=start, end=start + 0.5, speaker=speaker, confidence=0.9)


def talk() -> Assembly:
    return assembled(
        Transcript(
            "Ready? Go.",
            True,
            start=0.0,
            duration=2.0,
            language="en",
            words=(word("Ready?", 0.1, 0), word("Go.", 1.0, 1)),
        ),
        final("No words.", start=2.5),
    )


def test_speakers_have_lines_and_cues_of_their_own() -> None:
    assert talk().text(speakers=True) == "Speaker 0: Ready?\nSpeaker 1: Go.\nNo words."
    assert "00:00:00,100 --> 00:00:00,600\nSpeaker 0: Ready?\n" in talk().srt(speakers=True)
    assert "<v Speaker 1>Go." in talk().vtt(speakers=True)


def test_subtitles() -> None:
    assert talk().srt().startswith("1\n00:00:00,100 --> 00:00:00,600\nReady?\n\n2\n")
    assert talk().srt().endswith("3\n00:00:02,500 --> 00:00:03,500\nNo words.\n")
    assert talk().vtt().startswith("WEBVTT\n\n00:00:00.100 --> 00:00:00.600\nReady?\n")


def test_json_has_all_that_is_known() -> None:
    assembly = talk()
    assembly.miss(Stretch(4.0, 5.5))
    assembly.mark_incomplete("no final within 5 s")
    assembly.mark_incomplete("and then another thing")
    document = json.loads(assembly.json())
    assert document["text"] == "Ready? Go.\nNo words."
    assert document["incomplete"] == "no final within 5 s"
    assert document["gaps"] == [{"start": 4.0, "end": 5.5}]
    assert document["segments"] == [
        {
            "text": "Ready? Go.",
            "start": 0.0,
            "end": 2.0,
            "language": "en",
            "words": [
                {"word": "Ready?", "start": 0.1, "end": 0.6, "confidence": 0.9, "speaker": 0},
                {"word": "Go.", "start": 1.0, "end": 1.5, "confidence": 0.9, "speaker": 1},
            ],
        },
        {"text": "No words.", "start": 2.5, "end": 3.5},
    ]


def test_nothing_heard_is_an_empty_transcript() -> None:
    assert (Assembly().text(), Assembly().srt(), Assembly().vtt()) == ("", "", "WEBVTT\n")
    assert json.loads(Assembly().json()) == {
        "text": "",
        "segments": [],
        "gaps": [],
        "incomplete": None,
    }


EVENTS = st.one_of(
    st.builds(partial, st.text("ab ", max_size=3)),
    st.builds(final, st.text("AB", max_size=3)),
    st.just(UtteranceEnd()),
)


@given(st.lists(EVENTS, max_size=30))
def test_what_is_settled_only_grows_and_holds_each_final_once(events: list[Event]) -> None:
    assembly, finals, shown = Assembly(), [], ""
    for event in events:
        changed = assembly.add(event)
        if isinstance(event, Transcript) and event.final and event.text:
            finals.append(event.text)
        assert assembly.text().startswith(shown.rsplit("|", 1)[0])
        now = f"{assembly.text()}|{assembly.partial}"
        assert changed or now == shown or not shown
        shown = now
    assert assembly.text() == "\n".join(finals)
    partials = [e.text for e in events if isinstance(e, Transcript) and not e.final]
    assert assembly.partial in ["", *partials]
