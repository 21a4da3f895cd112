"""Subtitles: what goes into one, and how the two formats say it."""

from __future__ import annotations

from voxway.events import Transcript, Word
from voxway.text.subtitles import Cue, cues, joined, srt, turns, vtt


def word(text: str, start: float, end: float, speaker: int | None = None) -> Word:
    return Word(text=text, start=start, end=end, speaker=speaker)


def test_subtitles() -> None:
    finals = [
        Transcript("", True),
        Transcript(
            "Oh! Go --> on.",
            True,
            words=(
                word("Oh!", 0.1, 0.5),
                word("Go", 0.6, 0.8),
                word("-->", 0.8, 1),
                word("on.", 3, 4),
            ),
        ),
        Transcript("Timeless.", True, start=3599.9996, duration=62.0),
        Transcript("No time.", True),
    ]
    found = cues(finals)
    assert found == [
        Cue(0.1, 0.5, "Oh!"),
        Cue(0.6, 1, "Go -->"),
        Cue(3, 4, "on."),
        Cue(3599.9996, 3661.9996, "Timeless."),
        Cue(3661.9996, 3661.9996, "No time."),
    ]
    assert srt(found[2:4]) == (
        "1\n00:00:03,000 --> 00:00:04,000\non.\n\n2\n01:00:00,000 --> 01:01:02,000\nTimeless.\n"
    )
    assert vtt(found[1:2]) == "WEBVTT\n\n00:00:00.600 --> 00:00:01.000\nGo ->\n"
    assert (srt([]), vtt([])) == ("", "WEBVTT\n")


def test_a_cue_fits_on_a_screen() -> None:
    words = tuple(word("abcdefghi", n, n + 1) for n in range(30))
    found = cues([Transcript("", True, words=words)])
    assert all(len(cue.text) <= 84 for cue in found)
    assert " ".join(cue.text for cue in found).count("abcdefghi") == 30


def test_speakers_have_cues_of_their_own() -> None:
    words = (word("Yes?", 0, 1, 0), word("No", 1, 2, 1), word("<no>.", 2, 3, 1), word("Oh", 3, 4))
    finals = [Transcript("Yes? No <no>. Oh", True, words=words)]
    assert [(speaker, joined(said)) for speaker, said in turns(words)] == [
        (0, "Yes?"),
        (1, "No <no>."),
        (None, "Oh"),
    ]
    assert [cue.speaker for cue in cues(finals)] == ["", "", ""]
    found = cues(finals, speakers=True)
    assert found[1] == Cue(1, 3, "No <no>.", "Speaker 1")
    assert "\nSpeaker 1: No <no>.\n" in srt(found)
    assert "\n<v Speaker 1>No &lt;no>.\n" in vtt(found)
    assert "\n<v Speaker ?>Oh\n" in vtt(found)
