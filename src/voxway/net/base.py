"""What a transport library is to the rest: who asks, who is let in, and a socket to talk on.

Everything is a callback made on the event loop, so that a frame crosses the gateway without a task
switch. One file beside this one per transport library, each giving `serve`-like and `dial`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct

from ..errors import UpstreamError
from ..wire.base import Frame

HANDSHAKE_TIMEOUT = 10.0  # seconds for a peer to send its upgrade request
CLOSE_TIMEOUT = 2.0  # seconds for a peer to answer a close frame before TCP is cut
LINGER = 60.0  # seconds for one that is slow to take what was said before
SLOW = 10.0  # seconds in which it must have taken some
UNSENT = 64 * 1024  # bytes that the kernel keeps of what a peer does not take
PING_INTERVAL = 30.0  # seconds between the server's pings
MAX_HEAD = 16 * 1024  # bytes of an upgrade request


class Request(Struct, frozen=True):
    """An upgrade request. `path` is percent-decoded, header names are lower case."""

    path: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    peer: str = ""
    secure: bool = False

    @property
    def subprotocols(self) -> tuple[str, ...]:
        offered = self.headers.get("sec-websocket-protocol", "")
        return tuple(part.strip() for part in offered.split(",") if part.strip())

    def parameter(self, name: str) -> str | None:
        """The first value of a query parameter."""
        return next((value for key, value in self.query if key == name), None)


class Socket(Protocol):
    """An open WebSocket, as its user drives it. Nothing here blocks or waits."""

    def send(self, frame: Frame) -> None:
        """Queue one message: text for str, binary for bytes. Ignored once closing."""
        ...

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send a close frame and end the connection within CLOSE_TIMEOUT of the last byte taken."""
        ...

    def pause(self) -> None:
        """Stop reading: the peer will feel it through TCP."""
        ...

    def resume(self) -> None: ...


class Receiver(Protocol):
    """What a socket tells its user."""

    def opened(self, socket: Socket) -> None: ...

    def frame(self, frame: Frame) -> None: ...

    def writable(self, writable: bool) -> None:
        """False: what was sent piles up, so send less. True: it has drained."""
        ...

    def closed(self, code: int, reason: str) -> None:
        """The last call. `code` is the peer's close code, 1006 if it went without one."""
        ...


class Refusal(Struct, frozen=True):
    """An HTTP answer instead of an upgrade."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}


class Acceptance(Struct, frozen=True):
    """An upgrade. `max_message` bounds one message of the peer in bytes: of a larger one not even
    the beginning is kept. `oversized` may then say so and close; else the code is 1009. A peer that
    is silent for a `heartbeat` is pinged, and has as long to answer."""

    receiver: Receiver
    subprotocol: str | None = None
    headers: Mapping[str, str] = {}
    max_message: int = 1024 * 1024 + 64 * 1024
    oversized: Callable[[], None] | None = None
    heartbeat: float = PING_INTERVAL


Accept = Callable[[Request], Awaitable[Refusal | Acceptance]]


class UpgradeRefused(UpstreamError):
    """The peer answered our upgrade request with HTTP: this status, and as much of the body as came
    along with the head. 429 and 503 mean: full, try later."""

    def __init__(self, status: int, body: bytes, retry_after: str | None) -> None:
        super().__init__(
            f"upgrade refused: status {status}",
            code="backpressure" if status in (429, 503) else "backend_connection_failed",
            retry_after=float(retry_after) if retry_after and retry_after.isdecimal() else None,
        )
        self.status = status
        self.body = body


def parse_head(head: bytes, peer: str = "", secure: bool = False) -> Request:
    """Read an HTTP request head (up to the blank line). Raises ValueError for anything else."""
    lines = head.decode("latin-1").split("\r\n")
    method, target, version = lines[0].split(" ")
    if method != "GET" or not version.startswith("HTTP/1."):
        raise ValueError("not an HTTP/1.1 GET")
    headers: dict[str, str] = {}
    for line in filter(None, lines[1:]):
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise ValueError("a header line without a name")
        key = name.lower()
        joined = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
        headers[key] = joined
    url = urlsplit(target)
    query = parse_qsl(url.query, keep_blank_values=True)
    return Request(unquote(url.path) or "/", query, headers, peer, secure)
