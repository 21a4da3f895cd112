"""What a recognizer was given: what of it is given again, and when it was."""

from __future__ import annotations

import pytest
from hearing_rig import LINEAR, MULAW

from voxway.events import Transcript
from voxway.session.tape import Tape


def kept(tape: Tape) -> list[bytes | None]:
    return list(tape.again())


def test_a_long_chunk_is_cut_where_its_final_ends() -> None:
    tape = Tape(LINEAR)
    tape.audio(b"".join(n.to_bytes(2, "little") for n in range(16_000)))
    tape.heard(Transcript("x", True, start=0.25, duration=0.50003))
    [rest] = kept(tape)
    assert rest is not None
    assert rest[:2] == (6000).to_bytes(2, "little")
    assert tape.ours(0.0) == pytest.approx(0.75)


def test_what_is_too_much_is_cut_off_from_the_beginning() -> None:
    tape = Tape(MULAW)
    tape.mark()
    tape.audio(bytes(8000 * 40))
    assert tape.is_torn
    assert [data and len(data) for data in kept(tape)] == [None, 8000 * 30]
    tape.audio(bytes(8000))
    assert [data and len(data) for data in kept(tape)] == [None, 8000 * 29, 8000]
    tape.finalized()
    assert not tape.is_torn


def test_a_final_mends_the_tear() -> None:
    tape = Tape(MULAW)
    for _ in range(35):
        tape.audio(bytes(8000))
    tape.heard(Transcript("x", True, start=0.0, duration=3.0))
    assert tape.is_torn
    tape.heard(Transcript("x", True, start=3.0, duration=4.0))
    assert not tape.is_torn
    assert len(kept(tape)) == 28


def test_times_before_the_beginning_are_the_beginning() -> None:
    assert Tape(MULAW).ours(-1.0) == 0.0


def test_silence_is_left_out_of_times_wherever_it_was_put_in() -> None:
    tape = Tape(MULAW)
    tape.audio(bytes(8000))
    tape.silence(0.5)
    tape.audio(bytes(8000))
    tape.silence(0.25)
    tape.silence(0.25)
    tape.audio(bytes(8000))
    assert tape.clock == pytest.approx(4.0)
    assert [tape.ours(at) for at in (1.0, 1.4, 2.0, 2.5, 2.9, 3.5)] == pytest.approx(
        [1.0, 1.0, 1.5, 2.0, 2.0, 2.5]
    )


def test_another_socket_has_heard_no_silence_and_nothing_else_that_is_written_down() -> None:
    tape = Tape(MULAW)
    assert not tape.has_audio
    tape.silence(0.5)
    tape.audio(bytes(8000))
    assert tape.has_audio
    assert kept(tape) == [bytes(8000)]
    assert tape.has_audio
    assert tape.ours(0.75) == pytest.approx(0.75)
    tape.heard(Transcript("x", True, start=0.0, duration=1.0))
    assert kept(tape) == []
    assert not tape.has_audio
    # A time without a duration is one all the same.
    event = Transcript("y", False, start=0.5)
    assert tape.on_our_clock(event).start == pytest.approx(1.5)


def test_what_is_new_is_audio() -> None:
    tape = Tape(MULAW)
    tape.mark()
    assert not tape.has_new
    tape.audio(bytes(8000))
    assert tape.has_new
    tape.finalized()
    assert tape.has_new
    tape.heard(Transcript("x", True))
    assert not tape.has_new
