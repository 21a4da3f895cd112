"""The request's id: the client's own or one made here, on every answer that leaves the port."""

from __future__ import annotations

import secrets
from collections.abc import MutableMapping
from typing import Any

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from ..asking import request_id_in, stamped
from ..limits import Standing, rate_headers

CLIENT_KEY = {"x-slng-auth-source": "client_key"}


def request_id_of(scope: MutableMapping[str, Any] | Scope) -> str:
    """The id that this request was given at the door."""
    state: dict[str, Any] = scope["state"]
    request_id: str = state["request_id"]
    return request_id


def mark_client_key(scope: MutableMapping[str, Any] | Scope) -> None:
    """The provider is asked with the client's own key: the answer will say so."""
    scope["state"]["client_key"] = True


def mark_standing(scope: MutableMapping[str, Any] | Scope, standing: Standing) -> None:
    """How the key stands to its rate: the answer will say so."""
    scope["state"]["standing"] = standing


class Stamped:
    """An application whose every answer carries the id, also those that its framework gives; whose
    key the provider was asked with, if it was the client's; and how many requests are left."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        request_id = request_id_in(given) or f"req_{secrets.token_hex(12)}"
        state = scope.setdefault("state", {})
        state["request_id"] = request_id

        async def stamping(message: Message) -> None:
            if message["type"] == "http.response.start":
                stamps = stamped(request_id) | (CLIENT_KEY if "client_key" in state else {})
                if "standing" in state:
                    stamps |= rate_headers(state["standing"])
                others = [h for h in message["headers"] if h[0].decode().lower() not in stamps]
                stamp = [(name.lower().encode(), value.encode()) for name, value in stamps.items()]
                message["headers"] = [*others, *stamp]
            await send(message)

        await self._app(scope, receive, stamping)
