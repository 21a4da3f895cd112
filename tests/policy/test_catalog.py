"""From a path to a model, and what is said when there is none."""

from __future__ import annotations

import pytest

from voxway.catalog import HIBARI, LOCAL, MOONSHINE, Catalog
from voxway.errors import ProtocolError
from voxway.routes import target


@pytest.mark.parametrize(
    ("path", "kind", "model"),
    [
        ("/v1/tts/local/hibari:en", "tts", "local/hibari:en"),
        ("/v1/tts/local/hibari:en/", "tts", "local/hibari:en"),
        ("/v1/stt/slng/openai/whisper:large-v3", "stt", "slng/openai/whisper:large-v3"),
    ],
)
def test_paths(path: str, kind: str, model: str) -> None:
    found = target(path)
    assert found is not None
    assert (found.kind, found.model, found.style.task) == (kind, model, kind)


@pytest.mark.parametrize("path", ["/", "/v1/tts", "/v1/tts/", "/v1/voices/x", "/v2/tts/x"])
def test_paths_that_ask_for_nothing(path: str) -> None:
    assert target(path) is None


@pytest.mark.parametrize(
    ("offered", "wire", "subprotocol"),
    [
        ([], "rime_ws", ""),
        (["something"], "rime_ws", ""),
        (["rime.v1.json"], "rime_v1", "rime.v1.json"),
        (["something", "rime.v1.json"], "rime_v1", "rime.v1.json"),
        (["rime.v1.binary", "rime.v1.json"], "rime_v1", "rime.v1.binary"),
    ],
)
def test_two_wires_of_one_path(offered: list[str], wire: str, subprotocol: str) -> None:
    found = target("/ws", offered)
    assert found is not None
    assert (found.wire, found.subprotocol) == (wire, subprotocol)


def test_a_model_that_is_there() -> None:
    found = Catalog(LOCAL.values()).find("tts", "local/hibari:en")
    assert (found.model, found.is_substitute) == (HIBARI, False)


@pytest.mark.parametrize(
    ("kind", "asked", "message"),
    [
        ("tts", "local/hibary", "did you mean local/hibari:en"),
        ("stt", "zzz", "did you mean local/moonshine:tiny-en"),
        ("stt", "local/hibari:en", "is for tts, not stt"),
    ],
)
def test_a_model_that_is_not_there(kind: str, asked: str, message: str) -> None:
    with pytest.raises(ProtocolError, match=message) as caught:
        Catalog(LOCAL.values()).find("tts" if kind == "tts" else "stt", asked)
    assert caught.value.error == "model_not_found"
    assert caught.value.rule.http_status == 404


def test_in_development_a_local_model_stands_in() -> None:
    catalog = Catalog(LOCAL.values(), dev=True)
    found = catalog.find("stt", "deepgram/nova:3")
    assert (found.model, found.asked, found.is_substitute) == (MOONSHINE, "deepgram/nova:3", True)
    with pytest.raises(ProtocolError):
        catalog.find("stt", "local/hibari:en")
