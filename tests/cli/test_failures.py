"""Each way to fail has its exit code, and one line that says what to do."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cli.conftest import Shell
from client.peer import BOUND, Peer, house, run
from conftest import Gateway
from voxway import client
from voxway.cli.transcribe import Script, written
from voxway.cli.transcript import Shape
from voxway.client.voxway import Hearing
from voxway.errors import UpstreamError
from voxway.events import Audio, Event, Ready, Start

NOBODY = "ws://127.0.0.1:9"


@pytest.mark.parametrize(
    "args", [("say", "Hello."), ("models",), ("transcribe", "-", "--raw", "16000")]
)
def test_no_gateway(shell: Shell, args: tuple[str, ...]) -> None:
    line = shell.fails(3, *args, "--url", NOBODY)
    assert "no gateway at http://127.0.0.1:9: " in line
    assert "`voxway serve`" in line


def test_no_tls_there(shell: Shell, gateway: Gateway) -> None:
    assert "no gateway at https://" in shell.fails(3, "models", "--url", f"wss://{gateway.address}")
    line = shell.fails(3, "say", "Hello.", "--url", f"wss://{gateway.address}")
    assert "say ws:// in place of wss://" in line


def test_tls_there(shell: Shell, tmp_path: Path) -> None:
    cert, key = self_signed(tmp_path)
    started = Gateway(tmp_path, "--tls-cert", cert, "--tls-key", key, VOXWAY_ENGINES="none")
    try:
        line = shell.fails(3, "say", "Hello.", "--url", started.url)
        assert "say wss:// in place of ws://" in line
    finally:
        started.stop()


@pytest.mark.parametrize("args", [("say", "Hello."), ("models",)])
def test_a_wrong_key(shell: Shell, args: tuple[str, ...]) -> None:
    line = shell.fails(4, *args, "--key", "not-the-key-at-all")
    assert "unknown API key" in line
    assert "VOXWAY_API_KEY" in line
    assert "not-the-key-at-all" not in line


def test_no_key(shell: Shell) -> None:
    del shell.environ["VOXWAY_API_KEY"]
    assert "no API key" in shell.fails(4, "say", "Hello.")


def test_a_limit(shell: Shell, gateway: Gateway) -> None:
    shell.environ["VOXWAY_API_KEY"] = "test-free"
    talk = gateway.open("/v1/tts/local/hibari:en", key="test-free")
    try:
        assert "concurrent connections" in shell.fails(4, "say", "Hello.")
    finally:
        talk.__exit__()


def test_an_unknown_model_shows_its_neighbours(shell: Shell) -> None:
    assert "did you mean local/hibari:en" in shell.fails(2, "say", "Hi.", "-m", "local/hibary:en")
    line = shell.fails(2, "transcribe", "-", "--raw", "16000", "-m", "moonshine")
    assert "local/moonshine:tiny-en" in line


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("transcribe", "nowhere.wav"), "no file nowhere.wav"),
        (("say", "nowhere.txt"), "no file nowhere.txt"),
        (("say", " "), "no text"),
        (("say", "Hi.", "-o", "hi.xyz"), ".wav .mp3"),
        (("say", "Hi.", "-o", "nowhere/hi.wav"), "no directory nowhere"),
        (("transcribe", "-", "--raw", "8000", "-o", "hi.doc"), ".txt .srt .vtt .json"),
        (("transcribe", "-", "--raw", "8000", "-o", "nowhere/hi.txt"), "no directory nowhere"),
        (("say", "Hi.", "--voice", "nobody"), "voice 'nobody' is not one of heart"),
        (("say", "Hi.", "--speed", "9"), "speed 9 is outside"),
        (("say", "Hi.", "--rate", "7"), "sample_rate 7 is outside 8000-48000"),
        (("say", "Hi.", "--url", "ftp://here"), "not like ws://"),
        (("say", "Hi.", "--url", "ws://secret@here"), "only scheme, host, port and path"),
        (("serve", "--port", "99999"), "port 99999 is outside 0-65535"),
        (("transcribe", "-"), "nothing in standard input"),
        (("transcribe", "-", "--raw", "16000", "--language", "tlh"), "language 'tlh'"),
    ],
)
def test_wrong_use(shell: Shell, args: tuple[str, ...], says: str) -> None:
    assert says in shell.fails(2, *args)


def test_what_is_no_audio(shell: Shell) -> None:
    (shell.directory / "notes.wav").write_text("no audio at all\n" * 100)
    assert "notes.wav has no audio" in shell.fails(2, "transcribe", "notes.wav")
    assert "--raw RATE" in shell.fails(2, "transcribe", "-", stdin=b"no audio at all\n" * 100)


def test_an_unknown_certificate(shell: Shell, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    started = Gateway(tmp_path, "--tls-cert", certificate, "--tls-key", key, VOXWAY_ENGINES="none")
    try:
        url = f"https://{started.address}"
        for args in (("models", "--url", url), ("say", "Hello.", "--url", url)):
            assert "name its certificate with --ca" in shell.fails(3, *args)
        assert b"cannot be used" in shell.run(*args, "--ca", certificate).stderr
        shell.environ["SSL_CERT_FILE"] = certificate
        assert "has no models" in shell.run("models", "--url", url).stderr.decode()
    finally:
        started.stop()


def self_signed(directory: Path) -> tuple[str, str]:
    """Paths of a certificate for 127.0.0.1 and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "voxway test")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (directory / "cert.pem").write_bytes(certificate.public_bytes(pem))
    (directory / "key.pem").write_bytes(key.private_bytes(pem, *plain))
    return str(directory / "cert.pem"), str(directory / "key.pem")


def test_a_disk_that_is_full(shell: Shell) -> None:
    (shell.directory / "full.wav").symlink_to("/dev/full")
    assert "No space left" in shell.fails(5, "say", "Hello.", "-o", "full.wav")


def ready(peer: Peer, event: Event) -> None:
    """Listens, and never says a word."""
    if isinstance(event, Start):
        peer.say(Ready("s", encoding="linear16", sample_rate=16_000))


def interrupted(*delays: float) -> None:
    for delay in delays:
        asyncio.get_running_loop().call_later(delay, signal.raise_signal, signal.SIGINT)


async def unending() -> AsyncIterator[bytes]:
    yield bytes(32_000)
    await asyncio.Event().wait()


def test_the_second_ctrl_c_ends_it_at_once() -> None:
    async def test() -> None:
        how = Hearing(listening=client.Listening(patience=BOUND))
        async with house("stt", ready) as there:
            interrupted(0.3, 0.6)
            await written(client.Gateway(there.url), Script("m", how, Shape()), unending())

    with pytest.raises(UpstreamError, match="incomplete: closed before its end"):
        run(test())


def test_ctrl_c_does_not_wait_for_a_gateway_that_is_gone() -> None:
    def gone(peer: Peer, event: Event) -> None:
        ready(peer, event)
        if isinstance(event, Audio):
            peer.close()
            interrupted(0.1)  # it is called again after a quarter of a second

    async def test() -> None:
        how = Hearing(listening=client.Listening(patience=BOUND))
        async with house("stt", gone) as there:
            await written(client.Gateway(there.url), Script("m", how, Shape()), unending())
            assert len(there.peers) == 1

    with pytest.raises(UpstreamError, match="incomplete: closed before its end"):
        run(test())


@pytest.mark.parametrize("is_interrupted", [False, True])
def test_a_transcript_that_is_incomplete(is_interrupted: bool) -> None:
    """Nobody is to take it for a whole one, also if Ctrl-C ended the audio."""

    async def audio() -> AsyncIterator[bytes]:
        yield bytes(32_000)
        if is_interrupted:
            signal.raise_signal(signal.SIGINT)
            await asyncio.Event().wait()

    async def test() -> None:
        how = Hearing(listening=client.Listening(patience=0.1))
        async with house("stt", ready) as there:
            await written(client.Gateway(there.url), Script("m", how, Shape()), audio())

    with pytest.raises(UpstreamError, match="incomplete: no word for"):
        run(test())
