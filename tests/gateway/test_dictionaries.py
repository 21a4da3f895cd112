"""Dictionaries end to end: created over HTTP, heard in the speech, told as the text was sent."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import httpx
import pytest

from conftest import Gateway, Talk, audio
from speech import normalise

PATH = "/v1/pronunciation/dictionaries"
SENTENCE = "I like to drink fresh Zyxq juice in the morning."


class Shelf:
    """The dictionaries of one account."""

    def __init__(self, gateway: Gateway, key: str) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self.http = httpx.Client(base_url=gateway.http + PATH, headers=headers, timeout=30)

    def create(self, replace: str = "orange", match: str = "Zyxq") -> dict[str, Any]:
        rules = [{"match": match, "replace": replace}]
        body = {"name": f"Test {secrets.token_hex(4)}", "modes": {"rewrite": {"rules": rules}}}
        answer = self.http.post("", json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def clear(self) -> None:
        for dictionary in self.http.get("").json()["data"]:
            assert self.http.delete(f"/{dictionary['id']}").status_code == 204
        self.http.close()


@pytest.fixture
def shelf(gateway: Gateway) -> Iterator[Shelf]:
    mine = Shelf(gateway, "test-local")
    yield mine
    mine.clear()


@pytest.fixture
def other(gateway: Gateway) -> Iterator[Shelf]:
    theirs = Shelf(gateway, "test-enterprise")
    yield theirs
    theirs.clear()


def by(dictionary: dict[str, Any]) -> dict[str, str]:
    return {"mode": "rewrite", "dictionary_id": dictionary["id"]}


def speak(talk: Talk, text: str = SENTENCE, **message: Any) -> tuple[bytes, list[dict[str, Any]]]:
    """The speech for a text, and all messages up to its end."""
    talk.say(type="text", text=text, flush=True, **message)
    messages = talk.until("audio_end")
    return audio(messages), messages


def heard(gateway: Gateway, speech: bytes) -> list[str]:
    with gateway.recognition() as ear:
        return normalise(ear.transcript(speech))


def test_a_dictionary_over_http(shelf: Shelf) -> None:
    rules = [{"match": "AWS", "replace": "A W S"}]
    body = {"name": "My Brands", "metadata": {"team": 1}, "modes": {"rewrite": {"rules": rules}}}
    answer = shelf.http.post("", json=body)
    made = answer.json()
    assert answer.status_code == 201
    assert made["id"].startswith("pd_")
    assert made["content_hash"].startswith("sha256:")
    assert (made["name"], made["normalized_name"]) == ("My Brands", "my-brands")
    assert (made["metadata"], made["modes"]) == (body["metadata"], body["modes"])
    assert {"org_id", "created_at"} <= made.keys()
    assert shelf.http.get(f"/{made['id']}").json() == made
    assert shelf.http.get("").json() == {"object": "list", "data": [made]}
    conflict = shelf.http.post("", json=body)
    assert (conflict.status_code, conflict.json()["code"]) == (409, "pronunciation_conflict")
    gone = shelf.http.delete(f"/{made['id']}")
    assert (gone.status_code, gone.content) == (204, b"")
    for method in ("GET", "DELETE"):
        answer = shelf.http.request(method, f"/{made['id']}")
        assert (answer.status_code, answer.json()["code"]) == (404, "pronunciation_not_found")
        assert answer.headers["x-request-id"] == answer.json()["request_id"]


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        (b"nope", None, "JSON is malformed"),
        (b"", None, "the body"),
        (b"[]", None, "Expected `object`, got `array`"),
        (b"{}", "name", "missing required field `name`"),
        (b'{"name":1}', "name", "Expected `str`, got `int`"),
        (b'{"name":"x"}', "modes", "missing required field `modes`"),
        (b'{"name":"x","modes":{"ipa":{}}}', "modes.ipa", "unknown field `ipa`"),
        (b'{"name":" ","modes":{"rewrite":{"rules":[]}}}', "name", "name is empty"),
        (b'{"name":"x","modes":{"rewrite":{"rules":[]}}}', "modes.rewrite.rules", "0 rules"),
        (
            b'{"name":"x","modes":{"rewrite":{"rules":[{"match":"a","replace":null}]}}}',
            "modes.rewrite.rules[0].replace",
            "Expected `str`, got `null`",
        ),
    ],
)
def test_a_bad_dictionary_is_refused_by_field(
    shelf: Shelf, body: bytes, param: str | None, words: str
) -> None:
    answer = shelf.http.post("", content=body, headers={"content-type": "application/json"})
    error = answer.json()
    assert (answer.status_code, error["code"], error.get("param")) == (
        400,
        "invalid_pronunciation",
        param,
    )
    assert words in error["message"]


def test_a_key_is_asked_for_before_the_body_is_read(gateway: Gateway) -> None:
    for method in ("GET", "POST"):
        answer = httpx.request(method, gateway.http + PATH, content=b"nope")
        assert (answer.status_code, answer.json()["code"]) == (401, "pronunciation_unauthenticated")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert httpx.post(gateway.http + PATH, content=bytes(3_000_000)).status_code == 401


def test_too_large_a_body_and_the_wrong_method(shelf: Shelf) -> None:
    answer = shelf.http.post("", content=bytes(3_000_000))
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert shelf.http.put("", json={}).status_code == 405


def test_the_replacement_is_heard_and_the_words_are_those_that_were_sent(
    gateway: Gateway, shelf: Shelf
) -> None:
    config = {
        "sample_rate": 16000,
        "enable_word_timestamps": True,
        "pronunciation": by(shelf.create()),
    }
    with gateway.speech(**config) as talk:
        speech, messages = speak(talk)
    assert "orange" in heard(gateway, speech)
    words = [word for m in messages if m["type"] == "word_timestamps" for word in m["words"]]
    assert [word["word"] for word in words] == SENTENCE.split()
    assert all(a["end"] <= b["start"] + 0.05 for a, b in pairwise(words))
    zyxq = words[5]
    assert zyxq["end"] - zyxq["start"] > 0.2
    assert [m["text"] for m in messages if m["type"] == "segment_start"] == [SENTENCE]
    assert messages[-1]["duration"] >= words[-1]["end"]


def test_a_text_may_choose_another_dictionary_by_name(gateway: Gateway, shelf: Shelf) -> None:
    first, second = shelf.create("orange"), shelf.create("tomato")
    choice = {"mode": "rewrite", "name": second["name"].upper()}
    with gateway.speech(sample_rate=16000, pronunciation=by(first)) as talk:
        speeches = [
            speak(talk)[0],
            speak(talk, pronunciation=choice)[0],
            speak(talk)[0],
            speak(talk, pronunciation=by(first))[0],
        ]
    fruits = [set(heard(gateway, speech)) & {"orange", "tomato"} for speech in speeches]
    assert fruits == [{"orange"}, {"tomato"}, {"tomato"}, {"orange"}]


def test_an_unknown_dictionary_is_an_error_and_the_session_lives_on(gateway: Gateway) -> None:
    unknown = {"mode": "rewrite", "name": "nobody's"}
    with gateway.open("/v1/tts/local/hibari:en") as talk:
        talk.say(type="init", config={"pronunciation": unknown})
        [*_, error] = talk.until("error")
        assert (error["code"], error["retryable"]) == ("pronunciation_not_found", False)
        assert "nobody's" in error["message"]
        speech, messages = speak(talk, "Good morning.", pronunciation=unknown)
        assert [m["code"] for m in messages if m["type"] == "error"] == ["pronunciation_not_found"]
        assert speech


@pytest.mark.parametrize(
    ("given", "code", "param"),
    [
        ({"mode": "rewrite"}, "invalid_pronunciation", "pronunciation"),
        (
            {"mode": "rewrite", "name": "a", "dictionary_id": "b"},
            "invalid_pronunciation",
            "pronunciation",
        ),
        ({"mode": "ipa", "name": "a"}, "invalid_request", "pronunciation.mode"),
        ({"name": "a"}, "invalid_request", "pronunciation.mode"),
        ("a", "invalid_request", "pronunciation"),
    ],
)
def test_a_reference_that_names_nothing_is_refused(
    gateway: Gateway, given: object, code: str, param: str
) -> None:
    with gateway.speech() as talk:
        talk.say(type="text", text="Hello.", pronunciation=given)
        error = talk.hear()
        assert (error["type"], error["code"], error["param"]) == ("error", code, param)
        assert speak(talk, "Hello.")[0]


def test_accounts_do_not_see_each_other(gateway: Gateway, shelf: Shelf, other: Shelf) -> None:
    theirs = other.create()
    assert shelf.http.get("").json()["data"] == []
    assert shelf.http.get(f"/{theirs['id']}").status_code == 404
    assert shelf.http.delete(f"/{theirs['id']}").status_code == 404
    with gateway.speech() as talk:
        talk.say(type="text", text="Hello.", pronunciation=by(theirs))
        assert talk.until("error")[-1]["code"] == "pronunciation_not_found"
    assert other.http.get(f"/{theirs['id']}").status_code == 200


def test_a_clear_goes_past_a_dictionary_that_is_looked_up(gateway: Gateway, shelf: Shelf) -> None:
    with gateway.speech(pronunciation=by(shelf.create())) as talk:
        talk.say(type="text", text="Never heard.", flush=True, pronunciation=by(shelf.create()))
        talk.say(type="clear")
        talk.until("cleared")
        _, messages = speak(talk, "Zyxq.")
        assert [m["text"] for m in messages if m["type"] == "segment_start"] == ["Zyxq."]
