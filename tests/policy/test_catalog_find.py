"""Who answers: regions, keys, variables and fallbacks; and what is said when nobody can."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxway.catalog import (
    LOCAL,
    Backend,
    Catalog,
    Kind,
    Model,
    Preference,
    Wire,
    preference,
    public,
)
from voxway.catalog.find import ordered
from voxway.errors import GatewayError, ProtocolError

WIRES = {
    "engine": Wire(("tts", "stt"), implemented=True),
    "unified": Wire(("tts", "stt"), implemented=True),
    "deepgram_speak": Wire(("tts",), implemented=True),
    "kyutai_tts": Wire(("tts",)),
}


def model(name: str, *backends: Backend, kind: Kind = "tts", **fields: object) -> Model:
    given: dict[str, object] = {"provider": name.split("/")[0], "encodings": ("linear16",)}
    given |= {"languages": ("en",), "default_rate": 24_000}
    return Model(id=name, kind=kind, backends=backends, **(given | fields))  # type: ignore[arg-type]


def catalog(*models: Model, dev: bool = False, **environ: str) -> Catalog:
    return Catalog([*models, *LOCAL.values()], environ=environ, dev=dev, wires=WIRES)


def at(region: str = "", world_part: str = "") -> Backend:
    url = f"wss://{region or world_part or 'anywhere'}.example.com"
    return Backend(wire="unified", url=url, region=region, world_part=world_part)  # type: ignore[arg-type]


SPEAK = Backend(
    wire="deepgram_speak",
    url="${DEEPGRAM_URL:-wss://api.deepgram.com}",
    model="aura-2",
    key_variable="DEEPGRAM_API_KEY",
)
RELAYED = Backend(wire="unified", url="${OTHER_URL}/v1", key_variable="OTHER_KEY")
LATER = Backend(wire="kyutai_tts", url="ws://127.0.0.1:8089", region="eu-north-1")
OPEN = Backend(wire="unified", url="${OPEN_URL}", key_variable="OPEN_KEY", key_optional=True)

EU, US, JP, ANY = at("eu-north-1", "eu"), at("us-east-1", "na"), at("ap-jp-1", "ap"), at()


@pytest.mark.parametrize(
    ("regions", "world_parts", "expected"),
    [
        ((), (), [EU, US, ANY, JP]),
        (("us-east-1",), (), [US, ANY, EU, JP]),
        (("ap-jp-1", "us-east-1"), (), [JP, US, ANY, EU]),
        ((), ("ap",), [JP, ANY, EU, US]),
        ((), ("ap", "na"), [JP, US, ANY, EU]),
        (("us-east-1",), ("ap",), [US, ANY, EU, JP]),
        (("sa-br-1",), ("ap",), [ANY, EU, US, JP]),
        (("sa-br-1", "eu-north-1"), (), [EU, ANY, US, JP]),
    ],
)
def test_where_the_work_is_done(
    regions: tuple[str, ...], world_parts: tuple[str, ...], expected: list[Backend]
) -> None:
    found = catalog(model("a/b", EU, US, ANY, JP)).find(
        "tts", "a/b", Preference(regions, world_parts)
    )
    assert list(found.backends) == expected
    assert found.backend == expected[0]
    assert not found.is_substitute


REGIONS = st.sampled_from(["", "eu-north-1", "us-east-1", "ap-jp-1", "sa-br-1"])
PARTS = st.sampled_from(["", "eu", "na", "ap"])


@given(
    st.lists(st.builds(at, REGIONS, PARTS), max_size=8),
    st.lists(REGIONS.filter(bool), unique=True, max_size=4),
    st.lists(PARTS.filter(bool), unique=True, max_size=3),
)
def test_no_backend_is_lost_and_those_asked_for_come_first(
    backends: list[Backend], regions: list[str], parts: list[str]
) -> None:
    found = ordered(backends, Preference(tuple(regions), tuple(parts)))
    places = [(b.region if regions else b.world_part) for b in found]
    wanted = regions or parts
    assert sorted(map(repr, found)) == sorted(map(repr, backends))
    if wanted:
        ranks = [wanted.index(p) if p in wanted else len(wanted) + (1 if p else 0) for p in places]
        assert ranks == sorted(ranks)
    for place in {b.region if regions else b.world_part for b in backends}:
        same = [b for b in backends if (b.region if regions else b.world_part) == place]
        assert [b for b in found if (b.region if regions else b.world_part) == place] == same


@given(
    st.lists(st.builds(at, REGIONS, PARTS), max_size=8),
    st.lists(REGIONS.filter(bool), unique=True, min_size=1),
    st.lists(PARTS.filter(bool), unique=True),
)
def test_a_region_makes_the_part_of_the_world_count_for_nothing(
    backends: list[Backend], regions: list[str], parts: list[str]
) -> None:
    both = ordered(backends, Preference(tuple(regions), tuple(parts)))
    assert both == ordered(backends, Preference(tuple(regions)))


@pytest.mark.parametrize(
    ("regions", "world_parts", "expected"),
    [
        ("", "", Preference()),
        ("eu-north-1", "", Preference(("eu-north-1",))),
        (" EU-North-1, us-east-1  au ", "", Preference(("eu-north-1", "us-east-1", "au"))),
        ("au,au", "eu, eu-non-eu", Preference(("au",), ("eu", "eu-non-eu"))),
    ],
)
def test_a_preference_as_a_request_gives_it(
    regions: str, world_parts: str, expected: Preference
) -> None:
    assert preference(regions, world_parts) == expected


@pytest.mark.parametrize(
    ("regions", "world_parts", "param", "message"),
    [
        ("moon!", "", "region", "'moon!' is no region"),
        ("e" * 200, "", "region", f"'{'e' * 40}' is no region"),
        (",".join(f"eu-north-{i}" for i in range(17)), "", "region", "17 names, over 16"),
        ("", "europe", "world-part", "no world-part .as na, eu, eu-non-eu, ap, me"),
    ],
)
def test_a_preference_that_is_wrong(
    regions: str, world_parts: str, param: str, message: str
) -> None:
    with pytest.raises(ProtocolError, match=message) as caught:
        preference(regions, world_parts)
    assert (caught.value.param, caught.value.rule.http_status) == (param, 400)


def test_variables_of_an_address_are_filled_in() -> None:
    here = catalog(
        model("a/b", SPEAK, RELAYED), DEEPGRAM_API_KEY="k", OTHER_URL="ws://x", OTHER_KEY="k"
    )
    assert [b.url for b in here.find("tts", "a/b").backends] == [
        "wss://api.deepgram.com",
        "ws://x/v1",
    ]
    own = catalog(model("a/b", SPEAK), DEEPGRAM_API_KEY="k", DEEPGRAM_URL="ws://127.0.0.1:9")
    assert own.find("tts", "a/b").backend.url == "ws://127.0.0.1:9"


def test_a_backend_that_cannot_be_used_is_left_out() -> None:
    here = catalog(model("a/b", LATER, SPEAK, US), DEEPGRAM_API_KEY="k")
    assert [b.wire for b in here.find("tts", "a/b").backends] == ["deepgram_speak", "unified"]


@pytest.mark.parametrize(
    ("backend", "environ", "message"),
    [
        (SPEAK, {}, r"deepgram_speak \(DEEPGRAM_API_KEY is not set\)"),
        (SPEAK, {"DEEPGRAM_API_KEY": ""}, r"\(DEEPGRAM_API_KEY is not set\)"),
        (RELAYED, {}, r"unified \(OTHER_URL is not set, OTHER_KEY is not set\)"),
        (RELAYED, {"OTHER_KEY": "k"}, r"unified \(OTHER_URL is not set\)"),
        (OPEN, {"OPEN_URL": "nonsense"}, r"'\$\{OPEN_URL\}' gives no ws://, wss://"),
        (OPEN, {"OPEN_URL": "ftp://x"}, "gives no ws://"),
        (OPEN, {"OPEN_URL": "ws://x:99999"}, "gives no ws://"),
        (LATER, {}, r"kyutai_tts in eu-north-1 \(this release has no kyutai_tts wire yet\)"),
        (Backend(wire="engine"), {}, r"engine \(a/b is not among the engines .VOXWAY_ENGINES."),
    ],
)
def test_what_is_missing_is_said(backend: Backend, environ: dict[str, str], message: str) -> None:
    with pytest.raises(GatewayError, match=message) as caught:
        catalog(model("a/b", backend), dev=False, **environ).find("tts", "a/b")
    assert caught.value.error == "backend_not_configured"
    assert caught.value.rule.http_status == 503
    assert caught.value.message.startswith("model a/b cannot be used: ")


def test_every_backend_and_every_fallback_says_what_it_lacks() -> None:
    here = catalog(model("a/b", SPEAK, RELAYED, fallback=("c/d",)), model("c/d", OPEN))
    with pytest.raises(GatewayError) as caught:
        here.find("tts", "a/b")
    assert caught.value.message == (
        "model a/b cannot be used: deepgram_speak (DEEPGRAM_API_KEY is not set) or "
        "unified (OTHER_URL is not set, OTHER_KEY is not set); "
        "its fallback c/d neither: unified (OPEN_URL is not set)"
    )


def test_a_key_that_is_optional_is_not_missed() -> None:
    assert catalog(model("a/b", OPEN), OPEN_URL="ws://x").find("tts", "a/b").backend.url == "ws://x"


def test_fallbacks_answer_in_their_order() -> None:
    here = catalog(
        model("a/b", SPEAK, fallback=("c/d", "e/f", "g/h")),
        model("c/d", RELAYED),
        model("e/f", ANY),
        model("g/h", ANY),
    )
    found = here.find("tts", "a/b")
    assert (found.model.id, found.asked, found.is_substitute) == ("e/f", "a/b", True)
    assert [(m.id, a.id if (a := here.answering(m)) else None) for m in here][:2] == [
        ("a/b", "e/f"),
        ("c/d", None),
    ]


def test_an_engine_answers_only_where_it_is_configured() -> None:
    here = Catalog(LOCAL.values(), engines=("local/hibari:en",))
    assert here.find("tts", "local/hibari:en").backend.wire == "engine"
    with pytest.raises(GatewayError, match="moonshine:tiny-en is not among the engines"):
        here.find("stt", "local/moonshine:tiny-en")


def test_in_development_the_local_model_comes_last() -> None:
    here = catalog(
        model("a/b", SPEAK), model("c/d", SPEAK, fallback=("e/f",)), model("e/f", ANY), dev=True
    )
    answers = [here.find("tts", asked).model.id for asked in ("a/b", "c/d", "e/f", "x/y")]
    assert answers == ["local/hibari:en", "e/f", "e/f", "local/hibari:en"]
    bare = Catalog([model("a/b", SPEAK), *LOCAL.values()], engines=(), dev=True)
    with pytest.raises(GatewayError) as caught:
        bare.find("tts", "a/b")
    assert caught.value.error == "backend_not_configured"


def test_a_client_with_its_own_key_needs_none_of_ours() -> None:
    here = catalog(model("deepgram/aura:2", SPEAK))
    found = here.find("tts", "deepgram/aura:2", byok=True)
    assert (found.backend.wire, found.client_key) == ("deepgram_speak", True)


def test_a_gateway_in_between_still_wants_our_key() -> None:
    here = catalog(model("deepgram/aura:2", RELAYED), OTHER_URL="ws://x")
    with pytest.raises(GatewayError, match="OTHER_KEY is not set"):
        here.find("tts", "deepgram/aura:2", byok=True)


def test_a_clients_key_is_not_for_a_fallback_at_another_provider() -> None:
    broken = model("deepgram/aura:2", LATER, fallback=("cartesia/sonic:3",))
    other = model("cartesia/sonic:3", SPEAK)
    with pytest.raises(GatewayError, match=r"neither: deepgram_speak .DEEPGRAM_API_KEY"):
        catalog(broken, other).find("tts", "deepgram/aura:2", byok=True)
    found = catalog(broken, other, DEEPGRAM_API_KEY="k").find("tts", "deepgram/aura:2", byok=True)
    assert (found.model.id, found.client_key) == ("cartesia/sonic:3", False)


@pytest.mark.parametrize("asked", ["slng/rime/arcana:3-en", "slng/no/such", "local/hibari:en"])
@pytest.mark.parametrize("dev", [False, True])
def test_a_hosted_model_takes_no_key_of_a_client(asked: str, dev: bool) -> None:
    with pytest.raises(ProtocolError, match="BYOK is only supported for external") as caught:
        catalog(model("slng/rime/arcana:3-en", ANY), dev=dev).find("tts", asked, byok=True)
    assert (caught.value.error, caught.value.rule.http_status) == ("invalid_request", 400)


def test_near_matches_are_of_the_kind_and_few() -> None:
    here = catalog(*(model(f"deepgram/aura:{i}", ANY) for i in range(9)))
    with pytest.raises(ProtocolError) as caught:
        here.find("tts", "deepgram/aura")
    assert caught.value.message.count("deepgram/aura:") == 3
    with pytest.raises(ProtocolError, match="did you mean local/moonshine:tiny-en"):
        here.find("stt", "x" * 10_000)


def test_what_clients_may_see_of_a_model() -> None:
    shown = public(model("slng/x", EU, US, SPEAK, voices=("v", "w")), usable=False)
    assert shown.regions == ("eu-north-1", "us-east-1")
    assert shown.world_parts == ("eu", "na")
    assert (shown.hosted, shown.usable, shown.default_voice) == (True, False, "v")
    assert "example.com" not in repr(shown)
    assert "DEEPGRAM" not in repr(shown)
    here = catalog(model("a/b", SPEAK))
    assert [(p.id, p.usable) for p in here.public()][:2] == [
        ("a/b", False),
        ("local/hibari:en", True),
    ]


@pytest.mark.parametrize(
    ("name", "hosted"), [("slng/a/b", True), ("local/a", True), ("deepgram/a", False), ("a", False)]
)
def test_hosted(name: str, hosted: bool) -> None:
    assert model(name).hosted is hosted


def test_what_a_model_does_not_say_follows_from_what_it_says() -> None:
    bare = model("a/b", voices=("v", "w"), languages=("hi", "bn"), rates=(16_000, 24_000))
    assert (bare.default_voice, bare.default_language, bare.default_encoding) == (
        "v",
        "hi",
        "linear16",
    )
    assert (bare.min_rate, bare.max_rate) == (16_000, 24_000)
