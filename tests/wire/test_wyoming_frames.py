"""Wyoming's frames: whole however they come, and refused where they are none."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxway.errors import ProtocolError, TooLargeError
from voxway.wire.wyoming_frames import MAX_DATA, MAX_LINE, MAX_PAYLOAD, Frames, Packet, packed
from voxway.wire.wyoming_messages import ErrorMsg, FormatMsg, PingMsg

VALUES = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
PACKETS = st.builds(
    Packet, st.text(max_size=20), st.dictionaries(st.text(max_size=9), VALUES), st.binary()
)


def written(packet: Packet, *, inline: bool) -> bytes:
    """As the package writes it, or with the data in the line, as the README shows it."""
    head: dict[str, object] = {"type": packet.type, "version": "1.10.2"}
    body = b""
    if inline:
        head["data"] = packet.data
    elif packet.data:
        body = json.dumps(packet.data, ensure_ascii=False).encode()
        head["data_length"] = len(body)
    if packet.payload:
        head["payload_length"] = len(packet.payload)
    return json.dumps(head, ensure_ascii=False).encode() + b"\n" + body + packet.payload


def read(pieces: Iterable[bytes]) -> list[Packet]:
    frames = Frames()
    return [packet for piece in pieces for packet in frames.feed(piece)]


@given(st.lists(st.tuples(PACKETS, st.booleans()), max_size=4), st.integers(1, 40))
def test_what_is_written_is_read_in_whatever_pieces(
    said: list[tuple[Packet, bool]], size: int
) -> None:
    stream = b"".join(written(packet, inline=inline) for packet, inline in said)
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert read(pieces) == read([stream]) == [packet for packet, _ in said]


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_waited_for(data: bytes) -> None:
    try:
        read([data, b"\n"])
    except ProtocolError:
        return


@given(PACKETS, st.integers(0, 300), st.binary(min_size=1, max_size=3))
def test_a_frame_with_a_fault_is_refused_or_is_another(
    packet: Packet, at: int, fault: bytes
) -> None:
    stream = written(packet, inline=True)
    try:
        read([stream[:at] + fault + stream[at:], b"\n"])
    except ProtocolError:
        return


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "not JSON"),
        (b"GET / HTTP/1.1\r", "not JSON"),
        (b"[]", "Expected `object`"),
        (b"{}", "missing required field `type`"),
        (b'{"type": 1}', "type: Expected `str`"),
        (b'{"type": "ping", "data": []}', "data: Expected `object"),
        (b'{"type": "ping", "data_length": -1}', "data_length: "),
        (b'{"type": "ping", "payload_length": 1.5}', "payload_length: "),
        (b'{"type": "ping", "data_length": 2}\n[]', "Expected `object`"),
        (b'{"type": "ping", "data_length": 2}\n{"', "not JSON"),
        (b'{"type": "\xff"}', "not JSON"),
        (b'{"type": "x", "data": {"a": ' + b"[" * 5_000, "not JSON"),
    ],
)
def test_what_is_no_event(line: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        read([line + b"\n"])


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (b"x" * (MAX_LINE + 1), "a line is over 65536 bytes"),
        (b"x" * (MAX_LINE + 1) + b"\n", "a line is over 65536 bytes"),
        (f'{{"type": "x", "data_length": {MAX_DATA + 1}}}\n'.encode(), "data_length 262145 is"),
        (f'{{"type": "x", "payload_length": {MAX_PAYLOAD + 1}}}\n'.encode(), "payload_length 104"),
        (b'{"type": "x", "payload_length": 99999999999999999999}\n', "payload_length"),
    ],
)
def test_what_is_too_large_is_refused_before_it_is_there(start: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason) as caught:
        read([start])
    assert isinstance(caught.value, TooLargeError) or b"9999" in start


def test_events_before_a_fault_are_given() -> None:
    heard = Frames().feed(packed("describe") + b"nonsense\n")
    assert next(heard) == Packet("describe")
    with pytest.raises(ProtocolError):
        next(heard)


def test_data_after_the_line_wins_and_null_is_nothing() -> None:
    line = b'{"type": "transcribe", "data": {"name": "a", "language": "en"}, "data_length": 30, '
    line += b'"payload_length": null}\n{"name": "b", "context": null}'
    assert read([line]) == [Packet("transcribe", {"name": "b", "language": "en"})]


def test_whether_an_event_has_begun() -> None:
    frames = Frames()
    whole = packed("audio-chunk", FormatMsg(16_000, 2, 1), b"ab")
    for at in range(1, len(whole)):
        assert list(Frames().feed(whole[:at])) == []
        assert list(frames.feed(whole[at - 1 : at])) == []
        assert frames.is_partial
    assert len(list(frames.feed(whole[-1:]))) == 1
    assert not frames.is_partial


@pytest.mark.parametrize(
    ("bytes", "said"),
    [
        (packed("audio-stop"), b'{"type":"audio-stop","version":"1.10.2"}\n'),
        (packed("pong", PingMsg()), b'{"type":"pong","version":"1.10.2","data_length":2}\n{}'),
        (
            packed("error", ErrorMsg("no", "auth_error")),
            b'{"type":"error","version":"1.10.2","data_length":33}\n'
            b'{"text":"no","code":"auth_error"}',
        ),
        (
            packed("audio-chunk", FormatMsg(24_000, 2, 1), b"\1\2"),
            b'{"type":"audio-chunk","version":"1.10.2","data_length":37,"payload_length":2}\n'
            b'{"rate":24000,"width":2,"channels":1}\1\2',
        ),
    ],
)
def test_what_is_said(bytes: bytes, said: bytes) -> None:
    assert bytes == said


def test_what_somebody_said_is_in_no_representation() -> None:
    assert (
        repr(Packet("synthesize", {"text": "secret"}, b"abc")) == "Packet('synthesize', <3 bytes>)"
    )
