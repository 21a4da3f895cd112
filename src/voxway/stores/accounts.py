"""Whose key it is: one of the settings, or one that was given out and is still good.

What the database said is believed for a second at most, and not of a key that was heard to have
ended. Which did, in whatever process, is asked twice a second.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import structlog
from msgspec import Struct

from ..auth import Account, Credential, Keys, Scopes, presented
from ..errors import AuthError, GatewayError
from ..limits import TIERS, Tier
from .database import reason
from .issued import Hashed, IssuedKeys, Key, NewKey

log = structlog.get_logger("voxway")

POLL = 0.5  # seconds from one question after revoked keys to the next
BELIEVED = 1.0  # seconds for which an answer of the database stands
REMEMBERED = 10_000  # answers at once
FLUSH = 5.0  # seconds that the end of the process waits
WRITTEN = 10.0  # seconds after which it is written down when keys were used
# Whoever opens a session at that moment may have looked its key up before, and a key may expire by
# a clock that is not the database's: it is told as ended for this long.
OVERLAP = timedelta(seconds=60)

Ended = Callable[[frozenset[str]], None]


class Answer(Struct, frozen=True):
    """What the database said of a prefix, and until when that stands."""

    found: Hashed | None
    until: float


class Accounts:
    """The accounts of a gateway. The keys that the settings name are asked first; `issued` are all
    others, to be changed through here if they end by it."""

    def __init__(
        self,
        issued: IssuedKeys,
        fixed: Keys,
        tiers: Mapping[str, Tier] = TIERS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.issued = issued
        self._fixed = fixed
        self._tiers = tiers
        self._clock = clock
        self._answers: OrderedDict[bytes, Answer] = OrderedDict()
        self._ended: set[str] = set()  # ids of keys, which never come back
        self._used: dict[str, datetime] = {}
        self._is_away = False

    async def account(self, credential: Credential | None) -> Account:
        """Whose key this is. Raises AuthError; GatewayError not_ready if the database is away."""
        key = presented(credential)
        if fixed := self._fixed.find(key):
            return fixed
        prefix = self.issued.prefix(key)
        if prefix is None:
            raise AuthError("unknown API key")
        hash = self.issued.hash(key)
        found = await self._find(prefix, hash)
        if found is None or not hmac.compare_digest(found.hash, hash):
            raise AuthError("unknown API key")
        return self._account(found.key)

    async def revoke(self, name: str) -> Key:
        """Let it be good for nothing, from now on."""
        revoked = await self.issued.revoke(name)
        self._ended.add(revoked.id)
        return revoked

    async def rotate(
        self, name: str, grace: timedelta = timedelta(), tier: str | None = None
    ) -> NewKey:
        """A new key in place of one, which ends now or after a while."""
        old = await self.issued.show(name)
        new = await self.issued.rotate(old.id, grace, tier)
        if not grace:
            self._ended.add(old.id)
        return new

    async def ended_within(self, seconds: float) -> frozenset[str]:
        """The ids of keys that ended in so long a time until now. For a while each is told again;
        none of them is let in here any more."""
        ended = await self.issued.ended_within(timedelta(seconds=seconds) + OVERLAP)
        self._ended |= ended
        return ended

    async def run(self, ended: Ended) -> None:
        """Tell which keys ended, and write down when keys were used, until cancelled."""
        asked = written = self._clock()
        try:
            while True:
                await asyncio.sleep(POLL)
                try:
                    now = self._clock()
                    ids = await self.ended_within(now - asked)
                    asked = now
                    if ids:
                        ended(ids)
                    if self._clock() - written >= WRITTEN:
                        written = self._clock()
                        await self.write()
                except GatewayError as error:
                    self._told(error)
                else:
                    self._told(None)
        finally:
            await self._write_last()

    async def write(self) -> None:
        """Write down when keys were used."""
        used, self._used = self._used, {}
        if not used:
            return
        try:
            await self.issued.mark_used(used)
        except GatewayError:
            self._used = used | self._used
            raise

    async def _write_last(self) -> None:
        try:
            async with asyncio.timeout(FLUSH):
                await self.write()
        except GatewayError as error:
            self._told(error)
        except TimeoutError:
            log.error("accounts away", reason="too slow")

    def _told(self, error: GatewayError | None) -> None:
        if error is not None and not self._is_away:
            log.error("accounts away", reason=reason(error))
        elif error is None and self._is_away:
            log.info("accounts back")
        self._is_away = error is not None

    async def _find(self, prefix: str, hash: bytes) -> Hashed | None:
        """By hash, of which nobody can make a second one: to find it takes no secret's time."""
        now = self._clock()
        answer = self._answers.get(hash)
        if answer is not None and now < answer.until:
            return answer.found
        found = await self.issued.find(prefix)
        self._answers[hash] = Answer(found, now + BELIEVED)
        self._answers.move_to_end(hash)
        if len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)
        return found

    def _account(self, key: Key) -> Account:
        now = datetime.now(UTC)
        status = "revoked" if key.id in self._ended else key.status_at(now)
        if status != "active":
            raise AuthError(f"this API key is {status}")
        tier = self._tiers.get(key.tier)
        if tier is None:
            log.error("a key has a tier that is not configured", key=key.id, tier=key.tier)
            raise AuthError("this API key has a tier that is not there any more", code="forbidden")
        self._used[key.id] = now
        scopes = Scopes(key.models, frozenset(key.uses))
        return Account(key.account, key.tier, tier, key.organisation, scopes, key.id)
