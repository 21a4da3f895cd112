"""What a wire is: two pure translators, one for each side, and the means to read JSON frames.

A codec turns one frame into events and one event into frames. It has no I/O and no clock; what it
cannot read it answers with ProtocolError, which `decode` turns into a `Malformed` event so that
the session decides what a bad frame costs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Protocol, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from msgspec import Struct

from ..errors import RULES, ErrorBody, GatewayError, ProtocolError, refused
from ..events import Event, Malformed, Word
from .policies import Policy

Frame = str | bytes
Task = Literal["tts", "stt"]
T = TypeVar("T", bound=Struct)

# Query parameters with a key, and those that are for the gateway: no options of a model.
NOT_OPTIONS = frozenset(
    [
        "token",
        "api_key",
        "access_token",
        "authorization",
        "auth_id",
        "single_use_token",
        "xi-api-key",
        "audio",
        "region",
        "world-part",
    ]
)


class Codec(Protocol):
    """One side of one wire. Frames in, events out; events in, frames out."""

    def decode(self, frame: Frame) -> Iterable[Event]:
        """What the frame says. Raises ProtocolError for one its wire does not allow."""
        ...

    def encode(self, event: Event) -> Iterable[Frame]:
        """How this wire says it: no frame at all where it has no word for it."""
        ...


class Dialect(Codec, Protocol):
    """The gateway's side of a wire: what a client speaks to us."""

    def opening(self) -> Iterable[Event]:
        """What the client said by connecting: a `Start` where the URL is the configuration."""
        ...

    def closing(self, code: int, reason: str) -> tuple[int, str]:
        """How this wire closes a socket. `reason` is an error code of ours, or what ended it."""
        ...


class Endpoint(Struct, frozen=True):
    """Where a client codec connects. `unix` is a socket path that replaces the URL's host. Keys are
    in headers, queries and subprotocols, so none of these is in a representation."""

    url: str
    headers: Mapping[str, str] = {}
    subprotocols: tuple[str, ...] = ()
    unix: str | None = None

    def __repr__(self) -> str:
        return f"Endpoint({self.unix or self.url.partition('?')[0]!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("url", self.unix or self.url.partition("?")[0])]


class Address(Struct, frozen=True):
    """A provider as the catalog has it: its address, its own name of the model, and our key, which
    is in no representation."""

    url: str
    model: str
    key: str = ""

    def __repr__(self) -> str:
        return f"Address({self.url!r}, {self.model!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("url", self.url), ("model", self.model)]

    def join(self, path: str, scheme: Literal["ws", "http"] = "ws", **query: Any) -> str:
        """The URL of a path there, after the path that the address may have itself. Parameters
        that are None are left out, lists are repeated."""
        given = {
            name: str(value).lower() if isinstance(value, bool) else value
            for name, value in query.items()
            if value is not None
        }
        parts = urlsplit(self.url)
        secure = "s" if parts.scheme in ("wss", "https") else ""
        base = f"{scheme}{secure}://{parts.netloc}{parts.path.rstrip('/')}{path}"
        # A space is %20: not everybody reads a plus as one (Cartesia).
        return f"{base}?{urlencode(given, doseq=True, quote_via=quote)}" if given else base


class Opening(Struct, frozen=True):
    """What an upgrade request says in a native dialect. `path` has the named parts of its path,
    `model` is the id in our catalog. `created` is when it came (ISO 8601, UTC), for wires that say
    so: they have no clock. `subprotocol` is the one that was agreed upon, if the wire has any."""

    query: tuple[tuple[str, str], ...] = ()
    path: Mapping[str, str] = {}
    request_id: str = ""
    model: str = ""
    created: str = ""
    subprotocol: str = ""

    def read(self, type: type[T]) -> tuple[T, dict[str, Any]]:
        """The query as a struct (repeated parameters where it has a list), and what it has no
        field for, keys left out. Raises ProtocolError that names the parameter."""
        fields = {field.encode_name: field for field in msgspec.structs.fields(type)}
        known: dict[str, Any] = {}
        rest: dict[str, Any] = {}
        for name, value in self.query:
            if name not in fields:
                if name not in NOT_OPTIONS:
                    rest[name] = value
            elif "tuple" in str(fields[name].type):
                known.setdefault(name, []).append(value)
            else:
                known.setdefault(name, value)
        try:
            return msgspec.convert(known, type, strict=False), rest
        except msgspec.ValidationError as error:
            raise invalid(str(error)) from None


class Marks(Struct, frozen=True):
    """How a frame of a dialect is told from a unified one, on a socket that takes both: the values
    of `type` (letter case counts), objects without `type` (all, or those with one of `fields`),
    bare words, any bare text."""

    types: frozenset[str] = frozenset()
    untyped: bool = False
    fields: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    bare_text: bool = False


class Timings(Struct, frozen=True):
    """Words and their times in three lists, as Cartesia and Rime tell them."""

    words: tuple[str, ...]
    start: tuple[float, ...]
    end: tuple[float, ...]

    def spoken(self, after: float = 0.0) -> tuple[Word, ...]:
        spans = zip(self.words, self.start, self.end, strict=False)
        return tuple(Word(text=w, start=after + start, end=after + end) for w, start, end in spans)


class Refused(Struct, frozen=True):
    """An HTTP answer instead of an upgrade."""

    status: int
    body: ErrorBody | Any
    headers: Mapping[str, str] = {}


def refuse_plainly(error: GatewayError, request_id: str) -> Refused:
    """The refusal of wires that have no shape of their own."""
    body, headers = refused(error, request_id)
    return Refused(body.status, body, headers)


def close_plainly(code: int, reason: str) -> tuple[int, str]:
    """How wires close that know no code of their own, and whose clients take 1000 for all of it."""
    if reason == "client_closed":
        return 1000, ""
    rule = RULES.get(reason)
    return (1008 if rule and rule.http_status < 500 else 1011), reason


def no_headers(request_id: str) -> Mapping[str, str]:
    return {}


class Wire(Struct, frozen=True, kw_only=True):
    """One protocol: its two sides, where each is met, and what its provider asks for.

    `paths` are patterns of the provider's own routes; `subprotocols` tell it from another wire with
    the same path, which is for those who offer none of these; `names_model` is the query parameter
    with the provider's name of the model. `headers` are those of an accepted upgrade, by request
    id. `key_in` reads a key out of the first message, where clients may put it there; `is_polite`:
    refusals are told in the open socket, since its clients expect no other. `turned_away`: whether
    the provider's first frame, which comes unasked, says that it has no room. `quiet`: clients that
    never say that they are done have their session finished after so long without a frame (0:
    never).
    """

    task: Task
    provider: str
    client: Callable[[Any, Address], Codec]
    endpoint: Callable[[Any, Address], Endpoint]
    server: Callable[[Opening], Dialect]
    paths: tuple[str, ...] = ()
    subprotocols: tuple[str, ...] = ()
    names_model: str = "model"
    marks: Marks = Marks()
    policy: Policy = Policy()
    refusal: Callable[[GatewayError, str], Refused] = refuse_plainly
    headers: Callable[[str], Mapping[str, str]] = no_headers
    key_in: Callable[[Frame], str] | None = None
    is_polite: bool = False
    turned_away: Callable[[Frame], bool] | None = None
    quiet: float = 0.0


def decode(codec: Codec, frame: Frame) -> list[Event]:
    """All events of one frame, or one `Malformed`: half a frame never takes effect."""
    try:
        return list(codec.decode(frame))
    except ProtocolError as error:
        return [Malformed(error.message, error.error, error.param)]


_PATH = re.compile(r" - at `\$\.?([^`]*)`")
_FIELD = re.compile(r"field `([^`]*)`")


def parser(type: Any) -> Callable[[Frame], Any]:
    """A JSON decoder for `type` that fails with ProtocolError naming the field."""
    read = msgspec.json.Decoder(type).decode

    def parse(frame: Frame) -> Any:
        try:
            return read(frame)
        except msgspec.ValidationError as error:
            raise invalid(str(error)) from None
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
            raise ProtocolError(f"not JSON: {error}") from None

    return parse


def invalid(text: str) -> ProtocolError:
    """A ProtocolError from msgspec's message, with the field's path as its parameter."""
    found = _PATH.search(text)
    path = found.group(1) if found and "..." not in found.group(1) else ""
    if missing := _FIELD.search(text):
        path = f"{path}.{missing.group(1)}" if path else missing.group(1)
    reason = _PATH.sub("", text)
    return ProtocolError(f"{path}: {reason}" if path else reason, param=path or None)


_encode = msgspec.json.Encoder().encode


def dump(message: object) -> str:
    """One JSON text frame."""
    return _encode(message).decode()
