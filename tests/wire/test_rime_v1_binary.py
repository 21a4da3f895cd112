"""The v1 envelopes in protobuf, as google.protobuf writes and reads them with rime-api 0.4."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxway import events as e
from voxway.errors import ProtocolError
from voxway.wire import rime_v1_messages as m
from voxway.wire.base import Opening, decode
from voxway.wire.rime_v1 import BINARY, WIRE, Server
from voxway.wire.rime_v1_binary import read_request, write

START = (
    "0a01611a211203656e671a046c7972612a140a09617564696f2f70636d10c0bb011d0000003f",
    m.RequestMsg(
        contextId="a",
        start=m.SynthesisRequest(
            speaker="lyra",
            language="eng",
            audioParameters=m.AudioParameters("audio/pcm", 24_000, 0.5),
        ),
    ),
)
ONE_SHOT = (  # with a lexicon and factors for single words, which are not known here
    "0a01621a2e22094f6e652073686f742e3003420340ac024a0e08011a080000003f0000404020"
    "00520208015a060a0178120179",
    m.RequestMsg(
        contextId="b",
        start=m.SynthesisRequest(
            text="One shot.",
            splitStrategy=3,
            codaParameters=m.CodaParameters(300),
            mistParameters=m.MistParameters(True, saveOovs=False),
            timestamps=m.TimestampOptions(True),
        ),
    ),
)
CONFIG = (
    "12150a0b4170692d4b6579204b45591a061a046c756e61",
    m.RequestMsg(
        config=m.Config("Api-Key KEY", defaults=m.SynthesisRequest(speaker="luna")),
    ),
)


@pytest.mark.parametrize(
    ("hexed", "message"),
    [
        START,
        ONE_SHOT,
        CONFIG,
        ("0a0161220a48656c6c6f20c3bc2e20", m.RequestMsg(contextId="a", text="Hello ü. ")),
        ("0a01612a00", m.RequestMsg(contextId="a", end=m.Nothing())),
        ("0a01613200", m.RequestMsg(contextId="a", cancel=m.Nothing())),
        ("", m.RequestMsg()),
    ],
)
def test_requests(hexed: str, message: m.RequestMsg) -> None:
    assert read_request(bytes.fromhex(hexed)) == message


@pytest.mark.parametrize(
    ("message", "hexed"),
    [
        (m.ResponseMsg(ready=m.Ready(1)), "12020801"),
        (m.ResponseMsg(contextId="a", started=m.Started("req.1")), "0a01611a070a057265712e31"),
        (m.ResponseMsg(contextId="a", audio=b"\1\0"), "0a016122020100"),
        (m.ResponseMsg(contextId="a", done=m.Done()), "0a01612a00"),
        (
            m.ResponseMsg(
                contextId="a",
                done=m.Done(
                    m.Timestamps(
                        (m.Span("Hello", "0.000s", "0.400s"), m.Span("you.", "1.5s", "2s")),
                        m.Status(),
                    )
                ),
            ),
            "0a01612a2d0a2b0a0012110a0548656c6c6f12001a06108088debe01"
            "12140a04796f752e120808011080cab5ee011a020802",
        ),
        (m.ResponseMsg(contextId="a", cancelled=m.Nothing()), "0a01613200"),
        (
            m.ResponseMsg(error=m.Error("internal", "no", "r")),
            "3a110a08696e7465726e616c12026e6f1a0172",
        ),
    ],
)
def test_responses(message: m.ResponseMsg, hexed: str) -> None:
    assert write(message).hex() == hexed


def test_a_frame_that_ends_too_soon() -> None:
    frame = bytes.fromhex(START[0])
    for size in range(1, len(frame)):
        if size != 3:  # an envelope with a name and nothing else
            with pytest.raises(ProtocolError):
                read_request(frame[:size])


@given(frame=st.binary())
def test_nonsense_is_told_or_taken(frame: bytes) -> None:
    for event in decode(Server(Opening(subprotocol=BINARY)), frame):
        assert isinstance(event, e.Event)


def test_a_context_in_this_form() -> None:
    it = Server(Opening(request_id="req", subprotocol=BINARY))
    events: list[Any] = [*it.opening(), *decode(it, bytes.fromhex(START[0]))]
    assert [type(event) for event in events] == [e.Aside, e.Start, e.Aside]
    events += [e.Audio(b"\1\0", context="a"), e.Ended(context="a")]
    frames = [frame for event in events for frame in it.encode(event)]
    assert [frame.hex() for frame in frames if isinstance(frame, bytes)] == [
        "12020801",
        "0a01611a070a057265712e31",
        "0a016122020100",
        "0a01612a00",
    ]


def test_the_key_of_a_browser() -> None:
    assert WIRE.key_in is not None
    assert WIRE.key_in(bytes.fromhex(CONFIG[0])) == "KEY"
    assert WIRE.key_in(b"\xff") == ""
