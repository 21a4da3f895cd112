"""A client's own key for a provider: used for that provider, for nobody else, and not ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conftest import Gateway, audio
from speech import wer

HELLO = "Hello world, this is the gateway."


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Deepgram and ElevenLabs, as far as their clients can tell. It knows the key `theirs`."""
    started = Gateway(
        tmp_path_factory.mktemp("provider"), "--dev", VOXWAY_API_KEYS="theirs:local,ours:local"
    )
    started.wait_ready()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def gateway_with(
    provider: Gateway, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Gateway]]:
    """Gateways whose operator has a key that the provider knows, one that it does not, and none."""
    keys = {"good": "ours", "bad": "unknown", "no": ""}
    started = {
        name: Gateway(
            tmp_path_factory.mktemp(name),
            VOXWAY_ENGINES="none",
            DEEPGRAM_URL=provider.url,
            ELEVENLABS_URL=provider.url,
            DEEPGRAM_API_KEY=key,
            ELEVENLABS_API_KEY=key,
        )
        for name, key in keys.items()
    }
    yield started
    for gateway in started.values():
        gateway.stop()


def spoken(gateway: Gateway, provider: Gateway, model: str, key: str) -> str:
    headers = {"Authorization": f"Bearer {gateway.key}"}
    headers |= {"X-Slng-Provider-Key": key} if key else {}
    with gateway.open(f"/v1/tts/{model}", headers=headers) as talk:
        talk.say(type="init", config={"sample_rate": 16_000})
        messages = talk.until("ready")
        assert not [m for m in messages if m["type"] == "error"]
        talk.say(type="text", text=HELLO, flush=True)
        speech = audio(talk.until("audio_end"))
    provider.key = "ours"
    with provider.recognition() as ear:
        return ear.transcript(speech)


@pytest.mark.parametrize("model", ["deepgram/aura:2", "elevenlabs/eleven-flash:2.5"])
@pytest.mark.parametrize(("operator", "key"), [("good", ""), ("bad", "theirs"), ("no", "theirs")])
def test_whose_key_it_is(
    gateway_with: dict[str, Gateway], provider: Gateway, model: str, operator: str, key: str
) -> None:
    assert wer(HELLO, spoken(gateway_with[operator], provider, model, key)) <= 0.1


@pytest.mark.parametrize("model", ["deepgram/aura:2", "elevenlabs/eleven-flash:2.5"])
@pytest.mark.parametrize(
    ("operator", "key", "whose"), [("bad", "", "this gateway"), ("good", "wrong", "your provider")]
)
def test_who_was_refused_is_told(
    gateway_with: dict[str, Gateway], model: str, operator: str, key: str, whose: str
) -> None:
    """One refuses the upgrade, the other says so in the open socket."""
    gateway = gateway_with[operator]
    headers = {"Authorization": f"Bearer {gateway.key}"}
    headers |= {"X-Slng-Provider-Key": key} if key else {}
    with gateway.open(f"/v1/tts/{model}", headers=headers) as talk:
        talk.say(type="init")
        error = talk.until("error")[-1]
        assert error["code"] == "backend_connection_failed"
        assert whose in error["message"]
        assert "401" in error["message"]
