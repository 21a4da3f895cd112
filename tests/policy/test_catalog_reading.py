"""Catalog files: what they may say, and where an error is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxway.catalog import LOCAL, Backend, Model
from voxway.catalog.document import line_of
from voxway.catalog.model import Prices
from voxway.catalog.reading import merged, parse, parse_prices
from voxway.catalog.rules import CAPABILITIES, faults
from voxway.errors import ConfigError

ROOT = Path(__file__).parents[2]
GOOD = """\
# a comment
[[model]]
id = "a/b:1"
kind = "tts"
provider = "a"
languages = ["en", "de"]
voices = [
    "anna",
    "ben",
]
encodings = ["linear16"]
default_rate = 24_000
rates = [16_000, 24_000]

[[model.backends]]
wire = "unified"
url = "wss://one.example.com"
region = "eu-north-1"
world_part = "eu"

[[model.backends]]
wire = "unified"
url = "${OTHER_URL}"
key_variable = "OTHER_KEY"

[[model]]
id = "c/d"
kind = "stt"
provider = "c"
open_languages = true
encodings = ["wav", "linear16"]
default_rate = 16_000
backends = [
    { wire = "unified", url = "wss://x" },
    { wire = "unified", url = "wss://y" },
]
"""


def test_entries_and_where_they_stand() -> None:
    first, second = parse(GOOD, "my.toml")
    assert (first.model.id, first.place, second.place) == ("a/b:1", "my.toml:2", "my.toml:26")
    assert first.model.default_voice == "anna"
    assert first.model.backends[0].region == "eu-north-1"
    assert [backend.url for backend in second.model.backends] == ["wss://x", "wss://y"]


# (what is replaced, by what, a part of the line to blame, the reason)
WRONG = [
    ('kind = "tts"', 'kind = "tss"', "tss", "kind: Invalid enum value 'tss'"),
    ('kind = "tts"\n', "", "[[model]]", "missing required field `kind`"),
    ("default_rate = 24_000", 'default_rate = "24k"', "24k", "Expected `int`, got `str`"),
    ('    "ben",', "    5,", "voices", "Expected `str`, got `int`"),
    (
        'wire = "unified"\nurl = "wss://one',
        'wires = "x"\nurl = "wss://one',
        "wires",
        "field `wires`",
    ),
    ('provider = "c"', 'provder = "c"', "provder", "field `provder`"),
    ("[[model]]\nid", "speling = 1\n[[model]]\nid", "speling", "unknown field `speling`"),
    ('world_part = "eu"', 'world_part = "mars"', "mars", "Invalid enum value 'mars'"),
    ('region = "eu-north-1"', 'region = "EU!"', "EU!", "region 'EU!' is not like eu-north-1"),
    ('id = "a/b:1"', 'id = "a b"', "a b", "id 'a b' is not like provider/model:variant"),
    ('id = "c/d"', 'id = "a/b:1"', "a/b:1", "id 'a/b:1' stands in line 3 already"),
    ('languages = ["en", "de"]', "", "[[model]]", "languages are none"),
    ('encodings = ["linear16"]', "encodings = []", "encodings = []", "encodings are none"),
    ('["linear16"]', '["wav"]', '["wav"]', "encodings: 'wav' is not one of linear16, linear32"),
    ("rates = [16_000, 24_000]", "rates = [4_000]", "4_000", "rates: 4000 is outside 8000-48000"),
    ("rates = [16_000, 24_000]", "rates = [16_000]", "default_rate", "24000 is not one of 16000"),
    ("rates = [16_000, 24_000]", "min_rate = 1", "min_rate", "min_rate: 1 is outside 8000-48000"),
    ("rates = [16_000, 24_000]", "max_rate = 9000", "default_rate", "is outside 8000-9000 Hz"),
    ("default_rate = 24_000\nr", "default_rate = 50_000\nr", "50_000", "50000 is outside 8000-"),
    ("rates = [", "speeds = [1.5, 2.0]\nrates = [", "speeds", "speeds 1.5-2 do not hold 1"),
    ("rates = [", 'default_voice = "x"\nrates = [', "default_v", "'x' is not one of anna, ben"),
    ("rates = [", 'default_language = "x"\nrates = [', "default_l", "'x' is not one of en, de"),
    ("rates = [", 'capabilities = ["fly"]\nrates = [', "fly", "'fly' is not one of flush, clear"),
    ('{ wire = "unified", url = "wss://y" }', '{ wire = "x", url = "ws://y" }', '"x"', "wire 'x'"),
    ('{ wire = "unified", url = "wss://y" }', '{ wire = "engine", url = "y" }', '"y"', "an engine"),
    ('{ wire = "unified", url = "wss://y" }', '{ wire = "unified" }', 'unified" }', "url is miss"),
    (
        '{ wire = "unified", url = "wss://y" }',
        '{ wire = "orpheus", url = "ws://y" }',
        "orph",
        "stt",
    ),
    ('url = "wss://one.example.com"', 'url = "one"', '"one"', "url 'one' is no ws://, wss://"),
    ('encodings = ["wav", "linear16"]', "encodings = [", "default_rate", "Invalid value"),
]


@pytest.mark.parametrize(("old", "new", "blamed", "reason"), WRONG)
def test_an_error_names_the_line_and_the_reason(
    old: str, new: str, blamed: str, reason: str
) -> None:
    assert GOOD.count(old) >= 1
    text = GOOD.replace(old, new, 1)
    with pytest.raises(ConfigError) as caught:
        parse(text, "my.toml")
    file, number, said = caught.value.message.split(":", 2)
    assert file == "my.toml"
    assert re.search(reason, said)
    assert blamed in text.splitlines()[int(number) - 1]


def test_no_backends_at_all() -> None:
    text = GOOD[: GOOD.index("[[model.backends]]")]
    with pytest.raises(ConfigError, match=r"my\.toml:2: a/b:1: backends are none"):
        parse(text, "my.toml")


def test_open_lists_take_a_default_that_is_not_in_them() -> None:
    text = GOOD.replace("rates =", 'open_voices = true\ndefault_voice = "x"\nrates =')
    assert parse(text, "my.toml")[0].model.default_voice == "x"


@pytest.mark.parametrize("text", ["[[model]", "a = ", 'x = "é', "model = 5", "model = [5]"])
def test_a_text_that_is_no_catalog(text: str) -> None:
    with pytest.raises(ConfigError, match=r"my\.toml:1: "):
        parse(text, "my.toml")


def test_other_settings_stand_beside_models_only_where_they_may() -> None:
    text = "drain_seconds = 5\n" + GOOD + "[api_keys]\na = 'pro'\n"
    assert len(parse(text, "voxway.toml", mixed=True)) == 2
    with pytest.raises(ConfigError, match=r"my\.toml:1: .*unknown field `drain_seconds`"):
        parse(text, "my.toml")


def test_a_later_entry_replaces_the_whole_of_an_earlier_one() -> None:
    mine = parse(GOOD.replace('voices = [\n    "anna",\n    "ben",\n]', "open_voices = true"), "m")
    both = {model.id: model for model in merged([parse(GOOD, "s"), mine])}
    assert list(both) == ["a/b:1", "c/d"]
    assert both["a/b:1"].voices == ()
    assert both["a/b:1"].open_voices


@pytest.mark.parametrize(
    ("fallback", "reason"),
    [
        ("no/such", "fallback 'no/such' is not in the catalog"),
        ("a/b:1", "fallback 'a/b:1' is the model itself"),
        ("c/d", "fallback 'c/d' is for stt, not tts"),
    ],
)
def test_a_fallback_that_leads_nowhere(fallback: str, reason: str) -> None:
    entries = parse(GOOD.replace("rates =", f'fallback = ["{fallback}"]\nrates ='), "my.toml")
    with pytest.raises(ConfigError) as caught:
        merged([entries])
    assert caught.value.message == f"my.toml:2: a/b:1: {reason}"


PRICES = '[prices."a/b:1"]\ncharacters = 0.015\naudio_out = 0.05\n'


def test_prices_stand_in_an_entry_or_by_themselves() -> None:
    own = GOOD.replace("[[model.backends]]", "[model.prices]\nrequest = 1\n[[model.backends]]", 1)
    first, second = merged([parse(own, "m")])
    assert (first.prices, second.prices) == (Prices(request=1.0), None)
    for text in (PRICES, "drain_seconds = 5\n" + PRICES):
        prices = parse_prices(text, "p", mixed=True)
        first, second = merged([parse(own, "m")], prices)
        assert (first.prices, second.prices) == (Prices(characters=0.015, audio_out=0.05), None)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("0.015", "-1", r"p.toml:2: characters: Expected `float` >= 0"),
        ("0.015", "nan", r"p.toml:2: characters: Expected `float` >= 0"),
        ("0.015", "inf", r"p.toml:2: characters: Expected `float` <= 1000000"),
        ("audio_out", "minute", r"p.toml:3: .*unknown field `minute`"),
        ("a/b:1", "a/b:2", r"p.toml:1: prices of 'a/b:2', which is not in the catalog"),
    ],
)
def test_prices_that_cannot_be(old: str, new: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        merged([parse(GOOD, "m")], parse_prices(PRICES.replace(old, new), "p.toml"))


def test_a_fallback_may_be_in_another_file() -> None:
    mine = GOOD.replace("rates =", 'fallback = ["e/f"]\nrates =')
    other = GOOD.replace("a/b:1", "e/f").replace("c/d", "g/h")
    assert len(merged([parse(other, "o"), parse(mine, "m")])) == 4


@pytest.mark.parametrize(
    ("path", "containing"),
    [
        (("model", 0), "[[model]]"),
        (("model", 0, "voices", 1), "voices"),
        (("model", 0, "backends", 1, "url"), "OTHER_URL"),
        (("model", 0, "backends", 0, "nothing"), "[[model.backends]]"),
        (("model", 1, "backends", 1, "wire"), "wss://y"),
        (("model", 1, "kind"), '"stt"'),
        (("nothing",), "# a comment"),
    ],
)
def test_the_line_of_a_value(path: tuple[str | int, ...], containing: str) -> None:
    assert containing in GOOD.splitlines()[line_of(GOOD, path) - 1]


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("a = 1\n[t]\nb = 2\n", ("t", "b"), 3),
        ("[t.u]\nb = 2\n", ("t", "u", "b"), 2),
        ('["t"."u"]\n"b" = 2\n', ("t", "u", "b"), 2),
        ("[[m]]\n[m.t]\nb=1\n[[m]]\n[m.t]\nb=2\n", ("m", 1, "t", "b"), 6),
        ("[[m]]\n[[m.n]]\n[[m.n]]\n[[m]]\n[[m.n]]\nx=1\n", ("m", 1, "n", 0, "x"), 6),
        ("", ("a",), 1),
    ],
)
def test_tables_of_every_form(text: str, path: tuple[str | int, ...], expected: int) -> None:
    assert line_of(text, path) == expected


@given(st.text(alphabet='[]{}=".,#\n abm1', max_size=60))
def test_any_text_is_read_or_refused_with_a_line(text: str) -> None:
    assert refused(text) is None or re.match(r"f:\d+: ", refused(text) or "")


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 30))
def test_a_catalog_with_a_hole_is_read_or_refused_with_a_line(start: int, size: int) -> None:
    said = refused(GOOD[:start] + GOOD[start + size :])
    number = re.match(r"f:(\d+): ", said or "f:1: ")
    assert number
    assert 1 <= int(number[1]) <= GOOD.count("\n") + 1


def refused(text: str) -> str | None:
    """What is said against a text, if anything."""
    try:
        parse(text, "f")
    except ConfigError as error:
        return error.message
    return None


def test_local_entries_keep_the_rules_too() -> None:
    assert [list(faults(model)) for model in LOCAL.values()] == [[], []]


def test_the_examples_of_the_manual_are_true() -> None:
    page = (ROOT / "docs" / "how-to" / "catalog.md").read_text()
    [example] = re.findall(r"^```toml\n(.*?)^```", page, re.M | re.S)
    assert [entry.model.id for entry in parse(example, "models.toml")] == ["acme/voice:1"]
    changed = example.replace("default_rate = 24_000", "default_rate = 44_100")
    with pytest.raises(ConfigError) as caught:
        parse(changed, "models.toml")
    assert caught.value.message in page
    for kind, names in CAPABILITIES.items():
        assert f"`{kind}`: {', '.join(names)}" in page
    for struct in (Model, Backend):
        for field in struct.__struct_fields__:
            assert f"`{field}`" in page
