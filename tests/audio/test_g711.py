from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxway.audio import g711

EVERY_CODE = bytes(range(256))
EVERY_SAMPLE = np.arange(-32768, 32768).astype("<i2").tobytes()

CODES = {
    "mulaw": (g711.encode_mulaw, g711.decode_mulaw),
    "alaw": (g711.encode_alaw, g711.decode_alaw),
}


def samples(*values: int) -> bytes:
    return np.array(values, "<i2").tobytes()


def test_mulaw_levels_are_those_of_the_standard() -> None:
    codes = bytes([0x00, 0x0F, 0x10, 0x70, 0x7E, 0x7F, 0x80, 0x8F, 0x90, 0xF0, 0xFE, 0xFF])
    levels = [-32124, -16764, -15996, -120, -8, 0, 32124, 16764, 15996, 120, 8, 0]
    assert g711.decode_mulaw(codes) == samples(*levels)


def test_alaw_levels_are_those_of_the_standard() -> None:
    codes = bytes([0x2A, 0xAA, 0x55, 0xD5, 0x54, 0xD4, 0x45, 0xC5, 0x7A, 0xFA])
    levels = [-32256, 32256, -8, 8, -24, 24, -264, 264, -1008, 1008]
    assert g711.decode_alaw(codes) == samples(*levels)


def test_silence_and_full_scale_are_encoded_as_in_the_standard() -> None:
    assert g711.encode_mulaw(samples(0, 32767, -32768)) == bytes([0xFF, 0x80, 0x00])
    assert g711.encode_alaw(samples(0, 32767, -32768)) == bytes([0xD5, 0xAA, 0x2A])


@pytest.mark.parametrize("name", CODES)
def test_every_level_is_encoded_as_its_own_code(name: str) -> None:
    encode, decode = CODES[name]
    levels = decode(EVERY_CODE)
    assert decode(encode(levels)) == levels


@pytest.mark.parametrize(("name", "floor"), [("mulaw", 4), ("alaw", 8)])
def test_no_sample_is_further_off_than_half_a_step(name: str, floor: int) -> None:
    encode, decode = CODES[name]
    before = np.frombuffer(EVERY_SAMPLE, "<i2").astype(int)
    after = np.frombuffer(decode(encode(EVERY_SAMPLE)), "<i2").astype(int)
    inside = np.abs(before) < 32124  # what is louder than the loudest level is clipped to it
    # A step is a sixteenth of its segment's start; mu-law's segments start 132 early.
    bound = np.maximum(floor, (np.abs(before) + 132) / 32)
    assert np.all(np.abs(before - after)[inside] <= bound[inside])


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="audioop is gone")
def test_both_agree_with_audioop() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import audioop
    assert g711.decode_mulaw(EVERY_CODE) == audioop.ulaw2lin(EVERY_CODE, 2)
    assert g711.decode_alaw(EVERY_CODE) == audioop.alaw2lin(EVERY_CODE, 2)
    assert g711.encode_alaw(EVERY_SAMPLE) == audioop.lin2alaw(EVERY_SAMPLE, 2)
    # audioop rounds negative samples down, ITU's reference code towards zero: where that matters,
    # the codes are neighbours.
    ours = np.frombuffer(g711.encode_mulaw(EVERY_SAMPLE), np.uint8).astype(int)
    theirs = np.frombuffer(audioop.lin2ulaw(EVERY_SAMPLE, 2), np.uint8).astype(int)
    differs = np.flatnonzero(ours != theirs) - 32768
    assert np.all(ours[32768:] == theirs[32768:])
    assert np.abs(ours - theirs).max() == 1
    assert len(differs) == 4 * 127


@given(st.binary(max_size=64))
@pytest.mark.parametrize("name", CODES)
def test_half_a_sample_is_refused(name: str, data: bytes) -> None:
    encode, decode = CODES[name]
    assert len(decode(data)) == 2 * len(data)
    with pytest.raises(ValueError, match="multiple"):
        encode(data + data + b"x")
