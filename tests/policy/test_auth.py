"""Every place where a key may stand, and what is said when it is not known."""

from __future__ import annotations

import pytest

from voxway.auth import Credential, Keys, find_credential
from voxway.errors import AuthError


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
    assert find_credential(headers, [], ()) is None


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
