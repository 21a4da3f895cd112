"""Each limit of the table at its edge, in every tier: what it says is let through, one more is not.

Over several processes the same is held in `stores/test_slots.py` and `stores/test_rates.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from stores.pretend import at_once
from voxway.audio.formats import AudioFormat
from voxway.catalog import LOCAL
from voxway.errors import GatewayError
from voxway.events import Audio, Event, Flush, Text
from voxway.http.hearing import Length
from voxway.limits import TIERS, Meter, Tier
from voxway.net.base import PING_INTERVAL
from voxway.peers import Way
from voxway.relay import Relay
from voxway.session.actions import Brief, Identity
from voxway.session.tts import TtsSession
from voxway.stores.limits.memory import MemoryRates, MemorySlots
from voxway.wire import cartesia_tts, deepgram_speak, elevenlabs
from voxway.wire.base import Dialect, Endpoint, Frame, Opening
from voxway.wire.policies import POLICIES
from voxway.wire.unified import Server, Style

MOMENT = 0.001  # seconds
SPEECH = AudioFormat("linear16", 16_000)


def passes(*work: Callable[[], object]) -> bool:
    """Whether all of it is let through; only the last may be refused."""
    *before, last = work
    for each in before:
        each()
    try:
        last()
    except GatewayError:
        return False
    return True


def slots(limit: int, wanted: int) -> bool:
    taken = MemorySlots()

    def reserve(owner: str) -> Callable[[], object]:
        return lambda: at_once(taken.reserve("key", limit, owner))

    return passes(*(reserve(f"s{n}") for n in range(wanted)))


def says(tier: Tier, *commands: Event) -> bool:
    meter = Meter(tier, 0.0)

    def admit(command: Event) -> Callable[[], object]:
        return lambda: meter.admit(command, 1.0)

    return passes(*map(admit, commands))


def requests(tier: Tier, over: int) -> bool:
    rates, most = MemoryRates(lambda: 0.0), tier.http_requests_per_minute
    return passes(*[lambda: at_once(rates.admit("key", most))] * (most + over))


def seconds_of_upload(tier: Tier, over: int) -> bool:
    length = Length(b"", SPEECH, tier.http_audio)
    sample = SPEECH.bytes_for(1 / SPEECH.sample_rate)
    size = SPEECH.bytes_for(tier.http_audio)
    return passes(lambda: length.add(size), lambda: length.add(sample * over))


class Ear:
    """A client's socket that remembers what it was told."""

    def __init__(self) -> None:
        self.heard: list[Frame] = []

    def send(self, frame: Frame) -> None:
        self.heard.append(frame)

    def close(self, code: int = 1000, reason: str = "") -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...


def relayed(meter: Meter, codec: Dialect) -> tuple[Relay, Ear]:
    async def connect(*_: object) -> None: ...

    model = next(model for model in LOCAL.values() if model.kind == "tts")
    session = TtsSession(Brief(Identity("s", "r", model.id), model), meter)
    way = Way("tts", model, POLICIES["unified"], lambda options: Endpoint("ws://test"), connect)
    most = meter.tier.message_bytes
    relay = Relay(session, codec, way, lambda: 0.0, most, lambda code, reason: None)
    ear = Ear()
    relay.opened(ear)
    return relay, ear


def message(tier: Tier, over: int) -> bool:
    relay, ear = relayed(Meter(tier, 0.0), Server(Style("tts"), "s"))
    ping = '{"type":"ping","text":"ß"}'
    relay.frame(ping + " " * (tier.message_bytes + over - len(ping.encode())))
    answer = msgspec.json.decode(ear.heard[0])
    assert answer["type"] == "pong" or answer["code"] == "payload_too_large"
    return bool(answer["type"] == "pong")


Edge = Callable[[Tier, int], bool]  # whether the limit and so many over it are let through

EDGES: dict[str, Edge] = {
    "connections": lambda tier, over: slots(tier.connections, tier.connections + over),
    "duration": lambda tier, over: (
        not Meter(tier, 5.0).is_over_time(5.0 + tier.duration + (over - 1) * MOMENT)
    ),
    "message_bytes": message,
    "messages_per_minute": lambda tier, over: says(
        tier, *[Flush()] * (tier.messages_per_minute + over)
    ),
    "text_chars": lambda tier, over: says(tier, Text("ß" * (tier.text_chars + over))),
    "audio_bytes": lambda tier, over: says(tier, Audio(bytes(tier.audio_bytes + over))),
    "http_connections": lambda tier, over: slots(
        tier.for_http().connections, tier.http_connections + over
    ),
    "http_requests_per_minute": requests,
    "http_text_chars": lambda tier, over: says(
        tier.for_http(), Text("ß" * (tier.http_text_chars + over))
    ),
    "http_audio": seconds_of_upload,
    "idle": lambda tier, over: not Meter(tier, 5.0).is_idle(5.0 + tier.idle + (over - 1) * MOMENT),
}
# No route asks a language model yet.
UNUSED = {"llm_input_tokens", "llm_output_tokens"}
ELSEWHERE = {"heartbeat"}  # tests/gateway/test_limits.py


def test_no_limit_is_without_an_edge() -> None:
    assert set(Tier.__struct_fields__) == EDGES.keys() | UNUSED | ELSEWHERE


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("limit", EDGES)
def test_what_the_limit_says_is_let_through_and_one_more_is_not(limit: str, tier: str) -> None:
    assert EDGES[limit](TIERS[tier], 0)
    assert not EDGES[limit](TIERS[tier], 1)


FORMAT = '{"container":"raw","encoding":"pcm_s16le","sample_rate":24000}'
TEXTS: dict[str, tuple[Dialect, str]] = {
    "unified": (Server(Style("tts"), "s"), '{"type":"text","text":"Hi. ","flush":true}'),
    "deepgram": (deepgram_speak.Server(Opening()), '{"type":"Speak","text":"Hi. "}'),
    "elevenlabs": (elevenlabs.WIRE.server(Opening()), '{"text":"Hi. ","flush":true}'),
    "cartesia": (
        cartesia_tts.Server(Opening()),
        '{"model_id":"m","transcript":"Hi. ","context_id":"c","voice":{"mode":"id","id":"v"},'
        f'"output_format":{FORMAT}}}',
    ),
}


@pytest.mark.parametrize("dialect", TEXTS)
def test_a_message_counts_once_whatever_it_says(dialect: str) -> None:
    async def talk() -> None:
        codec, text = TEXTS[dialect]
        meter = Meter(TIERS["free"], 0.0)
        relay, _ = relayed(meter, codec)
        for sent in range(meter.tier.messages_per_minute):
            assert meter.usage(0.0).messages == sent
            relay.frame(text)
        assert (meter.usage(0.0).messages, meter.usage(0.0).characters) == (20, 80)
        relay.frame(text)
        assert meter.usage(0.0).characters == 80

    asyncio.run(talk())


def test_sockets_are_pinged_every_half_minute() -> None:
    assert PING_INTERVAL == 30.0
    assert {tier.heartbeat for tier in TIERS.values()} == {30.0}
