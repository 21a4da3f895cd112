"""A certificate authority for development, as values: no file is touched here.

What the certificates say is what strict checkers ask for (`VERIFY_X509_STRICT`, the default since
Python 3.13) and no more: the authority signs servers' certificates, which can do nothing else.
"""

from __future__ import annotations

import datetime
import ipaddress
import re
from collections.abc import Iterable

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from ..errors import ConfigError

AUTHORITY_DAYS = 3650
SKEW = datetime.timedelta(hours=1)  # of the clocks of those who check
LABEL = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?"
NAME = re.compile(rf"(\*\.)?{LABEL}(\.{LABEL})*", re.IGNORECASE)


class Signed(Struct, frozen=True):
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def until(self) -> datetime.datetime:
        return self.certificate.not_valid_after_utc

    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def read(certificate: bytes, key: bytes) -> Signed:
    """What was written before. Raises ConfigError for what is not a pair of these."""
    try:
        found = x509.load_pem_x509_certificate(certificate)
        private = serialization.load_pem_private_key(key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"not PEM, or with a password: {error}") from error
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise ConfigError("not made by this command")
    if found.public_key() != private.public_key():
        raise ConfigError("the certificate and the key do not belong together")
    return Signed(found, private)


def make_authority(now: datetime.datetime) -> Signed:
    """A new one that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _named("voxway development CA")
    made = (
        _certificate(name, name, key.public_key(), now, now + days(AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Signed(made, key)


def make_server(
    authority: Signed, names: Iterable[str], now: datetime.datetime, end: datetime.datetime
) -> Signed:
    """A server's certificate. Raises ConfigError for what can be no host's name."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate
    by = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    made = (
        _certificate(_named("voxway"), issuer.subject, key.public_key(), now, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(by, critical=False)
        .add_extension(x509.SubjectAlternativeName(map(_host, names)), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return Signed(made, key)


def days(number: int) -> datetime.timedelta:
    return datetime.timedelta(days=number)


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime.datetime,
    end: datetime.datetime,
) -> x509.CertificateBuilder:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key)
    return (
        x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(end)
        .add_extension(identifier, critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _named(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        ascii_name = name.encode("idna").decode()
    except UnicodeError:
        ascii_name = ""
    if not NAME.fullmatch(ascii_name):
        raise ConfigError(f"host {name[:200]!r} is neither a name nor an address", param="host")
    return x509.DNSName(ascii_name)
