"""What the gateway says of itself is valid, complete, and shown without any other server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from msgspec import json
from openapi_spec_validator import validate

from conftest import Gateway
from speech import clip
from voxway import __version__
from voxway.errors import RULES
from voxway.http import asyncapi
from voxway.http.providers import OPERATIONS
from voxway.routes import ROUTES, target
from voxway.wire.unified_messages import CommandMsg, ReplyMsg

Json = dict[str, Any]


@pytest.fixture(scope="module")
def http(gateway: Gateway) -> Json:
    document: Json = httpx.get(f"{gateway.http}/openapi.json").json()
    return document


@pytest.fixture(scope="module")
def sockets(gateway: Gateway) -> Json:
    document: Json = httpx.get(f"{gateway.http}/asyncapi.json").json()
    return document


def test_the_openapi_document_is_valid_and_has_every_route(http: Json) -> None:
    validate(http)
    assert (http["info"]["title"], http["info"]["version"]) == ("voxway", __version__)
    speech = {f"{r}/{k}/{{model}}" for k in ("tts", "stt") for r in ("/v1", "/v1/bridges/unmute")}
    asked = {"/health", "/v1/models", "/v1/catalog/models", "/v1/me"}
    assert speech | asked | OPERATIONS.keys() <= set(http["paths"])
    for path, item in http["paths"].items():
        for operation in item.values():
            assert operation["summary"]
            assert bool(operation["security"]) is (path != "/health")
            assert {"400", "500"} <= set(operation["responses"])


def test_every_status_of_the_error_table_is_documented(http: Json) -> None:
    speak = http["paths"]["/v1/tts/{model}"]["post"]
    of_posts = {rule.http_status for code, rule in RULES.items() if code not in OF_OTHERS}
    assert {str(status) for status in of_posts} <= set(speak["responses"])


# Ends of sockets, dictionaries, and the answer to a GET of a WebSocket.
OF_OTHERS = (
    "idle_timeout_exceeded",
    "max_connection_duration_exceeded",
    "pronunciation_conflict",
    "upgrade_required",
)


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref":
                yield inner
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def resolved(document: Json, reference: str) -> Any:
    at: Any = document
    for step in reference.removeprefix("#/").split("/"):
        at = at[step.replace("~1", "/")]
    return at


@pytest.mark.parametrize("name", ["http", "sockets"])
def test_every_reference_leads_somewhere(name: str, request: pytest.FixtureRequest) -> None:
    document = request.getfixturevalue(name)
    assert list(references(document))
    for reference in references(document):
        assert resolved(document, reference)


def test_the_asyncapi_document_has_every_channel(sockets: Json, gateway: Gateway) -> None:
    assert sockets["asyncapi"] == "3.0.0"
    assert sockets["servers"]["here"] == {"host": gateway.address, "protocol": "ws"}
    assert len(sockets["channels"]) == len(ROUTES)
    for name, channel in sockets["channels"].items():
        wanted = target(re.sub(r"\{\w+\}", "some", channel["address"]))
        assert wanted is not None
        assert wanted.kind in name
        assert wanted.is_legacy is ("first" in name)
        for action in ("receive", "send"):
            operation = sockets["operations"][f"{name}_{action}"]
            assert operation["action"] == action
            for reference in references(operation["messages"]):
                assert reference.rsplit("/", 1)[-1] in channel["messages"]


def test_every_message_of_the_vocabulary_is_in_it(sockets: Json) -> None:
    named = {kind for kinds in (*asyncapi.COMMANDS.values(),) for kind in kinds}
    named |= {kind for kinds in asyncapi.REPLIES.values() for kind in kinds}
    for union in (CommandMsg, ReplyMsg):
        assert set(union.__args__) <= named
    assert len(sockets["components"]["messages"]) == len(named) + 1  # and binary audio


def schemas_of(document: Json, channel: str, action: str) -> dict[str, Json]:
    """By `type`, the payloads of an operation."""
    messages = document["operations"][f"{channel}_{action}"]["messages"]
    found = [resolved(document, resolved(document, m["$ref"])["$ref"]) for m in messages]
    return {m["name"]: {**m["payload"], "components": document["components"]} for m in found}


@pytest.mark.parametrize(
    ("path", "channel"),
    [
        ("/v1/tts/local/hibari:en", "tts"),
        ("/v1/tts/kokoro-websocket-stream", "tts_first_generation"),
        ("/v1/stt/local/moonshine:tiny-en", "stt"),
        ("/v1/stt/whisper-websocket-stream", "stt_first_generation"),
    ],
)
def test_what_a_session_says_is_as_documented(
    sockets: Json, dev: Gateway, path: str, channel: str
) -> None:
    schemas = schemas_of(sockets, channel, "send")
    with dev.open(path) as talk:
        said: list[Json] = [{"type": "init", "config": {"enable_word_timestamps": True}}]
        talk.say(type="nonsense")
        talk.say(**said[0])
        if "tts" in channel:
            said += [{"type": "text", "text": "Hello there.", "flush": True}, {"type": "ping"}]
        else:
            talk.send(clip("austen-0890.wav")[0])
            said += [{"type": "finalize"}]
        for message in said[1:]:
            talk.say(**message)
        last = {"tts": "audio_end", "stt": "final_transcript"}[channel[:3]]
        heard = talk.until("error") + talk.until(last)
        talk.say(type="close")
        heard += talk.rest()
    for message in heard:
        Draft202012Validator(schemas[message["type"]]).validate(message)
    assert {"ready", last, "error", "session_ended"} <= {message["type"] for message in heard}
    for message in said:
        Draft202012Validator(schemas_of(sockets, channel, "receive")[message["type"]]).validate(
            message
        )


def test_answers_are_as_documented(http: Json, gateway: Gateway) -> None:
    with gateway.api() as api:
        for path in ("/health", "/v1/models", "/v1/catalog/models", "/v1/me", "/v1/models/{model}"):
            answer = api.get(path.format(model="local/hibari:en"))
            content = http["paths"][path]["get"]["responses"]["200"]["content"]
            schema = {**content["application/json"]["schema"], "components": http["components"]}
            Draft202012Validator(schema).validate(json.decode(answer.content))


def test_the_page_needs_nothing_from_elsewhere(gateway: Gateway) -> None:
    answer = httpx.get(f"{gateway.http}/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "https:" not in answer.text
    assert answer.text.count("\n") < 150
    assert httpx.get(f"{gateway.http}/schema").status_code == 404
