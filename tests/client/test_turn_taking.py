"""A speaker's turns in the client: whose turn it is, whatever happens to the connection."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from client.peer import Peer, listening, run
from client.test_stt import SECOND, UNHURRIED, ear, talk
from conftest import Gateway
from speech import clip, wer
from voxway.client import Turn, Turns, Voxway
from voxway.client.turns import TurnTaking
from voxway.errors import ConfigError
from voxway.events import Audio, Event, Finish, Start

START, RESUMED = Turn("start", at=1.0), Turn("resumed", at=9.0)


def end(text: str, at: float | None = 12.0) -> Turn:
    return Turn("end", text, at=at, trigger="model", confidence=0.8)


def eager(text: str) -> Turn:
    return Turn("eager_end", text, at=3.0, confidence=0.5)


def taking(*turns: Turn) -> TurnTaking:
    """With the turns that a first connection told, and what it wrote down."""
    taking = TurnTaking(Turns(timeout=4.0))
    for turn in turns:
        taking.told(turn)
        taking.wrote("well", 2.5)
    taking.began(100.0)
    return taking


def test_on_one_connection_they_are_the_servers() -> None:
    taking = TurnTaking(Turns())
    for turn in (START, eager("well I"), RESUMED, end("Well, I think so."), START, end("Yes.")):
        assert taking.told(turn) == turn
        taking.wrote("something else", 2.0)
        assert taking.silent(1e9) is None


def test_a_turn_goes_on_over_a_new_connection() -> None:
    after = taking(START)
    assert after.told(START) is None
    after.wrote("I think so", 9.0)
    assert after.told(eager("I think so")) == eager("well I think so")
    assert after.told(end("I think so")) == end("well I think so")
    assert after.told(START) == START


def test_an_end_that_was_foretold_is_taken_back_if_the_speaker_goes_on() -> None:
    after = taking(START, eager("well"))
    assert after.told(Turn("start", at=9.0)) == RESUMED
    assert after.told(RESUMED) == RESUMED


def test_a_turn_of_which_no_more_is_heard_ends_by_silence() -> None:
    after = taking(START)
    assert after.silent(103.9) is None
    assert after.silent(104.0) == Turn("end", "well", at=2.5, trigger="timeout")
    assert after.silent(1e9) is None
    assert after.told(START) == START


def test_a_turn_of_which_no_more_is_heard_ends_by_a_finalize() -> None:
    after = taking(START)
    assert after.finalized() == Turn("end", "well", at=2.5, trigger="manual")
    assert after.finalized() is None
    heard = taking(START)
    assert heard.told(START) is None
    assert heard.finalized() is None  # that end is the server's to tell


def test_between_turns_a_new_connection_changes_nothing() -> None:
    after = taking(START, end("well"))
    assert after.silent(1e9) is None
    assert after.told(START) == START


def test_a_connection_that_breaks_amid_a_turn() -> None:
    def answer(peer: Peer, event: Event) -> None:
        if isinstance(event, Finish):
            peer.say(Turn("end", "w3 w4", at=2.0, trigger="model"))
        ear(peer, event)
        match event:
            case Start():
                peer.say(Turn("start", at=0.0))
            case Audio() if peer.number == 1 and len(peer.audio()) > 2.5 * SECOND:
                peer.close(1011)

    async def told() -> list[Turn]:
        async with listening(answer, listening=UNHURRIED, turns=Turns()) as (_, stt):
            return [e async for e in stt.events(talk(1, 2, 3, 4)) if isinstance(e, Turn)]

    whole = Turn("end", "w1 w2 w3 w4", at=4.0, trigger="model")
    assert run(told()) == [Turn("start", at=0.0), whole]


def test_a_connection_that_breaks_after_the_last_word_of_a_turn() -> None:
    def answer(peer: Peer, event: Event) -> None:
        ear(peer, event)
        match event:
            case Start() if peer.number == 1:
                peer.say(Turn("start", at=0.0))
            case Audio() if peer.number == 1 and len(peer.audio()) >= 2 * SECOND:
                peer.close(1011)

    async def told() -> list[Turn]:
        async with listening(answer, listening=UNHURRIED, turns=Turns()) as (_, stt):
            return [e async for e in stt.events(talk(1, 2)) if isinstance(e, Turn)]

    last = Turn("end", "w1 w2", at=2.0, trigger="manual")
    assert run(told()) == [Turn("start", at=0.0), last]


async def pieces(pcm: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(pcm), 3200):
        yield pcm[at : at + 3200]


def test_of_the_embedded_recognizer(gateway: Gateway) -> None:
    pcm, text = clip("austen-0930.wav")

    async def told() -> list[Turn]:
        async with (
            Voxway(gateway.url, gateway.key) as vox,
            vox.stt(turns=Turns(threshold=0.6, eager_threshold=0.4)) as stt,
        ):
            sound = pieces(pcm + bytes(64_000))
            return [e async for e in stt.events(sound) if isinstance(e, Turn)]

    first, *_, last = run(told())
    assert (first.phase, last.phase, last.trigger) == ("start", "end", "model")
    assert wer(text, last.text) <= 0.25


def test_a_provider_reached_directly_tells_none() -> None:
    vox = Voxway(provider="deepgram", key="k")
    with pytest.raises(ConfigError, match="turns are told by gateways"):
        vox.stt("nova-3", turns=Turns())
