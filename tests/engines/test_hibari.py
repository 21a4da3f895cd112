"""What the embedded voice promises."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from voxway.engines.base import Spoken, Voice
from voxway.engines.hibari import HibariVoice, _with_output
from voxway.errors import ConfigError
from voxway.events import SpeakOptions

TEXT = "On the 3rd of March, 1,250 people paid $9.99 to Dr. Smith."


def spoken(voice: Voice, text: str, options: SpeakOptions | None = None) -> list[Spoken]:
    return list(voice.speak(text, options or SpeakOptions()))


def seconds(items: list[Spoken]) -> float:
    return sum(len(item.pcm) for item in items) / 48_000


def test_one_item_a_sentence(voice: HibariVoice) -> None:
    items = spoken(voice, "Hello there. How are you? 🙂\nFine")
    assert [item.text for item in items] == ["Hello there.", "How are you?", "Fine"]
    assert all(len(item.pcm) % 2 == 0 and item.pcm for item in items)
    assert all(item.words == () for item in items)


@pytest.mark.parametrize("text", ["", "  \n", "🙂 👍", "...", "—", "你好。世界", "]"])
def test_what_has_no_english_sound_gives_nothing(voice: HibariVoice, text: str) -> None:
    assert spoken(voice, text) == []


def test_long_text_without_punctuation_comes_in_pieces(voice: HibariVoice) -> None:
    text = "word after word " * 60
    items = spoken(voice, text)
    assert " ".join(item.text for item in items).split() == text.split()
    assert max(len(item.text) for item in items) <= 220


def test_numbers_longer_than_the_model_takes_are_spoken_whole(voice: HibariVoice) -> None:
    short = seconds(spoken(voice, "12345678901234567890 " * 3))
    assert seconds(spoken(voice, "12345678901234567890 " * 9)) == pytest.approx(3 * short, rel=0.1)


@pytest.mark.parametrize(
    "text", ["x\u00b9", "\u00b2 and \u2460", "a\u00bcx6x\u00b9\u0301\u01eb0\u0130a"]
)
def test_what_the_pronunciation_stumbles_over_is_spoken(voice: HibariVoice, text: str) -> None:
    assert list(voice.speak(text, SpeakOptions()))


@pytest.mark.parametrize("text", ["\U00049878 \u00b8 \u00a9/\u00d9`\u00f0", "# | hello | #"])
def test_what_has_no_sound_takes_no_time(voice: HibariVoice, text: str) -> None:
    [spoken] = voice.speak(text, SpeakOptions(word_timestamps=True))
    assert spoken.words[-1].end <= len(spoken.pcm) / 48_000


def test_silence_is_trimmed_but_not_the_onset(voice: HibariVoice) -> None:
    for text in ("Fish and chips.", "Happy hippos hop.", "Three things.", "Who are you?"):
        [item] = spoken(voice, text)
        level = np.abs(np.frombuffer(item.pcm, "<i2").astype(np.int32))
        heard = np.flatnonzero(level > 33)  # -60 dB
        assert 0.01 < heard[0] / 24_000 < 0.15
        assert 0.15 < (len(level) - heard[-1]) / 24_000 < 0.3
        assert level[:240].max() <= 33  # nothing was cut away: it begins from near silence


def test_speed(voice: HibariVoice) -> None:
    slow, normal, fast = (
        seconds(spoken(voice, TEXT, SpeakOptions(speed=speed))) for speed in (0.5, 1.0, 2.0)
    )
    assert 1.7 < slow / normal < 2.2
    assert 1.6 < normal / fast < 2.2


@pytest.mark.parametrize("speed", [0.0, 0.49, 2.01, -1.0, float("nan")])
def test_speed_out_of_range_is_refused_at_once(voice: HibariVoice, speed: float) -> None:
    with pytest.raises(ConfigError) as caught:
        voice.speak("Hello.", SpeakOptions(speed=speed))
    assert caught.value.param == "speed"


@pytest.mark.parametrize("seed", ["x", -1, 1.5])
def test_a_bad_seed_is_refused(voice: HibariVoice, seed: object) -> None:
    with pytest.raises(ConfigError):
        voice.speak("Hello.", SpeakOptions(extra={"seed": seed}))


def test_a_seed_makes_it_the_same_to_the_bit_also_in_threads(voice: HibariVoice) -> None:
    options = SpeakOptions(extra={"seed": 7}, word_timestamps=True)
    once = spoken(voice, TEXT, options)
    with ThreadPoolExecutor(4) as pool:
        assert all(
            again == once for again in pool.map(lambda _: spoken(voice, TEXT, options), range(8))
        )


def test_words_are_those_of_the_text_in_order_and_within_the_audio(voice: HibariVoice) -> None:
    [item] = spoken(voice, TEXT, SpeakOptions(word_timestamps=True))
    assert [word.text for word in item.words] == TEXT.split()
    edges = [edge for word in item.words for edge in (word.start, word.end)]
    assert edges == sorted(edges)
    assert edges[-1] <= len(item.pcm) / 48_000
    length = {word.text: word.end - word.start for word in item.words}
    assert length["$9.99"] > 1.0 > 0.3 > length["the"]


def test_without_durations_words_are_timed_by_length(voice: HibariVoice) -> None:
    blind = HibariVoice()
    blind._timed = False
    [item] = spoken(blind, "Hello there.", SpeakOptions(word_timestamps=True))
    assert [word.text for word in item.words] == ["Hello", "there."]
    assert 0 < item.words[0].start < item.words[0].end <= item.words[1].start


def test_a_long_output_name_is_encoded() -> None:
    assert _with_output(b"", "n" * 200).count(b"n") == 200
