"""Who is asking: every place where a client may put its key, and whether the key is known.

Keys are held as hashes and compared in constant time. A key is never echoed: not in an answer, not
in a log, not as the subprotocol that is sent back.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from .errors import AuthError
from .limits import TIERS, Tier

SCHEMES = ("bearer", "token", "api-key")
HEADERS = ("x-api-key", "xi-api-key", "kyutai-api-key")
PARAMETERS = (
    "token",
    "api_key",
    "access_token",
    "authorization",
    "auth_id",
    "single_use_token",
    "xi-api-key",
)
# `Sec-WebSocket-Protocol: token, KEY` (browsers, Deepgram) and OpenAI's prefixed form.
KEYED_SUBPROTOCOLS = ("token", "bearer")
PREFIXED_SUBPROTOCOL = "openai-insecure-api-key."


class Credential(Struct, frozen=True):
    """A key as it came, and the subprotocol to answer with (never the key itself)."""

    key: str
    subprotocol: str | None = None


class Account(Struct, frozen=True):
    """Whom a key stands for. `id` is safe to log."""

    id: str
    tier_name: str
    tier: Tier


def find_credential(
    headers: Mapping[str, str], query: Iterable[tuple[str, str]], subprotocols: Sequence[str]
) -> Credential | None:
    """The key a request carries (white space trimmed), wherever it stands. Header names are lower
    case; headers win over the subprotocol, and that over the query."""
    scheme, _, value = headers.get("authorization", "").strip().partition(" ")
    if value.strip() and scheme.lower() in SCHEMES:
        return Credential(value.strip(), _echo(subprotocols))
    for name in HEADERS:
        if key := headers.get(name, "").strip():
            return Credential(key, _echo(subprotocols))
    for first, second in itertools.pairwise(subprotocols):
        if first.lower() in KEYED_SUBPROTOCOLS:
            return Credential(second.strip(), first)
    for offered in subprotocols:
        if offered.startswith(PREFIXED_SUBPROTOCOL):
            return Credential(offered.removeprefix(PREFIXED_SUBPROTOCOL), _echo(subprotocols))
    for name, key in query:
        if name in PARAMETERS and key.strip():
            return Credential(_bare(key.strip()), _echo(subprotocols))
    return None


class Bearer(Protocol):
    """What may carry a key: an upgrade request or an HTTP one."""

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def query(self) -> Sequence[tuple[str, str]]: ...

    @property
    def subprotocols(self) -> tuple[str, ...]: ...


def credential_of(request: Bearer) -> Credential | None:
    """The key that a request carries."""
    return find_credential(request.headers, request.query, request.subprotocols)


def _bare(value: str) -> str:
    scheme, _, rest = value.partition(" ")
    return rest.strip() if rest.strip() and scheme.lower() in SCHEMES else value


def _echo(subprotocols: Sequence[str]) -> str | None:
    """A browser fails the handshake if none of what it offered comes back."""
    first = next(iter(subprotocols), None)
    return None if first is None or first.startswith(PREFIXED_SUBPROTOCOL) else first


def digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


class Keys:
    """The keys this gateway knows."""

    def __init__(self, tiers_by_key: Mapping[str, str]) -> None:
        self._accounts = [
            (digest(key), Account(f"key-{digest(key).hex()[:8]}", tier, TIERS[tier]))
            for key, tier in tiers_by_key.items()
        ]

    def __len__(self) -> int:
        return len(self._accounts)

    def account(self, credential: Credential | None) -> Account:
        """Whose key this is. Raises AuthError that says what to do."""
        if credential is None:
            raise AuthError(
                "no API key: send it as `Authorization: Bearer KEY`, or as ?token=KEY where "
                "headers cannot be set"
            )
        given, found = digest(credential.key), None
        for known, account in self._accounts:  # all of them: time tells nothing about a match
            if hmac.compare_digest(known, given):
                found = account
        if found is None:
            raise AuthError("unknown API key")
        return found
