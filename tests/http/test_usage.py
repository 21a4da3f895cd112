"""Usage over HTTP: one's own account's, or everybody's for who may administer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar
from msgspec import structs

from stores.counting import opened
from voxway.auth import Account, Scopes
from voxway.errors import AuthError, GatewayError
from voxway.events import Usage
from voxway.http import usage
from voxway.http.errors import Refusals
from voxway.http.stamp import Stamped
from voxway.limits import TIERS
from voxway.stores.database import Database, default_url
from voxway.stores.usage import Ledger

Json = dict[str, Any]
Work = Callable[[httpx.AsyncClient], Awaitable[None]]
NOW = datetime.now(UTC)
ACCOUNTS = {
    "mine": Account("key_1", "free", TIERS["free"], "acme"),
    "other": Account("key_2", "free", TIERS["free"], "acme"),
    "admin": Account("key_3", "free", TIERS["free"], scopes=Scopes(uses=frozenset({"admin"}))),
}


async def account_of(connection: usage.Connection) -> Account:
    key = connection.headers.get("authorization", "").removeprefix("Bearer ")
    if key not in ACCOUNTS:
        raise AuthError("unknown API key")
    return ACCOUNTS[key]


def run(directory: Path, work: Work) -> None:
    async def main() -> None:
        database = Database(default_url(directory))
        await database.migrate()
        ledger = Ledger(database)
        for i, (account, model, characters) in enumerate(
            [("key_1", "a/b", 1), ("key_1", "c/d", 2), ("key_2", "a/b", 4)]
        ):
            record = structs.replace(opened(f"{i}"), account=account, model=model)
            ledger.open(record, lambda count=characters: Usage(characters=count))  # type: ignore[misc]
            ledger.close(f"{i}", "client_closed", 1000)
        await ledger.turn()
        refusals = Refusals({})
        app = Litestar(
            [usage.route(database, account_of)],
            exception_handlers={GatewayError: refusals.gateway_error},
            logging_config=None,
        )
        try:
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(Stamped(app)),  # type: ignore[arg-type]
                base_url="http://here",
            ) as api:
                await work(api)
        finally:
            await database.close()

    asyncio.run(main())


async def asked(api: httpx.AsyncClient, key: str, **parameters: str) -> Json:
    headers = {"Authorization": f"Bearer {key}"}
    answer = await api.get("/v1/usage", params=parameters, headers=headers)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def test_a_key_sees_its_own_account(tmp_path: Path) -> None:
    async def work(api: httpx.AsyncClient) -> None:
        today = str(NOW.date())
        found = await asked(api, "mine")
        lines = [(line["day"], line["model"], line["characters"]) for line in found["data"]]
        assert lines == [(today, "a/b", 1), (today, "c/d", 2)]
        assert found["total"] == {
            "sessions": 2,
            "characters": 3,
            "cached": 0,
            "audio_in": 0.0,
            "audio_out": 0.0,
            "messages": 0,
            "provider_time": 0.0,
            "duration": 0.0,
            "ttfa": None,
            "cost": 0.003,
        }
        for trick in ({"account": "key_2"}, {"account": ""}, {"by": "account"}):
            assert (await asked(api, "mine", **trick))["total"]["characters"] == 3
        assert (await asked(api, "mine", organisation="other"))["total"]["sessions"] == 0

    run(tmp_path, work)


def test_who_may_administer_sees_all(tmp_path: Path) -> None:
    async def work(api: httpx.AsyncClient) -> None:
        found = await asked(api, "admin", by="account")
        lines = [(line["account"], line["characters"]) for line in found["data"]]
        assert lines == [("key_1", 3), ("key_2", 4)]
        assert (await asked(api, "admin", account="key_2"))["total"]["characters"] == 4

    run(tmp_path, work)


@pytest.mark.parametrize(
    ("key", "parameters", "status", "said"),
    [
        ("nobody", {}, 401, "unknown API key"),
        ("mine", {"by": "colour"}, 400, "by 'colour' is not one of"),
        ("mine", {"since": "soon"}, 400, "since 'soon' is neither a while"),
        ("mine", {"since": "1d", "until": "2d"}, 400, "until is not after since"),
    ],
)
def test_what_is_refused(
    tmp_path: Path, key: str, parameters: dict[str, str], status: int, said: str
) -> None:
    async def work(api: httpx.AsyncClient) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        answer = await api.get("/v1/usage", params=parameters, headers=headers)
        assert answer.status_code == status
        assert said in answer.json()["message"]

    run(tmp_path, work)
