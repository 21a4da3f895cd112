from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from voxway.audio.encode import Encoder
from voxway.audio.formats import OUTPUT_ENCODINGS, AudioFormat
from voxway.audio.g711 import decode_alaw, decode_mulaw
from voxway.audio.ogg import PageReader
from voxway.audio.samples import decode_linear32
from voxway.errors import ConfigError

from .signals import (
    backwards,
    decibels,
    floats,
    likeness,
    noise,
    sizes,
    split,
    tone,
    unmuxed,
    voice,
)

RATES = [8000, 11025, 16000, 22050, 24000, 44100, 48000]
DECODE = {
    "linear16": lambda data: data,
    "linear32": decode_linear32,
    "mulaw": decode_mulaw,
    "alaw": decode_alaw,
}


def encoded(encoding: str, data: bytes, rate: int, source: int | None = None) -> bytes:
    encoder = Encoder(AudioFormat(encoding, rate), source or rate)
    return encoder.feed(data) + encoder.flush()


@pytest.mark.parametrize("encoding", OUTPUT_ENCODINGS)
@pytest.mark.parametrize(("source", "rate"), [(24000, 24000), (16000, 8000), (22050, 48000)])
@settings(max_examples=8, deadline=None)
@given(lengths=sizes)
def test_chunking_changes_nothing(
    encoding: str, source: int, rate: int, lengths: list[int]
) -> None:
    data = voice(source, 0.3)
    encoder = Encoder(AudioFormat(encoding, rate), source)
    got = b"".join(map(encoder.feed, split(data, lengths))) + encoder.flush()
    assert got == encoded(encoding, data, rate, source)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(
    ("encoding", "least"), [("linear16", 190), ("linear32", 190), ("mulaw", 36), ("alaw", 36)]
)
def test_raw_encodings_keep_the_audio(encoding: str, least: float, rate: int) -> None:
    data = tone(440, rate, 0.5)
    got = DECODE[encoding](encoded(encoding, data, rate))
    assert decibels(floats(data), floats(got)) > least


def test_linear32_is_exact_at_both_ends_of_the_scale() -> None:
    data = noise(5000) + np.array([32767, -32768, 0, -1], "<i2").tobytes()
    floats32 = encoded("linear32", data, 16000)
    assert np.frombuffer(floats32, "<f4").min() == -1.0
    assert decode_linear32(floats32) == data


@pytest.mark.parametrize("rate", RATES)
def test_mp3_sounds_like_the_input(rate: int) -> None:
    data = voice(rate, 2)
    got_rate, got = unmuxed(encoded("mp3", data, rate))
    alike, delay = likeness(floats(data), got)
    assert got_rate == rate
    assert alike > 0.97
    assert delay < 1200
    # Whole frames, after the silence that the format adds.
    assert len(data) // 2 <= len(got) <= len(data) // 2 + 3 * 1152


@pytest.mark.parametrize("rate", RATES)
def test_aac_sounds_like_the_input(rate: int) -> None:
    data = voice(rate, 2)
    got_rate, got = unmuxed(encoded("aac", data, rate))
    alike, delay = likeness(floats(data), got)
    assert got_rate == rate
    assert alike > 0.97
    assert delay <= 1024
    assert len(data) // 2 <= len(got) <= len(data) // 2 + 2 * 1024


@pytest.mark.parametrize("rate", RATES)
def test_flac_is_the_input(rate: int) -> None:
    data = voice(rate, 2)
    got_rate, got = unmuxed(encoded("flac", data, rate))
    assert got_rate == rate
    assert np.array_equal(floats(data), got)


@pytest.mark.parametrize("rate", RATES)
def test_opus_sounds_like_the_input_and_lasts_as_long(rate: int) -> None:
    data = voice(rate, 2)
    got_rate, got = unmuxed(encoded("opus", data, rate))
    alike, delay = likeness(floats(voice(48000, 2)), got)
    assert got_rate == 48000
    assert alike > 0.97
    assert delay <= 1
    # What is cut from the last packet is said by its page's granule; libav leaves that to players.
    pages = list(PageReader().feed(encoded("opus", data, rate)))
    start = int.from_bytes(pages[0].data[10:12], "little")
    assert pages[-1].granule - start == pytest.approx(2 * 48000, abs=4)
    assert pages[-1].is_last


def test_opus_starts_with_the_headers_of_its_rfc() -> None:
    head, tags, *audio = PageReader().feed(encoded("opus", voice(24000), 24000))
    assert head.data == b"OpusHead\x01\x01\x38\x01\xc0\x5d\0\0\0\0\0"
    assert head.is_first
    assert tags.data == b"OpusTags\x06\0\0\0voxway\0\0\0\0"
    assert (head.granule, tags.granule) == (0, 0)
    granules = [packet.granule for packet in audio if packet.granule > 0]
    assert granules[:3] == [960, 3 * 960, 5 * 960]
    assert granules == sorted(granules)


@pytest.mark.parametrize(
    ("encoding", "first", "gap"), [("opus", 1, 2), ("mp3", 3, 2), ("flac", 3, 3), ("aac", 5, 3)]
)
def test_compressed_audio_comes_while_it_is_fed(encoding: str, first: int, gap: int) -> None:
    encoder = Encoder(AudioFormat(encoding, 24000), 24000)
    pieces = split(voice(24000), [960])  # 20 ms
    spoken = [at for at, piece in enumerate(pieces, 1) if encoder.feed(piece)]
    assert spoken[0] == first
    assert max(np.diff(spoken)) <= gap


@pytest.mark.parametrize("encoding", ["mp3", "opus", "aac"])
def test_each_utterance_can_be_played_alone_or_after_another(encoding: str) -> None:
    encoder = Encoder(AudioFormat(encoding, 24000), 24000)
    alone = [
        encoder.feed(data) + encoder.flush() for data in (voice(24000), backwards(voice(24000)))
    ]
    lengths = [len(unmuxed(part)[1]) for part in alone]
    rate, both = unmuxed(b"".join(alone))
    assert len(both) == pytest.approx(sum(lengths), abs=0.03 * rate)
    wanted = floats(backwards(voice(rate)))
    assert likeness(wanted, unmuxed(alone[1])[1])[0] > 0.9
    assert likeness(wanted, both[lengths[0] - 1200 :])[0] > 0.9


def test_a_second_utterance_does_not_begin_with_the_first() -> None:
    for encoding in OUTPUT_ENCODINGS:
        encoder = Encoder(AudioFormat(encoding, 16000), 8000)
        first = encoder.feed(voice(8000, 0.33) + b"x") + encoder.flush()
        second = encoder.feed(voice(8000, 0.33)) + encoder.flush()
        if encoding == "opus":  # but for serial numbers and the checksums over them
            assert [packet.data for packet in PageReader().feed(first)] == [
                packet.data for packet in PageReader().feed(second)
            ]
        else:
            assert first == second


@pytest.mark.parametrize("encoding", OUTPUT_ENCODINGS)
def test_nothing_becomes_nothing(encoding: str) -> None:
    encoder = Encoder(AudioFormat(encoding, 24000), 16000)
    assert encoder.feed(b"") + encoder.flush() + encoder.flush() == b""
    assert encoder.feed(b"x") + encoder.flush() == b""


@pytest.mark.parametrize("encoding", ["mp3", "opus", "flac", "aac"])
def test_a_single_sample_can_be_played(encoding: str) -> None:
    assert len(unmuxed(encoded(encoding, b"ab", 24000))[1]) > 0


@pytest.mark.parametrize(
    ("encoding", "off", "more"), [("mp3", 0.05, 3), ("opus", 0.4, 3), ("aac", 0.25, 2.5)]
)
def test_a_bit_rate_is_kept(encoding: str, off: float, more: float) -> None:
    def bits(bit_rate: int) -> float:
        encoder = Encoder(AudioFormat(encoding, 24000), 24000, bit_rate=bit_rate)
        return len(encoder.feed(voice(24000, 3)) + encoder.flush()) * 8 / 3

    # Opus and AAC take what the sound needs; the pages of the one and heads of the other cost some.
    assert bits(32_000) == pytest.approx(32_000, rel=off)
    assert bits(128_000) > more * bits(32_000)


@pytest.mark.parametrize("encoding", ["mp3", "aac"])
@pytest.mark.parametrize("rate", [9000, 23999])
def test_mpeg_has_only_its_rates(encoding: str, rate: int) -> None:
    with pytest.raises(ConfigError, match=f"{rate} is none of {encoding}: 8000, 11025"):
        Encoder(AudioFormat(encoding, rate), 24000)


@pytest.mark.parametrize("encoding", ["wav", "webm", "nonsense"])
def test_nobody_encodes_to_a_container(encoding: str) -> None:
    with pytest.raises(ConfigError, match="is not one of linear16") as caught:
        Encoder(AudioFormat(encoding, 24000), 24000)
    assert caught.value.param == "encoding"


def test_a_bit_rate_that_opus_does_not_take_is_refused() -> None:
    with pytest.raises(ConfigError, match="takes no bit rate of 1 "):
        Encoder(AudioFormat("opus", 24000), 24000, bit_rate=1)
