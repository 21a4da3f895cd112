from __future__ import annotations

import io
from pathlib import Path

import pytest

from voxway.audio.files import read_audio, save_audio
from voxway.audio.wav import wav_header
from voxway.errors import ConfigError

from .signals import floats, likeness, muxed, voice

SUFFIXES = [".wav", ".mp3", ".ogg", ".opus", ".flac", ".WAV"]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("rate", [8000, 11000, 24000, 48000])
def test_what_is_saved_is_read(tmp_path: Path, suffix: str, rate: int) -> None:
    save_audio(tmp_path / f"a{suffix}", voice(rate), rate)
    pieces = list(read_audio(tmp_path / f"a{suffix}", 16000))
    assert {len(piece) for piece in pieces[:-1]} == {3200}
    got = floats(b"".join(pieces))
    assert likeness(floats(voice(16000)), got)[0] > 0.97
    assert len(got) == pytest.approx(16000, abs=0.2 * 16000 if suffix == ".mp3" else 1)


@pytest.mark.parametrize("container", ["mp4", "aiff", "matroska", "adts"])
def test_files_that_we_do_not_write_are_read(tmp_path: Path, container: str) -> None:
    codec = "pcm_s16be" if container == "aiff" else "aac"
    file = tmp_path / "a"
    file.write_bytes(muxed(container, codec, 44100, "stereo"))
    got = floats(b"".join(read_audio(str(file), 16000)))
    assert likeness(floats(voice(16000)), got)[0] > 0.97


def test_an_open_file_is_read_and_closed() -> None:
    file = io.BytesIO(wav_header(16000, 32000) + voice(16000))
    assert b"".join(read_audio(file, 16000)) == voice(16000)
    assert file.closed


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_an_empty_file_is_silent(tmp_path: Path, suffix: str) -> None:
    save_audio(tmp_path / f"a{suffix}", b"", 16000)
    assert list(read_audio(tmp_path / f"a{suffix}", 16000)) == []


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*none.wav: No such file.*check the path"):
        list(read_audio(tmp_path / "none.wav", 16000))
    with pytest.raises(ConfigError, match="cannot read"):
        list(read_audio(tmp_path, 16000))


@pytest.mark.parametrize("data", [b"", b"text " * 1000])
def test_a_file_without_audio_says_what_to_do(data: bytes) -> None:
    with pytest.raises(ConfigError, match="the audio has no audio that can be decoded; convert it"):
        list(read_audio(io.BytesIO(data), 16000))


def test_a_playlist_opens_nothing(tmp_path: Path) -> None:
    save_audio(tmp_path / "a.wav", voice(16000), 16000)
    playlist = tmp_path / "a.m3u8"
    playlist.write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{tmp_path}/a.wav\n#EXT-X-ENDLIST\n"
    )
    with pytest.raises(ConfigError, match="no audio that can be decoded"):
        list(read_audio(playlist, 16000))


def test_a_file_that_breaks_off_gives_what_it_has() -> None:
    data = muxed("flac", "flac", 24000)
    got = b"".join(read_audio(io.BytesIO(data[: len(data) * 2 // 3]), 24000))
    assert 0.3 < len(got) / 48000 < 0.8


def test_an_unknown_suffix_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"suffixes \.wav, \.mp3, \.ogg, \.opus, \.flac"):
        save_audio(tmp_path / "a.xyz", b"", 16000)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_place_that_is_not_there_says_so(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(ConfigError, match="No such file or directory; choose another place"):
        save_audio(tmp_path / "none" / f"a{suffix}", voice(16000), 16000)
