"""`voxway say` and `voxway transcribe`: what one says, the other one hears."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import time
import wave
from pathlib import Path

import pytest

from cli.conftest import BOUND, Shell
from speech import DATA, clip, wer

TEXT = "The quick brown fox jumps over the lazy dog."


@pytest.mark.parametrize("suffix", ["wav", "mp3", "opus", "flac"])
def test_a_sentence_comes_back_from_a_file(shell: Shell, suffix: str) -> None:
    said = shell.ok("say", TEXT, "-o", f"fox.{suffix}")
    assert f"-> fox.{suffix}" in said
    assert "s of audio, the first after" in said
    assert "RTF" in said
    assert wer(TEXT, shell.ok("transcribe", f"fox.{suffix}")) == 0


def test_without_a_name_speech_wav_is_written_with_its_length(shell: Shell) -> None:
    assert "-> speech.wav" in shell.ok("say", TEXT)
    with wave.open(str(shell.directory / "speech.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24_000)
        assert 2.0 < file.getnframes() / 24_000 < 4.0


def test_rate_and_speed_are_those_asked_for(shell: Shell) -> None:
    seconds = {}
    for speed in ("1", "2"):
        shell.ok("say", TEXT, "--rate", "8000", "--speed", speed, "-o", "a.wav")
        with wave.open(str(shell.directory / "a.wav")) as file:
            assert file.getframerate() == 8000
            seconds[speed] = file.getnframes() / 8000
    assert seconds["2"] < 0.7 * seconds["1"]


def test_a_text_file_is_read_out(shell: Shell) -> None:
    (shell.directory / "letter.txt").write_text(TEXT)
    shell.ok("say", "letter.txt", "-o", "letter.wav")
    assert wer(TEXT, shell.ok("transcribe", "letter.wav")) == 0


def test_standard_input_is_spoken_as_it_arrives(shell: Shell) -> None:
    with shell.start("say", "-", "-o", "-") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"The quick brown fox jumps over the lazy dog. It ")
        process.stdin.flush()
        start = process.stdout.read(20_000)  # while the text is not complete
        assert start.startswith(b"RIFF")
        process.stdin.write(b"was not amused.")
        rest, err = process.communicate(timeout=BOUND)
    assert process.returncode == 0, err
    assert b"standard output" in err
    heard = shell.ok("transcribe", "-", stdin=start + rest)
    assert wer(f"{TEXT} It was not amused.", heard) <= 0.2


def test_speech_that_cannot_be_played_is_written(shell: Shell) -> None:
    shell.environ |= {"PATH": "", "ALSA_CONFIG_PATH": "/nonexistent"}
    done = shell.run("say", "Hello.", "--play")
    assert done.returncode == 0
    if b"cannot play: " in done.stderr:  # a machine with a loudspeaker has played it
        assert (shell.directory / "speech.wav").stat().st_size > 10_000


def test_human_speech_as_json_with_words(shell: Shell) -> None:
    source = DATA / "austen-0880.wav"
    lines = [
        json.loads(line)
        for line in shell.ok("transcribe", str(source), "--json", "--words").splitlines()
    ]
    finals = [line for line in lines if line["type"] == "final_transcript"]
    assert lines == finals  # no partials unless wanted
    assert wer(clip("austen-0880.wav")[1], " ".join(f["transcript"] for f in finals)) <= 0.25
    words = [word for final in finals for word in final["words"]]
    assert [w["start"] for w in words] == sorted(w["start"] for w in words)
    assert all(w["start"] < w["end"] for w in words)


def test_partials_come_before_their_final(shell: Shell) -> None:
    source = str(DATA / "austen-0880.wav")
    lines = shell.ok("transcribe", source, "--partials", "--json", "--real-time").splitlines()
    kinds = [json.loads(line)["type"] for line in lines]
    assert kinds[0] == "partial_transcript"
    assert kinds[-1] == "final_transcript"
    done = shell.run("transcribe", source, "--partials")
    assert "…" not in done.stdout.decode()
    assert done.stderr.decode().startswith("… ")


def test_real_time_takes_as_long_as_the_speech(shell: Shell) -> None:
    pcm, text = clip("goforward.raw")
    (shell.directory / "go.raw").write_bytes(pcm)
    began = time.monotonic()
    heard = shell.ok("transcribe", "go.raw", "--raw", "16000", "--real-time")
    assert time.monotonic() - began > len(pcm) / 32_000 - 0.2
    assert wer(text, heard) <= 0.25


def test_words_and_speakers_are_shown(shell: Shell) -> None:
    shown = shell.ok("transcribe", str(DATA / "austen-0880.wav"), "--words", "--speakers")
    first, *times = shown.splitlines()
    assert first.startswith("Speaker ")
    assert times[0].split()[2].lower() == "he"


@pytest.mark.parametrize("piece", [b"", b"\x00"], ids=["wav", "headerless"])
def test_a_stream_on_standard_input(shell: Shell, piece: bytes) -> None:
    pcm, text = clip("austen-0930.wav")
    if piece:
        heard = shell.ok("transcribe", "-", "--raw", "16000", stdin=pcm)
    else:
        whole = io.BytesIO()
        with wave.open(whole, "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(pcm)
        heard = shell.ok("transcribe", "-", stdin=whole.getvalue())
    assert wer(text, heard) <= 0.25


def test_silence_is_no_failure(shell: Shell) -> None:
    done = shell.run("transcribe", "-", "--raw", "16000", stdin=bytes(32_000))
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"no speech was heard" in done.stderr


@pytest.mark.parametrize("args", [("say", "-"), ("transcribe", "-")])
def test_ctrl_c_ends_quietly(shell: Shell, args: tuple[str, ...]) -> None:
    with shell.start(*args, stdin=subprocess.PIPE) as process:
        time.sleep(1.0)  # into its wait for input, which nothing outside can see
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=BOUND)
    assert process.returncode == 130
    assert (out, err) == (b"", b"")


def test_ctrl_c_writes_down_what_was_said_by_then(shell: Shell) -> None:
    """Drain, finalize, wait, close; then the exit code of an interruption."""
    source = str(DATA / "austen-0890.wav")
    with shell.start("transcribe", source, "--real-time", "--partials", "-o", "it.srt") as process:
        assert process.stderr is not None
        while b"rather" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=BOUND)
    assert process.returncode == 130
    assert b"rather" in out
    said = (shell.directory / "it.srt").read_text()
    assert said.startswith("1\n00:00:00,")
    assert "rather" in said


@pytest.mark.parametrize(
    ("suffix", "begins"), [("vtt", "WEBVTT"), ("json", '{"text":"'), ("txt", "")]
)
def test_a_transcript_is_saved_as_its_suffix_says(shell: Shell, suffix: str, begins: str) -> None:
    shell.ok("transcribe", str(DATA / "goforward.raw"), "--raw", "16000", "-o", f"it.{suffix}")
    saved = (shell.directory / f"it.{suffix}").read_text()
    assert saved.startswith(begins)
    assert "ten meters" in saved.lower()


def test_there_is_no_microphone_to_listen_to(shell: Shell) -> None:
    """Nor a PortAudio, maybe: the line says what is lacking."""
    shell.environ |= {"PATH": "", "ALSA_CONFIG_PATH": "/nonexistent"}
    assert "cannot listen: " in shell.fails(2, "listen")


def test_nothing_is_left_where_nothing_was_said(shell: Shell, tmp_path: Path) -> None:
    shell.fails(2, "say", "...", "-o", "nothing.wav")
    assert not (tmp_path / "nothing.wav").exists()
