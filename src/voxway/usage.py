"""What is kept of every session and every HTTP request: who asked for what, how much, at what cost.

Pure. While one is open its counters are all there is; `stores/usage.py` writes them down.
"""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from msgspec import Struct

from .catalog.model import Prices
from .events import Usage
from .visit import Visit

Kind = Literal["websocket", "http"]

MICRO = 1_000_000  # of what money is counted in: whole numbers add up whatever the order
LOST = "lost"  # how a session ended of which its process could not tell any more
NORMAL = (1000, 1001, 1005)  # close codes of a client that meant to go


class Opened(Struct, frozen=True, kw_only=True):
    """What is known of one when it begins. `task` is tts or stt; `asked` the model that was asked
    for, `model` the one that answers; `agent` and `tag` are the caller's own names. Without
    `prices` nobody knows what it costs."""

    id: str
    kind: Kind
    task: str
    request: str
    account: str
    opened: datetime
    key: str = ""
    organisation: str = ""
    agent: str = ""
    tag: str = ""
    asked: str = ""
    model: str = ""
    provider: str = ""
    prices: Prices | None = None


class Outcome(Struct, frozen=True):
    """How a session went: the `reason` of its end if it came to one, and the code of what went
    wrong last."""

    reason: str = ""
    failure: str = ""

    def told(self, kind: Kind, code: int) -> str:
        """In one word, for one that is over; `code` is that of the closed socket."""
        if kind == "http":  # one utterance: what went wrong was all of it
            is_mute = self.reason in ("", "client_closed")
            return self.failure if self.failure and is_mute else self.reason or "client_closed"
        return self.reason or ("client_closed" if code in NORMAL else "client_lost")


def opened(visit: Visit, id: str, kind: Kind, at: datetime) -> Opened:
    """What is known of a visit that begins now. What a client's own key pays costs nothing here."""
    found, account, asked = visit.found, visit.account, visit.asked
    return Opened(
        id=id,
        kind=kind,
        task=visit.wanted.kind,
        request=visit.request_id,
        account=account.id,
        opened=at,
        key=account.key,
        organisation=account.organisation,
        agent=asked.agent_id,
        tag=asked.session_tag,
        asked=found.asked,
        model=found.model.id,
        provider=found.model.provider,
        prices=None if found.client_key else found.model.prices,
    )


def cost(prices: Prices | None, usage: Usage) -> int | None:
    """What it costs in millionths; None if nobody knows. What was cached was paid for already."""
    if prices is None:
        return None
    characters = usage.characters - usage.cached
    total = (
        exact(prices.request)
        + exact(prices.characters) * characters / 1000
        + exact(prices.audio_in) * exact(usage.audio_in) / 60
        + exact(prices.audio_out) * exact(usage.audio_out) / 60
    )
    return int((total * MICRO).to_integral_value(ROUND_HALF_UP))


def exact(number: float) -> Decimal:
    """The decimal number that was written down."""
    return Decimal(repr(number))


def money(amount: int) -> str:
    """Millionths as people write them: with two places, or as many as it takes."""
    whole, rest = divmod(abs(amount), MICRO)
    places = f"{rest:06}".rstrip("0").ljust(2, "0")
    return f"{'-' if amount < 0 else ''}{whole}.{places}"
