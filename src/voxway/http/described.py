"""How a module tells the OpenAPI document what the framework cannot see of its routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from ..errors import ErrorBody

Json = dict[str, Any]

BINARY: Json = {"type": "string", "format": "binary"}
ANY_BODY: Json = {"schema": BINARY}
EVENT: Json = {
    "type": "object",
    "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
    "required": ["data"],
}
EVENT_STREAM: dict[str, Json] = {"text/event-stream": {"schema": EVENT}}

# By media type: a message, one of several, or a schema.
Content = Mapping[str, type[Struct] | tuple[type[Struct], ...] | Json]


class Operation(Struct, frozen=True):
    """What one operation takes and gives beyond what the framework knows: its body, its answer,
    its own parameters, and the shape of its errors."""

    takes: Content = {}
    gives: Content = {}
    parameters: tuple[Json, ...] = ()
    error: type[Struct] = ErrorBody
    summary: str = ""


def in_path(name: str, description: str) -> Json:
    """A parameter that is a part of the path."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string", "minLength": 1},
    }


def in_query(kind: type[Struct]) -> tuple[Json, ...]:
    """The fields of a struct as parameters of a query."""
    schema = msgspec.json.schema(kind)["$defs"][kind.__name__]
    required = schema.get("required", ())
    return tuple(
        {"name": name, "in": "query", "required": name in required, "schema": _given(property)}
        for name, property in schema["properties"].items()
    )


def form(kind: type[Struct]) -> Json:
    """A form with the fields of a struct, and a file."""
    schema = msgspec.json.schema(kind)["$defs"][kind.__name__]
    properties = {name: _given(property) for name, property in schema["properties"].items()}
    return {
        "schema": {
            "type": "object",
            "properties": {**properties, "file": BINARY},
            "required": [*schema.get("required", ()), "file"],
        }
    }


def _given(schema: Json) -> Json:
    """What a value is where there is one: in a query or a form there is no null."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if not kinds:
        return {name: value for name, value in schema.items() if name != "default"}
    return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
