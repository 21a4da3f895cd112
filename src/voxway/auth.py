"""Who is asking: every place where a client may put its key, and whether the key is known.

Keys are held as hashes and compared in constant time. A key is never echoed: not in an answer, not
in a log, not as the subprotocol that is sent back.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
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


USES = {
    "tts": "speech",
    "stt": "recognition",
    "http": "HTTP",
    "admin": "the administration of keys",
}


class Scopes(Struct, frozen=True):
    """What a key is good for: models by pattern (`deepgram/*`), and uses out of `USES`."""

    models: tuple[str, ...] = ("*",)
    uses: frozenset[str] = frozenset({"tts", "stt", "http"})

    def allows(self, use: str, model: str = "") -> bool:
        """Whether it is good for this use, with this model if one is named."""
        # A provider's own name stands for whatever of its models the catalog has no id for.
        names = {model, model if "/" in model else f"{model}/"}
        return use in self.uses and (
            not model or any(fnmatchcase(n, pattern) for pattern in self.models for n in names)
        )


class Account(Struct, frozen=True):
    """Whom a key stands for. `id` is safe to log, and stays when the key is replaced; `key` is that
    of the one key, and empty for those that the settings name."""

    id: str
    tier_name: str
    tier: Tier
    organisation: str = ""
    scopes: Scopes = Scopes()
    key: str = ""

    def check(self, use: str, model: str = "") -> None:
        """Raises AuthError forbidden, saying what it is that the key is not good for."""
        if not self.scopes.allows(use):
            raise AuthError(f"this key is not good for {USES[use]}", code="forbidden")
        if not self.scopes.allows(use, model):
            message = f"this key is not good for the model {model[:200]!r}"
            raise AuthError(message, code="forbidden", param="model")


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
        if offered.startswith(PREFIXED_SUBPROTOCOL) and offered != PREFIXED_SUBPROTOCOL:
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
    """The keys that the settings name, each with its tier out of a table."""

    def __init__(self, tiers_by_key: Mapping[str, str], tiers: Mapping[str, Tier] = TIERS) -> None:
        self._accounts = [
            (digest(key), Account(f"key-{digest(key).hex()[:8]}", tier, tiers[tier]))
            for key, tier in tiers_by_key.items()
        ]

    def __len__(self) -> int:
        return len(self._accounts)

    def account(self, credential: Credential | None) -> Account:
        """Whose key this is. Raises AuthError that says what to do."""
        found = self.find(presented(credential))
        if found is None:
            raise AuthError("unknown API key")
        return found

    def find(self, key: str) -> Account | None:
        """The same, for others to go on looking where it is not known."""
        given, found = digest(key), None
        for known, account in self._accounts:  # all of them: time tells nothing about a match
            if hmac.compare_digest(known, given):
                found = account
        return found


def presented(credential: Credential | None) -> str:
    """The key that came. Raises AuthError if none did."""
    if credential is None:
        raise AuthError(
            "no API key: send it as `Authorization: Bearer KEY`, or as ?token=KEY where "
            "headers cannot be set"
        )
    return credential.key
