"""The examination: each thing that goes wrong between a client and a gateway, by its own name."""

from __future__ import annotations

import asyncio
import base64
import datetime
import hashlib
import ssl
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest

from client.faults import Fault, FaultProxy, Toxics, always
from client.tunnel import Tunnel
from conftest import Gateway as Running
from services import free_port
from voxway.audio.formats import AudioFormat
from voxway.cli.authority import days, make_authority, make_server
from voxway.client.doctor import Finding, Patient, clock, examine, key_given, report, speech
from voxway.client.doctor.findings import Hindrance, ok, problem, warning
from voxway.client.doctor.speech import Echo, Spoken
from voxway.client.doctor.talk import _check, upgrade
from voxway.client.doctor.way import Answer, way_to
from voxway.client.gateway import Gateway, find_gateway

BOUND = 60.0  # seconds: a bound against hangs
NOW = datetime.datetime.now(datetime.UTC)
Result = TypeVar("Result")


def run(test: Coroutine[Any, Any, Result]) -> Result:
    async def bounded() -> Result:
        async with asyncio.timeout(BOUND):
            return await test

    return asyncio.run(bounded())


async def findings(gateway: Gateway, **more: Any) -> dict[str, Finding]:
    """By the names of the checks. `end` is what the examination ended with."""
    patient = Patient(gateway=gateway, raw_key=gateway.key, key_source="in a test", **more)
    told = [finding async for finding in examine(patient)]
    return {finding.check: finding for finding in told} | {"end": told[-1]}


def found(gateway: Gateway, **more: Any) -> dict[str, Finding]:
    return run(findings(gateway, **more))


def last(checks: dict[str, Finding]) -> Finding:
    """What ended the examination, if that was a problem."""
    assert checks["end"].status == "problem"
    assert checks["end"].remedy
    return checks["end"]


def test_a_gateway_that_is_well(gateway: Running) -> None:
    gateway.wait_ready()
    checks = found(find_gateway(gateway.url, gateway.key))
    assert checks.pop("end").check == "format"
    assert {check: finding.status for check, finding in checks.items()} == {
        "key": "ok",
        "tcp": "ok",
        "gateway": "ok",
        "clock": "ok",
        "models": "ok",
        "upgrade": "ok",
        "echo": checks["echo"].status,  # of a machine that has other things to do
        "upload": "ok",
        "speech": "ok",
        "download": "ok",
        "playback": checks["playback"].status,
        "format": "ok",
    }
    assert checks["format"].figures["words_right"] >= 9
    assert checks["upload"].figures["kbps"] > 256
    assert checks["speech"].figures["first_audio_ms"] > 0


def test_a_wrong_key(gateway: Running) -> None:
    end = last(found(Gateway(gateway.url, "wrong")))
    assert (end.check, end.status, end.fault) == ("key", "problem", "refused")
    assert "unknown API key" in end.message
    assert "token=KEY" in end.remedy


def test_a_model_that_is_not_there(gateway: Running) -> None:
    end = last(found(Gateway(gateway.url, gateway.key), voice="local/nobody:en"))
    assert (end.status, end.fault) == ("problem", "failed")
    assert "model_not_found" in end.message


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("key\n", "the key in the file ends with a newline"),
        ("key ", "the key in the file ends with a blank"),
        ("\tkey", "the key in the file begins with a tab"),
    ],
)
def test_a_key_with_white_space(raw: str, message: str) -> None:
    patient = Patient(gateway=Gateway("ws://x", "key"), raw_key=raw, key_source="in the file")
    finding = key_given(patient)
    assert (finding.status, finding.message) == ("warning", message)


def test_no_key() -> None:
    assert key_given(Patient(gateway=Gateway("ws://x"))).message == "there is no key"


# The way


def test_a_name_that_nobody_knows() -> None:
    end = last(found(Gateway(f"ws://{'a' * 64}.example")))
    assert (end.check, end.fault) == ("dns", "unreachable")
    assert "has no address" in end.message


def test_nobody_listens() -> None:
    end = last(found(Gateway(f"ws://127.0.0.1:{free_port()}")))
    assert (end.check, end.fault) == ("tcp", "unreachable")
    assert "start the gateway" in end.remedy


@asynccontextmanager
async def answering(answer: bytes, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Somebody who says the same to everybody, on a port."""

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize(
    ("answer", "check", "message"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "gateway", "is no voxway gateway"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "http", "speaks no HTTP"),
        (b"220 smtp ready\r\n\r\n", "http", "speaks no HTTP"),
        (b"", "http", "closed at once"),
    ],
)
def test_somebody_else_answers(answer: bytes, check: str, message: str) -> None:
    async def test() -> Finding:
        async with answering(answer) as port:
            return last(await findings(Gateway(f"ws://127.0.0.1:{port}")))

    end = run(test())
    assert (end.check, end.fault) == (check, "unreachable")
    assert message in end.message


GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
HEALTH = b'{"status":"ok","sessions":0,"engines":{}}'
MODELS = b'{"data":[{"id":"a/voice","kind":"tts"}]}'


@asynccontextmanager
async def pretending(models: bytes, message: bytes = b"") -> AsyncIterator[Gateway]:
    """A gateway behind something that answers for it: as given when it is asked for its models,
    and with a message to all that is sent on a WebSocket. All bodies come in chunks."""

    def chunked(status: bytes, body: bytes) -> bytes:
        head = b"HTTP/1.1 %s\r\nTransfer-Encoding: chunked\r\n\r\n" % status
        return head + b"%x;a=b\r\n%s\r\n1\r\n \r\n0\r\n\r\n" % (len(body), body)

    def reply(asked: str) -> bytes:
        if "GET /health" in asked:
            return chunked(b"200 OK", HEALTH)
        if "GET /v1/models" in asked:
            return chunked(b"200 OK" if models == MODELS else b"403 Forbidden", models)
        key = asked.partition("Sec-WebSocket-Key: ")[2].partition("\r\n")[0]
        accept = base64.b64encode(hashlib.sha1(f"{key}{GUID}".encode()).digest())
        head = b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: %s\r\n\r\n" % accept
        return head + b"\x81%c%s" % (len(message), message)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(asyncio.IncompleteReadError):
            asked = await reader.readuntil(b"\r\n\r\n")
            writer.write(reply(asked.decode()))
            await writer.drain()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield Gateway(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", "key")


@pytest.mark.parametrize("body", [b"<html>Log in</html>", b"[]"])
def test_something_between_answers_for_the_gateway(body: bytes) -> None:
    async def test() -> dict[str, Finding]:
        async with pretending(body) as there:
            return await findings(there)

    checks = run(test())
    assert checks["gateway"].status == "ok"
    end = last(checks)
    assert (end.check, end.fault) == ("models", "unreachable")
    assert "HTTP 403, and not by the gateway" in end.message


@pytest.mark.parametrize("message", [b"hello", b"[1]"])
def test_a_websocket_on_which_no_gateway_talks(message: bytes) -> None:
    async def test() -> None:
        async with pretending(MODELS, message) as there:
            talk = await upgrade(way_to(there, None), "/v1/tts/a/voice", {})
            with pytest.raises(Hindrance, match="no message of a gateway"):
                await talk.ask({"type": "ping"}, "pong")
            talk.close()

    run(test())


def certified(directory: Path, host: str, age: int) -> tuple[ssl.SSLContext, str]:
    """A server's side of TLS, and who vouches for it. The certificate is good for 30 days, and so
    old already."""
    then = NOW - datetime.timedelta(days=age)
    authority = make_authority(then)
    server = make_server(authority, [host], then, then + days(30))
    for name, pem in (
        ("cert.pem", server.certificate_pem() + authority.certificate_pem()),
        ("key.pem", server.key_pem()),
        ("ca.pem", authority.certificate_pem()),
    ):
        (directory / name).write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "cert.pem", directory / "key.pem")
    return context, str(directory / "ca.pem")


@pytest.mark.parametrize(
    ("host", "age", "trusted", "message", "remedy"),
    [
        ("127.0.0.1", 1, False, "certificate", "--ca"),
        ("127.0.0.1", 40, True, "expired", "renew it"),
        ("127.0.0.1", -2, True, "not yet valid", "clock"),
        ("other.example", 1, True, "mismatch", "voxway certs --host"),
    ],
    ids=["unknown authority", "expired", "not yet valid", "another name"],
)
def test_certificates(
    tmp_path: Path, host: str, age: int, trusted: bool, message: str, remedy: str
) -> None:
    context, ca = certified(tmp_path, host, age)

    async def test() -> Finding:
        async with answering(b"", context) as port:
            there = Gateway(f"wss://127.0.0.1:{port}", ca=ca if trusted else None)
            return last(await findings(there))

    end = run(test())
    assert (end.check, end.fault) == ("tls", "unreachable")
    assert message in end.message
    assert remedy in end.remedy


def test_a_certificate_that_ends_soon_is_warned_of(tmp_path: Path) -> None:
    context, ca = certified(tmp_path, "127.0.0.1", 20)

    async def test() -> dict[str, Finding]:
        async with answering(b"", context) as port:
            return await findings(Gateway(f"wss://127.0.0.1:{port}", ca=ca))

    tls = run(test())["tls"]
    assert (tls.status, tls.remedy) == ("warning", "renew it in time")
    assert 8 < tls.figures["certificate_days"] < 11


def test_tls_where_there_is_none(gateway: Running) -> None:
    end = last(found(Gateway(gateway.url.replace("ws", "wss"))))
    assert (end.check, end.fault) == ("tls", "unreachable")
    assert "ws://" in end.remedy


# Proxies


def through(proxy: Tunnel, monkeypatch: pytest.MonkeyPatch, login: str = "") -> None:
    monkeypatch.setenv("http_proxy", f"http://{login}127.0.0.1:{proxy.port}")
    monkeypatch.setenv("no_proxy", "")


def test_through_a_proxy(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    host, port = gateway.address.split(":")

    async def test() -> dict[str, Finding]:
        async with Tunnel("me:secret", hosts={"gateway.example": host}) as proxy:
            through(proxy, monkeypatch, "me:secret@")
            there = Gateway(f"ws://gateway.example:{port}", gateway.key)
            checks = await findings(there, speaks=False)
            assert set(proxy.asked) == {f"gateway.example:{port}"}
            return checks

    checks = run(test())
    assert checks["proxy"].status == checks["upgrade"].status == "ok"
    assert "secret" not in str(checks)
    assert checks["echo"].figures["rtt_ms"] >= 0


def test_tls_through_a_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, ca = certified(tmp_path, "gateway.example", 1)

    async def test() -> dict[str, Finding]:
        async with (
            answering(b"HTTP/1.1 200 OK\r\n\r\n", context) as port,
            Tunnel(hosts={"gateway.example": "127.0.0.1"}) as proxy,
        ):
            monkeypatch.setenv("https_proxy", f"127.0.0.1:{proxy.port}")
            monkeypatch.setenv("no_proxy", "")
            return await findings(Gateway(f"wss://gateway.example:{port}", ca=ca))

    checks = run(test())
    assert (checks["proxy"].status, checks["tls"].status) == ("ok", "ok")
    assert "TLSv1.3" in checks["tls"].message
    assert last(checks).check == "gateway"


@pytest.mark.parametrize(
    ("login", "status", "message", "fault"),
    [
        ("me:secret", 200, "wants to know who you are", "refused"),
        ("", 403, "does not let you through", "refused"),
    ],
)
def test_a_proxy_that_refuses(
    login: str, status: int, message: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> Finding:
        async with Tunnel(login, status) as proxy:
            through(proxy, monkeypatch)
            return last(await findings(Gateway("ws://gateway.example")))

    end = run(test())
    assert (end.check, end.fault) == ("proxy", fault)
    assert message in end.message


def test_a_proxy_that_is_none_or_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> Finding:
        async with answering(b"SSH-2.0\r\n") as port:
            monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
            return last(await findings(Gateway("ws://gateway.example")))

    monkeypatch.setenv("no_proxy", "")
    assert "does not answer CONNECT" in run(test()).message
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    end = last(found(Gateway("ws://gateway.example")))
    assert (end.check, end.remedy[:17]) == ("tcp", "check HTTPS_PROXY")


@asynccontextmanager
async def stripping(gateway: Running) -> AsyncIterator[Gateway]:
    """A proxy before the gateway that knows nothing of upgrades."""
    host, port = gateway.address.split(":")

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        plain = [line for line in head if not line.lower().startswith((b"upgrade", b"connection"))]
        there = await asyncio.open_connection(host, int(port))
        there[1].write(b"\r\n".join([plain[0], b"Connection: close", *plain[1:]]))
        writer.write(await there[0].read())
        await writer.drain()
        for each in (writer, there[1]):
            each.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    try:
        yield Gateway(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", gateway.key)
    finally:
        server.close()


def test_a_proxy_that_takes_the_upgrade_away(gateway: Running) -> None:
    async def test() -> dict[str, Finding]:
        async with stripping(gateway) as there:
            return await findings(there)

    checks = run(test())
    assert checks["models"].status == "ok"
    end = last(checks)
    assert (end.check, end.fault) == ("upgrade", "unreachable")
    assert "Connection and Upgrade" in end.remedy


KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # both of RFC 6455, section 1.3


def test_an_upgrade_is_granted_to_whom_it_was_asked_by() -> None:
    assert base64.b64decode(ACCEPT) == hashlib.sha1((KEY + GUID).encode()).digest()
    _check(Answer(101, {"sec-websocket-accept": ACCEPT}, b""), KEY)


@pytest.mark.parametrize(
    ("answer", "check", "message"),
    [
        (Answer(101, {"sec-websocket-accept": "x"}, b""), "upgrade", "Sec-WebSocket-Accept"),
        (Answer(502, {}, b"<html>Bad Gateway"), "upgrade", "HTTP 502, and not by a gateway"),
        (Answer(401, {}, b'{"code":"auth_error","message":"no"}'), "key", "no"),
        (Answer(429, {}, b'{"code":"rate_limit","message":"later"}'), "upgrade", "later"),
        (Answer(503, {}, b'{"code":"draining","message":"bye"}'), "upgrade", "bye"),
    ],
)
def test_an_upgrade_that_is_refused(answer: Answer, check: str, message: str) -> None:
    with pytest.raises(Hindrance) as caught:
        _check(answer, KEY)
    finding = caught.value.finding
    assert finding.check == check
    assert message in finding.message
    assert finding.remedy


# The network


def test_a_far_gateway_is_told_from_a_busy_one(gateway: Running) -> None:
    slow = Toxics(latency=0.1)

    async def test() -> dict[str, Finding]:
        host, port = gateway.address.split(":")
        async with FaultProxy(host, int(port), always(Fault(up=slow, down=slow))) as proxy:
            there = Gateway(f"ws://127.0.0.1:{proxy.port}", gateway.key)
            return await findings(there, speaks=False)

    echo = run(test())["echo"]
    assert echo.status == "warning"
    assert "nearer" in echo.remedy
    assert echo.figures["network_ms"] >= 200
    assert echo.figures["server_ms"] < echo.figures["network_ms"]


def test_a_narrow_line_is_measured(gateway: Running) -> None:
    narrow = Fault(up=Toxics(bandwidth=25_000))  # 200 kbps

    async def test() -> Finding:
        host, port = gateway.address.split(":")
        async with FaultProxy(host, int(port), always(narrow)) as proxy:
            way = way_to(Gateway(f"ws://127.0.0.1:{proxy.port}"), None)
            headers = {"Authorization": f"Bearer {gateway.key}"}
            talk = await upgrade(way, "/v1/stt/local/moonshine:tiny-en", headers)
            try:
                return await speech.upload(talk)
            finally:
                talk.close()

    upload = run(test())
    assert (upload.status, upload.fault) == ("problem", "failed")
    assert 50 < upload.figures["kbps"] < 256
    assert "mulaw" in upload.remedy


PCM = AudioFormat("linear16", 24_000)
PIECE = PCM.bytes_for(0.1)


def arrived(*times: float, lead: int = 1) -> Spoken:
    """Pieces of 100 ms that came so many seconds after the text; the first is of `lead`."""
    sizes = [PIECE * lead, *[PIECE] * (len(times) - 1)]
    return Spoken(bytes(sum(sizes)), PCM, tuple(zip(times, sizes, strict=True)))


QUIET = Echo(10.0, 1.0, 5.0)


@pytest.mark.parametrize(
    ("spoken", "buffer"),
    [
        (arrived(0.1, 0.11, 0.12, 0.13), 200),
        (arrived(0.1, 0.2, 0.3, 0.4), 200),
        (arrived(0.1, 0.2, 0.8, 0.81, 0.82), 620),  # half a second late, and some more
        (arrived(0.1, 0.8, lead=8), 200),
    ],
)
def test_the_buffer_that_is_advised_would_have_been_enough(spoken: Spoken, buffer: float) -> None:
    finding = speech.playback(spoken, QUIET)
    assert finding.figures["buffer_ms"] == buffer
    assert (finding.status == "warning") == (buffer > 200)
    late = speech.lateness(spoken.pieces, PCM)
    assert late * 1000 <= finding.figures["buffer_ms"]


def test_jitter_alone_asks_for_a_buffer() -> None:
    finding = speech.playback(arrived(0.1, 0.11), Echo(10.0, 1.0, 333.0))
    assert (finding.figures["buffer_ms"], finding.remedy) == (
        340,
        "PlaybackBuffer(rate, start_ms=340)",
    )


@pytest.mark.parametrize(
    ("spoken", "status"),
    [
        (arrived(0.0, 0.05, 0.1), "ok"),
        (arrived(0.0, 0.09, 0.18), "warning"),
        (arrived(0.0, 0.2, 0.4), "problem"),
        (arrived(0.0), "ok"),
    ],
)
def test_speech_that_comes_slower_than_it_sounds(spoken: Spoken, status: str) -> None:
    finding = speech.download(spoken)
    assert finding.status == status
    assert finding.figures["needed_kbps"] == 384  # as the guide says


def test_no_speech() -> None:
    assert speech.speech(Spoken(b"", PCM, ()), QUIET).status == "problem"
    began = speech.speech(arrived(0.15), QUIET)
    assert began.figures == {"first_audio_ms": 150, "voice_ms": 140}


@pytest.mark.parametrize(
    ("off", "status", "end"),
    [
        (0, "ok", "agree"),
        (1.9, "ok", "agree"),  # which the date leaves out
        (-5, "ok", "differ by 5 s"),
        (90, "warning", "differ by 90 s"),
        (-3600, "problem", "differ by 3600 s"),
    ],
)
def test_clocks(off: float, status: str, end: str) -> None:
    date = "Sat, 21 Nov 2026 12:00:00 GMT"
    now = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.UTC).timestamp()
    finding = clock(date, now + off)
    assert (finding.status, finding.message.rpartition("'s ")[2]) == (status, end)
    assert clock("the day before yesterday", now).status == "skipped"


def test_a_report_is_as_bad_as_its_worst() -> None:
    fine, odd = ok("a", "fine"), warning("b", "odd", "do this")
    bad = problem("c", "bad", "do that", "refused")
    worse = problem("d", "worse", "and that", "failed")
    assert report("ws://x", (fine,)).status == "ok"
    assert report("ws://x", (fine, odd)).status == "warning"
    whole = report("ws://x", (fine, odd, bad, worse))
    assert (whole.status, whole.fault) == ("problem", "refused")
