"""The way to a gateway, step by step: its name, the proxy before it, TCP, TLS, and HTTP over that.

By hand and not by the client's own connections, so that each step fails by its own name.
"""

from __future__ import annotations

import asyncio
import io
import ipaddress
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from http.client import parse_headers
from urllib.parse import urlsplit

from msgspec import Struct

from ..gateway import Gateway
from ..proxies import Proxy
from .findings import Finding, Hindrance, ok, problem, warning

TIMEOUT = 10.0  # seconds for each step
EXPIRES_SOON = 14  # days
MAX_ANSWER = 4 * 1024 * 1024  # bytes

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Way(Struct, frozen=True):
    """Where a gateway is, and how it is reached."""

    host: str
    port: int
    path: str
    tls: ssl.SSLContext | None
    proxy: Proxy | None

    @property
    def address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def first(self) -> tuple[str, int]:
        """Who is called."""
        return (self.proxy.host, self.proxy.port) if self.proxy else (self.host, self.port)


class Answer(Struct, frozen=True):
    """To an HTTP request. Header names are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def way_to(gateway: Gateway, proxy: Proxy | None) -> Way:
    """Raises ConfigError if its certificate authorities cannot be read."""
    parts = urlsplit(gateway.url)
    tls = gateway.tls()
    port = parts.port or (443 if tls else 80)
    return Way(parts.hostname or "", port, parts.path, tls, proxy)


async def look_up(way: Way) -> Finding | None:
    """The name that is called; none for an address. Raises Hindrance."""
    host, port = way.first
    with suppress(ValueError):
        ipaddress.ip_address(host)
        return None
    began = time.monotonic()
    try:
        async with asyncio.timeout(TIMEOUT):
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port, type=socket.SOCK_STREAM
            )
    except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
        what = "the proxy's name" if way.proxy else "the name"
        message = f"{what} {host} has no address: {_reason(error)}"
        remedy = "check how it is written, this machine's DNS servers, and its VPN"
        raise Hindrance(problem("dns", message, remedy, "unreachable")) from error
    addresses = sorted({str(each[4][0]) for each in found})
    ms = (time.monotonic() - began) * 1000
    return ok("dns", f"{host} is {', '.join(addresses[:3])} ({ms:.0f} ms)", dns_ms=ms)


async def reach(way: Way, findings: list[Finding] | None = None) -> Streams:
    """An open connection, to the gateway's HTTP. Tells what it finds on the way. Raises
    Hindrance."""
    told = findings if findings is not None else []
    streams = await _connect(way, told)
    is_open = False
    try:
        if way.proxy is not None:
            await _tunnel(way, way.proxy, streams, told)
        if way.tls is not None:
            await _secure(way, way.tls, streams, told)
        is_open = True
    finally:
        if not is_open:
            streams[1].close()
    return streams


async def _connect(way: Way, told: list[Finding]) -> Streams:
    host, port = way.first
    began = time.monotonic()
    try:
        async with asyncio.timeout(TIMEOUT):
            streams = await asyncio.open_connection(host, port)
    except ConnectionRefusedError as error:
        remedy = "start the gateway, or name its port; is it bound to an address of this network?"
        if way.proxy is not None:
            remedy = "check HTTPS_PROXY; NO_PROXY names hosts that are reached without it"
        message = f"nobody listens at {host}:{port}"
        raise Hindrance(problem("tcp", message, remedy, "unreachable")) from error
    except OSError as error:
        remedy = "check the address; a firewall between may drop what goes to that port"
        message = f"no connection to {host}:{port}: {_reason(error)}"
        raise Hindrance(problem("tcp", message, remedy, "unreachable")) from error
    ms = (time.monotonic() - began) * 1000
    told.append(ok("tcp", f"connected to {host}:{port} ({ms:.0f} ms)", tcp_ms=ms))
    return streams


async def _tunnel(way: Way, proxy: Proxy, streams: Streams, told: list[Finding]) -> None:
    began = time.monotonic()
    headers = {"Host": way.address, **proxy.headers()}
    try:
        answer = await request(streams, "CONNECT", way.address, headers)
    except Hindrance as hindrance:
        message = f"the proxy {proxy.name} does not answer CONNECT: {hindrance}"
        remedy = "is it an HTTP proxy? Check HTTPS_PROXY"
        raise Hindrance(problem("proxy", message, remedy, "unreachable")) from hindrance
    if answer.status == 407:
        remedy = "put a login into it: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"
        message = f"the proxy {proxy.name} wants to know who you are (407)"
        raise Hindrance(problem("proxy", message, remedy, "refused"))
    if answer.status != 200:
        remedy = f"ask its keeper to allow CONNECT to {way.address}, or name that in NO_PROXY"
        message = f"the proxy {proxy.name} does not let you through ({answer.status})"
        raise Hindrance(problem("proxy", message, remedy, "refused"))
    ms = (time.monotonic() - began) * 1000
    told.append(ok("proxy", f"the proxy {proxy.name} lets you through ({ms:.0f} ms)", proxy_ms=ms))


async def _secure(way: Way, tls: ssl.SSLContext, streams: Streams, told: list[Finding]) -> None:
    began = time.monotonic()
    try:
        async with asyncio.timeout(TIMEOUT):
            await streams[1].start_tls(tls, server_hostname=way.host)
    except ssl.SSLCertVerificationError as error:
        message = f"the certificate of {way.host} is not valid: {error.verify_message}"
        raise Hindrance(problem("tls", message, _trust(error), "unreachable")) from error
    except ssl.SSLError as error:
        message = (
            f"no TLS with {way.address}: {(error.reason or 'failed').replace('_', ' ').lower()}"
        )
        remedy = "if the gateway has no certificate, use ws:// for http://; else check the port"
        raise Hindrance(problem("tls", message, remedy, "unreachable")) from error
    except OSError as error:
        message = f"no TLS with {way.address}: {_reason(error)}"
        remedy = "something closes TLS connections: a proxy, or a port that is not for TLS"
        raise Hindrance(problem("tls", message, remedy, "unreachable")) from error
    told.append(_certificate(streams[1], (time.monotonic() - began) * 1000))


def _trust(error: ssl.SSLCertVerificationError) -> str:
    said = error.verify_message.lower()
    if "expired" in said:
        return "renew it (`voxway certs` does for its own); or set this machine's clock"
    if "not yet valid" in said:
        return "set this machine's clock, or the gateway's"
    if "mismatch" in said or "not valid for" in said:
        return "use the name that is in the certificate, or put this one in: voxway certs --host"
    return (
        "if it is yours, name its authority with --ca or SSL_CERT_FILE; if not, something between "
        "(a company's proxy) answers for it: trust that one's authority"
    )


def _certificate(writer: asyncio.StreamWriter, ms: float) -> Finding:
    certificate = writer.get_extra_info("peercert") or {}
    version = writer.get_extra_info("ssl_object").version()
    days = (ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) / 86_400
    message = f"{version}, the certificate is good for {days:.0f} days ({ms:.0f} ms)"
    if days < EXPIRES_SOON:
        return warning("tls", message, "renew it in time", tls_ms=ms, certificate_days=days)
    return ok("tls", message, tls_ms=ms, certificate_days=days)


async def request(streams: Streams, method: str, target: str, headers: Mapping[str, str]) -> Answer:
    """One request, and its answer. Raises Hindrance."""
    reader, writer = streams
    lines = [
        f"{method} {target} HTTP/1.1",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    try:
        async with asyncio.timeout(TIMEOUT):
            writer.write("\r\n".join([*lines, "\r\n"]).encode("latin-1"))
            head = await reader.readuntil(b"\r\n\r\n")
            status_line, _, fields = head.partition(b"\r\n")
            found = {
                name.lower(): value for name, value in parse_headers(io.BytesIO(fields)).items()
            }
            status = int(status_line.split(b" ", 2)[1])
            body = await _body(reader, found)
    except TimeoutError as error:
        raise _no_answer(f"no answer within {TIMEOUT:g} s") from error
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise _no_answer("what answers speaks no HTTP, or closed at once") from error
    except (ValueError, IndexError) as error:
        raise _no_answer("what answers speaks no HTTP") from error
    except OSError as error:
        raise _no_answer(_reason(error)) from error
    return Answer(status, found, body)


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    """As long as the answer says it is, or in the chunks that a proxy makes of it (RFC 9112, 7.1).
    Raises ValueError."""
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(min(int(headers.get("content-length", "0")), MAX_ANSWER))
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        if len(body) + size > MAX_ANSWER:
            raise ValueError("the answer has no end")
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    return body


def _no_answer(message: str) -> Hindrance:
    remedy = "check the port; wss:// and https:// are for gateways with a certificate"
    return Hindrance(problem("http", message, remedy, "unreachable"))


async def fetch(way: Way, target: str, headers: Mapping[str, str]) -> Answer:
    """GET, on a connection of its own. Raises Hindrance."""
    streams = await reach(way)
    try:
        told = {"Host": way.address, "Connection": "close", **headers}
        return await request(streams, "GET", way.path + target, told)
    finally:
        streams[1].close()


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing within {TIMEOUT:g} s"
    return getattr(error, "strerror", None) or type(error).__name__
