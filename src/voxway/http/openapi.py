"""The OpenAPI document: routes and answers as the framework sees them, and what it cannot see.

Bodies are read by hand (their errors shall name the field), and speech is no JSON: both are told
here, in one table, and the errors that every route may give.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from litestar import Litestar, Router
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from msgspec import Struct
from msgspec.json import schema_components

from .. import __version__
from ..catalog.find import WORLD_PARTS
from ..errors import ErrorBody
from .forms import MEDIA_TYPES
from .speaking import BridgeSpeech, PlainSpeech
from .speech import SpeechEvent
from .uploads import JsonUpload, Wishes

Json = dict[str, Any]

DESCRIPTION = (
    "Speech and recognition over HTTP. The model stands in the path, with its slashes as they are "
    "or percent-encoded. Every answer carries `x-request-id`: the client's, or one made for it. "
    "The WebSockets are in /asyncapi.json."
)
REF = "#/components/schemas/{name}"
STATUSES = (400, 401, 403, 404, 405, 413, 429, 500, 502, 503)
OPEN_STATUSES = (400, 405, 500)  # where no key is needed
OTHER_STATUSES = {"/v1/pronunciation/dictionaries": (409,)}
BINARY: Json = {"type": "string", "format": "binary"}
SECURITY: dict[str, SecurityScheme] = {
    "bearer": SecurityScheme(type="http", scheme="bearer"),
    "apiKey": SecurityScheme(type="apiKey", name="X-API-Key", security_scheme_in="header"),
    "token": SecurityScheme(type="apiKey", name="token", security_scheme_in="query"),
}


class Body(Struct, frozen=True):
    """What one operation takes and gives beyond what the framework knows."""

    takes: Json
    gives: Json | None = None


def _json(kind: type[Struct]) -> Json:
    return {"schema": {"$ref": REF.format(name=kind.__name__)}}


# A form's fields are strings on the wire; their schema says what they stand for.
UPLOAD: Json = {
    "multipart/form-data": {
        "schema": {
            "allOf": [
                {"$ref": REF.format(name="Wishes")},
                {"type": "object", "properties": {"audio": BINARY}, "required": ["audio"]},
            ]
        },
    },
    "application/json": _json(JsonUpload),
    "audio/*": {"schema": BINARY},
}
MEDIA: tuple[str, ...] = ("audio/wav", *(kind.split(";")[0] for kind in MEDIA_TYPES.values()))
BODIES: dict[str, Body] = {
    "/v1/bridges/unmute/tts/{model}": Body(
        {"application/json": _json(BridgeSpeech)}, {"audio/wav": {"schema": BINARY}}
    ),
    "/v1/tts/{model}": Body(
        {"application/json": _json(PlainSpeech)},
        {name: {"schema": BINARY} for name in dict.fromkeys(MEDIA)}
        | {"text/event-stream": {"schema": {"type": "string"}}},
    ),
    "/v1/bridges/unmute/stt/{model}": Body(UPLOAD),
    "/v1/stt/{model}": Body(UPLOAD),
}


# Beside the body of every speech request: name, place, what it is for.
TEXT: Json = {"type": "string"}
OPTIONS = (
    ("region", "query", "Where to do the work, in order of preference, as eu-north-1, us-east-1."),
    ("X-Region-Override", "header", "The same; the header wins."),
    ("world-part", "query", f"The same in the large: {', '.join(WORLD_PARTS)}. A region wins."),
    ("X-World-Part-Override", "header", "The same; the header wins."),
    ("X-SLNG-Agent-Id", "header", "Your own id, for logs and usage: 128 characters, no comma."),
    ("X-SLNG-Session-Id", "header", "Another one."),
    ("X-Slng-Provider-Key", "header", "Your key for the model's provider; not if it is hosted."),
)
MODEL: Json = {
    "name": "model",
    "in": "path",
    "required": True,
    "description": "The model's id, as GET /v1/catalog/models gives it.",
    "schema": {"type": "string"},
}


def _parameters() -> list[Json]:
    return [
        MODEL,
        *(
            {"name": name, "in": place, "required": False, "description": text, "schema": TEXT}
            for name, place, text in OPTIONS
        ),
    ]


def document(handlers: Sequence[HTTPRouteHandler | Router]) -> Json:
    """The whole document. The application that is made for it is never served: with a document, the
    framework would add pages that fetch their scripts from elsewhere."""
    config = OpenAPIConfig(
        title="voxway",
        version=__version__,
        description=DESCRIPTION,
        components=Components(security_schemes=dict(SECURITY)),
        use_handler_docstrings=True,
    )
    described = Litestar(handlers, openapi_config=config, logging_config=None)
    whole = described.openapi_schema.to_schema()
    structs = (ErrorBody, BridgeSpeech, PlainSpeech, SpeechEvent, Wishes, JsonUpload)
    whole["components"]["schemas"] |= schema_components(structs, ref_template=REF)[1]
    for path, item in whole["paths"].items():
        for operation in item.values():
            _complete(path, operation)
    return whole


def _complete(path: str, operation: Json) -> None:
    """Tell what the framework cannot see of one operation."""
    if summary := operation.pop("description", ""):
        operation["summary"], _, operation["description"] = summary.partition("\n\n")
    is_open = path == "/health"
    operation["security"] = [] if is_open else [{name: []} for name in SECURITY]
    statuses = OPEN_STATUSES if is_open else STATUSES
    for status in (*statuses, *OTHER_STATUSES.get(path, ())):
        operation["responses"][str(status)] = _error(status)
    if path == "/health":
        answer = operation["responses"]["200"]
        operation["responses"]["503"] = answer | {"description": "It is going down"}
    if body := BODIES.get(path):
        operation["parameters"] = _parameters()
        operation["requestBody"] = {"required": True, "content": body.takes}
        if body.gives is not None:
            operation["responses"]["200"]["content"] = body.gives


def _error(status: int) -> Json:
    return {
        "description": HTTPStatus(status).phrase,
        "content": {"application/json": _json(ErrorBody)},
    }
