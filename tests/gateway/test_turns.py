"""Turns over the documented route: the embedded recognizer's, live."""

from __future__ import annotations

from conftest import Gateway
from speech import clip, wer

PAUSE = bytes(32_000 * 2)


def test_turns_are_told_to_whoever_asks_for_them(gateway: Gateway) -> None:
    first, first_text = clip("austen-0880.wav")
    second, second_text = clip("austen-0930.wav")
    with gateway.recognition(enable_turns=True, enable_partials=False) as ear:
        assert "turns" in ear.ready["capabilities"]
        ear.send(first + PAUSE)
        messages = ear.until("turn_end")
        # From here on nobody is sure enough before the timeout.
        ear.say(type="configure", eot_threshold=1.0, eot_timeout_ms=1500)
        ear.send(second + PAUSE)
        messages += ear.until("turn_end")
        ear.say(type="close")
        rest = ear.rest()
    kinds = [m["type"] for m in messages if m["type"] != "final_transcript"]
    assert kinds == ["turn_start", "turn_end"] * 2
    assert [m["type"] for m in rest] == ["session_ended"]
    one, two = (m for m in messages if m["type"] == "turn_end")
    assert wer(first_text, one["transcript"]) <= 0.25
    assert wer(second_text, two["transcript"]) <= 0.25
    assert (one["trigger"], two["trigger"]) == ("model", "timeout")
    assert one["timestamp"] < two["timestamp"]
    finals = [m["transcript"] for m in messages if m["type"] == "final_transcript"]
    assert " ".join(finals) == f"{one['transcript']} {two['transcript']}"


def test_what_was_said_is_in_a_turn_even_if_it_is_cut_short(gateway: Gateway) -> None:
    pcm, text = clip("austen-0930.wav")
    with gateway.recognition(enable_turns=True) as ear:
        ear.send(pcm)
        ear.say(type="finalize")
        [*_, end] = ear.until("turn_end")
        assert end["trigger"] == "manual"
        assert wer(text, end["transcript"]) <= 0.25


def test_whoever_does_not_ask_hears_of_none(gateway: Gateway) -> None:
    pcm, _ = clip("austen-0930.wav")
    with gateway.recognition() as ear:
        ear.send(pcm + PAUSE)
        ear.say(type="close")
        assert not any("turn" in m["type"] for m in ear.rest())


def test_what_cannot_be_is_refused_by_name(gateway: Gateway) -> None:
    with gateway.recognition(enable_turns=True) as ear:
        ear.say(type="configure", eot_threshold=2)
        [error] = ear.until("error")
        assert (error["code"], error["param"]) == ("config_error", "eot_threshold")
