"""WebSockets by picows, on both sides.

picows has no public call to take over a connection that another server accepted, so its protocol
class is made by hand here and nowhere else: the version is pinned, and a contract test holds it.
`net.pico_door` has the serving side's upgrade.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from picows import (
    WSAutoPingStrategy,
    WSCloseCode,
    WSError,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    ws_connect,
)
from picows.picows import WSProtocol  # type: ignore[attr-defined]
from python_socks import ProxyError  # picows brings it, and lets it through

from ..errors import UpstreamError
from ..wire.base import Endpoint, Frame
from .base import (
    CLOSE_TIMEOUT,
    HANDSHAKE_TIMEOUT,
    LINGER,
    PING_INTERVAL,
    SLOW,
    Receiver,
    UpgradeRefused,
)
from .sips import Sips
from .unix import tcp_like

log = logging.getLogger("voxway.net")
_quiet = logging.getLogger("voxway.net.picows")
# picows logs a peer's broken frame as an error; whose session it was stands in our own log.
_quiet.setLevel(logging.CRITICAL)
# A server's `send` of picows 2.3.1 hands the transport a view of its own header buffer beside any
# message over 8 KiB. uvloop writes later, when the next message has overwritten that header
# (2026-11-21, tests/net: large frames in a burst): larger ones are laid behind room for a header.
# Characters count as up to three bytes here, since a frame's length is in characters.
COPIED_BYTES = 8192 // 3
HEADER_ROOM = 14  # bytes
TEXT, BINARY, CLOSE = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CLOSE
CONTINUATION, CONTROL = WSMsgType.CONTINUATION, (WSMsgType.PING, WSMsgType.PONG)
UPSTREAM_FRAME_BYTES = 16 * 1024 * 1024


class Ear:
    """What picows takes for its logger: nobody else is told that a frame is too large, before
    picows itself closes with 1009 (2.3.1; tests/net). All else goes to the logger."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def error(self, message: str, *args: Any) -> None:
        match args:
            case ((WSCloseCode.MESSAGE_TOO_BIG, _),):
                self._link.too_large()
            case _:
                _quiet.error(message, *args)

    def __getattr__(self, name: str) -> Any:
        return getattr(_quiet, name)


class Link(WSListener):
    """One open connection: `Socket` to its user, listener to picows."""

    def __init__(
        self, receiver: Receiver, max_message: int, oversized: Callable[[], None] | None = None
    ) -> None:
        self._receiver = receiver
        self._max = max_message
        self._oversized = oversized
        self._transport: WSTransport | None = None
        self._parts: list[bytes] = []
        self._parts_size = 0
        self._parts_text = False
        self._code, self._reason = 1006, ""
        self._closing = self._is_told = self.was_opened = False
        self._cut: asyncio.TimerHandle | None = None
        self._measuring: asyncio.Future[list[float]] | None = None
        self._settling: asyncio.Task[None] | None = None
        self._is_resting = False  # so that an answer would not be read
        self._is_asked = False  # whether it has yet to answer a ping

    # Socket

    def send(self, frame: Frame) -> None:
        if self._transport is not None and not self._closing:
            kind = TEXT if isinstance(frame, str) else BINARY
            if len(frame) <= COPIED_BYTES or self._transport.is_client_side:
                self._transport.send(kind, frame)
            else:
                data = frame.encode() if isinstance(frame, str) else frame
                whole = bytearray(HEADER_ROOM) + data
                self._transport.send_reuse_external_bytearray(kind, whole, HEADER_ROOM)

    def close(self, code: int = 1000, reason: str = "") -> None:
        if self._transport is None or self._closing:
            return
        self._closing = True
        # A control frame holds 125 bytes, two of them the code.
        self._transport.send_close(code, reason.encode()[:123])  # type: ignore[arg-type]
        self._cut_when_done(self._transport)

    def pause(self) -> None:
        self._is_resting = True
        self._excuse()
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.underlying_transport.pause_reading()

    def resume(self) -> None:
        self._is_resting = False
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.underlying_transport.resume_reading()

    async def ping(self) -> float:
        """Seconds until the peer answered. Raises UpstreamError if it is gone before."""
        if self._transport is None:
            raise UpstreamError("there is no connection to ping", code="backend_connection_failed")
        if self._measuring is None or self._measuring.done():  # picows has no two at a time
            self._measuring = asyncio.ensure_future(self._transport.measure_roundtrip_time(1))
            # Whoever asked may go away; what becomes of it is then nobody's, and no error either.
            self._measuring.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            return (await asyncio.shield(self._measuring))[0]
        except ConnectionResetError as error:
            message = "the connection was lost amid a ping"
            raise UpstreamError(message, code="backend_connection_failed") from error

    def too_large(self) -> None:
        """A message over the bound was begun: it is said before the connection ends."""
        if self._oversized is not None and not self._closing:
            self._oversized()
        self.close(1009, f"message over {self._max} bytes")

    def close_unless_opened(self) -> None:
        """picows says nothing to a listener whose upgrade it refused; its user must hear of it."""
        if not self.was_opened:
            self._receiver.closed(1006, "the upgrade request was not valid")

    # picows

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport, self.was_opened = transport, True
        below = transport.underlying_transport
        below.set_protocol(Sips(below.get_protocol()))
        self._receiver.opened(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind is BINARY and frame.fin and not self._parts and self._is_live(transport):
            self._receiver.frame(frame.get_payload_as_bytes())
        elif kind is CLOSE:
            self._peer_closes(transport, frame)
        elif not self._is_live(transport) or kind in CONTROL:
            return
        elif not frame.fin or kind is CONTINUATION:
            self._fragment(frame)
        elif self._parts:
            self.close(1002, "a new message inside a fragmented one")
        else:
            self._text(frame.get_payload_as_bytes())

    def _is_live(self, transport: WSTransport) -> bool:
        # After an oversized frame picows closes, but still hands on what follows it.
        return not (self._closing or transport.is_close_frame_sent)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self._cut is not None:
            self._cut.cancel()
        self._transport = None
        # What went wrong is kept for whoever waits for the end; if nobody does, that is complained
        # of in the log. What matters of it is the code.
        self._settling = asyncio.get_running_loop().create_task(_settled(transport))
        self._tell_end()

    def _tell_end(self) -> None:
        if not self._is_told:
            self._is_told = True
            self._receiver.closed(self._code, self._reason)

    def send_user_specific_ping(self, transport: WSTransport) -> None:
        """The peer was silent, which says nothing of one whom we do not read."""
        self._is_asked = not self._is_resting
        if self._is_resting:
            # It is after this call that picows begins to wait for an answer.
            asyncio.get_running_loop().call_soon(transport.notify_user_specific_pong_received)
        else:
            transport.send_ping()

    def pause_writing(self) -> None:
        self._tell_writable(False)

    def resume_writing(self) -> None:
        self._excuse()  # it takes what was said, if slowly: a ping it would hear after all that
        self._tell_writable(True)

    def _excuse(self) -> None:
        """Its answer to the last ping is not waited for."""
        if self._is_asked and self._transport is not None:
            self._is_asked = False
            self._transport.notify_user_specific_pong_received()

    def _tell_writable(self, writable: bool) -> None:
        if not self._is_told:
            self._receiver.writable(writable)

    def _text(self, payload: bytes) -> None:
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            self.close(1007, "a text frame that is not UTF-8")
            return
        self._receiver.frame(text)

    def _fragment(self, frame: WSFrame) -> None:
        opens = frame.msg_type is not CONTINUATION
        if opens == bool(self._parts):
            self.close(1002, "fragments out of order")
            return
        if opens:
            self._parts_text = frame.msg_type is TEXT
        self._parts.append(frame.get_payload_as_bytes())
        self._parts_size += max(1, frame.payload_size)  # parts of nothing without end are too much
        if self._parts_size > self._max:
            self._parts.clear()
            self.too_large()
        elif frame.fin:
            whole = b"".join(self._parts)
            self._parts, self._parts_size = [], 0
            if self._parts_text:
                self._text(whole)
            else:
                self._receiver.frame(whole)

    def _peer_closes(self, transport: WSTransport, frame: WSFrame) -> None:
        # picows gives its enum for the codes it knows and a bare int for all others, 0 for none.
        code: Any = frame.get_close_code()
        self._code = int(getattr(code, "value", code) or 1005)
        self._reason = (frame.get_close_message() or b"").decode("utf-8", "replace")
        if not self._closing:
            self._closing = True
            echo = 1000 if self._code == 1005 else self._code
            transport.send_close(echo, b"")  # type: ignore[arg-type]
        transport.disconnect()  # which waits for a peer that does not read what was sent
        if self._cut is None:
            self._cut_soon(transport)
        self._tell_end()  # now: nobody wants what is still being made

    def _cut_soon(self, transport: WSTransport) -> None:
        loop = asyncio.get_running_loop()
        self._cut = loop.call_later(CLOSE_TIMEOUT, transport.disconnect, False)

    def _cut_when_done(self, transport: WSTransport) -> None:
        """Cut a peer that does not answer in time; before, one that is slow may take what is left
        for it, as long as it takes some."""
        loop = asyncio.get_running_loop()
        until = loop.time() + LINGER

        def look(left: int, since: float) -> None:
            now, rest = loop.time(), transport.underlying_transport.get_write_buffer_size()
            since = now if rest < left else since
            if now >= min(until, since + SLOW) or rest == left == 0:
                transport.disconnect(False)
            else:
                self._cut = loop.call_later(CLOSE_TIMEOUT, look, rest, since)

        left = transport.underlying_transport.get_write_buffer_size()
        self._cut = loop.call_later(CLOSE_TIMEOUT, look, left, loop.time())


def protocol(
    listener_factory: Callable[..., Any],
    max_frame: int,
    heartbeat: float,
    client: Endpoint | None = None,
    cls: type = WSProtocol,
    logger: Any = _quiet,
) -> Any:
    path = None
    if client is not None:
        path = "/" + client.url.split("://", 1)[1].partition("/")[2]
    return cls(
        "localhost" if client else None,
        path,
        client is not None,
        listener_factory,
        logger,
        True,  # disconnect on an exception in a callback
        HANDSHAKE_TIMEOUT,
        True,  # ping, after so long a silence, and wait as long for the answer
        heartbeat,
        heartbeat,
        WSAutoPingStrategy.PING_WHEN_IDLE,
        True,  # answer pings
        max_frame,
        _headers(client) if client else None,
        16 * 1024,
    )


class _UnixProtocol(WSProtocol):  # type: ignore[misc]
    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(tcp_like(transport))


async def _settled(transport: WSTransport) -> None:
    with suppress(WSError):
        await transport.wait_disconnected()


def _headers(endpoint: Endpoint) -> dict[str, str]:
    headers = dict(endpoint.headers)
    if endpoint.subprotocols:
        headers["Sec-WebSocket-Protocol"] = ", ".join(endpoint.subprotocols)
    return headers


async def dial(
    endpoint: Endpoint,
    receiver: Receiver,
    ssl: Any = None,
    heartbeat: float | None = PING_INTERVAL,
    proxy: str | None = None,
) -> None:
    """Connect and hand the socket to `receiver.opened`. Raises UpstreamError if that fails.

    A peer that says nothing for `heartbeat` seconds is pinged, and has as many to answer (None: the
    caller sees to that). `proxy` is a URL (http, https, socks5), and may have a login in it.
    """
    link = Link(receiver, UPSTREAM_FRAME_BYTES)
    beat = heartbeat or PING_INTERVAL
    try:
        if endpoint.unix is None:
            await ws_connect(
                lambda *_: link,
                endpoint.url,
                ssl_context=ssl,
                proxy=proxy,
                websocket_handshake_timeout=HANDSHAKE_TIMEOUT,
                logger_name=_quiet,
                enable_auto_ping=heartbeat is not None,
                auto_ping_idle_timeout=beat,
                auto_ping_reply_timeout=beat,
                max_frame_size=UPSTREAM_FRAME_BYTES,
                extra_headers=_headers(endpoint),
            )
        else:
            make = lambda: protocol(  # noqa: E731 - asyncio wants a factory
                lambda *_: link, UPSTREAM_FRAME_BYTES, beat, endpoint, _UnixProtocol
            )
            loop = asyncio.get_running_loop()
            _, dialled = await loop.create_unix_connection(make, endpoint.unix)
            await dialled.wait_until_handshake_complete()
    except WSError as error:
        raise refused_by(error) from error
    except ProxyError as error:
        message = f"cannot connect: {error}"
        raise UpstreamError(message, code="backend_connection_failed") from error
    except OSError as error:
        raise UpstreamError(
            f"cannot connect: {error.strerror or type(error).__name__}",
            code="backend_connection_failed",
        ) from error
    if not link.was_opened:  # picows takes an end before the answer for a handshake
        detail = "cannot connect: closed during the handshake"
        raise UpstreamError(detail, code="backend_connection_failed")


def refused_by(error: WSError) -> UpstreamError:
    """The error for an upgrade that was not granted."""
    if (response := getattr(error, "response", None)) is None:
        detail = f"upgrade refused: {type(error).__name__}"
        return UpstreamError(detail, code="backend_connection_failed")
    body, retry_after = getattr(error, "raw_body", None), response.headers.get("Retry-After")
    return UpgradeRefused(int(response.status), body or b"", retry_after)
