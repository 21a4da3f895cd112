"""What a key may ask about: models, its account, what is in use."""

from __future__ import annotations

import httpx
from msgspec import structs

from conftest import Gateway
from voxway.limits import TIERS


def test_the_models_that_can_be_used(gateway: Gateway) -> None:
    with gateway.api() as api:
        answer = api.get("/v1/models").json()
    assert answer["object"] == "list"
    assert {m["id"] for m in answer["data"]} == {"local/hibari:en", "local/moonshine:tiny-en"}


def test_the_catalog_has_all_models_and_no_secrets(gateway: Gateway) -> None:
    with gateway.api() as api:
        answer = api.get("/v1/catalog/models")
    models = {m["id"]: m for m in answer.json()["data"]}
    assert models["local/hibari:en"]["usable"] is True
    assert models["deepgram/aura:2"]["usable"] is False
    assert models["slng/deepgram/aura:2-en"]["hosted"] is True
    for secret in ("://", "_KEY", "_URL"):
        assert secret not in answer.text


def test_my_account(gateway: Gateway) -> None:
    with gateway.api("test-pro") as api, gateway.open("/v1/tts/local/hibari:en", key="test-pro"):
        me = api.get("/v1/me").json()
        assert me["tier"] == "pro"
        assert me["limits"] == structs.asdict(TIERS["pro"])
        assert me["connections"] == {"websocket": 1, "http": 0}
        assert "test-pro" not in str(me)


def test_requests_are_counted_apart_from_sockets(gateway: Gateway) -> None:
    text = {"text": "A long story, told at length. " * 100}
    with gateway.api("test-pro") as api, httpx.Client() as other:
        headers = {"Authorization": "Bearer test-pro"}
        url = f"{gateway.http}/v1/bridges/unmute/tts/local/hibari:en"
        with other.stream("POST", url, json=text, headers=headers):
            assert api.get("/v1/me").json()["connections"]["http"] == 1
        while api.get("/v1/me").json()["connections"]["http"]:
            pass
