from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxway.audio.formats import AudioFormat
from voxway.audio.slicing import MAX_COMPRESSED_BYTES, slices

formats = st.builds(
    AudioFormat,
    st.sampled_from(["linear16", "linear32", "mulaw", "alaw", "mp3", "opus"]),
    st.sampled_from([8000, 11025, 22050, 48000]),
)


@given(st.integers(0, 100_000), formats, st.integers(20, 200))
def test_slices_are_the_input_in_bounded_pieces(
    size: int, format: AudioFormat, max_ms: int
) -> None:
    data = bytes(i & 0xFF for i in range(251)) * (size // 251 + 1)
    data = data[:size]
    pieces = list(slices(data, format, max_ms))
    assert b"".join(pieces) == data
    unit = format.frame_bytes
    for piece in pieces[:-1] if unit else ():
        assert len(piece) % unit == 0
    most = max_ms * format.sample_rate // 1000 * unit if unit else MAX_COMPRESSED_BYTES
    assert all(0 < len(piece) < most + max(1, unit) for piece in pieces)
    if len(pieces) > 1:
        assert min(map(len, pieces)) >= most // 2 - unit


def test_a_little_too_much_is_halved() -> None:
    format = AudioFormat("linear16", 8000)
    assert [len(piece) for piece in slices(bytes(1604), format)] == [802, 802]
    assert [len(piece) for piece in slices(bytes(1600), format)] == [1600]
    assert list(slices(b"", format)) == []


def test_bytes_that_are_no_sample_stay_with_the_last() -> None:
    assert [len(p) for p in slices(bytes(1605), AudioFormat("linear16", 8000))] == [802, 803]
    assert [len(p) for p in slices(bytes(3), AudioFormat("linear32", 8000))] == [3]


@pytest.mark.parametrize("size", [1, MAX_COMPRESSED_BYTES, MAX_COMPRESSED_BYTES + 1])
def test_a_view_is_not_copied(size: int) -> None:
    view = memoryview(bytearray(size))
    pieces = list(slices(view, AudioFormat("mp3", 24000)))
    assert all(piece.obj is view.obj for piece in pieces)
    assert len(pieces) == (1 if size <= MAX_COMPRESSED_BYTES else 2)
