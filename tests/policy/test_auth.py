"""Every place where a key may stand, and what is said when it is not known."""

from __future__ import annotations

import pytest

from voxway.auth import Account, Credential, Keys, Scopes, find_credential
from voxway.errors import AuthError
from voxway.limits import TIERS


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer K"},
        {"authorization": "bearer  K "},
        {"authorization": "Token K"},
        {"authorization": "Api-Key K"},
        {"x-api-key": " K\n"},
        {"xi-api-key": "K"},
        {"kyutai-api-key": "K"},
    ],
)
def test_headers(headers: dict[str, str]) -> None:
    assert find_credential(headers, [("token", "other")], ()) == Credential("K")


@pytest.mark.parametrize(
    "name",
    ["token", "api_key", "access_token", "authorization", "auth_id", "xi-api-key"],
)
def test_query_parameters(name: str) -> None:
    assert find_credential({}, [("a", "b"), (name, " K ")], ()) == Credential("K")


def test_a_scheme_in_the_query_is_left_out() -> None:
    assert find_credential({}, [("authorization", "Bearer K")], ()) == Credential("K")


@pytest.mark.parametrize(
    ("offered", "echoed"),
    [
        (("token", "K"), "token"),
        (("bearer", "K"), "bearer"),
        (("token", "K", "x-session", "1"), "token"),
        (("realtime", "openai-insecure-api-key.K"), "realtime"),
        (("openai-insecure-api-key.K",), None),
    ],
)
def test_subprotocols_and_what_is_echoed_is_never_the_key(
    offered: tuple[str, ...], echoed: str | None
) -> None:
    assert find_credential({}, [], offered) == Credential("K", echoed)


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "K"}, {"authorization": "Basic K"}, {"x-api-key": "  "}]
)
def test_no_key(headers: dict[str, str]) -> None:
    assert find_credential(headers, [("token", " ")], ("openai-insecure-api-key.",)) is None


def test_known_and_unknown_keys() -> None:
    keys = Keys({"k1": "enterprise", "k2": "free"})
    assert len(keys) == 2
    account = keys.account(Credential("k1"))
    assert (account.tier_name, account.tier.connections) == ("enterprise", 50)
    assert "k1" not in account.id
    assert keys.account(Credential("k2")).tier_name == "free"
    with pytest.raises(AuthError, match="unknown API key"):
        keys.account(Credential("k3"))
    with pytest.raises(AuthError, match="no API key: send it as"):
        keys.account(None)


@pytest.mark.parametrize(
    ("models", "model", "is_allowed"),
    [
        (("*",), "deepgram/aura:2", True),
        (("deepgram/*",), "deepgram/aura:2", True),
        (("deepgram/*",), "deepgram", True),
        (("deepgram/aura:*",), "deepgram", False),
        (("deepgram/*",), "Deepgram/aura:2", False),
        (("deepgram/*",), "slng/deepgram/aura:2", False),
        (("deepgram/*", "local/hibari:??"), "local/hibari:en", True),
        (("local/hibari:en",), "local/hibari:en-2", False),
        ((), "local/hibari:en", False),
    ],
)
def test_models_are_allowed_by_pattern(
    models: tuple[str, ...], model: str, is_allowed: bool
) -> None:
    assert Scopes(models).allows("tts", model) is is_allowed


def test_who_says_nothing_may_speak_and_listen_but_not_administer() -> None:
    scopes = Scopes()
    assert [use for use in ("tts", "stt", "http", "admin") if scopes.allows(use)] == [
        "tts",
        "stt",
        "http",
    ]


def test_what_a_key_is_not_good_for_is_said() -> None:
    account = Account("a", "free", TIERS["free"], scopes=Scopes(("local/*",), frozenset({"tts"})))
    account.check("tts")
    account.check("tts", "local/hibari:en")
    with pytest.raises(AuthError, match="not good for recognition") as caught:
        account.check("stt", "local/moonshine:tiny-en")
    assert (caught.value.error, caught.value.rule.http_status) == ("forbidden", 403)
    with pytest.raises(AuthError, match="not good for the model 'acme/voice:1'") as caught:
        account.check("tts", "acme/voice:1")
    assert caught.value.param == "model"
    with pytest.raises(AuthError, match="not good for the administration of keys"):
        account.check("admin")
