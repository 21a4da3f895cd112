"""`voxway certs`: what it writes is what `voxway serve` offers and what clients check it by."""

from __future__ import annotations

import datetime
import os
import re
import shlex
import shutil
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cli.conftest import Shell
from conftest import BOUND, Gateway
from voxway.cli.authority import days, make_authority, make_server, read

NOW = datetime.datetime.now(datetime.UTC)
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "tls.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.M | re.S)


@pytest.fixture
def alone(tmp_path: Path) -> Shell:
    """A shell without a gateway."""
    return Shell(tmp_path, "http://127.0.0.1:9", "")


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def names(path: Path) -> list[str]:
    """Whom a certificate is for."""
    found = certificate(path).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return [str(name.value) for name in found.value]


@contextmanager
def serving(directory: Path, files: Path) -> Iterator[str]:
    """The port of a gateway that offers them."""
    args = ("--tls-cert", str(files / "cert.pem"), "--tls-key", str(files / "key.pem"))
    started = Gateway(directory, *args, VOXWAY_ENGINES="none")
    try:
        yield started.address.split(":")[1]
    finally:
        started.stop()


def strict(ca: Path) -> ssl.SSLContext:
    """How Python 3.13 checks, whatever this one is."""
    context = ssl.create_default_context(cafile=str(ca))
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def test_a_gateway_started_with_them_is_trusted_by_its_authority(
    alone: Shell, tmp_path: Path
) -> None:
    said = alone.ok("certs", "--host", "gateway.lan")
    here = tmp_path / "certs"
    assert f"voxway serve --tls-cert {here}/cert.pem --tls-key {here}/key.pem" in said
    assert f"SSL_CERT_FILE={here}/ca.pem" in said
    assert f"NODE_EXTRA_CA_CERTS={here}/ca.pem" in said
    with serving(tmp_path, here) as port:
        trust = strict(here / "ca.pem")
        for host in ("localhost", "127.0.0.1"):
            assert httpx.get(f"https://{host}:{port}/health", verify=trust).status_code == 200
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"https://localhost:{port}/health")


def test_the_commands_of_the_page_run(alone: Shell, tmp_path: Path) -> None:
    if shutil.which("curl") is None and "CI" not in os.environ:
        pytest.skip("the page shows curl")
    made, serve, *client = BLOCK.findall(PAGE.read_text())
    assert len(client) == 2
    alone.ok(*shlex.split(made)[1:])
    assert names(tmp_path / "certs" / "cert.pem")[-2:] == ["gateway.lan", "10.0.0.7"]
    assert "--tls-cert certs/cert.pem --tls-key certs/key.pem" in serve
    with serving(tmp_path, tmp_path / "certs") as port:
        script = "".join(client).replace("localhost:8080", f"localhost:{port}")
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            env=alone.environ | {"PATH": path, "VOXWAY_API_KEY": "test-local"},
            capture_output=True,
            text=True,
            timeout=BOUND,
        )
    assert done.returncode == 0, done.stderr
    assert "has no models" in done.stderr
    assert '"status":"ok"' in done.stdout


def test_keys_are_their_owners_and_a_second_call_keeps_the_authority(
    alone: Shell, tmp_path: Path
) -> None:
    here = tmp_path / "certs"
    assert "made an authority" in alone.ok("certs", "--host", "one.example", "--days", "1")
    before = {path.name: path.read_bytes() for path in here.iterdir()}
    assert set(before) == {"ca.pem", "ca-key.pem", "cert.pem", "key.pem"}
    (here / "key.pem").chmod(0o644)
    assert "by the authority that was there" in alone.ok("certs", "--host", "two.example")
    after = {path.name: path.read_bytes() for path in here.iterdir()}
    assert {name for name in before if before[name] == after[name]} == {"ca.pem", "ca-key.pem"}
    for name in ("ca-key.pem", "key.pem"):
        assert stat.S_IMODE((here / name).stat().st_mode) == 0o600
    assert names(here / "cert.pem") == ["localhost", "127.0.0.1", "::1", "two.example"]
    left = certificate(here / "cert.pem").not_valid_after_utc - NOW
    assert 364 <= left.days <= 365


def test_a_directory_of_ones_own(alone: Shell, tmp_path: Path) -> None:
    assert "'" in alone.ok("certs", "--dir", "my certs")  # quoted for the shell
    assert (tmp_path / "my certs" / "cert.pem").exists()
    (tmp_path / "file").touch()
    assert "cannot keep certificates in " in alone.fails(2, "certs", "--dir", "file/certs")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--host", "a b"), "host 'a b' is neither a name nor an address"),
        (("--host", ""), "host '' is neither"),
        (("--host", "-x.example"), "host '-x.example' is neither"),
        (("--host", "10.0.0.0/8"), "host '10.0.0.0/8' is neither"),
        (("--days", "0"), "days 0 is outside 1-825"),
        (("--days", "826"), "days 826 is outside 1-825"),
    ],
)
def test_what_can_be_in_no_certificate(
    alone: Shell, tmp_path: Path, args: tuple[str, ...], says: str
) -> None:
    assert says in alone.fails(2, "certs", *args)
    assert not (tmp_path / "certs").exists()


def test_an_authority_that_cannot_be_used_is_not_replaced(alone: Shell, tmp_path: Path) -> None:
    old, other = make_authority(NOW - days(4000)), make_authority(NOW)
    rsa_key = rsa.generate_private_key(65537, 2048).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    cases = [
        (old.certificate_pem(), old.key_pem(), "it ended on 20"),
        (old.certificate_pem(), other.key_pem(), "do not belong together"),
        (b"none", old.key_pem(), "not PEM"),
        (other.certificate_pem(), rsa_key, "not made by this command"),
        (old.certificate_pem(), None, "ca-key.pem is not there"),
    ]
    for ca, key, says in cases:
        shutil.rmtree(tmp_path / "certs", ignore_errors=True)
        (tmp_path / "certs").mkdir()
        (tmp_path / "certs" / "ca.pem").write_bytes(ca)
        if key is not None:
            (tmp_path / "certs" / "ca-key.pem").write_bytes(key)
        line = alone.fails(2, "certs")
        assert says in line
        assert "Remove ca.pem and ca-key.pem" in line
        assert (tmp_path / "certs" / "ca.pem").read_bytes() == ca


def test_a_certificate_does_not_outlive_its_authority(alone: Shell, tmp_path: Path) -> None:
    tired = make_authority(NOW - days(3650 - 10))
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "ca.pem").write_bytes(tired.certificate_pem())
    (tmp_path / "certs" / "ca-key.pem").write_bytes(tired.key_pem())
    alone.ok("certs", "--days", "30")
    assert certificate(tmp_path / "certs" / "cert.pem").not_valid_after_utc == tired.until


def test_names_of_every_kind() -> None:
    given = ("*.example.com", "bücher.example", "fe80::1", "under_score.local")
    made = make_server(make_authority(NOW), given, NOW, NOW + days(1))
    found = made.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert [str(name.value) for name in found.value] == [
        "*.example.com",
        "xn--bcher-kva.example",
        "fe80::1",
        "under_score.local",
    ]


def test_an_authority_is_read_as_it_was_written() -> None:
    made = make_authority(NOW)
    again = read(made.certificate_pem(), made.key_pem())
    assert again.certificate == made.certificate
    assert again.key_pem() == made.key_pem()
