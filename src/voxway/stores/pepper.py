"""The secret of an installation, and the keys that are made and known by it.

A key is `vxw_NAME_SECRET`. Its prefix `vxw_NAME` may be shown; the last characters of the secret
are a check that only the pepper's owner can make: a guess is refused without asking the database.
What is kept is a hash that is of no use to whoever has the database without the pepper.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
import string
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ..errors import ConfigError

FILE, VARIABLE = "pepper", "VOXWAY_PEPPER"
SHORTEST = 32  # characters of a pepper
ALPHABET = string.ascii_letters + string.digits  # a double click takes all of it
PREFIX, SECRET, CHECK = 8, 32, 6  # characters
KEY = re.compile(rf"(vxw_[A-Za-z0-9]{{{PREFIX}}})_[A-Za-z0-9]{{{SECRET + CHECK}}}")


class Pepper:
    """Makes keys and knows its own."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def __repr__(self) -> str:
        return "Pepper()"

    def new_key(self) -> str:
        start = f"vxw_{_random(PREFIX)}_{_random(SECRET)}"
        return start + self._check(start)

    def prefix(self, key: str) -> str | None:
        """The prefix of a key that was made here; None for all else."""
        found = KEY.fullmatch(key)
        if found is None:
            return None
        is_ours = hmac.compare_digest(self._check(key[:-CHECK]), key[-CHECK:])
        return found[1] if is_ours else None

    def hash(self, key: str) -> bytes:
        """What is kept of a key."""
        return self._mac("key", key)

    @property
    def mark(self) -> str:
        """Tells one pepper from another, and nothing about either."""
        return self._mac("mark", "").hex()[:16]

    def _check(self, start: str) -> str:
        number = int.from_bytes(self._mac("check", start)[:8])
        characters = []
        for _ in range(CHECK):
            number, digit = divmod(number, len(ALPHABET))
            characters.append(ALPHABET[digit])
        return "".join(characters)

    def _mac(self, purpose: str, text: str) -> bytes:
        return hmac.digest(self._secret, f"{purpose}\0{text}".encode(), "sha256")


def load_pepper(environ: Mapping[str, str], data_dir: Path) -> Pepper:
    """The one of this installation: of the environment, else of a file that is made once and that
    only its owner reads. Raises ConfigError."""
    if given := environ.get(VARIABLE, "").strip():
        return Pepper(_checked(given, VARIABLE))
    path = data_dir / FILE
    try:
        if not path.exists():
            _make(path)
        return Pepper(_checked(path.read_text().strip(), str(path)))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ConfigError(f"cannot use {path}: {reason}", param=VARIABLE) from error


def _checked(secret: str, where: str) -> str:
    if len(secret) < SHORTEST:
        raise ConfigError(
            f"{where}: a pepper of {len(secret)} characters is under {SHORTEST}", param=VARIABLE
        )
    return secret


def _make(path: Path) -> None:
    """All at once: of several processes that start together one makes it, and no other reads half
    of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{FILE}-")  # for its owner only
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48) + "\n")
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        os.unlink(name)


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
