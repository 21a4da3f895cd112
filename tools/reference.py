"""Write docs/reference from the code: `python -m tools.reference`. A test holds it current.

Tables that people look things up in must not be written by hand: the code is what is true.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterable
from pathlib import Path

import msgspec

from voxway import events
from voxway.auth import HEADERS, KEYED_SUBPROTOCOLS, PARAMETERS, PREFIXED_SUBPROTOCOL, SCHEMES
from voxway.catalog import LOCAL
from voxway.catalog.files import shipped
from voxway.catalog.site import VARIABLE
from voxway.catalog.wires import WIRES
from voxway.errors import RULES
from voxway.http import app as http_app
from voxway.http import openapi
from voxway.http.services import Services
from voxway.limits import AUDIO_BURST, AUDIO_RATE, DURATION_GRACE, TIERS
from voxway.routes import ROUTES
from voxway.stores.dictionaries import Dictionaries
from voxway.wire import unified_messages as m
from voxway.wire.policies import Policy
from voxway.wire.unified import Style

DIRECTORY = Path(__file__).parents[1] / "docs" / "reference"
NOTE = "<!-- Written by `make docs` from the code; changes by hand are lost. -->\n\n"


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    lines = [list(head), *[[str(cell) for cell in row] for row in rows]]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def type_name(hint: object) -> str:
    if typing.get_origin(hint) is tuple:
        return f"array of {type_name(typing.get_args(hint)[0])}"
    arguments = typing.get_args(hint)
    if arguments and type(None) in arguments:
        return " or ".join(type_name(a) for a in arguments if a is not type(None))
    names = {str: "string", int: "integer", float: "number", bool: "boolean", bytes: "base64"}
    return names.get(typing.cast(type, hint), getattr(hint, "__name__", str(hint)).lower())


def message(struct: type[msgspec.Struct]) -> str:
    tag = struct.__struct_config__.tag
    fields = msgspec.structs.fields(struct)
    if not fields:
        return f"### `{tag}`\n\nNo fields.\n"
    rows = [
        (f"`{f.encode_name}`", type_name(f.type), "yes" if f.required else "no") for f in fields
    ]
    return f"### `{tag}`\n\n" + table(("field", "type", "always"), rows)


def messages() -> str:
    commands = "\n".join(map(message, typing.get_args(m.CommandMsg)))
    replies = "\n".join(map(message, typing.get_args(m.ReplyMsg)))
    config = [(f"`{f.encode_name}`", type_name(f.type)) for f in msgspec.structs.fields(m.Config)]
    word = [(f"`{f.encode_name}`", type_name(f.type)) for f in msgspec.structs.fields(m.TimedWord)]
    return (
        "# Messages of the unified protocol\n\nEach is a JSON object in a text frame, told apart "
        "by `type`; unknown fields are ignored. Audio to a recognizer is best sent as binary "
        f"frames.\n\n## From the client\n\n{commands}\n`config`:\n\n"
        f"{table(('field', 'type'), config)}\n## From the gateway\n\n{replies}\n"
        f"A timed word:\n\n{table(('field', 'type'), word)}"
    )


def vocabulary() -> str:
    def rows(union: object) -> list[tuple[str, str]]:
        kinds = typing.get_args(union)
        return [(f"`{k.__name__}`", " ".join((inspect.getdoc(k) or "").split())) for k in kinds]

    return (
        "# The vocabulary between the wires\n\nEvery protocol is translated to these and from "
        f"these.\n\n## Commands\n\n{table(('command', 'meaning'), rows(events.Command))}\n"
        f"## Events\n\n{table(('event', 'meaning'), rows(events.Reply))}"
    )


def errors() -> str:
    rows = [
        (f"`{code}`", r.http_status, r.close_code or "stays open", "yes" if r.retryable else "no")
        for code, r in RULES.items()
    ]
    return (
        "# Errors\n\nOver HTTP and before an upgrade an error is an HTTP status with the body "
        '`{"error","message","code","request_id","status","statusCode"}` and, where a field is '
        "at fault, `details` and `param`; in a session it is an `error` message, and "
        "the socket is closed with the close code where there is one.\n\n"
        + table(("code", "HTTP status", "close code", "worth a retry"), rows)
    )


def limits() -> str:
    fields = {
        "connections": "concurrent connections",
        "duration": "longest session (s)",
        "message_bytes": "message (bytes)",
        "messages_per_minute": "messages a minute",
        "text_chars": "text of one message (characters)",
        "audio_bytes": "audio of one message (bytes)",
        "idle": "idle (s)",
        "heartbeat": "silence until a ping, and until its answer (s)",
        "http_connections": "HTTP: concurrent requests",
        "http_requests_per_minute": "HTTP: requests a minute",
        "http_text_chars": "HTTP: text (characters)",
        "http_audio": "HTTP: audio (s)",
        "llm_input_tokens": "HTTP: tokens to a language model (no route yet)",
        "llm_output_tokens": "HTTP: tokens from a language model (no route yet)",
    }
    rows = [
        (name, *(f"{int(getattr(tier, field)):,}" for tier in TIERS.values()))
        for field, name in fields.items()
    ]
    return (
        "# Limits\n\nMessages are text and control messages of one connection, each counted once "
        "whatever it says; audio frames are not counted, but "
        f"audio may come at most {AUDIO_RATE:g} times faster than real time after a burst of "
        f"{AUDIO_BURST:g} s: beyond that the gateway reads more slowly and nothing is lost. Past "
        f"its time a session may finish the utterance it is in, for {DURATION_GRACE:g} s. Only "
        "data frames end idleness, those of speech as well; pings do not.\n\n"
        + table(("limit", *TIERS), rows)
    )


def path_of(pattern: str) -> str:
    """A route's pattern as people write it."""
    for regular, plain in (
        ("(?P<model>.+?)", "{model}"),
        ("(?P<model>[^/]+)", "{name}"),
        ("(slng/)?", "[slng/]"),
    ):
        pattern = pattern.replace(regular, plain)
    return pattern.removesuffix("/?")


def speech_form(style: Style) -> tuple[str, str]:
    """How speech comes, and what ends an utterance."""
    if style.task == "stt":
        return "-", "-"
    audio = "binary frames" if style.binary_audio else "JSON `audio_chunk`"
    both = "`flushed`, then `audio_end`"
    return audio, both if style.terminals == "both" else f"`{style.terminals}`"


def http_routes() -> list[tuple[str, str]]:
    """From the OpenAPI document. No route is called, so there is no gateway behind them."""
    nothing: typing.Any = object()
    services = Services(
        *(nothing, nothing, nothing, nothing, nothing, nothing, nothing),
        dictionaries=Dictionaries(),
        accounts=nothing,
        database=nothing,
    )
    document = openapi.document(http_app.routes(services))
    return [
        (f"`{verb.upper()} {path}`", operation["summary"])
        for path, item in document["paths"].items()
        for verb, operation in item.items()
    ]


def routes() -> str:
    rows = [
        (
            f"`{path_of(shape.pattern)}`",
            "speech" if style.task == "tts" else "recognition",
            "first generation" if is_legacy else "bridge" if style.is_bridge else "unified",
            *speech_form(style),
        )
        for shape, style, is_legacy in ROUTES
    ]
    models = [
        (
            f"`{model.id}`",
            model.kind,
            ", ".join(model.languages),
            ", ".join(model.voices) or "-",
            ", ".join(model.encodings),
            f"{model.min_rate}-{model.max_rate}",
        )
        for model in LOCAL.values()
    ]
    return (
        "# Routes, models and keys\n\n## WebSockets\n\nThe path decides the model; it is matched "
        "after percent-decoding.\n\n"
        + table(("path", "task", "protocol", "speech comes as", "end of an utterance"), rows)
        + "\nThe sockets of providers, in their own protocols, are in [providers](providers.md). "
        "Where the model belongs to such a provider, its own messages are understood on the two "
        "forms of `/v1/tts` and `/v1/stt`, too.\n"
        + "\n## HTTP\n\n"
        + table(("path", "what for"), http_routes())
        + "\nAll but `/health` need a key. `/openapi.json`, `/asyncapi.json` and the page `/docs`, "
        "which shows both, tell the fields of everything.\n"
        + "\n## Local models\n\n"
        + table(("id", "kind", "languages", "voices", "encodings", "rates (Hz)"), models)
        + "\n## Where a key may stand\n\n"
        + table(
            ("place", "form"),
            [
                ("`Authorization`", ", ".join(f"`{s} KEY`" for s in SCHEMES)),
                ("headers", ", ".join(f"`{name}`" for name in HEADERS)),
                ("query", ", ".join(f"`{name}`" for name in PARAMETERS)),
                (
                    "`Sec-WebSocket-Protocol`",
                    ", ".join(f"`{name}, KEY`" for name in KEYED_SUBPROTOCOLS)
                    + f", `{PREFIXED_SUBPROTOCOL}KEY`",
                ),
            ],
        )
    )


def providers() -> str:
    """Whose sockets are spoken, on which paths, and what the gateway sees to for each."""
    rows, policies = [], []
    for name, wires in WIRES.items():
        for wire in wires:
            if not wire.provider:
                continue
            models = [entry.model for entry in shipped() if entry.model.kind == wire.task]
            found = [b for model in models for b in model.backends if b.wire == name]
            urls = dict.fromkeys(variable(b.url) for b in found)
            keys = dict.fromkeys(b.key_variable for b in found if b.key_variable)
            rows.append(
                (
                    f"`{name}`",
                    wire.provider,
                    "speech" if wire.task == "tts" else "recognition",
                    ", ".join(f"`{path}`" for path in wire.paths) or "-",
                    f"`{wire.names_model}`" if wire.paths else "-",
                    ", ".join(f"`{url}`" for url in urls if url) or "-",
                    ", ".join(f"`{key}`" for key in keys) or "-",
                )
            )
            policies.append((f"`{name}`", wire.task, *policy_cells(wire.policy)))
    return (
        "# Providers\n\n## Sockets\n\nOn these paths the gateway speaks the provider's own "
        "protocol; by the same wire it connects to the provider. The parameter names the model: an "
        "id of the catalog, or the provider's own name. Each backend can be somewhere else: the "
        "variable has its address.\n\n"
        + table(
            ("wire", "provider", "task", "paths", "model", "address", "key"),
            rows,
        )
        + "\n## What the gateway sees to\n\nSo that no client meets a provider's limit. Times in "
        "seconds; `-` is no such limit.\n\n"
        + table(("wire", "task", *(field.replace("_", " ") for field in SEEN_TO)), policies)
    )


SEEN_TO = tuple(name for name in Policy.__struct_fields__ if name not in ("says_ready",))


def policy_cells(policy: Policy) -> list[str]:
    cells = (getattr(policy, name) for name in SEEN_TO)
    return [
        "yes" if cell is True else f"{cell:g}" if _is_number(cell) else str(cell or "-")
        for cell in cells
    ]


def _is_number(cell: object) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool) and bool(cell)


def variable(url: str) -> str:
    """The environment variable with an address."""
    return found["name"] if (found := VARIABLE.match(url)) else ""


PAGES = {
    "providers.md": providers,
    "messages.md": messages,
    "vocabulary.md": vocabulary,
    "errors.md": errors,
    "limits.md": limits,
    "routes.md": routes,
}


def main() -> None:
    """Write every page."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (DIRECTORY / name).write_text(NOTE + page().rstrip() + "\n")


if __name__ == "__main__":
    main()
