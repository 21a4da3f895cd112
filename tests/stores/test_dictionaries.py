"""Dictionaries are kept by account, found by name or id, and never get in each other's way."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from voxway.errors import GatewayError
from voxway.stores.dictionaries import Dictionaries, Dictionary
from voxway.text.pronunciation import Rule, content_hash

RULES = (Rule("AWS", "A W S"),)
Work = Callable[[Dictionaries], Awaitable[object]]


def run(work: Work, path: Path | None = None) -> None:
    async def main() -> None:
        store = Dictionaries(path)
        try:
            await work(store)
        finally:
            store.close()

    asyncio.run(main())


async def refused(awaited: Awaitable[object]) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await awaited
    return caught.value


def test_a_dictionary_is_kept_and_found() -> None:
    async def work(store: Dictionaries) -> None:
        made = await store.create("a", "  My \u00a0Brands ", RULES, {"team": 1})
        assert made.id.startswith("pd_")
        assert (made.org_id, made.name) == ("a", "My \u00a0Brands")
        assert made.normalized_name == "my-brands"
        assert made.modes.rewrite.rules == RULES
        assert made.content_hash == content_hash(RULES)
        assert made.created_at.endswith("Z")
        assert await store.get("a", made.id) == made
        assert await store.find("a", id=made.id) == made
        assert await store.find("a", name="MY brands") == made
        assert await store.list("a") == (made,)

    run(work)


def test_a_dictionary_outlives_the_process(tmp_path: Path) -> None:
    path = tmp_path / "not" / "yet" / "voxway.db"
    made: list[Dictionary] = []

    async def create(store: Dictionaries) -> None:
        made.append(await store.create("a", "one", RULES, {}))
        made.append(await store.create("a", "two", RULES, {}))

    async def look(store: Dictionaries) -> None:
        assert list(await store.list("a")) == made

    run(create, path)
    run(look, path)


def test_a_name_is_taken_once_in_an_account() -> None:
    async def work(store: Dictionaries) -> None:
        await store.create("a", "Brands", RULES, {})
        error = await refused(store.create("a", "BRANDS ", RULES, {}))
        assert (error.error, error.param) == ("pronunciation_conflict", "name")
        await store.create("b", "Brands", RULES, {})

    run(work)


def test_accounts_do_not_see_each_other() -> None:
    async def work(store: Dictionaries) -> None:
        made = await store.create("a", "Brands", RULES, {})
        assert await store.list("b") == ()
        for awaited in (
            store.get("b", made.id),
            store.find("b", id=made.id),
            store.find("b", name="Brands"),
            store.rewriter("b", name="Brands"),
            store.delete("b", made.id),
        ):
            assert (await refused(awaited)).error == "pronunciation_not_found"
        assert await store.get("a", made.id) == made

    run(work)


def test_what_is_deleted_is_gone_and_its_name_is_free() -> None:
    async def work(store: Dictionaries) -> None:
        made = await store.create("a", "Brands", RULES, {})
        await store.delete("a", made.id)
        assert (await refused(store.get("a", made.id))).error == "pronunciation_not_found"
        assert (await refused(store.delete("a", made.id))).error == "pronunciation_not_found"
        assert (await store.create("a", "Brands", RULES, {})).id != made.id

    run(work)


def test_a_rewriter_speaks_by_its_dictionary() -> None:
    async def work(store: Dictionaries) -> None:
        made = await store.create("a", "Brands", RULES, {})
        rewriter = await store.rewriter("a", name="brands")
        assert rewriter.rewrite("On AWS.").text == "On A W S."
        assert await store.rewriter("a", id=made.id) is rewriter

    run(work)


@pytest.mark.parametrize(
    ("name", "metadata", "rules", "param", "words"),
    [
        ("  ", {}, RULES, "name", "name is empty"),
        ("x" * 101, {}, RULES, "name", "name of 101 characters is over 100"),
        ("a\x07b", {}, RULES, "name", "control character"),
        ("x", {"a": "b" * 4096}, RULES, "metadata", "metadata of 4104 bytes is over 4096"),
        ("x", {}, (), "modes.rewrite.rules", "0 rules"),
        ("x", {}, (Rule("", "x"),), "modes.rewrite.rules[0].match", "match is empty"),
    ],
)
def test_what_is_wrong_is_named(
    name: str, metadata: dict[str, str], rules: tuple[Rule, ...], param: str, words: str
) -> None:
    async def work(store: Dictionaries) -> None:
        error = await refused(store.create("a", name, rules, metadata))
        assert (error.error, error.param) == ("invalid_pronunciation", param)
        assert words in error.message

    run(work)


def test_an_account_has_a_bound() -> None:
    async def work(store: Dictionaries) -> None:
        for i in range(100):
            await store.create("a", f"d{i}", RULES, {})
        error = await refused(store.create("a", "one more", RULES, {}))
        assert (error.error, "at most 100" in error.message) == ("invalid_pronunciation", True)
        await store.create("b", "one more", RULES, {})

    run(work)


def test_many_at_once_are_all_kept(tmp_path: Path) -> None:
    async def work(store: Dictionaries) -> None:
        await asyncio.gather(*(store.create("a", f"d{i}", RULES, {}) for i in range(50)))
        assert len(await store.list("a")) == 50

    run(work, tmp_path / "voxway.db")


def test_a_file_that_cannot_be_used_is_unavailable_until_it_can(tmp_path: Path) -> None:
    path = tmp_path / "voxway.db"
    path.write_text("This is not a database." * 100)

    async def work(store: Dictionaries) -> None:
        error = await refused(store.list("a"))
        assert (error.error, error.rule.retryable) == ("pronunciation_unavailable", True)
        path.unlink()
        assert await store.list("a") == ()

    run(work, path)


def test_a_directory_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    async def work(store: Dictionaries) -> None:
        assert (await refused(store.list("a"))).error == "pronunciation_unavailable"

    run(work, tmp_path / "file" / "voxway.db")


def test_another_process_may_use_the_file_too(tmp_path: Path) -> None:
    path = tmp_path / "voxway.db"

    async def work(store: Dictionaries) -> None:
        await store.create("a", "Brands", RULES, {})
        with sqlite3.connect(path) as other:
            [[count]] = other.execute("SELECT count(*) FROM pronunciation_dictionaries")
            other.execute("DELETE FROM pronunciation_dictionaries")
        other.close()
        assert count == 1
        assert await store.list("a") == ()

    run(work, path)
