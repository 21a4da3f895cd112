"""Keys that are given out: what is kept of them, who is let in by them, and until when."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import Struct, structs
from sqlalchemy import URL, select, update

from services import Postgres
from voxway.auth import Credential, Keys, Scopes
from voxway.errors import AuthError, ConfigError, GatewayError, ProtocolError
from voxway.limits import TIERS
from voxway.stores import accounts as module
from voxway.stores.accounts import Accounts
from voxway.stores.database import Database
from voxway.stores.issued import KEYS, Hashed, IssuedKeys
from voxway.stores.pepper import Pepper

GOLD = structs.replace(TIERS["pro"], connections=7)
ALL_TIERS = TIERS | {"gold": GOLD}
BOUND = 10.0  # seconds: a bound against hangs


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Place(Struct):
    """One process with the database."""

    accounts: Accounts
    issued: IssuedKeys
    database: Database
    clock: Clock


class Replicas:
    """Several processes with one database."""

    def __init__(self, url: str | URL) -> None:
        self._url = url
        self._databases: list[Database] = []

    async def start(self, pepper: str = "pepper" * 10) -> Place:
        database = Database(self._url)
        self._databases.append(database)
        await database.migrate()
        issued = IssuedKeys(database, Pepper(pepper), ALL_TIERS)
        await issued.open()
        clock = Clock()
        fixed = Keys({"fixed": "gold"}, ALL_TIERS)
        return Place(Accounts(issued, fixed, ALL_TIERS, clock), issued, database, clock)

    async def close(self) -> None:
        for database in self._databases:
            await database.close()


def run(url: str | URL, work: Callable[[Place, Replicas], Awaitable[object]]) -> None:
    async def main() -> None:
        replicas = Replicas(url)
        try:
            await work(await replicas.start(), replicas)
        finally:
            await replicas.close()

    asyncio.run(main())


async def refused(place: Place, key: str) -> str:
    with pytest.raises(AuthError) as caught:
        await place.accounts.account(Credential(key))
    return caught.value.message


def in_days(number: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=number)


def test_a_key_is_told_once_and_then_only_known(url: str | URL) -> None:
    scopes = Scopes(("deepgram/*", "local/*"), frozenset({"tts", "admin"}))

    async def work(place: Place, replicas: Replicas) -> None:
        made = await place.issued.create(" Acme Inc. ", "voice bot", "pro", scopes, in_days(30))
        assert made.key.startswith(f"{made.prefix}_")
        assert (made.organisation, made.name, made.tier) == ("Acme Inc.", "voice bot", "pro")
        assert (made.models, made.uses) == (("deepgram/*", "local/*"), ("admin", "tts"))
        [kept] = await place.issued.list()
        assert kept == await place.issued.show(made.id) == await place.issued.show(made.prefix)
        assert structs.asdict(kept).items() <= structs.asdict(made).items()
        assert not hasattr(kept, "key")
        async with place.database.reading() as connection:
            row = (await connection.execute(select(KEYS))).one()
        secret = made.key.removeprefix(made.prefix).strip("_")
        assert secret not in str(row)
        assert secret.encode() not in row.hash

    run(url, work)


def test_an_account_is_what_its_key_was_made_for(url: str | URL) -> None:
    async def work(place: Place, replicas: Replicas) -> None:
        scopes = Scopes(("local/*",), frozenset({"stt"}))
        made = await place.issued.create("acme", "bot", "gold", scopes)
        account = await place.accounts.account(Credential(made.key))
        assert (account.id, account.key, account.organisation) == (made.account, made.id, "acme")
        assert (account.tier_name, account.tier, account.scopes) == ("gold", GOLD, scopes)
        other = await replicas.start()
        assert await other.accounts.account(Credential(made.key)) == account

    run(url, work)


def test_keys_of_the_settings_are_asked_first(url: str | URL) -> None:
    async def work(place: Place, replicas: Replicas) -> None:
        await place.database.close()
        account = await place.accounts.account(Credential("fixed"))
        assert (account.tier, account.key, account.organisation) == (GOLD, "", "")
        with pytest.raises(AuthError, match="no API key: send it as"):
            await place.accounts.account(None)

    run(url, work)


def test_a_key_that_is_not_known(url: str | URL) -> None:
    async def work(place: Place, replicas: Replicas) -> None:
        made = await place.issued.create("acme", "bot")
        never_kept = Pepper("pepper" * 10).new_key()
        for key in ("", "x", "fixe", made.prefix, made.key[:-1], never_kept):
            assert await refused(place, key) == "unknown API key"
        # One that has a check, and the prefix of another.
        forged = Forger("pepper" * 10).key_for(made.prefix)
        assert place.issued.prefix(forged) == made.prefix
        assert await refused(place, forged) == "unknown API key"

    run(url, work)


class Forger(Pepper):
    """Somebody who has the pepper but no key."""

    def key_for(self, prefix: str) -> str:
        start = f"{prefix}_{'A' * 32}"
        return start + self._check(start)


def test_a_guess_does_not_reach_the_database(url: str | URL) -> None:
    async def work(place: Place, replicas: Replicas) -> None:
        made = await place.issued.create("acme", "bot")
        await place.database.close()
        asked = CountingKeys(place.issued)
        accounts = Accounts(asked, Keys({}))
        for key in (made.key[:-1] + "-", Pepper("other" * 10).new_key(), "vxw_", "x" * 9000):
            with pytest.raises(AuthError):
                await accounts.account(Credential(key))
        assert asked.times == 0

    run(url, work)


class CountingKeys(IssuedKeys):
    """Counts how often it is asked."""

    def __init__(self, issued: IssuedKeys) -> None:
        super().__init__(issued._database, issued._pepper, issued._tiers)
        self.times = 0

    async def find(self, prefix: str) -> Hashed | None:
        self.times += 1
        return await super().find(prefix)


def test_answers_stand_for_a_second_good_ones_and_bad_ones(url: str | URL) -> None:
    async def work(place: Place, replicas: Replicas) -> None:
        made = await place.issued.create("acme", "bot")
        unknown = Pepper("pepper" * 10).new_key()
        asked = CountingKeys(place.issued)
        accounts = Accounts(asked, Keys({}), clock=place.clock)
        for now, times in ((0.0, 1), (0.5, 1), (0.99, 1), (1.0, 2), (1.5, 2)):
            place.clock.now = now
            assert (await accounts.account(Credential(made.key))).key == made.id
            assert asked.times == times
        asked.times = 0
        for now, times in ((2.0, 1), (2.99, 1), (3.0, 2)):
            place.clock.now = now
            with pytest.raises(AuthError):
                await accounts.account(Credential(unknown))
            assert asked.times == times

    run(url, work)


def test_no_more_answers_are_remembered_than_are_bounded(
    url: str | URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 3)

    async def work(place: Place, replicas: Replicas) -> None:
        made = [await place.issued.create("acme", "bot") for _ in range(5)]
        for key in made:
            await place.accounts.account(Credential(key.key))
        assert len(place.accounts._answers) == 3

    run(url, work)


def test_a_key_that_expires(url: str | URL) -> None:
    async def work(place: Place, replicas: Replicas) -> None:
        made = await place.issued.create("acme", "bot", expires=in_days(1))
        await place.accounts.account(Credential(made.key))
        await expire(place, made.id)
        place.clock.now = 2.0
        assert await refused(place, made.key) == "this API key is expired"
        assert (await place.issued.show(made.id)).status_at(datetime.now(UTC)) == "expired"
        with pytest.raises(ProtocolError, match="is over") as caught:
            await place.issued.create("acme", "bot", expires=in_days(-1))
        assert caught.value.param == "expires"

    run(url, work)


async def expire(place: Place, id: str) -> None:
    async with place.database.writing() as connection:
        over = datetime.now(UTC) - timedelta(seconds=1)
        await connection.execute(update(KEYS).where(KEYS.c.id == id).values(expires=over))


def test_a_revoked_key_is_refused_here_at_once(url: str | URL) -> None:
    async def work(place: Place, replicas: Replicas) -> None:
        made = await place.issued.create("acme", "bot")
        other = await place.issued.create("acme", "other bot")
        await place.accounts.account(Credential(made.key))
        revoked = await place.accounts.revoke(made.prefix)
        assert revoked.status_at(datetime.now(UTC)) == "revoked"
        assert await refused(place, made.key) == "this API key is revoked"
        assert (await place.accounts.account(Credential(other.key))).key == other.id
        assert (await place.accounts.revoke(made.id)).revoked == revoked.revoked

    run(url, work)


def test_a_revoked_key_is_refused_elsewhere_when_that_was_heard(url: str | URL) -> None:
    async def work(place: Place, replicas: Replicas) -> None:
        other = await replicas.start()
        made = await place.issued.create("acme", "bot")
        await other.accounts.account(Credential(made.key))
        assert await other.accounts.ended_within(1.0) == frozenset()
        await place.accounts.revoke(made.id)
        assert (await other.accounts.account(Credential(made.key))).key == made.id  # not yet heard
        assert await other.accounts.ended_within(1.0) == {made.id}
        assert await refused(other, made.key) == "this API key is revoked"

    run(url, work)


def test_a_key_that_ended_is_told_for_a_while_and_not_for_ever(url: str | URL) -> None:
    async def work(place: Place, replicas: Replicas) -> None:
        revoked, expired, good = [await place.issued.create("acme", "bot") for _ in range(3)]
        await place.issued.revoke(revoked.id)
        await expire(place, expired.id)
        for since in (3600.0, 0.0, -30.0):
            assert await place.accounts.ended_within(since) == {revoked.id, expired.id}
        assert await place.accounts.ended_within(-60.0) == frozenset()
        assert good.revoked is None

    run(url, work)


def test_whoever_runs_hears_of_it_within_a_second(url: str | URL) -> None:
    async def work(place: Place, replicas: Replicas) -> None:
        other = await replicas.start()
        heard: asyncio.Queue[frozenset[str]] = asyncio.Queue()
        running = asyncio.create_task(other.accounts.run(heard.put_nowait))
        made = await place.issued.create("acme", "bot")
        await other.accounts.account(Credential(made.key))
        began = asyncio.get_running_loop().time()
        await place.issued.revoke(made.id)
        async with asyncio.timeout(BOUND):
            assert await heard.get() == {made.id}
        assert asyncio.get_running_loop().time() - began < 1.0
        running.cancel()
        await asyncio.wait([running])
        assert (await place.issued.show(made.id)).last_used is not None  # written at the end

    run(url, work)


def test_when_a_key_was_used_is_written_in_one_go(url: str | URL) -> None:
    async def work(place: Place, replicas: Replicas) -> None:
        made = [await place.issued.create("acme", f"bot {i}") for i in range(3)]
        for key in made[:2]:
            await place.accounts.account(Credential(key.key))
        assert [key.last_used for key in await place.issued.list()] == [None] * 3
        await place.accounts.write()
        first, second, third = await place.issued.list()
        assert first.last_used is not None
        assert second.last_used is not None
        assert third.last_used is None
        await place.accounts.write()  # nothing is new
        await place.issued.mark_used({made[0].id: in_days(-1)})  # from a process that lags behind
        assert (await place.issued.show(made[0].id)).last_used == first.last_used

    run(url, work)


def test_a_new_key_in_place_of_one(url: str | URL) -> None:
    async def work(place: Place, replicas: Replicas) -> None:
        scopes = Scopes(("local/*",), frozenset({"tts"}))
        old = await place.issued.create("acme", "bot", "pro", scopes, in_days(9))
        await place.accounts.account(Credential(old.key))
        new = await place.accounts.rotate(old.prefix)
        assert await refused(place, old.key) == "this API key is revoked"
        account = await place.accounts.account(Credential(new.key))
        assert (account.id, account.key) == (old.account, new.id)
        assert new.id != old.id
        same = ("account", "organisation", "name", "tier", "models", "uses", "expires")
        assert [getattr(new, name) for name in same] == [getattr(old, name) for name in same]
        with pytest.raises(ProtocolError, match=rf"key {old.prefix} is revoked: make a new one"):
            await place.accounts.rotate(old.id)

    run(url, work)


def test_the_old_key_may_go_on_for_a_while(url: str | URL) -> None:
    async def work(place: Place, replicas: Replicas) -> None:
        old = await place.issued.create("acme", "bot")
        new = await place.accounts.rotate(old.id, timedelta(hours=1))
        both = [await place.accounts.account(Credential(key.key)) for key in (old, new)]
        assert [account.id for account in both] == [old.account] * 2
        until = (await place.issued.show(old.id)).expires
        assert until is not None
        assert timedelta(minutes=59) < until - datetime.now(UTC) <= timedelta(hours=1)
        assert (await place.issued.show(new.id)).expires is None
        soon = await place.issued.create("acme", "bot", expires=in_days(0.01))
        await place.accounts.rotate(soon.id, timedelta(days=1))  # which makes nothing longer
        assert (await place.issued.show(soon.id)).expires == soon.expires

    run(url, work)


def test_of_several_who_rotate_a_key_one_gets_a_new_one(url: str | URL) -> None:
    async def work(place: Place, replicas: Replicas) -> None:
        places = [place, await replicas.start()]
        old = await place.issued.create("acme", "bot")
        tried = [places[i % 2].accounts.rotate(old.id) for i in range(6)]
        done = await asyncio.gather(*tried, return_exceptions=True)
        assert sum(not isinstance(each, BaseException) for each in done) == 1
        assert len(await place.issued.list()) == 2

    run(url, work)


def test_many_may_make_keys_for_a_new_organisation_at_once(url: str | URL) -> None:
    async def work(place: Place, replicas: Replicas) -> None:
        places = [place, await replicas.start()]
        await asyncio.gather(*(places[i % 2].issued.create("new", f"{i}") for i in range(8)))
        await place.issued.create("other", "bot")
        assert len(await place.issued.list("new")) == 8
        assert len(await place.issued.list()) == 9
        assert await place.issued.list("nobody") == ()

    run(url, work)


@pytest.mark.parametrize(
    ("wish", "param", "said"),
    [
        ({"organisation": "  "}, "organisation", "organisation is empty"),
        ({"organisation": "x" * 101}, "organisation", "of 101 characters is over 100"),
        ({"name": "a\nb"}, "name", "control character"),
        ({"tier": "silver"}, "tier", "tier 'silver' is not one of free, pro, enterprise, local, g"),
        ({"scopes": Scopes(uses=frozenset({"tts", "root"}))}, "uses", "'root' is not one of tts"),
        ({"scopes": Scopes(uses=frozenset())}, "uses", "good for nothing"),
        ({"scopes": Scopes(("",))}, "models", "'' is no pattern"),
        ({"scopes": Scopes(("a\n",))}, "models", "is no pattern"),
        ({"scopes": Scopes(("*",) * 51)}, "models", "51 are over 50"),
    ],
)
def test_what_is_no_key_to_make_is_told(
    postgres_url: str, wish: dict[str, object], param: str, said: str
) -> None:
    async def work(place: Place, replicas: Replicas) -> None:
        whole: dict[str, object] = {"organisation": "acme", "name": "bot"}
        with pytest.raises(ProtocolError, match=said) as caught:
            await place.issued.create(**(whole | wish))  # type: ignore[arg-type]
        assert caught.value.param == param
        assert await place.issued.list() == ()

    run(postgres_url, work)


def test_a_key_that_is_not_there_is_told_without_what_may_be_a_secret(url: str | URL) -> None:
    async def work(place: Place, replicas: Replicas) -> None:
        made = await place.issued.create("acme", "bot")
        assert (await place.issued.show(made.key)).id == made.id  # a whole key names itself
        unknown = Pepper("pepper" * 10).new_key()
        for find in (place.issued.show, place.accounts.revoke, place.accounts.rotate):
            with pytest.raises(ProtocolError) as caught:
                await find(unknown)
            assert caught.value.error == "not_found"
            assert caught.value.message == f"no key {unknown[:12]!r}"

    run(url, work)


def test_another_pepper_is_told_at_the_start(url: str | URL) -> None:
    async def work(place: Place, replicas: Replicas) -> None:
        await replicas.start("pepper" * 10)
        with pytest.raises(ConfigError, match="made with another pepper: set VOXWAY_PEPPER"):
            await replicas.start("salt" * 10)

    run(url, work)


def test_a_tier_that_is_not_configured_any_more_lets_nobody_in(url: str | URL) -> None:
    async def work(place: Place, replicas: Replicas) -> None:
        made = await place.issued.create("acme", "bot", "gold")
        without = Accounts(place.issued, Keys({}), TIERS)
        with pytest.raises(AuthError, match="a tier that is not there any more") as caught:
            await without.account(Credential(made.key))
        assert caught.value.error == "forbidden"
        with pytest.raises(ProtocolError, match="tier 'silver' is not one of"):
            await place.accounts.rotate(made.id, tier="silver")
        new = await place.accounts.rotate(made.id, tier="pro")
        account = await without.account(Credential(new.key))
        assert (account.id, account.tier_name) == (made.account, "pro")

    run(url, work)


def test_requests_that_are_given_up_leave_the_database_usable(url: str | URL) -> None:
    async def work(place: Place, replicas: Replicas) -> None:
        made = await place.issued.create("acme", "bot")
        for i in range(60):
            place.clock.now += 2.0
            tried = [place.accounts.account(Credential(made.key)) for _ in range(4)]
            tasks = [asyncio.ensure_future(each) for each in (*tried, place.issued.revoke("x"))]
            await asyncio.sleep(i * 0.0002)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        place.clock.now += 2.0
        assert (await place.accounts.account(Credential(made.key))).key == made.id
        await place.issued.create("acme", "another bot")

    run(url, work)


def test_while_the_database_is_away_and_when_it_is_back(
    own_postgres: Postgres, postgres_url: str
) -> None:
    async def work(place: Place, replicas: Replicas) -> None:
        made = await place.issued.create("acme", "bot")
        heard: asyncio.Queue[frozenset[str]] = asyncio.Queue()
        running = asyncio.create_task(place.accounts.run(heard.put_nowait))
        await place.accounts.account(Credential(made.key))
        own_postgres.kill()
        place.clock.now = 0.9
        assert (await place.accounts.account(Credential(made.key))).key == made.id
        place.clock.now = 1.0
        with pytest.raises(GatewayError) as caught:
            await place.accounts.account(Credential(made.key))
        assert (caught.value.error, caught.value.rule.http_status) == ("not_ready", 503)
        assert (await place.accounts.account(Credential("fixed"))).tier == GOLD
        with pytest.raises(GatewayError):
            await place.accounts.write()
        await asyncio.to_thread(own_postgres.start)
        await place.accounts.account(Credential(made.key))
        await place.issued.revoke(made.id)
        async with asyncio.timeout(BOUND):
            assert await heard.get() == {made.id}
        running.cancel()
        await asyncio.wait([running])
        assert (await place.issued.show(made.id)).last_used is not None  # it was not forgotten

    run(postgres_url, work)
