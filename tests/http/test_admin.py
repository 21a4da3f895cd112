"""Keys over HTTP, for whoever may administer them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec import structs
from openapi_spec_validator import validate

from voxway.auth import Account, Credential, Keys, Scopes, credential_of
from voxway.errors import AuthError, GatewayError
from voxway.http import app
from voxway.http.services import Health, Services
from voxway.limits import Standing
from voxway.net.base import Request
from voxway.stores.accounts import Accounts
from voxway.stores.database import Database, default_url
from voxway.stores.issued import IssuedKeys
from voxway.stores.pepper import Pepper

KEYS = "/v1/admin/keys"
ADMIN = {"Authorization": "Bearer admin"}
Json = dict[str, Any]
Work = Callable[[httpx.AsyncClient, Accounts], Awaitable[None]]


async def account_of(request: Request) -> Account:
    """Two keys: one may administer, one may not."""
    account = Keys({"admin": "local", "user": "free"}).account(credential_of(request))
    if account.tier_name == "free":
        return account
    return structs.replace(account, scopes=Scopes(uses=frozenset({"admin"})))


async def admit(account: Account) -> Standing:
    return Standing(10, 9, 60.0)


def unused(*_: Any, **__: Any) -> Any:
    raise GatewayError("not in this test")


def run(directory: Path, work: Work) -> None:
    """Against the whole application."""

    async def main() -> None:
        database = Database(default_url(directory))
        await database.migrate()
        issued = IssuedKeys(database, Pepper("pepper" * 10))
        accounts = Accounts(issued, Keys({}))
        services = Services(
            health=lambda: Health("ok", 0, {}),
            catalog=tuple,
            account=account_of,
            admit=admit,
            visit=unused,
            converse=unused,
            in_use=unused,
            accounts=accounts,
        )
        transport = httpx.ASGITransport(app.create(services))  # type: ignore[arg-type]
        try:
            async with httpx.AsyncClient(
                transport=transport, base_url="http://here", headers=ADMIN
            ) as api:
                await work(api, accounts)
        finally:
            await database.close()

    asyncio.run(main())


async def made(api: httpx.AsyncClient, **wish: object) -> Json:
    answer = await api.post(KEYS, json={"organisation": "acme"} | wish)
    assert answer.status_code == 201, answer.text
    key: Json = answer.json()
    return key


def test_a_key_is_made_and_told_once(tmp_path: Path) -> None:
    async def work(api: httpx.AsyncClient, accounts: Accounts) -> None:
        wish = {"name": "bot", "tier": "pro", "models": ["local/*"], "uses": ["stt"]}
        new = await made(api, **wish, expires="2099-12-31T12:00:00")
        key = new.pop("key")
        assert re.fullmatch(rf"{new['prefix']}_\w{{38}}", key)
        assert {name: new[name] for name in wish} == wish
        assert new["expires"] == "2099-12-31T12:00:00Z"
        account = await accounts.account(Credential(key))
        assert (account.id, account.organisation) == (new["account"], "acme")
        [listed] = (await api.get(KEYS)).json()["data"]
        assert listed == new | {"status": "active"}
        for name in (new["id"], new["prefix"]):
            assert (await api.get(f"{KEYS}/{name}")).json() == listed
        other = await made(api, organisation="other")
        answer = await api.get(KEYS, params={"organisation": "other"})
        assert [each["id"] for each in answer.json()["data"]] == [other["id"]]

    run(tmp_path, work)


def test_a_key_is_revoked(tmp_path: Path) -> None:
    async def work(api: httpx.AsyncClient, accounts: Accounts) -> None:
        new = await made(api)
        await accounts.account(Credential(new["key"]))
        answer = await api.delete(f"{KEYS}/{new['id']}")
        assert (answer.status_code, answer.json()["status"]) == (200, "revoked")
        with pytest.raises(AuthError, match="is revoked"):
            await accounts.account(Credential(new["key"]))
        assert (await api.get(f"{KEYS}/{new['id']}")).json() == answer.json()

    run(tmp_path, work)


def test_a_key_is_replaced_at_once_or_later(tmp_path: Path) -> None:
    async def work(api: httpx.AsyncClient, accounts: Accounts) -> None:
        first = await made(api)
        second = (await api.post(f"{KEYS}/{first['id']}/rotate")).json()
        assert (second["account"], second["key"]) != (first["account"], first["key"])
        with pytest.raises(AuthError):
            await accounts.account(Credential(first["key"]))
        wish: dict[str, str | int] = {"grace": 3600, "tier": "enterprise"}
        answer = await api.post(f"{KEYS}/{second['prefix']}/rotate", params=wish)
        assert (second["tier"], answer.json()["tier"]) == (first["tier"], "enterprise")
        for key in (second["key"], answer.json()["key"]):
            assert (await accounts.account(Credential(key))).id == first["account"]
        until = (await accounts.issued.show(second["id"])).expires
        assert until is not None
        assert timedelta(minutes=59) < until - datetime.now(UTC) <= timedelta(hours=1)
        answer = await api.post(f"{KEYS}/{first['id']}/rotate")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
        assert "is revoked: make a new one" in answer.json()["message"]

    run(tmp_path, work)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Authorization": "Bearer nobody"}, 401, "auth_error"),
        ({"Authorization": ""}, 401, "auth_error"),
        ({"Authorization": "Bearer user"}, 403, "forbidden"),
    ],
)
def test_only_who_may_administer_is_let_in(
    tmp_path: Path, headers: dict[str, str], status: int, code: str
) -> None:
    async def work(api: httpx.AsyncClient, accounts: Accounts) -> None:
        new = await made(api)
        for method, path, body in (
            ("POST", KEYS, b"no JSON"),  # which is not even looked at
            ("GET", KEYS, b""),
            ("GET", f"{KEYS}/{new['id']}", b""),
            ("DELETE", f"{KEYS}/{new['id']}", b""),
            ("POST", f"{KEYS}/{new['id']}/rotate", b""),
        ):
            answer = await api.request(method, path, content=body, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (status, code), path
            assert "acme" not in answer.text
        assert [key.revoked for key in await accounts.issued.list()] == [None]

    run(tmp_path, work)


@pytest.mark.parametrize(
    ("body", "said", "param"),
    [
        (b"{", "the body is no key to make", None),
        (b"{}", "missing required field `organisation`", "organisation"),
        (b'{"organisation": 5}', "organisation: Expected `str`, got `int`", "organisation"),
        (b'{"organisation": "a", "tear": "pro"}', "unknown field `tear`", "tear"),
        (b'{"organisation": "a", "tier": "gold"}', "tier 'gold' is not one of free", "tier"),
        (b'{"organisation": "a", "uses": ["root"]}', "'root' is not one of", "uses"),
        (b'{"organisation": "a", "models": []}', "no models is good for nothing", "models"),
        (b'{"organisation": "a", "expires": "soon"}', "Invalid RFC3339", "expires"),
        (b'{"organisation": "a", "expires": "2020-01-01T00:00:00Z"}', "is over", "expires"),
    ],
)
def test_a_wish_that_cannot_be_is_told(
    tmp_path: Path, body: bytes, said: str, param: str | None
) -> None:
    async def work(api: httpx.AsyncClient, accounts: Accounts) -> None:
        headers = {"Content-Type": "application/json"}
        answer = await api.post(KEYS, content=body, headers=headers)
        told = answer.json()
        assert (answer.status_code, told["code"]) == (400, "invalid_request")
        assert said in told["message"]
        assert told.get("param") == param
        assert await accounts.issued.list() == ()

    run(tmp_path, work)


def test_what_is_not_there(tmp_path: Path) -> None:
    async def work(api: httpx.AsyncClient, accounts: Accounts) -> None:
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/rotate")):
            answer = await api.request(method, f"{KEYS}/vxw_Ab12Cd34{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
            assert answer.json()["message"] == "no key 'vxw_Ab12Cd34'"
        answer = await api.post(f"{KEYS}/any/rotate", params={"grace": -1})
        assert (answer.status_code, answer.json()["param"]) == (400, "grace")
        assert answer.json()["message"] == "grace: Expected `int` >= 0"

    run(tmp_path, work)


def test_the_routes_are_in_a_valid_document(tmp_path: Path) -> None:
    async def work(api: httpx.AsyncClient, accounts: Accounts) -> None:
        document = (await api.get("/openapi.json")).json()
        validate(document)
        assert {KEYS, f"{KEYS}/{{key_id}}", f"{KEYS}/{{key_id}}/rotate"} <= set(document["paths"])
        for path, item in document["paths"].items():
            for operation in item.values():
                assert operation["summary"], path

    run(tmp_path, work)
