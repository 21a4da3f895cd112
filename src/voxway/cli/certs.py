"""`voxway certs`: files for `voxway serve --tls-cert --tls-key`, for clients that speak TLS only.

The authority is made once, so that clients which were told to trust it go on to; the gateway's own
certificate is made anew by every call.
"""

from __future__ import annotations

import datetime
import os
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from .. import config
from ..client.extras import missing
from ..errors import ConfigError

if TYPE_CHECKING:
    from .authority import Signed

OWN_NAMES = ("localhost", "127.0.0.1", "::1")
MOST_DAYS = 825  # Apple's systems take no longer ones, whoever signed them
OWNER_ONLY, EVERYBODY = 0o600, 0o644


def run(directory: str, hosts: Sequence[str], days: int) -> None:
    """Write the files and say what to do with them. Raises ConfigError."""
    if lacking := missing("cryptography"):
        raise ConfigError(f"certificates need {lacking}: pip install 'voxway[server]'")
    if not 1 <= days <= MOST_DAYS:
        raise ConfigError(f"days {days} is outside 1-{MOST_DAYS}", param="days")
    from . import authority

    here = Path(directory or Path(config.load(os.environ).data_dir, "certs")).absolute()
    names = tuple(dict.fromkeys((*OWN_NAMES, *hosts)))
    now = datetime.datetime.now(datetime.UTC)
    try:
        signer, is_new = _authority(here, now)
        end = min(now + authority.days(days), signer.until)
        server = authority.make_server(signer, names, now, end)
        here.mkdir(parents=True, exist_ok=True)
        if is_new:
            _write(here / "ca-key.pem", signer.key_pem(), OWNER_ONLY)
            _write(here / "ca.pem", signer.certificate_pem(), EVERYBODY)
        _write(here / "key.pem", server.key_pem(), OWNER_ONLY)
        _write(here / "cert.pem", server.certificate_pem(), EVERYBODY)
    except OSError as error:
        raise ConfigError(f"cannot keep certificates in {here}: {error.strerror}") from error
    typer.echo(told(here, names, server.until, is_new=is_new))


def _authority(here: Path, now: datetime.datetime) -> tuple[Signed, bool]:
    """The one that is there, or a new one, and which."""
    from . import authority

    certificate, key = here / "ca.pem", here / "ca-key.pem"
    if not certificate.exists() and not key.exists():
        return authority.make_authority(now), True
    try:
        found = authority.read(certificate.read_bytes(), key.read_bytes())
        if found.until <= now:
            raise ConfigError(f"it ended on {found.until:%Y-%m-%d}")
    except FileNotFoundError as error:
        raise _unusable(here, f"{Path(error.filename).name} is not there") from error
    except ConfigError as error:
        raise _unusable(here, error.message) from error
    return found, False


def _unusable(here: Path, why: str) -> ConfigError:
    return ConfigError(
        f"the authority in {here} cannot be used: {why}. Remove ca.pem and ca-key.pem there to "
        "have a new one, and let clients trust that"
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    """The whole file or none of it, and at no time readable by more than `mode` says."""
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name}-", delete=False
    ) as file:
        file.write(content)
    os.chmod(file.name, mode)
    os.replace(file.name, path)


def told(here: Path, names: Sequence[str], until: datetime.datetime, *, is_new: bool) -> str:
    """What was done, and what to do next."""
    ca, cert, key = (shlex.quote(str(here / name)) for name in ("ca.pem", "cert.pem", "key.pem"))
    made = "made an authority for development" if is_new else "by the authority that was there"
    return (
        f"voxway: {made}: {ca}\n"
        f"voxway: a certificate for {', '.join(names)} until {until:%Y-%m-%d}: {cert}\n"
        "\nStart the gateway with it:\n"
        f"  voxway serve --tls-cert {cert} --tls-key {key}\n"
        "\nLet a client trust it, in that client's environment only:\n"
        f"  SSL_CERT_FILE={ca}        (Python; instead of the system's authorities)\n"
        f"  NODE_EXTRA_CA_CERTS={ca}  (Node; besides them)\n"
        "\nWhoever has ca-key.pem can pose as any server to those clients."
    )
