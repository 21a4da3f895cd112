"""The OpenAPI document: routes and answers as the framework sees them, and what it cannot see.

Bodies are read by hand (their errors shall name the field), and speech is no JSON: both are told
here and by the modules of the providers, and the errors that every route may give.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus

from litestar import Litestar, Router
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from msgspec import Struct
from msgspec.json import schema_components

from .. import __version__
from ..catalog.find import WORLD_PARTS
from ..errors import ErrorBody
from . import providers
from .described import ANY_BODY, BINARY, EVENT_STREAM, Content, Json, Operation, in_path
from .forms import MEDIA_TYPES
from .speaking import BridgeSpeech, PlainSpeech
from .speech import SpeechEvent
from .uploads import JsonUpload, Wishes

DESCRIPTION = (
    "Speech and recognition over HTTP. The model stands in the path, with its slashes as they are "
    "or percent-encoded. Every answer carries `x-request-id`: the client's, or one made for it. "
    "The WebSockets are in /asyncapi.json."
)
REF = "#/components/schemas/{name}"
STATUSES = (400, 401, 402, 403, 404, 405, 413, 429, 500, 502, 503)
OPEN_STATUSES = (400, 405, 500)  # where no key is needed
OTHER_STATUSES = {"/v1/pronunciation/dictionaries": (409,)}
SECURITY: dict[str, SecurityScheme] = {
    "bearer": SecurityScheme(type="http", scheme="bearer"),
    "apiKey": SecurityScheme(type="apiKey", name="X-API-Key", security_scheme_in="header"),
    "token": SecurityScheme(type="apiKey", name="token", security_scheme_in="query"),
}


# A form's fields are strings on the wire; their schema says what they stand for.
UPLOAD: Content = {
    "multipart/form-data": {
        "schema": {
            "allOf": [
                {"$ref": REF.format(name=Wishes.__name__)},
                {"type": "object", "properties": {"audio": BINARY}, "required": ["audio"]},
            ]
        },
    },
    "application/json": JsonUpload,
    "audio/*": ANY_BODY,
}
MEDIA: tuple[str, ...] = ("audio/wav", *(kind.split(";")[0] for kind in MEDIA_TYPES.values()))
SPEECH: Content = dict.fromkeys(MEDIA, ANY_BODY) | EVENT_STREAM


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
WISHES: tuple[Json, ...] = tuple(
    {"name": name, "in": place, "required": False, "description": text, "schema": TEXT}
    for name, place, text in OPTIONS
)
MODEL = (in_path("model", "The model's id, as GET /v1/catalog/models gives it."),)
OPERATIONS: dict[str, Operation] = {
    "/v1/bridges/unmute/tts/{model}": Operation(
        {"application/json": BridgeSpeech}, {"audio/wav": ANY_BODY}, MODEL
    ),
    "/v1/tts/{model}": Operation({"application/json": PlainSpeech}, SPEECH, MODEL),
    "/v1/bridges/unmute/stt/{model}": Operation(UPLOAD, parameters=MODEL),
    "/v1/stt/{model}": Operation(UPLOAD, parameters=MODEL),
    **providers.OPERATIONS,
}


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
    kinds = list(dict.fromkeys(_kinds()))
    references, schemas = schema_components(kinds, ref_template=REF)
    whole["components"]["schemas"] |= schemas
    known = dict(zip(kinds, references, strict=True))
    for path, item in whole["paths"].items():
        for operation in item.values():
            _complete(path, operation, OPERATIONS.get(path), known)
    return whole


def _kinds() -> Iterator[type[Struct]]:
    """The messages that are told here. `SpeechEvent` is one of a stream of events."""
    yield from (ErrorBody, SpeechEvent, Wishes)
    for operation in OPERATIONS.values():
        yield operation.error
        for content in (*operation.takes.values(), *operation.gives.values()):
            if not isinstance(content, dict):
                yield from content if isinstance(content, tuple) else (content,)


Known = Mapping[type[Struct], Json]


def _complete(path: str, operation: Json, told: Operation | None, known: Known) -> None:
    """Tell what the framework cannot see of one operation."""
    if summary := operation.pop("description", ""):
        operation["summary"], _, operation["description"] = summary.partition("\n\n")
    is_open = path == "/health"
    operation["security"] = [] if is_open else [{name: []} for name in SECURITY]
    statuses = OPEN_STATUSES if is_open else STATUSES
    error = known[told.error if told else ErrorBody]
    for status in (*statuses, *OTHER_STATUSES.get(path, ())):
        operation["responses"][str(status)] = _error(status, error)
    if path == "/health":
        answer = operation["responses"]["200"]
        operation["responses"]["503"] = answer | {"description": "It is going down"}
    if told is None:
        return
    operation["parameters"] = [*told.parameters, *(WISHES if told.takes else ())]
    if told.takes:
        content = _content(told.takes, known)
        operation["requestBody"] = {"required": True, "content": content}
    if told.gives:
        operation["responses"]["200"]["content"] = _content(told.gives, known)


def _content(content: Content, known: Known) -> Json:
    return {media_type: _schema(body, known) for media_type, body in content.items()}


def _schema(body: type[Struct] | tuple[type[Struct], ...] | Json, known: Known) -> Json:
    if isinstance(body, dict):
        return body
    if isinstance(body, tuple):
        return {"schema": {"anyOf": [known[kind] for kind in body]}}
    return {"schema": known[body]}


def _error(status: int, schema: Json) -> Json:
    return {
        "description": HTTPStatus(status).phrase,
        "content": {"application/json": {"schema": schema}},
    }
