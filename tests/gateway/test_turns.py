"""Turns over the documented route: the embedded recognizer's, live."""

from __future__ import annotations

import json
import re
from pathlib import Path

from conftest import Gateway
from speech import clip, wer
from voxway.events import Turn
from voxway.wire.unified import Client, Style

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "turns.md"
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


def test_the_page_says_what_is_so(gateway: Gateway) -> None:
    """docs/how-to/turns.md: its init and its configure are taken, its messages are ours."""
    page = PAGE.read_text()
    asked, told = re.findall(r"^```json\n(.*?)^```", page, re.M | re.S)
    client = Client(Style("stt"))
    turns = [event for line in told.splitlines() for event in client.decode(line)]
    assert [turn.phase for turn in turns if isinstance(turn, Turn)] == [
        "start",
        "eager_end",
        "resumed",
        "end",
    ]
    [configure] = re.findall(r"`(\{\"type\": \"configure\".*?\})`", page)
    with gateway.open("/v1/stt/local/moonshine:tiny-en") as ear:
        ear.say(**json.loads(asked))
        assert "turns" in ear.until("ready")[-1]["capabilities"]
        ear.say(**json.loads(configure))
        ear.say(type="close")
        assert [m["type"] for m in ear.rest()] == ["session_ended"]
