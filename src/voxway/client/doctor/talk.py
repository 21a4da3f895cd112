"""A WebSocket by hand (RFC 6455, a client's side, whole messages only): to see what an upgrade is
answered with, and how long a ping takes that the network layer answers and one that the gateway
does.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import struct
import time
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from ..failures import Refusal
from .findings import Finding, Hindrance, ok, problem
from .way import TIMEOUT, Answer, Streams, Way, reach, request

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MAX_FRAME = 4 * 1024 * 1024  # bytes

_KEY = (
    "check the key, and that it is still good; it goes into --key or VOXWAY_API_KEY, from other "
    "programs as `Authorization: Bearer KEY`, or `?token=KEY` where no header can be set"
)
_STRIPPED = (
    "something between (a proxy, a load balancer) takes `Upgrade: websocket` away: let it pass "
    "HTTP/1.1 with the headers Connection and Upgrade"
)


class _Kind(Struct):
    type: str = ""
    code: str = ""
    message: str = ""


_kind = msgspec.json.Decoder(_Kind).decode


class Talk:
    """An open WebSocket. Raises Hindrance where it ends before its time."""

    def __init__(self, streams: Streams) -> None:
        self._reader, self._writer = streams

    def close(self) -> None:
        self._send(CLOSE, struct.pack("!H", 1000))
        self._writer.close()

    async def say(self, message: object) -> None:
        """A JSON message."""
        self._send(TEXT, msgspec.json.encode(message))
        await self._drained()

    async def send(self, audio: bytes) -> None:
        self._send(BINARY, audio)
        await self._drained()

    async def ping(self) -> float:
        """Seconds until the network's layer answers."""
        began = time.monotonic()
        payload = os.urandom(4)
        self._send(PING, payload)
        await self._drained()
        while await self._frame() != (PONG, payload):
            pass
        return time.monotonic() - began

    async def ask(self, message: object, answer: str) -> float:
        """Seconds until a message of that type comes for ours."""
        began = time.monotonic()
        await self.say(message)
        await self.until(answer)
        return time.monotonic() - began

    async def until(self, answer: str) -> None:
        """Until a message of that type comes. An `error` is a problem."""
        while True:
            opcode, data = await self._frame()
            if opcode != TEXT:
                continue
            try:
                told = _kind(data)
            except msgspec.DecodeError as error:
                raise _gone("what came is no message of a gateway") from error
            if told.type == answer:
                return
            if told.type == "error":
                raise refused(told.code, told.message)

    def _send(self, opcode: int, data: bytes) -> None:
        size = len(data)
        if size < 126:
            head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
        elif size < 65536:
            head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
        # A mask of zeros is one: what is here is no page that somebody could write for a proxy.
        self._writer.write(head + bytes(4) + data)

    async def _drained(self) -> None:
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._writer.drain()
        except OSError as error:
            raise _gone() from error

    async def _frame(self) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(TIMEOUT):
                opcode, data = await self._read()
        except TimeoutError as error:
            raise _gone(f"nothing within {TIMEOUT:g} s") from error
        except (OSError, asyncio.IncompleteReadError) as error:
            raise _gone() from error
        if opcode == PING:
            self._send(PONG, data)
        if opcode == CLOSE:
            code = struct.unpack("!H", data[:2])[0] if len(data) >= 2 else 1005
            raise _gone(f"closed with {code} {data[2:].decode('utf-8', 'replace')}".rstrip())
        return opcode, data

    async def _read(self) -> tuple[int, bytes]:
        first, size = await self._reader.readexactly(2)
        size &= 0x7F
        if size >= 126:
            wide = await self._reader.readexactly(2 if size == 126 else 8)
            size = min(int.from_bytes(wide, "big"), MAX_FRAME)
        return first & 0x0F, await self._reader.readexactly(size)


async def upgrade(
    way: Way, target: str, headers: Mapping[str, str], told: list[Finding] | None = None
) -> Talk:
    """Open a WebSocket, and tell that. Raises Hindrance."""
    began = time.monotonic()
    streams = await reach(way)
    key = base64.b64encode(os.urandom(16)).decode()
    asked = {
        "Host": way.address,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
        **headers,
    }
    is_open = False
    try:
        _check(await request(streams, "GET", way.path + target, asked), key)
        is_open = True
    finally:
        if not is_open:
            streams[1].close()
    ms = (time.monotonic() - began) * 1000
    if told is not None:
        told.append(ok("upgrade", f"the WebSocket is open ({ms:.0f} ms)", upgrade_ms=ms))
    return Talk(streams)


def _check(answer: Answer, key: str) -> None:
    if answer.status == 101:
        accept = base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()
        if answer.headers.get("sec-websocket-accept") != accept:
            message = "the upgrade is granted, but not to us: its Sec-WebSocket-Accept is wrong"
            raise Hindrance(problem("upgrade", message, _STRIPPED, "unreachable"))
        return
    try:
        told = msgspec.json.decode(answer.body, type=Refusal)
    except msgspec.DecodeError:
        message = f"the upgrade was answered with HTTP {answer.status}, and not by a gateway"
        raise Hindrance(problem("upgrade", message, _STRIPPED, "unreachable")) from None
    if told.code == "upgrade_required":
        message = "the gateway saw a request without an upgrade"
        raise Hindrance(problem("upgrade", message, _STRIPPED, "unreachable"))
    raise refused(told.code, told.message)


def refused(code: str, message: str) -> Hindrance:
    """What the gateway says no with."""
    if code in ("auth_error", "forbidden"):
        return Hindrance(problem("key", message, _KEY, "refused"))
    if code.startswith("rate_limit") or code in ("not_ready", "draining", "backpressure"):
        remedy = "try again in a while; close sessions that are not used; or ask for a higher tier"
        return Hindrance(problem("upgrade", message, remedy, "refused"))
    remedy = "`voxway models` lists what the gateway has; its log says more"
    return Hindrance(problem("upgrade", f"{message} ({code})", remedy, "failed"))


def _gone(why: str = "cut off") -> Hindrance:
    remedy = "the gateway's log says why; if nothing is in it, something between cuts connections"
    return Hindrance(problem("echo", f"the WebSocket ended: {why}", remedy, "failed"))
