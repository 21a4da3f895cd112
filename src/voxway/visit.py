"""One session to be: who wants what, and which model answers."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, structs

from .asking import Asked
from .auth import Account
from .catalog import Found
from .events import Event, Usage
from .routes import Target


class Visit(Struct, frozen=True):
    """All that is known of a session before it begins. `language` is the URL's; the client is told
    of the `notices` when the session is ready."""

    wanted: Target
    found: Found
    account: Account
    request_id: str
    asked: Asked
    language: str | None = None
    context_id: str = ""
    notices: tuple[Event, ...] = ()

    def log(self, tag: str, usage: Usage) -> dict[str, Any]:
        """What the log and the usage record say about it; `tag` is the conversation's name."""
        return {
            "request": self.request_id,
            "account": self.account.id,
            "key": self.account.key,
            "organisation": self.account.organisation,
            "model": self.found.model.id,
            "asked": self.found.asked,
            "context_id": tag,
            "agent": self.asked.agent_id,
            "tag": self.asked.session_tag,
            **structs.asdict(usage),
        }
