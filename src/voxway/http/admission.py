"""Who may make a request, how often, and how much it may send: said before the body is read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from litestar import Request
from litestar.handlers import BaseRouteHandler
from litestar.types import HTTPReceiveMessage, Receive

from ..auth import Account
from ..errors import LimitError, TooLargeError
from ..limits import KIB, Standing, Tier
from .services import Connection, Services, asking
from .stamp import mark_standing

Bound = Callable[[Tier], int]
Guard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]

# A character of JSON text takes up to twelve bytes (two escapes of a surrogate pair).
TEXT_BYTES = 12
# A second of audio in the largest form that is taken: 48 kHz, linear32 or 16 bits in stereo, and
# in base64 besides.
AUDIO_BYTES = 256_000
ROOM = 64 * KIB  # for all that surrounds the text or the audio


def text_bound(tier: Tier) -> int:
    """The largest body with a text that the tier allows."""
    return tier.http_text_chars * TEXT_BYTES + ROOM


def audio_bound(tier: Tier) -> int:
    """The largest body with audio of the length that the tier allows."""
    return round(tier.http_audio) * AUDIO_BYTES + ROOM


class Admission:
    """Guards for routes that need a key."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def account(self, connection: Connection) -> Account:
        """Whose request it is, counted. Raises AuthError or LimitError."""
        account = await self._services.account(asking(connection))
        try:
            standing = await self._services.admit(account)
        except LimitError as error:
            most = account.tier.http_requests_per_minute
            mark_standing(connection.scope, Standing(most, 0, error.retry_after or 0.0))
            raise
        mark_standing(connection.scope, standing)
        return account

    async def keyed(self, connection: Connection, _: BaseRouteHandler) -> None:
        """For a route without a body: what a key may ask about itself."""
        connection.state.account = await self.account(connection)

    def bounded(self, bound: Bound) -> Guard:
        """For a route with a body of so many bytes at most, where the gateway works."""

        async def guard(connection: Connection, _: BaseRouteHandler) -> None:
            account = connection.state.account = await self.account(connection)
            account.check("http")
            size = bound(account.tier)
            announced = connection.headers.get("content-length", "")
            if announced.isdecimal() and int(announced) > size:
                raise too_large(int(announced), size)
            assert isinstance(connection, Request)
            connection.receive = counted(connection.receive, size)

        return guard


def counted(receive: Receive, bound: int) -> Receive:
    """A body that stops where it passes its bound, whatever it announced."""
    size = 0

    async def receive_some() -> HTTPReceiveMessage:
        nonlocal size
        message = await receive()
        assert message["type"] in ("http.request", "http.disconnect")
        if message["type"] == "http.request":
            size += len(message["body"])
            if size > bound:
                raise too_large(size, bound)
        return message

    return receive_some


def too_large(size: int, bound: int) -> TooLargeError:
    """The error for a body."""
    return TooLargeError(f"body of {size} bytes is over {bound}")
