"""Regions, tags and provider keys as requests bring them."""

from __future__ import annotations

import pytest

from voxway.asking import Asked, asked, request_id_in, stamped
from voxway.catalog import Preference
from voxway.errors import ProtocolError


def test_nothing_asked() -> None:
    assert asked({}, []) == Asked()


@pytest.mark.parametrize(
    ("headers", "query", "regions", "parts"),
    [
        ({"x-region-override": "eu-north-1, US-east-1"}, [], ("eu-north-1", "us-east-1"), ()),
        ({}, [("region", "eu-north-1")], ("eu-north-1",), ()),
        ({"x-region-override": "au"}, [("region", "br")], ("au",), ()),
        ({"x-world-part-override": "eu"}, [], (), ("eu",)),
        ({}, [("world-part", "na, eu"), ("world-part", "ap")], (), ("na", "eu")),
        ({"x-region-override": "au", "x-world-part-override": "eu"}, [], ("au",), ("eu",)),
    ],
)
def test_regions(
    headers: dict[str, str],
    query: list[tuple[str, str]],
    regions: tuple[str, ...],
    parts: tuple[str, ...],
) -> None:
    got = asked(headers, query)
    assert got.place == Preference(regions, parts)


@pytest.mark.parametrize(
    ("headers", "param"),
    [
        ({"x-region-override": "not a region"}, "region"),
        ({"x-region-override": "x" * 40}, "region"),
        ({"x-world-part-override": "moon"}, "world-part"),
        ({"x-slng-agent-id": "a,b"}, "x-slng-agent-id"),
        ({"x-slng-session-id": "a\x07b"}, "x-slng-session-id"),
        ({"x-slng-session-id": "x" * 129}, "x-slng-session-id"),
    ],
)
def test_what_is_wrong_is_named(headers: dict[str, str], param: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        asked(headers, [])
    assert caught.value.param == param


def test_tags_and_a_provider_key_that_no_log_shows() -> None:
    got = asked(
        {"x-slng-agent-id": "a1", "x-slng-session-id": "s" * 128, "x-slng-provider-key": " K "}, []
    )
    assert (got.agent_id, got.session_tag, got.provider_key) == ("a1", "s" * 128, "K")
    assert "K" not in repr(got)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("call-1.a_b:c", "call-1.a_b:c"),
        (" 7f3c ", "7f3c"),
        ("", ""),
        ("two words", ""),
        ("a\nb", ""),
        ("-x", ""),
        ("x" * 129, ""),
    ],
)
def test_a_request_id_is_taken_if_it_is_fit_for_a_log(given: str, kept: str) -> None:
    assert request_id_in({"x-request-id": given}) == kept
    assert set(stamped(kept).values()) == {kept}
